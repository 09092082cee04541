"""Attributes and tags of profiles, as rows of their own, out of the same landed files as the events.

One row an attribute: connection and landing are known to whoever reads. Of rows with the same key the last one counts.
Not here: events (`profile_reader.py`, `email_events.sql`), the table that is made of it (`warehouse/`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from journey_pipeline.vendors.apsis.definitions import Definition, Definitions, Section
from journey_pipeline.vendors.apsis.profile_file import Faulty, Keyed, profiles
from journey_pipeline.vendors.apsis.profile_reader import ANSWER
from journey_pipeline.vendors.apsis.recipes import VERSIONED_COLUMN

# section_id is NULL of e-mail exports, which don't name it; their profile_key is the address. attribute_id is the
# version id, attribute the discriminator where it is defined. value is text as it is, other values as JSON, and NULL
# where there is none. is_tag is NULL where nothing tells.
_TEXTS = ("section_id", "profile_key", "attribute_id", "attribute", "attribute_name", "value")
_FIELDS: list[tuple[str, pa.DataType]] = [*((name, pa.string()) for name in _TEXTS), ("is_tag", pa.bool_())]
SCHEMA = pa.schema(_FIELDS)
KEY = ("section_id", "profile_key", "attribute_id")
VERSION = "1"  # raised when attributes are read another way
_ROWS_AT_ONCE = 16_384
_TAG = "TAG"
_LONGEST_FIELD = 64 << 20
_NOTHING = Section("", "")

_attributes = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_held = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Row(NamedTuple):
    section_id: str | None
    profile_key: str
    attribute_id: str
    attribute: str | None
    attribute_name: str | None
    value: str | None
    is_tag: bool | None


def profile_attributes(chunks: Iterable[bytes], answers: Mapping[str, Any]) -> Iterator[pa.RecordBatch]:
    """The attributes of a landed profile export.

    Args:
        chunks: Its inflated bytes.
        answers: What its landing's manifest keeps of the vendor's answers; says which ids are tags, and their names.

    Raises:
        DocumentError: If the file is not whole, or no such file.
    """
    definitions = Definitions.of_answer(answers.get(ANSWER, {}))
    found = (
        row
        for some in profiles(chunks, as_raw=False)
        if not isinstance(some, Faulty)
        for keyed in some
        for row in _of_profile(keyed, definitions)
    )
    return _batches(found)


def email_attributes(lines: Iterable[str]) -> Iterator[pa.RecordBatch]:
    """The attributes of a landed e-mail export, keyed by address; of each address those that the last record has.

    Args:
        lines: Its inflated text with its line ends.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    return _batches(_of_records(csv.DictReader(lines)))


def _of_profile(keyed: Keyed, definitions: Definitions) -> Iterator[_Row]:
    if keyed.profile is None:
        return
    for section_id, section in (keyed.profile.sections or {}).items():
        defined = definitions.sections.get(section_id, _NOTHING)
        for attribute_id, raw in _objects(section.attributes).items():
            known = defined.attributes.get(attribute_id) or defined.tags.get(attribute_id) or Definition("")
            value = _value(raw)
            yield _Row(
                section_id,
                keyed.key,
                attribute_id,
                known.discriminator or None,
                known.name,
                value,
                _is_tag(attribute_id, defined, value),
            )


def _of_records(records: csv.DictReader[str]) -> Iterator[_Row]:
    named = {name: re.fullmatch(VERSIONED_COLUMN, name, re.DOTALL) for name in records.fieldnames or ()}
    columns = [(name, found[1], name[: found.start(1)].rpartition(" (")[0]) for name, found in named.items() if found]
    for record in records if columns else ():
        address = record.get("address")
        for column, attribute_id, name in columns if address else ():
            if value := record.get(column):
                is_tag = value == _TAG
                yield _Row(None, str(address), attribute_id, None, name, None if is_tag else value, is_tag)


def _objects(attributes: msgspec.Raw) -> dict[str, msgspec.Raw]:
    try:
        return _attributes(attributes)
    except msgspec.DecodeError:  # of another shape: it stays in the landing
        return {}


def _value(raw: msgspec.Raw) -> str | None:
    try:
        value = bytes(_held(raw).get("value", b"null"))
    except msgspec.DecodeError:
        value = bytes(raw)
    if value == b"null":
        return None
    return msgspec.json.decode(value, type=str) if value.startswith(b'"') else value.decode(errors="replace")


def _is_tag(attribute_id: str, defined: Section, value: str | None) -> bool | None:
    """A tag has no value, and neither has an attribute that is not set: only the definitions tell them apart."""
    if attribute_id in defined.tags:
        return True
    return False if value is not None or attribute_id in defined.attributes else None


def _batches(rows: Iterator[_Row]) -> Iterator[pa.RecordBatch]:
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        columns = [
            pa.array(list(values), field.type) for values, field in zip(zip(*some, strict=True), SCHEMA, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
