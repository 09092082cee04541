"""What must be true of a partition, as claims that read true when green, judged from its two manifests.

Not here: faults that all records share (`alike.py`), answers that overlap (`deltas.py`), how a claim is shown
(`components/recording.py`), the claim on the whole warehouse (`warehouse/equality.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from journey_pipeline.lake.manifest import Attempt, EventsManifest, LandingManifest
from journey_pipeline.lake.wholeness import DAMAGED
from journey_pipeline.loading.alike import TELLING_ROWS, events_differ, fields_are_filled
from journey_pipeline.loading.claim import Claim, Severity, Tolerance
from journey_pipeline.loading.deltas import columns_are_read_alike, earlier_answer_is_repeated
from journey_pipeline.model import partition_window, selection
from journey_pipeline.normalize.inspection import Overlap
from journey_pipeline.vendors.source import Stream

__all__ = ["CLAIMS", "NAMED_CLAIMS", "Claim", "Severity", "Tolerance", "claims", "claims_of", "covered"]

CLAIMS = {
    "rows_match_estimate": "The newest answer has as many rows as the vendor estimated.",
    "no_row_is_lost": "Each landed row is an event, a reject or a duplicate. The newest answer has all earlier events.",
    "rejects_are_few": "Each record of the newest answer is readable as an event.",
    "fields_are_filled": "Contact, journey, time of receipt and type are each filled in some event.",
    "events_differ": "Events have different times and different people, and few records repeat.",
    "clocks_agree": "Each event was received after it happened.",
    "every_answer_is_readable": "Each landed answer is readable.",
    "events_are_inside_window": "Each event happened in the window that was asked for, or that the answer covers.",
    "keys_are_unique": "Each event key came with one content per answer.",
    "schema_is_known": "The vendor's file has exactly the known columns.",
}

NAMED_CLAIMS = {
    "earlier_answer_is_repeated": "This answer repeats the previous answer's events from this partition's start on.",
    "columns_are_read_alike": "Each column is read from the same field as in the previous answer.",
}
"""Claims about partitions of the streams that name them."""
_JUDGES: Mapping[str, Callable[[EventsManifest, Overlap | None], Claim]] = {
    "earlier_answer_is_repeated": lambda _events, overlap: earlier_answer_is_repeated(overlap),
    "columns_are_read_alike": columns_are_read_alike,
}


ROUND_NUMBER = 1_000


def claims_of(stream: Stream) -> Mapping[str, str]:
    """The claims about each partition of a stream, and what they say."""
    return {**CLAIMS, **{name: NAMED_CLAIMS[name] for name in stream.claims}}


def claims(
    stream: Stream,
    landing: LandingManifest,
    events: EventsManifest,
    tolerance: Tolerance,
    overlap: Callable[[], Overlap | None] = lambda: None,
) -> list[Claim]:
    """All claims about one partition, in the order of `claims_of`.

    Args:
        tolerance: When a difference is normal.
        overlap: How it compares with the answer before, if that was asked earlier; called where a claim is of that.
    """
    return [
        _rows_match_estimate(landing, tolerance),
        _no_row_is_lost(events),
        _rejects_are_few(landing, events, tolerance),
        fields_are_filled(events),
        events_differ(landing, events),
        _clocks_agree(events),
        _every_answer_is_readable(landing, events),
        _events_are_inside_window(events, str(stream.reach)),
        _keys_are_unique(events, tolerance),
        _schema_is_known(events, tolerance),
        *(_JUDGES[name](events, overlap()) for name in stream.claims),
    ]


def covered(claim: Claim, by: str) -> Claim:
    """A claim about the partition whose answer covers another one, as said of that other one."""
    return replace(claim, says=f"covered by the answer of {by}: {claim.says}")


def _span(landing: LandingManifest) -> str:
    return selection(landing.key, partition_window(landing.partition))


def _rows_match_estimate(landing: LandingManifest, tolerance: Tolerance) -> Claim:
    newest = landing.active[-1]
    rows = newest.rows
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
        says += (
            ". The window had settled, so rows are missing. Pull it again with "
            f"`journey-pipeline backfill {_span(landing)} --again`"
        )
    elif abs(difference) > allowed:
        says += (
            ". The difference is above the tolerance: rows arrive late, or the estimate changed. Pull it again later"
        )
    return Claim(
        "rows_match_estimate",
        holds=not lost and abs(difference) <= allowed,
        severity=Severity.ERROR if lost else Severity.WARN,
        says=says,
        facts=facts,
    )


def _without_estimate(rows: int, *, pages: int) -> Claim:
    """Without an estimate, a round number of rows in one file looks like an unpublished limit."""
    is_round = pages == 1 and rows > 0 and rows % ROUND_NUMBER == 0
    says = "the vendor gave no estimate"
    if is_round:
        says += f", and exactly {rows:,} rows look like a limit. Ask the vendor for its limit"
    return Claim("rows_match_estimate", holds=not is_round, severity=Severity.WARN, says=says, facts={"rows": rows})


def _settled(partition: str, asked_at: datetime, after: timedelta) -> bool:
    return asked_at >= partition_window(partition).end + after


def _no_row_is_lost(events: EventsManifest) -> Claim:
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
        says += f"; the vendor's newest answer lacks {events.withdrawn:,} of the events, and they are kept"
    return Claim(
        "no_row_is_lost",
        holds=not events.unaccounted and not events.withdrawn,
        severity=Severity.ERROR if events.unaccounted else Severity.WARN,
        says=says,
        facts=facts,
    )


def _rejects_are_few(landing: LandingManifest, events: EventsManifest, tolerance: Tolerance) -> Claim:
    """Of the newest answer: where the vendor has corrected an older one, its rejects are history."""
    rejects = events.rejects_of_newest
    rows = landing.newest_in(events).rows
    says = f"{rejects:,} of {rows:,} records of the newest answer are rejects"
    if rejects:
        span = _span(landing)
        says += (
            f". `ops.rejects` has the reasons. If a newer version of this package reads them, run `journey-pipeline "
            f"normalize {span}`. If the vendor has corrected them, run `journey-pipeline backfill {span} --again`"
        )
    return Claim(
        "rejects_are_few",
        holds=not rejects,
        severity=Severity.ERROR if rejects > tolerance.rejects_share * rows or rejects >= rows else Severity.WARN,
        says=says,
        facts={"rejects": rejects, "rows": rows},
    )


def _clocks_agree(events: EventsManifest) -> Claim:
    early, longest = events.received_early, timedelta(seconds=events.longest_early_s)
    says = f"{early:,} of {events.events.rows:,} events were received before they happened"
    if early:
        says += (
            f", by up to {longest}. The vendor's clock is wrong, or its times are not UTC: ask the vendor. Until then "
            "`received_at` and `ops.lateness` are wrong by that much"
        )
    return Claim(
        "clocks_agree",
        holds=not early,
        severity=Severity.WARN,
        says=says,
        facts={"early": early, "longest_s": events.longest_early_s},
    )


def _every_answer_is_readable(landing: LandingManifest, events: EventsManifest) -> Claim:
    """The newest answer is what the partition lacks most; an older one may have had events that no newer one has."""
    aside = landing.set_aside
    newest = landing.attempts[-1]
    says = f"{len(landing.attempts) - len(aside):,} of {len(landing.attempts):,} answers are readable"
    if aside:
        says += f"; {_of_unreadable(landing, newest) if newest.unreadable else _of_older(aside[-1])}"
    gone = 0 if aside else events.kept_events + events.kept_rejects
    if gone:
        says += f"; {gone:,} records are kept of answers that are missing in the landing. Restore those from a backup"
    return Claim(
        "every_answer_is_readable",
        holds=not aside and not gone,
        severity=Severity.ERROR if newest.unreadable else Severity.WARN,
        says=says,
        facts={"answers": len(landing.attempts), "unreadable": len(aside)},
    )


def _of_unreadable(landing: LandingManifest, newest: Attempt) -> str:
    says = f"{newest.attempt} is set aside: {newest.unreadable.rstrip('.')}"
    if not newest.unreadable.startswith(DAMAGED):  # otherwise the reason says what heals it
        return says
    again = f"`journey-pipeline backfill {_span(landing)} --again`"
    return f"{says}. Restore the file from a backup, or pull it again with {again}"


def _of_older(attempt: Attempt) -> str:
    """Without what the reader advised, as a newer answer is there. Folders of the file's path may have full stops."""
    reason = attempt.unreadable
    end = reason.find(". ", max(reason.find(attempt.attempt), 0))
    why = reason[:end] if end >= 0 else reason.rstrip(".")
    return (
        f"{attempt.attempt} is set aside: {why}. A newer answer is readable, and events of this one are kept. You "
        "need not do anything; if a backup has the file as it landed, you can restore it"
    )


def _events_are_inside_window(events: EventsManifest, reach: str) -> Claim:
    outside, rows = events.outside_window, events.events.rows
    where = events.window
    if events.covers:
        where += f" and the partitions until {events.covers[-1]} that it covers"
    where = ", ".join(part for part in (where, reach) if part)
    says = f"{outside:,} of {rows:,} events happened outside of {where}; all are kept"
    none_is_inside = TELLING_ROWS <= rows <= outside
    if none_is_inside:
        says += ". The vendor answered for another time than it was asked for, or its times are not UTC: ask the vendor"
    return Claim(
        "events_are_inside_window",
        holds=outside == 0,
        severity=Severity.ERROR if none_is_inside else Severity.WARN,
        says=says,
        facts={"outside": outside},
    )


def _keys_are_unique(events: EventsManifest, tolerance: Tolerance) -> Claim:
    """A key that many records share with different content is no key: all but the last of them are in no event."""
    conflicts = events.conflicts
    is_no_key = conflicts > tolerance.rejects_share * events.events.rows and conflicts >= TELLING_ROWS
    says = f"{conflicts:,} keys came with two different contents in one answer; the last one is kept"
    if is_no_key:
        says += (
            ". These are too many for corrections: the vendor's id does not identify records any more. The landing has "
            "all of them. Report it with an example"
        )
    return Claim(
        "keys_are_unique",
        holds=conflicts == 0,
        severity=Severity.ERROR if is_no_key else Severity.WARN,
        says=says,
        facts={"conflicts": conflicts, "duplicates": events.duplicates},
    )


def _schema_is_known(events: EventsManifest, tolerance: Tolerance) -> Claim:
    unknown = ", ".join(events.unknown_columns)
    codes = sum(events.unknown_codes.values())
    respelled = ", ".join(events.respelled_columns)
    is_bad = bool(unknown) and tolerance.new_column != "keep"
    says = f"unknown columns: {unknown}; kept in properties" if unknown else "all columns are known"
    if respelled:
        says += f"; the vendor spells {respelled} differently now, and they are read as before"
    if events.unknown_codes:
        says += f"; {codes:,} events have codes without a name: {', '.join(sorted(events.unknown_codes)[:10])}"
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
