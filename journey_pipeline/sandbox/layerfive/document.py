"""The bytes of an answer: records in an array, under some name or none, a person at a time, or a line each.

Every record stands on a line of its own, as a cut between two of them needs. Not here: what a record holds
(`records.py`), sending it (`simulator.py`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from journey_pipeline.sandbox.layerfive.options import LayerFiveOptions
from journey_pipeline.sandbox.layerfive.records import PERSON_FIELDS, Record

_BOM = b"\xef\xbb\xbf"
_RECORDS_A_PIECE = 500


def document(
    records: Iterator[Record], options: LayerFiveOptions, *, count: int, following: str | None
) -> Iterator[bytes]:
    """An answer, some hundred records at a time.

    Args:
        records: In the default spelling, those of a person together.
        count: What `count` says, if it is there.
        following: The next page, None if there is none.
    """
    encode = msgspec.json.Encoder().encode
    objects = map(_renaming(options), _persons(records, options.nested_under) if options.nested_under else records)
    if options.bom:
        yield _BOM
    if options.ndjson:
        for some in _some(objects):
            yield b"".join(encode(one) + b"\n" for one in some)
        return
    yield _opening(options, count, following)
    between = b"\n"
    for some in _some(objects):
        yield between + b",\n".join(map(encode, some))
        between = b",\n"
    yield b"\n]\n" if options.array is None else b"\n]}\n"


def _opening(options: LayerFiveOptions, count: int, following: str | None) -> bytes:
    """Everything before the first record."""
    if options.array is None:
        return b"["
    around: dict[str, Any] = {} if options.count == "none" else {"count": count}
    if options.page_size is not None:
        around |= {"next": following, "previous": None}
    if options.second_array is not None:
        around[options.second_array] = [{"code": "sampled", "text": "not a record"}]
    return msgspec.json.encode(around | {options.array: []}).removesuffix(b"]}")


def _some(objects: Iterable[Record]) -> Iterator[list[Record]]:
    rest = iter(objects)
    while some := list(itertools.islice(rest, _RECORDS_A_PIECE)):
        yield some


def _persons(records: Iterator[Record], name: str) -> Iterator[Record]:
    """An object for each person, with the touches inside; what has no person is one by itself."""
    for _, own in itertools.groupby(records, key=lambda record: record.get("individual_id")):
        touches = list(own)
        person = {field: touches[0][field] for field in PERSON_FIELDS if field in touches[0]}
        inner = [{field: value for field, value in one.items() if field not in PERSON_FIELDS} for one in touches]
        yield person | {name: inner}


def _renaming(options: LayerFiveOptions) -> Callable[[Record], Record]:
    """A function that gives fields their other names, in a person and in the touches inside."""
    names = options.field_names
    if not names:
        return lambda record: record

    def renamed(record: Record) -> Record:
        found: Record = {}
        for field, value in record.items():
            *path, last = names.get(field, field).split(".")
            place = found
            for step in path:
                place = place.setdefault(step, {})
            place[last] = [renamed(one) for one in value] if field == options.nested_under else value
        return found

    return renamed
