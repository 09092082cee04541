"""LayerFive, simulated: customer journey details in all the shapes that they may have, mounted under `/layerfive`.

Not here: what happens in the world (`sandbox/world/visits.py`), what can go wrong at every
vendor (`sandbox/faults.py`).
"""

from journey_pipeline.sandbox.layerfive.options import LayerFiveOptions
from journey_pipeline.sandbox.layerfive.simulator import LayerFiveSimulator
from journey_pipeline.sandbox.registry import Showcase, Vendor

VENDOR = Vendor(
    LayerFiveOptions,
    LayerFiveSimulator,
    showcase=(
        Showcase(
            "Where people came from (LayerFive)",
            """
            select
                channel,
                count(*) filter (where action = 'visit') as visits,
                count(*) filter (where action = 'click') as clicks,
                count(*) filter (where action = 'convert') as purchases,
                count(distinct contact_id) as people
            from core.journey_events
            where connection = 'layerfive'
            group by channel
            order by visits desc
            """,
        ),
    ),
)
