"""Reads a landed list of people: each record a person, and the person's attributes by their ids.

Not here: which column is what (`table.py`), the file as it is dropped (`source.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from journey_pipeline.formats.records import Reading, Records
from journey_pipeline.recipe import People, Population, Recipe
from journey_pipeline.vendors.insider.user_events.columns import CONTACTS, attribute_names
from journey_pipeline.vendors.insider.user_profiles.about import population_of
from journey_pipeline.vendors.insider.user_profiles.table import Dialect, Header, decoded, header_of, records

ABOUT, DIALECT = "about", "dialect"
"""Under which the manifest keeps what a list is about, and how it is written."""

_RULES = "1"  # raised when lists are read another way, so that they are read anew
_AT_ONCE = 8_192
_COLUMNS = ("person", "exported_at")
_encode = msgspec.json.Encoder().encode
Answers = Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class ProfileReader:
    """Reads lists, told by the landing's manifest how each is written.

    Attributes:
        aliases: Ids of attributes by names of columns, as configured.
    """

    aliases: Mapping[str, str] = field(default_factory=dict)
    answers: Answers = ()
    version: str = _RULES

    @classmethod
    def of(cls, aliases: Mapping[str, str]) -> ProfileReader:
        """The reader by some aliases; by others its version is another one."""
        digest = hashlib.sha256(repr(sorted(aliases.items())).encode()).hexdigest()[:8]
        return cls(aliases, version=f"{_RULES}-{digest}")

    def informed(self, answers: Answers) -> ProfileReader:
        """The reader of one landing's files."""
        return replace(self, answers=answers)

    def read(self, chunks: Iterable[bytes], *, with_raw: bool) -> Reading:
        """Reads a file."""
        told = self.answers[0]
        exported_at = str(told[ABOUT]["exported_at"])
        return _Reading(
            chunks, Dialect(**told[DIALECT]), exported_at, attribute_names(self.answers), self.aliases, with_raw
        )


@dataclass(slots=True)
class _Reading:
    """One pass over one list."""

    chunks: Iterable[bytes]
    dialect: Dialect
    exported_at: str
    contacts: Mapping[str, str]
    aliases: Mapping[str, str]
    with_raw: bool
    faults: int = 0
    unknown: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Records]:
        found = records(decoded(self.chunks, self.dialect.encoding), self.dialect.separator)
        names, _ = next(found)
        header = header_of(names, self.contacts, self.aliases)
        numbered = enumerate(found, start=1)
        while some := list(islice(numbered, _AT_ONCE)):
            yield self._batch(header, some)

    def _batch(self, header: Header, some: Sequence[tuple[int, tuple[list[str], str]]]) -> Records:
        import pyarrow as pa  # noqa: PLC0415 - a stream is declared with its reader, and few commands read

        width = len(header.ids)
        good = [one for one in some if len(one[1][0]) == width]
        self.faults += len(some) - len(good)
        kept = some if self.with_raw else good
        rows = [fields if len(fields) == width else [""] * width for _, (fields, _) in kept]
        return Records(
            numbers=pa.array([number for number, _ in kept], pa.int64()),
            columns={
                "person": pa.array([_person(header, row) for row in rows], pa.string()),
                "exported_at": pa.array([self.exported_at] * len(rows), pa.string()),
            },
            properties=pa.array([_attributes(header, row) for row in rows], pa.string()),
            raw=[raw.encode() for _, (_, raw) in kept] if self.with_raw else (),
            faults=[_fault(len(fields), width) for _, (fields, _) in kept] if self.with_raw else (),
        )


def _person(header: Header, row: Sequence[str]) -> str | None:
    person = row[header.person].strip()
    return (person if header.is_key else person.lower()) or None


def _attributes(header: Header, row: Sequence[str]) -> str:
    values = {name: value.replace("\0", "") or None for name, value in zip(header.ids, row, strict=True) if name}
    return _encode(values).decode()


def _fault(fields: int, width: int) -> str | None:
    return None if fields == width else f"{fields} fields, {width} columns"


def _population(answers: Mapping[str, Any]) -> Population:
    return population_of(answers[ABOUT])


def profiles_recipe(aliases: Mapping[str, str]) -> Recipe:
    """How lists become attributes and populations.

    Args:
        aliases: Ids of attributes by names of columns, as configured.
    """
    return Recipe(
        stream="user_profiles",
        sql=Path(__file__).with_name("people.sql").read_text(encoding="utf-8"),
        columns=_COLUMNS,
        key_columns=_COLUMNS[:1],
        reader=ProfileReader.of(aliases),
        attributes=People(_RULES, attribute_names, _population, masked=("email", "phone_number")),
    )


__all__ = ["ABOUT", "CONTACTS", "DIALECT", "ProfileReader", "profiles_recipe"]
