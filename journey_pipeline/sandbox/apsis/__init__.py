"""APSIS One, simulated: both asynchronous event exports and the account's definitions, mounted under `/apsis`.

Not here: what happens in the world (`sandbox/world/`), what can go wrong at every
vendor (`sandbox/faults.py`).
"""

from journey_pipeline.sandbox.apsis.options import ApsisOptions
from journey_pipeline.sandbox.apsis.simulator import ApsisSimulator
from journey_pipeline.sandbox.registry import Showcase, Vendor

VENDOR = Vendor(
    ApsisOptions,
    ApsisSimulator,
    showcase=(
        Showcase(
            "What happened to e-mails (APSIS One)",
            """
            select
                journey_name as "e-mail",
                sum(events) filter (where action = 'send')::bigint as sent,
                sum(events) filter (where action = 'deliver')::bigint as delivered,
                sum(events) filter (where action = 'open')::bigint as opened,
                sum(events) filter (where action = 'click')::bigint as clicked,
                sum(events) filter (where action = 'bounce')::bigint as bounced
            from marts.journey_daily
            where connection = 'apsis' and channel = 'email'
            group by journey_name
            order by sent desc nulls last
            limit 5
            """,
        ),
    ),
)
