"""What an events file holds, looked up after it was written: its span of time, strays, codes that nothing decodes.

Not here: the judgement whether that is good (`loading/`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from journey_pipeline.lake.codes import CodeTable
from journey_pipeline.lake.session import Session
from journey_pipeline.model import CLOCK_DIFFERENCE, EVENT_COLUMNS, Window

# A shifted column would make every value a code; the manifest is no place for those.
MOST_CODES = 50
LONGEST_CODE = 60


@dataclass(frozen=True, slots=True)
class Inspection:
    """Facts about an events file.

    Attributes:
        first_at: The least `occurred_at`, None if there are no events.
        last_at: The greatest.
        outside_window: Events whose time is not in the window.
        received_early: Events that were received more than `CLOCK_DIFFERENCE` before they happened.
        longest_early_s: By how many seconds the worst of them was.
        one_contact: Whether all events are of one contact.
        lacking: Events without a value, by column.
        unknown_codes: Events with a code that no table has, by `column=value`; past the commonest, `column=*`.
    """

    first_at: datetime | None
    last_at: datetime | None
    outside_window: int
    received_early: int
    longest_early_s: int
    one_contact: bool
    lacking: dict[str, int]
    unknown_codes: dict[str, int]


def inspect_events(
    session: Session,
    events: Path,
    window: Window,
    codes: Sequence[CodeTable],
    *,
    by_arrival: bool = False,
    filled: Sequence[str] = (),
) -> Inspection:
    """Looks at an events file.

    Args:
        session: Where it runs.
        events: The file.
        window: Where they should lie in time.
        codes: The recipe's code tables.
        by_arrival: Whether it is enough that they arrived inside the window.
        filled: Columns that every event should have.
    """
    times = ("occurred_at", "received_at") if by_arrival else ("occurred_at",)
    inside = " or ".join(f"coalesce({time} >= $2 and {time} < $3, false)" for time in times)
    early = "(epoch_us(occurred_at) - epoch_us(received_at)) // 1000000"
    lacking = "".join(f", count(*) - count({column})" for column in filled)
    first_at, last_at, outside, received_early, longest_early_s, one_contact, *counts = session.one(
        f"select min(occurred_at), max(occurred_at), count(*) filter (not ({inside})), "
        f"count(*) filter ({early} > $4), coalesce(max({early}) filter ({early} > $4), 0), "
        f"coalesce(min(contact_id) = max(contact_id) and count(contact_id) = count(*), false){lacking} "
        "from read_parquet($1)",
        [str(events), window.start, window.end, CLOCK_DIFFERENCE.total_seconds()],
    )
    unknown = {key: count for table in codes for key, count in _unknown(session, events, table).items()}
    return Inspection(
        first_at,
        last_at,
        outside,
        received_early,
        longest_early_s,
        one_contact,
        dict(zip(filled, counts, strict=True)),
        dict(sorted(unknown.items())),
    )


def rejects_of(session: Session, rejects: Path, attempt: str) -> int:
    """How many of some rejects are records of an attempt."""
    return session.count(
        "select count(*) from read_parquet(?) where split_part(landing_file, '/', 2) = ?", [str(rejects), attempt]
    )


def _unknown(session: Session, events: Path, table: CodeTable) -> dict[str, int]:
    column = table.code_column
    if column not in {event_column.name for event_column in EVENT_COLUMNS}:
        return {}
    used = session.connection.execute(
        f"select {column}, count(*) as events from read_parquet(?) where {column} is not null group by {column} "
        f"order by events desc, {column}",
        [str(events)],
    ).fetchall()
    rows = [(f"{column}={value[:LONGEST_CODE]}", count) for value, count in used if not table.has(value)]
    unknown: Counter[str] = Counter()
    for code, count in rows[:MOST_CODES]:
        unknown[code] += count
    if rest := sum(count for _, count in rows[MOST_CODES:]):
        unknown[f"{column}=*"] = rest
    return unknown
