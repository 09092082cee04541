"""A glance at an events file that holds nothing of a person: counts by journey and action.

Not here: queries of the warehouse (`warehouse/query.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from journey_pipeline.lake.layout import Lake
from journey_pipeline.model import StreamKey

_NAMES = ("journey_name", "channel", "action", "events")
_STATEMENT = """
    select coalesce(journey_name, '') as journey_name, channel, action, count(*) as events
    from read_parquet(?)
    group by all
    order by events desc, journey_name, channel, action
    limit ?
"""


@dataclass(frozen=True, slots=True)
class Previews:
    """Previews of one lake's files, in one session: opening one takes longer than a preview."""

    lake: Lake
    session: duckdb.DuckDBPyConnection

    def of(self, key: StreamKey, partition: str, rows: int = 8) -> list[dict[str, str | int]]:
        """The commonest combinations of journey, channel and action in a partition's events.

        Args:
            key: Its stream.
            partition: Its partition.
            rows: How many combinations at most.

        Returns:
            Rows of `journey_name`, `channel`, `action` and `events`, the commonest first.
        """
        found = self.session.execute(_STATEMENT, [str(self.lake.events_file(key, partition)), rows]).fetchall()
        return [dict(zip(_NAMES, row, strict=True)) for row in found]


@contextmanager
def previewing(lake: Lake) -> Iterator[Previews]:
    """A session that previews are read in."""
    with duckdb.connect(config={"threads": 1}) as session:
        yield Previews(lake, session)
