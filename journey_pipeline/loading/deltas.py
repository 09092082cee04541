"""Claims on answers that overlap: what one had the next must have, read from the same fields.

Not here: the comparison of events (`normalize/inspection.py`), the claims that hold of any partition (`checks.py`).
"""

from __future__ import annotations

from journey_pipeline.lake.manifest import EventsManifest
from journey_pipeline.loading.claim import Claim, Severity
from journey_pipeline.normalize.inspection import Overlap

# So many of the people whom an answer has are lacking altogether in the next one only if the account answers for new
# people alone. A merge or an erasure at the vendor takes a few.
NARROW_SHARE = 0.2
TELLING_PEOPLE = 5


def earlier_answer_is_repeated(overlap: Overlap | None) -> Claim:
    """What an answer lacks of the one before was changed, taken back or cut, or the account answers narrowly."""
    name, severity = "earlier_answer_is_repeated", Severity.WARN
    if overlap is None:
        return Claim(name, holds=True, severity=severity, says="there is no earlier answer of the previous partition")
    says = f"{overlap.lacking:,} of {overlap.shared:,} events that {overlap.earlier} has from here on are missing"
    if overlap.lacking:
        says += f": {_why(overlap)}"
    facts: dict[str, int | float | str] = {
        "earlier": overlap.earlier,
        "shared": overlap.shared,
        "lacking": overlap.lacking,
        "people": overlap.people,
        "people_lacking": overlap.people_lacking,
    }
    return Claim(name, holds=not overlap.lacking, severity=severity, says=says, facts=facts)


def _why(overlap: Overlap) -> str:
    if overlap.people_lacking >= max(TELLING_PEOPLE, NARROW_SHARE * overlap.people):
        return (
            f"{overlap.people_lacking:,} of {overlap.people:,} people are missing. The account is narrow: it "
            "answers only for people who became known since the day asked for; or the answer was cut. Pull this one "
            "again. If people are missing again, set `overlap_days: 89` in defs.yaml, so that each answer has them all"
        )
    return "the vendor changed or deleted them, or an answer was cut. All are kept. Pull this one again"


def columns_are_read_alike(events: EventsManifest, overlap: Overlap | None) -> Claim:
    """A column that is read from another field than before gives other keys: what comes again is doubled."""
    before = overlap.mapping if overlap else {}
    changed: dict[str, tuple[str, str]] = {}
    for mapping in events.mappings:
        changed |= {c: (before[c], name) for c, name in mapping.items() if before.get(c, name) != name}
        before = {**before, **mapping}
    told = [f"{column} is read from {new}, before from {old}" for column, (old, new) in changed.items()]
    says = "; ".join(told) or "each column is read from the same field as before"
    if changed:
        declared = ", ".join(f"{column}: {old}" for column, (old, _) in changed.items())
        says += (
            f". Repeated events may be doubled. Declare the right fields in defs.yaml, as before with "
            f"`fields: {{{declared}}}`, then run "
            f"`journey-pipeline normalize {events.key}`"
        )
    return Claim(
        "columns_are_read_alike",
        holds=not changed,
        severity=Severity.WARN,
        says=says,
        facts={"changed": ", ".join(changed)},
    )
