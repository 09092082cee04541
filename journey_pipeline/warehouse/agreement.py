"""How far two streams agree that tell of the same things, day by day, for whoever judges it.

Not here: the figures themselves (`relink.py`), what is done about them (`components/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import WarehouseSettings, naming_failures, reading, warehouse_file
from journey_pipeline.warehouse.lock import writer_lock

_DEFAULTS = WarehouseSettings()

# Only days that both streams surely have as a whole: all of a day's partitions are loaded, and their files end at the
# vendor's windows, so that the first and the last day of either may be a few events of another day's file.
_SQL = """
with partitions as (
    select distinct
        connection,
        stream,
        unnest(list_prepend(partition_key, coalesce(covers, []))) as partition_key
    from internal.files
),

loaded as (
    select
        connection,
        stream,
        left(partition_key, length('2026-11-01'))::date as occurred_on
    from partitions
    group by all
    having sum(case when length(partition_key) > length('2026-11-01') then 1 else 24 end) >= 24
),

told as (
    select
        *,
        min(occurred_on) filter (in_both + only_in_stream > 0) over pair as stream_from,
        max(occurred_on) filter (in_both + only_in_stream > 0) over pair as stream_to,
        min(occurred_on) filter (in_both + only_in_twin > 0) over pair as twin_from,
        max(occurred_on) filter (in_both + only_in_twin > 0) over pair as twin_to
    from ops.agreement
    window pair as (partition by connection, stream)
)
select
    connection,
    stream,
    twin_stream,
    occurred_on,
    in_both,
    only_in_stream,
    only_in_twin
from told
semi join loaded using (connection, stream, occurred_on)
semi join loaded as of_twin
    on of_twin.connection = told.connection
        and of_twin.stream = told.twin_stream
        and of_twin.occurred_on = told.occurred_on
where occurred_on > stream_from
    and occurred_on > twin_from
    and occurred_on < stream_to
    and occurred_on < twin_to
    and occurred_on >= least(stream_to, twin_to) - $days::integer
order by all
"""


@dataclass(frozen=True, slots=True)
class AgreementTolerance:
    """When a difference between two streams is normal.

    Attributes:
        share: On no day more than this share of the events is in only one of them,
        events: or they are so few.
        days: So many days are looked at, back from the last one that both have.
    """

    share: float = 0.05
    events: int = 5
    days: int = 28


@dataclass(frozen=True, slots=True)
class DayOfBoth:
    """A day's events of a stream and its twin; as in `ops.agreement`."""

    occurred_on: date
    in_both: int
    only_in_stream: int
    only_in_twin: int

    @property
    def only_in_one(self) -> int:
        """Events that one of them lacks."""
        return self.only_in_stream + self.only_in_twin

    def is_within(self, tolerance: AgreementTolerance) -> bool:
        """Whether the difference is normal."""
        events = self.in_both + self.only_in_one
        return self.only_in_one <= max(tolerance.events, tolerance.share * events)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a stream and its twin agree.

    Attributes:
        connection: The configured account.
        stream: The stream.
        twin_stream: The stream in which marts count what both tell of.
        days: Oldest first.
    """

    connection: str
    stream: str
    twin_stream: str
    days: Sequence[DayOfBoth]

    def apart(self, tolerance: AgreementTolerance) -> list[DayOfBoth]:
        """The days on which the difference is not normal."""
        return [day for day in self.days if not day.is_within(tolerance)]


def read_agreements(
    lake: Lake, tolerance: AgreementTolerance, settings: WarehouseSettings = _DEFAULTS
) -> list[Agreement]:
    """How far all pairs of streams agree that the warehouse has at least one whole day of.

    Args:
        lake: Whose warehouse.
        tolerance: How far back to look.
        settings: What it may use.

    Raises:
        WarehouseError: If it can't be read, or another process keeps writing.
    """
    attempt = naming_failures("reading how far streams agree", "run `journey-pipeline sync`")
    with (
        writer_lock(lake, settings.lock_wait_s),
        attempt,
        reading(lake, warehouse_file(lake), settings.memory, threads=1) as session,
    ):
        rows = session.execute(_SQL, {"days": tolerance.days}).fetchall()
    return [
        Agreement(connection, stream, twin_stream, [DayOfBoth(*row[3:]) for row in days])
        for (connection, stream, twin_stream), days in groupby(rows, lambda row: row[:3])
    ]
