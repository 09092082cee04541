"""What Dagster's daemon does for one connection, without its minutes of waiting: ticks of a sensor, and its runs.

Not here: how it is started and killed (`commands.py`).
"""

from __future__ import annotations

import time
from typing import Any

import dagster as dg

from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.components.instance import open_instance
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.turns import listed
from journey_pipeline.settings import ledger_url

COMMAND = "daemon"
LONGEST_S = 8.0
BETWEEN_TICKS_S = 0.2


def tick(instance: dg.DagsterInstance, definitions: dg.Definitions, sensor: str, cursor: str | None = None) -> Any:
    """One tick of a sensor, with what it records and the runs that it starts; gives what it found."""
    repository = definitions.get_repository_def()
    with dg.build_sensor_context(instance=instance, repository_def=repository, cursor=cursor) as context:
        found = repository.get_sensor_def(sensor).evaluate_tick(context)
    for event in found.asset_events:
        instance.report_runless_asset_event(event)
    for asked in found.run_requests or ():
        definitions.resolve_job_def(asked.job_name).execute_in_process(
            instance=instance, run_config=asked.run_config, tags=dict(asked.tags), raise_on_error=False
        )
    return found


def main(connection: str) -> int:
    """Ticks until no export of a connection is under way, or for some seconds."""
    begun, cursor = time.monotonic(), None
    with open_instance() as instance:
        definitions = load_deployment().definitions
        while time.monotonic() - begun < LONGEST_S:
            cursor = tick(instance, definitions, f"{connection}_exports", cursor).cursor
            with open_ledger(ledger_url()) as ledger:
                if not listed(ledger, connection=connection):
                    break
            time.sleep(BETWEEN_TICKS_S)
    return 0
