"""What to tell a person whose answers can't be mapped: which names there are, and what to write. Names, never values.

Not here: finding the fields (`mapping.py`), what a refusal by status means (`client.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from journey_pipeline.errors import ContractError
from journey_pipeline.formats.failures import NoRecordsError
from journey_pipeline.vendors.layerfive.mapping import Detection, is_tellable, plain
from journey_pipeline.vendors.layerfive.parsing import ARRAYS

_MOST_NAMES = 40
# Of which names an example is made, likeliest first.
_HINTS = {
    "occurred_at": ("time", "date", "stamp", "when", "moment", "at"),
    "contact_id": ("person", "individual", "contact", "customer", "user", "visitor", "profile", "who", "key", "id"),
}


def unmappable(detection: Detection) -> ContractError:
    """The error of an answer whose records have no time or no person."""
    if not detection.counts:
        return ContractError("the answer can't be mapped: its first records are no objects with fields. Look at it.")
    declared = [detection.fields[column].name for column in detection.lacking if column in detection.fields]
    instead = f" (declared as {', '.join(declared)}, which no record has)" if declared else ""
    return ContractError(
        f"the answer can't be mapped: none of its fields stands for {' or '.join(detection.lacking)}{instead}. "
        f"Of its first {detection.records} records have a value: {_counted(detection)}. Write into defs.yaml which "
        f"fields they are, for example `fields: {{{_example(detection)}}}`, then normalize the partition again; it has "
        "landed."
    )


def vanished(names: Sequence[str], records: int) -> ContractError:
    """The error of an answer in which a declared field never appears."""
    return ContractError(
        f"none of the answer's {records} records has {', '.join(names)}, which `fields` in defs.yaml declares. Correct "
        "it, or take it out if the vendor no longer sends it; then normalize the partition again; it has landed."
    )


def no_array(error: NoRecordsError) -> ContractError:
    """The error of an answer in which the records can't be found."""
    return ContractError(
        f"the answer {error}. Records are looked for in a top-level array, in the only array of objects, or under "
        f"{', '.join(ARRAYS)}. It has landed; please report it with these names."
    )


def _counted(detection: Detection) -> str:
    by_count = sorted(detection.counts.items(), key=lambda item: -item[1])
    plain_names = [(name, count) for name, count in by_count if is_tellable(name)]
    told = [f"{name} ({count})" for name, count in plain_names[:_MOST_NAMES]]
    others = len(by_count) - len(told)
    return ", ".join([*told, *([f"and {others} more names"] if others else [])])


def _example(detection: Detection) -> str:
    free = [name for name in detection.counts if name in detection.scalars and is_tellable(name)]
    return ", ".join(f"{column}: {_likely(free, _HINTS[column])}" for column in detection.lacking)


def _likely(names: Iterable[str], hints: Sequence[str]) -> str:
    names = list(names)
    fitting = (name for hint in hints for name in names if hint in plain(name.rpartition(".")[2]))
    return next(fitting, names[0] if names else "its_name")
