"""Claims on faults that all records of a partition share: each alone looks right, and only together do they tell.

Not here: the claims on records one by one (`checks.py`).
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from journey_pipeline.lake.manifest import EventsManifest, LandingManifest
from journey_pipeline.loading.claim import Claim, Severity

TELLING_ROWS = 10  # of fewer events, all may lack a field by chance
MANY_ROWS = 100  # of fewer, all may be of one person or of one second by chance
MOST_REPEATS = 10  # records for each event; retries of a source repeat one twice or thrice


def fields_are_filled(events: EventsManifest) -> Claim:
    """A field that all events lack was shifted, renamed or written another way by the vendor."""
    rows = events.events.rows
    unknown = Counter[str]()
    for code, count in events.unknown_codes.items():
        unknown[code.partition("=")[0]] += count
    lacking = {column: count + unknown[column] for column, count in events.lacking.items()}
    empty = [column for column, count in lacking.items() if rows and count >= rows]
    says = (
        f"{' and '.join(empty)} can't be read in any of {rows:,} events"
        if empty
        else f"{rows:,} events have all fields"
    )
    if empty:
        says += (
            ". Compare the landed file with the vendor's documentation: a column was renamed, moved or has another "
            "format. The unread values are in `properties`"
        )
    return Claim(
        "fields_are_filled",
        holds=not empty,
        severity=Severity.ERROR if rows >= TELLING_ROWS else Severity.WARN,
        says=says,
        facts={f"without_{column}": count for column, count in lacking.items()},
    )


def events_differ(landing: LandingManifest, events: EventsManifest) -> Claim:
    """Records that all are one event lose what told them apart: that is an error. The rest may be a quiet hour."""
    rows = events.events.rows
    rejects = events.rejects.rows if events.rejects else 0
    records = landing.newest_in(events).rows
    collapsed = records >= TELLING_ROWS and (rows + rejects) * MOST_REPEATS <= records
    found = [f"{records:,} records are {rows + rejects:,} events"] if collapsed else []
    first, last = events.first_at, events.last_at
    if rows >= MANY_ROWS and first and last and last - first < timedelta(seconds=1):
        found.append(f"all {rows:,} events happened at {first:%Y-%m-%d %H:%M:%S} UTC")
    if rows >= MANY_ROWS and events.one_contact:
        found.append(f"all {rows:,} events are of one person")
    says = " and ".join(found) or f"{rows:,} events differ"
    if found:
        says += (
            ". Look at the landed file: the vendor may have filled a column with one value. The landing has all records"
        )
    return Claim(
        "events_differ",
        holds=not found,
        severity=Severity.ERROR if collapsed else Severity.WARN,
        says=says,
        facts={"records": records, "events": rows},
    )
