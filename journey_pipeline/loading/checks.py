"""Checks of a partition, as sentences that are true when green, judged from its two manifests.

Not here: how a claim is shown (`components/recording.py`), the comparison of overlapping answers
(`normalize/inspection.py`), the claim on the whole warehouse (`warehouse/equality.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NamedTuple

from journey_pipeline.lake.manifest import DAMAGED, Attempt, EventsManifest, LandingManifest
from journey_pipeline.loading.claims import Claim, Facts, Severity, Tolerance
from journey_pipeline.model import partition_window, selection
from journey_pipeline.normalize.inspection import Overlap
from journey_pipeline.vendors.source import Stream

ROUND_NUMBER = 1_000
TELLING_ROWS = 10  # of fewer events, all may lack a field by chance
MANY_ROWS = 100  # of fewer, all may be of one person or of one second by chance
MOST_REPEATS = 10  # records for each event; retries of a source repeat one twice or thrice
NARROW_SHARE = 0.2  # of an answer's people; a merge or an erasure at the vendor takes fewer of them
TELLING_PEOPLE = 5


_SEVERITY = {False: Severity.WARN, True: Severity.ERROR}


class _Judged(NamedTuple):
    """Whether a claim holds; what it says, with which figures; and whether it is an error where it does not hold."""

    holds: bool
    says: str
    facts: Facts
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class _Partition:
    """The facts by which claims are judged."""

    stream: Stream
    landing: LandingManifest
    events: EventsManifest
    tolerance: Tolerance
    overlap: Callable[[], Overlap | None]

    @property
    def span(self) -> str:
        """Names it for a command."""
        return selection(self.landing.key, partition_window(self.landing.partition))


_Judge = Callable[[_Partition], _Judged]
_JUDGES: dict[str, _Judge] = {}
CLAIMS: dict[str, str] = {}  # about every partition
NAMED_CLAIMS: dict[str, str] = {}  # about partitions of the streams that name them


def _claim(says: str, among: dict[str, str] = CLAIMS) -> Callable[[_Judge], _Judge]:
    """Makes a function the judge of the claim that has its name."""

    def judged_by(judge: _Judge) -> _Judge:
        name = judge.__name__.removeprefix("_")
        among[name], _JUDGES[name] = says, judge
        return judge

    return judged_by


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
    """All claims about one partition; `overlap` compares it with the answer before, where a claim is of that."""
    partition = _Partition(stream, landing, events, tolerance, overlap)
    judged = {name: _JUDGES[name](partition) for name in claims_of(stream)}
    return [Claim(name, one.holds, _SEVERITY[one.is_error], one.says, one.facts) for name, one in judged.items()]


def covered(claim: Claim, by: str) -> Claim:
    """A claim about the partition whose answer covers another one, as said of that other one."""
    return replace(claim, says=f"covered by the answer of {by}: {claim.says}")


@_claim("The newest answer has as many rows as the vendor estimated.")
def _rows_match_estimate(of: _Partition) -> _Judged:
    newest = of.landing.active[-1]
    rows, estimate = newest.rows, newest.estimate_rows
    if estimate is None:
        return _without_estimate(rows, pages=len(newest.files))
    difference = rows - estimate
    has_settled = newest.started_at >= partition_window(of.landing.partition).end + of.tolerance.settled_after
    lost = has_settled and difference < 0
    allowed = max(of.tolerance.rows, of.tolerance.rows_share * estimate)
    says = f"{rows:,} rows, {estimate:,} estimated"
    if lost:
        again = f"`journey-pipeline backfill {of.span} --again`"
        says += f". The window had settled, so rows are missing. Pull it again with {again}"
    elif abs(difference) > allowed:
        says += ". The difference is above the tolerance: rows come late, or the estimate changed. Pull it again later"
    facts = {"rows": rows, "estimate": estimate, "difference": difference}
    return _Judged(not lost and abs(difference) <= allowed, says, facts, is_error=lost)


def _without_estimate(rows: int, *, pages: int) -> _Judged:
    """Without an estimate, a round number of rows in one file looks like an unpublished limit."""
    is_round = pages == 1 and rows > 0 and rows % ROUND_NUMBER == 0
    says = "the vendor gave no estimate"
    if is_round:
        says += f", and exactly {rows:,} rows look like a limit. Ask the vendor for its limit"
    return _Judged(not is_round, says, {"rows": rows})


@_claim("Each landed row is an event, a reject or a duplicate. The newest answer has all earlier events.")
def _no_row_is_lost(of: _Partition) -> _Judged:
    events = of.events
    rejects = (events.rejects.rows if events.rejects else 0) - events.kept_rejects
    made = events.events.rows - events.kept_events
    facts = {
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
    return _Judged(not events.unaccounted and not events.withdrawn, says, facts, is_error=bool(events.unaccounted))


@_claim("Each record of the newest answer is readable as an event.")
def _rejects_are_few(of: _Partition) -> _Judged:
    """Judges the newest answer only: the vendor may have corrected older ones."""
    rejects, rows = of.events.rejects_of_newest, of.landing.newest_in(of.events).rows
    says = f"{rejects:,} of {rows:,} records of the newest answer are rejects"
    if rejects:
        says += (
            f". `ops.rejects` has the reasons. If a newer version of this package reads them, run `journey-pipeline "
            f"normalize {of.span}`. If the vendor has corrected them, run `journey-pipeline backfill {of.span} --again`"
        )
    is_error = rejects > of.tolerance.rejects_share * rows or rejects >= rows
    return _Judged(not rejects, says, {"rejects": rejects, "rows": rows}, is_error=is_error)


@_claim("Contact, journey, time of receipt and type are each filled in some event.")
def _fields_are_filled(of: _Partition) -> _Judged:
    """A field that all events lack was shifted, renamed or written another way by the vendor."""
    events, rows = of.events, of.events.events.rows
    unknown = Counter[str]()
    for code, count in events.unknown_codes.items():
        unknown[code.partition("=")[0]] += count
    lacking = {column: count + unknown[column] for column, count in events.lacking.items()}
    empty = [column for column, count in lacking.items() if rows and count >= rows]
    says = f"{rows:,} events have all fields"
    if empty:
        says = (
            f"{' and '.join(empty)} can't be read in any of {rows:,} events. Compare the landed file with the vendor's "
            "documentation: a column was renamed, moved or has another format. The unread values are in `properties`"
        )
    facts = {f"without_{column}": count for column, count in lacking.items()}
    return _Judged(not empty, says, facts, is_error=rows >= TELLING_ROWS)


@_claim("Events have different times and different people, and few records repeat.")
def _events_differ(of: _Partition) -> _Judged:
    """Records that all are one event lose what told them apart: that is an error. The rest may be a quiet hour."""
    events, rows = of.events, of.events.events.rows
    made = rows + (events.rejects.rows if events.rejects else 0)
    records = of.landing.newest_in(events).rows - events.people
    collapsed = records >= TELLING_ROWS and made * MOST_REPEATS <= records
    found = [f"{records:,} records are {made:,} events"] if collapsed else []
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
    return _Judged(not found, says, {"records": records, "events": rows}, is_error=collapsed)


@_claim("Each event was received after it happened.")
def _clocks_agree(of: _Partition) -> _Judged:
    early, longest_s = of.events.received_early, of.events.longest_early_s
    says = f"{early:,} of {of.events.events.rows:,} events were received before they happened"
    if early:
        says += (
            f", by up to {timedelta(seconds=longest_s)}. The vendor's clock is wrong, or its times are not UTC: ask "
            "the vendor. Until then `received_at` and `ops.lateness` are wrong by that much"
        )
    return _Judged(not early, says, {"early": early, "longest_s": longest_s})


@_claim("Each landed answer is readable.")
def _every_answer_is_readable(of: _Partition) -> _Judged:
    """The newest answer is what the partition lacks most; an older one may have had events that no newer one has."""
    attempts, aside = of.landing.attempts, of.landing.set_aside
    newest = attempts[-1]
    says = f"{len(attempts) - len(aside):,} of {len(attempts):,} answers are readable"
    if aside:
        says += f"; {_of_unreadable(of.span, newest) if newest.unreadable else _of_older(aside[-1])}"
    gone = 0 if aside else of.events.kept_events + of.events.kept_rejects
    if gone:
        says += f"; {gone:,} records are kept of answers that are missing in the landing. Restore those from a backup"
    facts = {"answers": len(attempts), "unreadable": len(aside)}
    return _Judged(not aside and not gone, says, facts, is_error=bool(newest.unreadable))


def _of_unreadable(span: str, newest: Attempt) -> str:
    says = f"{newest.attempt} is set aside: {newest.unreadable.rstrip('.')}"
    if not newest.unreadable.startswith(DAMAGED):  # otherwise the reason says what heals it
        return says
    return f"{says}. Put the file back from a backup, or pull it again with `journey-pipeline backfill {span} --again`"


def _of_older(attempt: Attempt) -> str:
    """Without what the reader advised, as a newer answer is there. Folders of the file's path may have full stops."""
    reason = attempt.unreadable
    end = reason.find(". ", max(reason.find(attempt.attempt), 0))
    why = reason[:end] if end >= 0 else reason.rstrip(".")
    return (
        f"{attempt.attempt} is set aside: {why}. A newer answer is readable, and events of this one are kept. You "
        "need not do anything; if a backup has the file as it landed, you can restore it"
    )


@_claim("Each event happened in the window that was asked for, or that the answer covers.")
def _events_are_inside_window(of: _Partition) -> _Judged:
    events, reach = of.events, str(of.stream.reach)
    outside, rows = events.outside_window, events.events.rows
    covers = f" and the partitions until {events.covers[-1]} that it covers" if events.covers else ""
    where = ", ".join(part for part in (f"{events.window}{covers}", reach) if part)
    says = f"{outside:,} of {rows:,} events happened outside of {where}; all are kept"
    none_is_inside = TELLING_ROWS <= rows <= outside
    if none_is_inside:
        says += ". The vendor answered for another time than it was asked for, or its times are not UTC: ask the vendor"
    return _Judged(outside == 0, says, {"outside": outside}, is_error=none_is_inside)


@_claim("Each event key came with one content per answer.")
def _keys_are_unique(of: _Partition) -> _Judged:
    """A key that many records share with different content is no key: all but the last of them are in no event."""
    conflicts = of.events.conflicts
    is_no_key = conflicts > of.tolerance.rejects_share * of.events.events.rows and conflicts >= TELLING_ROWS
    says = f"{conflicts:,} keys came with two different contents in one answer; the last one is kept"
    if is_no_key:
        says += (
            ". These are too many for corrections: the vendor's id does not identify records any more. The landing has "
            "all of them. Report it with an example"
        )
    facts = {"conflicts": conflicts, "duplicates": of.events.duplicates}
    return _Judged(conflicts == 0, says, facts, is_error=is_no_key)


@_claim("The vendor's file has exactly the known columns.")
def _schema_is_known(of: _Partition) -> _Judged:
    events, new_column = of.events, of.tolerance.new_column
    unknown, respelled = ", ".join(events.unknown_columns), ", ".join(events.respelled_columns)
    codes = sum(events.unknown_codes.values())
    is_bad = bool(unknown) and new_column != "keep"
    says = f"unknown columns: {unknown}; kept in properties" if unknown else "all columns are known"
    if respelled:
        says += f"; the vendor spells {respelled} differently now, and they are read as before"
    if events.unknown_codes:
        says += f"; {codes:,} events have codes without a name: {', '.join(sorted(events.unknown_codes)[:10])}"
    if events.rounded_ids:
        says += (
            f"; {events.rounded_ids:,} events have ids that came as floating-point numbers of 2^53 or more, whose last "
            "digits may be wrong. Order another format of file, or ask the vendor for ids as text"
        )
    facts: Facts = {
        "unknown_columns": unknown,
        "respelled_columns": respelled,
        "missing_columns": ", ".join(events.missing_columns),
        "unknown_codes": codes,
        "rounded_ids": events.rounded_ids,
    }
    return _Judged(
        not (is_bad or respelled or events.rounded_ids), says, facts, is_error=is_bad and new_column == "stop"
    )


@_claim("This answer repeats the previous answer's events from this partition's start on.", NAMED_CLAIMS)
def _earlier_answer_is_repeated(of: _Partition) -> _Judged:
    """Events of the earlier answer are lacking: changed, taken back or cut, or the account answers narrowly."""
    overlap = of.overlap()
    if overlap is None:
        return _Judged(holds=True, says="there is no earlier answer of the previous partition", facts={})
    says = f"{overlap.lacking:,} of {overlap.shared:,} events that {overlap.earlier} has from here on are missing"
    if overlap.lacking:
        says += f": {_why_lacking(overlap, of.stream)}"
    names = ("earlier", "shared", "lacking", "people", "people_lacking", "moved")
    facts: Facts = {name: getattr(overlap, name) for name in names}
    return _Judged(not overlap.lacking, says, facts)


def _why_lacking(overlap: Overlap, stream: Stream) -> str:
    if overlap.moved * 2 >= overlap.lacking:
        return f"{overlap.moved:,} of them are now told of another person: profiles were merged. All are kept"
    narrow = stream.lacks.get("all people")
    if narrow and overlap.people_lacking >= max(TELLING_PEOPLE, NARROW_SHARE * overlap.people):
        return f"{overlap.people_lacking:,} of {overlap.people:,} people are missing. {narrow}"
    return "the vendor changed or deleted them, or an answer was cut. All are kept. Pull this one again"


@_claim("Each column is read from the same field as in the previous answer.", NAMED_CLAIMS)
def _columns_are_read_alike(of: _Partition) -> _Judged:
    """A column that is read from another field than before gives other keys: what comes again is doubled."""
    overlap = of.overlap()
    before = overlap.mapping if overlap else {}
    changed: dict[str, tuple[str, str]] = {}
    for mapping in of.events.mappings:
        changed |= {c: (before[c], name) for c, name in mapping.items() if before.get(c, name) != name}
        before = {**before, **mapping}
    told = [f"{column} is read from {new}, before from {old}" for column, (old, new) in changed.items()]
    says = "; ".join(told) or "each column is read from the same field as before"
    if changed:
        declared = ", ".join(f"{column}: {old}" for column, (old, _) in changed.items())
        says += (
            f". Repeated events may be doubled. Declare the right fields in defs.yaml, as before with "
            f"`fields: {{{declared}}}`, then run `journey-pipeline normalize {of.events.key}`"
        )
    return _Judged(not changed, says, {"changed": ", ".join(changed)})


@_claim("Each day and action has as many events as in the previous answer, or more.", NAMED_CLAIMS)
def _rows_match_previous_export(of: _Partition) -> _Judged:
    """Where there is no estimate, the answer before is what an answer can be held against: events come late."""
    overlap, rows = of.overlap(), of.landing.newest_in(of.events).rows
    fewer = list(overlap.fewer) if overlap else []
    fell = [one for one in fewer if one[3] < (1 - of.tolerance.fewer_share) * one[2]]
    named = [f"{day} {what or 'without action'}: {after:,} after {before:,}" for day, what, before, after in fell]
    says = f"{len(fewer)} counts fell, {len(fell)} of them by more than {of.tolerance.fewer_share:.0%}"
    if overlap is None:
        says = "there is no earlier answer of the previous partition"
    if not rows:
        says += ". The answer has no row: check the segment, and the vendor's panel"
    elif named:
        says += f" ({'; '.join(named[:5])}). All are kept. Check the segment's window, and pull this one again"
    return _Judged(bool(rows) and not fell, says, {"rows": rows, "fell": len(fell)})


@_claim("Enters and exits of one person and journey take turns.", NAMED_CLAIMS)
def _enters_and_exits_alternate(of: _Partition) -> _Judged:
    """A person is in a journey once at a time: a second enter without an exit means a late or lost one."""
    turns, wrong = of.events.turns, of.events.out_of_turn
    share = wrong / turns if turns else 0.0
    says = f"{wrong:,} of {turns:,} enters and exits ({share:.1%}) follow one of their own kind"
    holds = share <= of.tolerance.out_of_turn_share or turns < MANY_ROWS
    if not holds:
        says += (
            ". The ones between are late or missing: order a longer window, and compare the segment with the journeys"
        )
    return _Judged(holds, says, {"turns": turns, "out_of_turn": wrong, "share": share})


@_claim("Each list has the rows, attributes and readable values that the panel tells of.", NAMED_CLAIMS)
def _lists_are_as_told(of: _Partition) -> _Judged:
    events = of.events
    odd = [*events.warnings, *([f"{events.masked:,} values are masked, and count as none"] if events.masked else [])]
    says = "; ".join(odd) or f"{len(events.attempts)} lists are as the panel tells"
    if odd:
        says += ". Export the list again, as a person who may see what is hidden"
    return _Judged(not odd, says, {"warnings": len(events.warnings), "masked": events.masked})
