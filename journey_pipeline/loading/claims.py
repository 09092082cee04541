"""What must be true of a partition, as claims that read true when green, judged from its two manifests.

Not here: how a claim is shown (`components/checks.py`), the claim on the whole warehouse (`warehouse/equality.py`).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from journey_pipeline.lake.manifest import EventsManifest, LandingManifest
from journey_pipeline.lake.overlap import Overlap
from journey_pipeline.model import partition_window
from journey_pipeline.vendors.source import OpenEnded, Stream


class Severity(enum.Enum):
    """How bad a claim is that does not hold: loss is an error, drift a warning."""

    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim about one partition.

    Attributes:
        name: The claim, a sentence in snake case.
        holds: Whether it is true.
        severity: How bad it is if not.
        says: One sentence with the figures, and what to do where it does not hold.
        facts: The figures.
    """

    name: str
    holds: bool
    severity: Severity
    says: str
    facts: Mapping[str, int | float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """When a difference is normal.

    Attributes:
        rows_share: A difference to the estimate of up to this share passes, since late rows are normal.
        rows: A difference of up to so many rows passes too.
        settled_after: So long after its end a window has settled, and fewer rows than the estimate are a loss.
        new_column: What a column that the recipe does not know means: `keep`, `warn` or `stop`.
        rejects_share: Above this share of an answer rejects are an error; the first one is a warning.
    """

    rows_share: float = 0.01
    rows: int = 5
    settled_after: timedelta = timedelta(hours=6)
    new_column: str = "warn"
    rejects_share: float = 0.01


CLAIMS = {
    "rows_match_estimate": "The newest answer has as many rows as the vendor said the window holds.",
    "no_row_is_lost": "Every landed row is an event, a reject or a duplicate; no answer lacks what an older one had.",
    "rejects_are_few": "Every record of the newest answer could be read as an event.",
    "fields_are_filled": "Some events at least have a contact, a time of receipt and a step of a known type.",
    "clocks_agree": "No event was received before it happened.",
    "every_answer_is_readable": "Events could be made of every answer that landed.",
    "events_are_inside_window": "Every event happened inside the partition's window.",
    "keys_are_unique": "No two records of one answer claim to be the same event with different content.",
    "schema_is_known": "The vendor's file has the columns that are known, and no others.",
}

OPEN_ENDED_CLAIMS = {
    **CLAIMS,
    "no_row_is_lost": "Every landed row is an event, a reject or a duplicate.",
    "events_are_inside_window": "Every event happened between the furthest that an answer reaches back and its asking.",
    "earlier_answer_is_repeated": "What the answer before had since this partition's start, this answer has too.",
}


ROUND_NUMBER = 1_000
TELLING_ROWS = 10  # of fewer events, all may lack a field by chance


def claims_of(stream: Stream) -> Mapping[str, str]:
    """The claims about each partition of a stream, and what they say."""
    return OPEN_ENDED_CLAIMS if stream.open_ended else CLAIMS


def claims(
    landing: LandingManifest,
    events: EventsManifest,
    tolerance: Tolerance,
    open_ended: OpenEnded | None = None,
    overlap: Overlap | None = None,
) -> list[Claim]:
    """All claims about one partition, in the order of `claims_of`.

    Args:
        landing: Its answers.
        events: Its events.
        tolerance: When a difference is normal.
        open_ended: If its stream's answers overlap.
        overlap: Then: how it compares with the answer before, if that was asked earlier.
    """
    judged = [
        _rows_match_estimate(landing, tolerance),
        _no_row_is_lost(events, moving=open_ended is not None),
        _rejects_are_few(landing, events, tolerance),
        _fields_are_filled(events),
        _clocks_agree(events),
        _every_answer_is_readable(landing),
        _events_are_inside_window(events, open_ended),
        _keys_are_unique(events),
        _schema_is_known(events, tolerance),
    ]
    return [*judged, _earlier_answer_is_repeated(overlap)] if open_ended else judged


def covered(claim: Claim, by: str) -> Claim:
    """A claim about the partition whose answer covers another one, as said of that other one."""
    return replace(claim, says=f"covered by the answer of {by}: {claim.says}")


def _rows_match_estimate(landing: LandingManifest, tolerance: Tolerance) -> Claim:
    newest = landing.active[-1]
    rows = sum(file.rows for file in newest.files)
    estimate = newest.estimate_rows
    if estimate is None:
        return _without_estimate(rows, pages=len(newest.files))
    difference = rows - estimate
    settled = _settled(landing.partition, newest.started_at, tolerance.settled_after)
    lost = settled and difference < 0
    allowed = max(tolerance.rows, tolerance.rows_share * estimate)
    facts: dict[str, int | float | str] = {"rows": rows, "estimate": estimate, "difference": difference}
    says = f"{rows:,} rows, {estimate:,} estimated"
    if lost:
        says += ". The window had settled, so rows are missing: pull it again with `journey-pipeline backfill --again`"
    elif abs(difference) > allowed:
        says += ". Beyond tolerance: late rows are on their way, or the estimate has drifted. Pull it again later"
    return Claim(
        "rows_match_estimate",
        holds=not lost and abs(difference) <= allowed,
        severity=Severity.ERROR if lost else Severity.WARN,
        says=says,
        facts=facts,
    )


def _without_estimate(rows: int, *, pages: int) -> Claim:
    """Nothing to compare with: only a round number in one piece looks like a limit that nobody published."""
    is_round = pages == 1 and rows > 0 and rows % ROUND_NUMBER == 0
    says = "the vendor gave no estimate"
    if is_round:
        says += f", and exactly {rows:,} rows look as if it gave no more than that. Ask the vendor for its limit"
    return Claim("rows_match_estimate", holds=not is_round, severity=Severity.WARN, says=says, facts={"rows": rows})


def _settled(partition: str, asked_at: datetime, after: timedelta) -> bool:
    return asked_at >= partition_window(partition).end + after


def _no_row_is_lost(events: EventsManifest, *, moving: bool) -> Claim:
    """Of answers whose reach moves with their asking, a newer one lacks what an older one had: that is no loss."""
    rejects = (events.rejects.rows if events.rejects else 0) - events.kept_rejects
    made = events.events.rows - events.kept_events
    facts: dict[str, int | float | str] = {
        "landed": events.landed,
        "events": made,
        "rejects": rejects,
        "duplicates": events.duplicates,
        "withdrawn": events.withdrawn,
        "unaccounted": events.unaccounted,
    }
    says = f"{events.landed:,} landed = {made:,} events + {rejects:,} rejects + {events.duplicates:,} duplicates"
    if events.unaccounted:
        says += f", {events.unaccounted:,} unaccounted for. Report it with the landing's manifest; the landing is whole"
    elif events.withdrawn:
        says += f"; {events.withdrawn:,} of them are no longer in the vendor's newest answer, and kept"
    return Claim(
        "no_row_is_lost",
        holds=not events.unaccounted and (moving or not events.withdrawn),
        severity=Severity.ERROR if events.unaccounted else Severity.WARN,
        says=says,
        facts=facts,
    )


def _rejects_are_few(landing: LandingManifest, events: EventsManifest, tolerance: Tolerance) -> Claim:
    """Of the newest answer: where the vendor has corrected an older one, its rejects are history."""
    rejects = events.rejects_of_newest
    newest = next((one for one in landing.attempts if one.attempt == events.attempts[-1]), landing.attempts[-1])
    rows = sum(file.rows for file in newest.files)
    says = f"{rejects:,} of {rows:,} records of the newest answer are rejects"
    if rejects:
        says += (
            ". Ask `ops.rejects` for their reasons; they become events by `journey-pipeline normalize` once this "
            "package can read them, or by `journey-pipeline backfill --again` once the vendor has mended them"
        )
    return Claim(
        "rejects_are_few",
        holds=not rejects,
        severity=Severity.ERROR if rejects > tolerance.rejects_share * rows or rejects >= rows else Severity.WARN,
        says=says,
        facts={"rejects": rejects, "rows": rows},
    )


def _fields_are_filled(events: EventsManifest) -> Claim:
    """A field that all events lack was shifted, renamed or written another way by the vendor."""
    rows = events.events.rows
    types = sum(count for code, count in events.unknown_codes.items() if code.startswith("activity_type="))
    lacking = {**events.lacking, "activity_type": types + events.lacking.get("activity_type", 0)}
    empty = [column for column, count in lacking.items() if rows and count >= rows]
    says = (
        f"none of {rows:,} events has {' or '.join(empty)}" if empty else f"no field is empty in all of {rows:,} events"
    )
    if empty:
        says += (
            " that can be read. Compare the landed file with the vendor's documentation: a column was renamed, moved "
            "or is written another way. What came is in `properties`"
        )
    return Claim(
        "fields_are_filled",
        holds=not empty,
        severity=Severity.ERROR if rows >= TELLING_ROWS else Severity.WARN,
        says=says,
        facts={f"without_{column}": count for column, count in lacking.items()},
    )


def _clocks_agree(events: EventsManifest) -> Claim:
    early, longest = events.received_early, timedelta(seconds=events.longest_early_s)
    says = f"{early:,} of {events.events.rows:,} events were received before they happened"
    if early:
        says += (
            f", by up to {longest}. A clock of the vendor is wrong or its zone is not UTC: ask the vendor. Until then "
            "take `received_at` and `ops.lateness` for wrong by as much"
        )
    return Claim(
        "clocks_agree",
        holds=not early,
        severity=Severity.WARN,
        says=says,
        facts={"early": early, "longest_s": events.longest_early_s},
    )


def _every_answer_is_readable(landing: LandingManifest) -> Claim:
    """The newest answer is what the partition lacks most; an older one may have had events that no newer one has."""
    aside = landing.set_aside
    newest = landing.attempts[-1]
    says = f"{len(landing.attempts) - len(aside):,} of {len(landing.attempts):,} answers are readable"
    if aside:
        worst = newest if newest.unreadable else aside[-1]
        says += f"; {worst.attempt} is set aside: {worst.unreadable}"
    return Claim(
        "every_answer_is_readable",
        holds=not aside,
        severity=Severity.ERROR if newest.unreadable else Severity.WARN,
        says=says,
        facts={"answers": len(landing.attempts), "unreadable": len(aside)},
    )


def _events_are_inside_window(events: EventsManifest, open_ended: OpenEnded | None) -> Claim:
    outside = events.outside_window
    where = events.window
    if open_ended:
        where += f", {open_ended.reach.days} days before it and the time up to the asking"
    return Claim(
        "events_are_inside_window",
        holds=outside == 0,
        severity=Severity.WARN,
        says=f"{outside:,} of {events.events.rows:,} events happened outside of {where}; all are kept",
        facts={"outside": outside},
    )


def _earlier_answer_is_repeated(overlap: Overlap | None) -> Claim:
    name, severity = "earlier_answer_is_repeated", Severity.WARN
    if overlap is None:
        return Claim(name, holds=True, severity=severity, says="no answer of the partition before was asked earlier")
    says = f"{overlap.lacking:,} of {overlap.shared:,} events that {overlap.earlier} has from here on are lacking"
    if overlap.lacking:
        says += ": the vendor changed them or took them back, or an answer was cut. All are kept; pull this one again"
    facts: dict[str, int | float | str] = {
        "earlier": overlap.earlier,
        "shared": overlap.shared,
        "lacking": overlap.lacking,
    }
    return Claim(name, holds=not overlap.lacking, severity=severity, says=says, facts=facts)


def _keys_are_unique(events: EventsManifest) -> Claim:
    return Claim(
        "keys_are_unique",
        holds=events.conflicts == 0,
        severity=Severity.WARN,
        says=f"{events.conflicts:,} keys came with two different contents in one answer; the last one is kept",
        facts={"conflicts": events.conflicts, "duplicates": events.duplicates},
    )


def _schema_is_known(events: EventsManifest, tolerance: Tolerance) -> Claim:
    unknown = ", ".join(events.unknown_columns)
    codes = sum(events.unknown_codes.values())
    respelled = ", ".join(events.respelled_columns)
    is_bad = bool(unknown) and tolerance.new_column != "keep"
    says = f"unknown columns: {unknown}; kept in properties" if unknown else "all columns are known"
    if respelled:
        says += f"; the vendor writes {respelled} otherwise than it did, and they are read all the same"
    if events.unknown_codes:
        says += f"; {codes:,} events carry codes that no table decodes: {', '.join(sorted(events.unknown_codes)[:10])}"
    return Claim(
        "schema_is_known",
        holds=not is_bad and not respelled,
        severity=Severity.ERROR if is_bad and tolerance.new_column == "stop" else Severity.WARN,
        says=says,
        facts={
            "unknown_columns": unknown,
            "respelled_columns": respelled,
            "missing_columns": ", ".join(events.missing_columns),
            "unknown_codes": codes,
        },
    )
