"""Makes the present of Python's processes pass faster: what Dagster and the pipeline call now, not how long waits take.

Python imports a module of this name as it starts; `PYTHONPATH` names this folder. Sleeps and time-outs of connections
stay real, since the machine is no faster.
"""

import logging
import os
import time
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster import _time as dagster_time

from journey_pipeline import settings

BEGINS, SPEED = map(float, os.environ["FAST_CLOCK"].split())
START_TIMEOUT_S = 180.0


def timestamp() -> float:
    """The present in seconds: real until the clock begins to be fast."""
    now = time.time()
    return now + max(0.0, now - BEGINS) * (SPEED - 1)


def present() -> datetime:
    """The same as a time."""
    return datetime.fromtimestamp(timestamp(), UTC)


def record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    """A line of a log, from which Dagster takes the time of an event."""
    made = logging.LogRecord(*args, **kwargs)
    made.created = timestamp()
    return made


logging.setLogRecordFactory(record)
vars(dagster_time)["_mockable_get_current_datetime"] = present
vars(dagster_time)["_mockable_get_current_timestamp"] = timestamp
settings.utc_now = present
# Dagster takes a run that has not started after so long for lost: a time-out of the machine, told by the fast clock.
dg.DagsterInstance.run_monitoring_start_timeout_seconds = START_TIMEOUT_S * SPEED  # type: ignore[assignment,method-assign]
