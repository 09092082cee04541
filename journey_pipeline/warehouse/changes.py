"""What a merge changes in `core.journey_events`, kept for the tables that are made from it day by day.

Of a day of which much changes it is enough to know which one it is: its rows in those tables are made again as a whole.
Of any other day each changed row is kept, as far as those tables look at it, so that their cost is that of the change.
Not here: what is changed (`merge.py`), what the tables make of it (`refresh.py`, `sql/increments/`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import duckdb

from journey_pipeline.warehouse.table import create_empty

ADDED, TAKEN = 1, -1

# A day is made again as a whole, however little of it changes, if more changed rows than these would be kept with it.
_MOST_KEPT = 1_000_000

# What the increments look at; `delay` is how long after the end of its own hour or day an event was received. Links are
# those from before the change until all of it is made; an event that they then leave out goes and comes again.
_KEPT = """
    rows.occurred_on,
    occurred_at,
    connection,
    stream,
    journey_id,
    journey_name,
    journey_version,
    activity_id,
    activity_name,
    activity_type,
    channel,
    action,
    is_test,
    contact_id,
    make_timestamp(epoch_us(received_at)) - own_window_end(occurred_at, partition_key) as delay,
    left_out.event_key is not null as is_left_out
"""
_LEFT_OUT = "left join core.linked_events as left_out on left_out.event_key = rows.event_key"


@dataclass(slots=True)
class Changes:
    """The days whose events change, and how.

    Attributes:
        session: With a transaction open.
        before: How many events each day had.
        small: Up to which share of them a day's changes are kept.
        whole: Days to make again as a whole.
        rows: How many rows changed, by day; a row that goes and comes again counts twice.
    """

    session: duckdb.DuckDBPyConnection
    before: dict[date, int]
    small: float
    whole: set[date] = field(default_factory=set)
    rows: dict[date, int] = field(default_factory=dict)
    _kept: int = 0

    @property
    def days(self) -> set[date]:
        """All days that changed."""
        return set(self.rows)

    @property
    def partly(self) -> set[date]:
        """The days of which each changed row is kept in the temporary table `changed`."""
        return self.days - self.whole

    def note(self, relation: str, sign: int) -> None:
        """Takes note of rows that come or go.

        Args:
            relation: An SQL relation with the rows' event columns. Rows that go must be there still.
            sign: `ADDED` or `TAKEN`.
        """
        counted = self.session.execute(f"select occurred_on, count(*) from {relation} group by all").fetchall()
        kept: list[date] = []
        for day, rows in sorted(counted):
            self.rows[day] = self.rows.get(day, 0) + rows
            is_large = self.rows[day] > self.small * self.before.get(day, 0) or self._kept + rows > _MOST_KEPT
            if is_large or day in self.whole:
                self.whole.add(day)
            else:
                self._kept += rows
                kept.append(day)
        if kept:
            self.session.execute(
                f"insert into changed select {_KEPT}, ?::bigint as change from {relation} as rows "
                f"{_LEFT_OUT} where list_contains(?, rows.occurred_on)",
                [sign, kept],
            )

    def forget_whole_days(self) -> None:
        """Drops what was kept of days before it was clear that they are made again as a whole."""
        self.session.execute("delete from changed where list_contains(?::date[], occurred_on)", [list(self.whole)])


def begin(session: duckdb.DuckDBPyConnection, small: float) -> Changes:
    """Begins to take note.

    Args:
        session: With a transaction open and nothing changed yet.
        small: Up to which share of a day's events its changes are kept.
    """
    rows = f"from core.journey_events as rows {_LEFT_OUT}"
    create_empty(session, "changed", f"select {_KEPT}, 0::bigint as change {rows}", temporary=True)
    counted = session.execute("select occurred_on, count(*) from core.journey_events group by all").fetchall()
    return Changes(session, dict(counted), small)
