"""Attributes and tags of profiles, as rows of their own, out of the same landed files as the events of both streams.

The normalizer reads them by `formats.records.AttributeReader`. A tag that is there has the value `true`; one that is
gone has no row in a profile export, and what an e-mail export leaves empty has a row without a value. Not here: events
(`profile_events/`, `email_events/`), keeping them (`normalize/record_reader.py`), the table of them (`warehouse/`).
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from journey_pipeline.vendors.apsis.definitions import Definitions, Section
from journey_pipeline.vendors.apsis.profile_events.file import LONGEST_PROFILE_BYTES, Faulty, Keyed, profiles
from journey_pipeline.vendors.apsis.profile_events.reader import ANSWER

VERSIONED_COLUMN = r".*\(version_id: (\d+)\)"
NAMED_COLUMN = r"(.*?) *\(version_id: \d+\)"
"""The header of a requested attribute or tag in an e-mail export (documented: D2)."""

_RULES = "2"  # raised when attributes are read another way, so that they are read anew
_TAG = "TAG"
_SET = "true"
_LONGEST_FIELD = 64 << 20
_REFUSALS = (msgspec.DecodeError, ValueError, RecursionError)


class _Held(msgspec.Struct, gc=False):
    """The value of a version id in a file (documented: D1); whatever else is there stays in the landing."""

    value: msgspec.Raw = msgspec.Raw(b"null")


_attributes = msgspec.json.Decoder(dict[str, _Held]).decode
_pieces = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_held = msgspec.json.Decoder(_Held).decode


class _Known(NamedTuple):
    """The definition of a version id."""

    attribute: str | None = None
    name: str | None = None
    is_tag: bool | None = None


_UNKNOWN = _Known()


class _Row(NamedTuple):
    """The values of `model.ATTRIBUTE_COLUMNS`."""

    section_id: str | None
    profile_key: str
    attribute_id: str
    attribute: str | None
    attribute_name: str | None
    value: str | None
    is_tag: bool | None


class ProfileAttributes:
    """Reads the attributes of landed profile exports.

    Definitions say which ids are tags, and how they are called. A profile without any attribute or tag has no row.

    Args:
        longest_bytes: The most bytes that are held of one profile.
    """

    version = _RULES

    def __init__(self, *, longest_bytes: int = LONGEST_PROFILE_BYTES) -> None:
        self._longest_bytes = longest_bytes

    def read(self, chunks: Iterable[bytes], answers: Sequence[Mapping[str, Any]]) -> Iterator[_Row]:
        """Reads a file; as `formats.records.AttributeReader` says."""
        sections = Definitions.of_answers(one.get(ANSWER, {}) for one in answers).sections
        known = {section_id: _known_of(section) for section_id, section in sections.items()}
        return (
            row
            for some in profiles(chunks, as_raw=False, longest_bytes=self._longest_bytes)
            if not isinstance(some, Faulty)
            for keyed in some
            for row in _of_profile(keyed, known)
        )


class EmailAttributes:
    """Reads the attributes of landed e-mail exports, each record with all that were asked for.

    Such an export names no section and goes by address. What is empty may be a tag or an attribute that is not set.
    """

    version = _RULES

    def read(self, chunks: Iterable[bytes], answers: Sequence[Mapping[str, Any]]) -> Iterator[_Row]:
        """Reads a file; as `formats.records.AttributeReader` says."""
        del answers
        csv.field_size_limit(_LONGEST_FIELD)
        return _of_records(_records(chunks))


def _of_profile(keyed: Keyed, known: Mapping[str, Mapping[str, _Known]]) -> Iterator[_Row]:
    if keyed.profile is None:
        return
    for section_id, section in (keyed.profile.sections or {}).items():
        defined = known.get(section_id, {})
        for attribute_id, raw in _values(section.attributes):
            attribute, name, is_tag = defined.get(attribute_id, _UNKNOWN)
            value = _SET if is_tag else _text(raw)
            is_tag = False if is_tag is None and value is not None else is_tag
            yield _Row(section_id, keyed.key, attribute_id, attribute, name, value, is_tag)


def _known_of(section: Section) -> dict[str, _Known]:
    """A tag has no value, and neither has an attribute that is not set: only the definitions tell them apart."""
    tags = {key: _Known(one.discriminator or None, one.name, is_tag=True) for key, one in section.tags.items()}
    attributes = {
        key: _Known(one.discriminator or None, one.name, is_tag=False) for key, one in section.attributes.items()
    }
    return attributes | tags


def _of_records(records: Iterator[list[str]]) -> Iterator[_Row]:
    header = next(records, [])
    named = [(place, re.fullmatch(VERSIONED_COLUMN, name, re.DOTALL), name) for place, name in enumerate(header)]
    columns = [(place, found[1], name[: found.start(1)].rpartition(" (")[0]) for place, found, name in named if found]
    if not columns or "address" not in header:
        return
    address = header.index("address")
    for record in records:
        if len(record) != len(header) or not record[address]:
            continue  # a reject with a wrong form, or a record without a person
        for place, attribute_id, name in columns:
            value = record[place] or None
            is_tag = True if value == _TAG else None if value is None else False
            yield _Row(None, record[address], attribute_id, None, name, _SET if is_tag else value, is_tag)


def _records(chunks: Iterable[bytes]) -> Iterator[list[str]]:
    """The records of a CSV file; one that can't be read is a reject, and has no attributes either."""
    reader = csv.reader(_lines(chunks))
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            continue


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    rest: list[str] = []
    for chunk in chunks:
        first, *others = decode(chunk).split("\n")
        rest.append(first)
        for following in others:
            yield "".join(rest) + "\n"
            rest = [following]
    if last := "".join(rest):
        yield last


def _values(attributes: msgspec.Raw) -> Iterable[tuple[str, msgspec.Raw]]:
    try:
        return [(attribute_id, held.value) for attribute_id, held in _attributes(attributes).items()]
    except _REFUSALS:
        return _odd_values(attributes)


def _odd_values(attributes: msgspec.Raw) -> Iterator[tuple[str, msgspec.Raw]]:
    try:
        pieces = _pieces(attributes)
    except _REFUSALS:  # of another shape, or an id is not UTF-8: it stays in the landing
        return
    for attribute_id, raw in pieces.items():
        try:
            yield attribute_id, _held(raw).value
        except _REFUSALS:
            yield attribute_id, raw


def _text(raw: msgspec.Raw) -> str | None:
    value = bytes(raw)
    if value == b"null":
        return None
    text = value.decode(errors="replace")  # one value that is not UTF-8 must not fail a day
    return msgspec.json.decode(text, type=str) if text.startswith('"') else text
