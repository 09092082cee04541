"""Whether the warehouse's two files can be opened and read, for `doctor`.

Not here: whether they hold what the lake holds (`equality.py`).
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from journey_pipeline.errors import WarehouseError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import describe, published_file, reading, warehouse_file

_SQL = "select count(*), count(distinct occurred_on) from core.journey_events"
_LOCKED = "Could not set lock"


def look_at_files(lake: Lake) -> dict[str, str]:
    """What the files of the warehouse hold, by name.

    Raises:
        WarehouseError: If one can't be opened; says which, and what heals it.
    """
    return {
        "written": _read(lake, warehouse_file(lake)),
        "published": _read(lake, published_file(lake)),
    }


def _read(lake: Lake, file: Path) -> str:
    if not file.exists():
        return f"{file} is not there yet"
    try:
        with reading(lake, file, "500MB", 1) as session:
            ((events, days),) = session.execute(_SQL).fetchall()
    except duckdb.Error as error:
        if _LOCKED in str(error):
            return f"{file} is being written"
        raise WarehouseError(f"{file} can't be read ({describe(error)}). Run `journey-pipeline rebuild`.") from error
    return f"{file} holds {events:,} events of {days:,} days"
