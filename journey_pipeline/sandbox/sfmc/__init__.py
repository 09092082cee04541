"""Salesforce Marketing Cloud, simulated: token, journey history and the journey list, mounted under `/sfmc`.

Not here: what happens in the world (`sandbox/world/`), what can go wrong at every
vendor (`sandbox/faults.py`).
"""

from journey_pipeline.sandbox.registry import Showcase, Vendor
from journey_pipeline.sandbox.sfmc.options import SfmcOptions
from journey_pipeline.sandbox.sfmc.simulator import SfmcSimulator

VENDOR = Vendor(
    SfmcOptions,
    SfmcSimulator,
    showcase=(
        Showcase(
            "What each journey did (Salesforce)",
            """
            select
                journey_name as journey,
                sum(events) filter (where action = 'enter')::bigint as entered,
                sum(events) filter (where action = 'send')::bigint as sent,
                sum(events) filter (where action in ('fail', 'suppress'))::bigint as failed,
                sum(events) filter (where action = 'exit')::bigint as "left",
                sum(events)::bigint as events
            from marts.journey_daily
            where connection = 'sfmc'
            group by journey_name
            order by events desc
            limit 5
            """,
        ),
    ),
)
