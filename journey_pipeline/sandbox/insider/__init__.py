"""Insider, simulated: the raw export with its webhook call, the file host behind it, mounted under `/insider`.

Not here: what happens in the world (`sandbox/world/`), what can go wrong at every vendor (`sandbox/faults.py`).
"""

from journey_pipeline.sandbox.insider.options import InsiderOptions
from journey_pipeline.sandbox.insider.simulator import InsiderSimulator
from journey_pipeline.sandbox.registry import Showcase, Vendor

VENDOR = Vendor(
    InsiderOptions,
    InsiderSimulator,
    showcase=(
        Showcase(
            "What people did in journeys (Insider)",
            """
            select
                coalesce(journey_name, journey_id) as journey,
                sum(events) filter (where action = 'enter')::bigint as entered,
                sum(events) filter (where action = 'send')::bigint as sent,
                sum(events) filter (where action = 'open')::bigint as opened,
                sum(events) filter (where action = 'click')::bigint as clicked,
                sum(events) filter (where action = 'exit')::bigint as "left"
            from marts.journey_daily
            where connection = 'insider'
            group by all
            order by entered desc nulls last
            limit 5
            """,
        ),
    ),
)
