"""A list of people as a table: encoding and separator, whose column is which attribute, its records.

Not here: what the list is about (`about.py`), how its records are told to the lake (`reader.py`).
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from journey_pipeline.errors import ContractError

SEPARATORS = ",;\t"
MOST_ATTRIBUTES = 20  # documented: as many can be ticked in the panel
LONGEST_RECORD = 1 << 24
PERSON = "iid"
"""The id of the column that holds the vendor's key of a person."""

_IDENTIFIERS = frozenset({"profile id", "insider id", "iid"})
_ELSE_IDENTIFIERS = ("email", "uuid")
_KNOWN = {
    "email": "email",
    "e mail": "email",
    "email address": "email",
    "phone": "phone_number",
    "phone number": "phone_number",
    "uuid": "uuid",
}
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: "utf-8-sig"}
_MORE = "more"
_BLANKS = re.compile(r"[\s_\-]+")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is written."""

    encoding: str
    separator: str


@dataclass(frozen=True, slots=True)
class Header:
    """Which column is what.

    Attributes:
        person: The place of the column by which people are told apart.
        is_key: Whether that is the vendor's own key.
        ids: Of each column the attribute's id; empty for the vendor's key.
    """

    person: int
    is_key: bool
    ids: tuple[str, ...]

    @property
    def attributes(self) -> int:
        """How many attributes there are beside the identifier."""
        return len(self.ids) - 1


def fold(name: str) -> str:
    """A name as names are compared: without regard to case, blanks and the dots of an i, in whatever locale."""
    dotless = unicodedata.normalize("NFKC", name).casefold().replace("i\u0307", "i").replace("\u0131", "i")
    return _BLANKS.sub(" ", dotless).strip()


def encoding_of(start: bytes, otherwise: str) -> str:
    """The encoding of a file by how it begins; the configured one if it has no byte order mark."""
    found = next((name for mark, name in _MARKS.items() if start.startswith(mark)), otherwise)
    return "utf-8-sig" if codecs.lookup(found).name == "utf-8" else found


def separator_of(line: str) -> str:
    """The separator that a header has most often, outside of quotes."""
    bare = re.sub(r'"[^"]*"', "", line)
    return max(SEPARATORS, key=bare.count)


def decoded(chunks: Iterable[bytes], encoding: str) -> Iterator[str]:
    """The text of a file, in pieces.

    Raises:
        ContractError: If its bytes are no such text; says where.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    offset = 0
    for chunk in chain(chunks, [b""]):
        held = len(decoder.getstate()[0])
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeError as error:
            at = offset - held + (error.start if isinstance(error, UnicodeDecodeError) else 0)
            name = encoding.removesuffix("-sig").upper()
            raise ContractError(
                f"it is not {name}: byte {at:,} can't be decoded. Save it as UTF-8, or set `profile_encoding` in "
                "defs.yaml"
            ) from None
        offset += len(chunk)
        if text:
            yield text


def records(texts: Iterable[str], separator: str) -> Iterator[tuple[list[str], str]]:
    """The records of a text with the header, each with its fields and as it stands there; empty lines are none.

    Raises:
        ContractError: If a record is too long, or the text ends inside of its quotes.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_RECORD))
    taken: list[str] = []
    length = 0

    def lines() -> Iterator[str]:
        nonlocal length
        for line in _lines(texts):
            taken.append(line)
            length += len(line)
            if length > LONGEST_RECORD:
                raise ContractError(f"a record has more than {LONGEST_RECORD:,} characters: a quote may be unclosed")
            yield line

    number = 0
    raw = ""
    try:
        for fields in csv.reader(lines(), delimiter=separator):
            number += 1
            raw, length = "".join(taken), 0
            taken.clear()
            if fields:
                yield fields, raw
        _check_closed(raw, separator)
    except csv.Error:
        raise ContractError(f"record {number + 1:,} can't be read, or a quote in it is unclosed") from None


def _check_closed(raw: str, separator: str) -> None:
    """Of the last record alone a reader takes the end of the file for that of a quote."""
    followed = list(csv.reader(io.StringIO(f"{raw}\n{_MORE}", newline=""), delimiter=separator))
    if raw and followed[-1] != [_MORE]:
        raise ContractError("its last record ends inside of a quote: the file is cut, or a quote is unclosed")


def _lines(texts: Iterable[str]) -> Iterator[str]:
    """The lines of a text, which end at line feeds and carriage returns alone."""
    rest = ""
    for text in filter(None, texts):
        *whole, rest = io.StringIO(rest + text, newline="")
        yield from whole
        if rest.endswith("\n"):
            yield rest
            rest = ""
    if rest:
        yield rest


def header_of(names: Sequence[str], contacts: Mapping[str, str], aliases: Mapping[str, str]) -> Header:
    """Which column is what, by what the account lists, then by what is configured, else by its own name.

    Args:
        contacts: The account's attributes: their names in the panel, by id.
        aliases: Ids by names of columns.

    Raises:
        ContractError: If two columns are one attribute, or none tells people apart. Names none of them: where the
            header is lacking, they are a person's data.
    """
    known = {fold(name): key for name, key in _KNOWN.items()}
    known |= {fold(name): key for name, key in aliases.items()}
    known |= {fold(key): key for key in contacts}
    known |= {fold(name): key for key, name in contacts.items()}
    folded = [fold(name) for name in names]
    if repeated := [place for place, name in enumerate(folded) if name in folded[:place]]:
        first = folded.index(folded[repeated[0]])
        raise ContractError(f"its columns {first + 1} and {repeated[0] + 1} have the same name")
    ids = [known.get(name, own.strip()) for name, own in zip(folded, names, strict=True)]
    keys = [place for place, name in enumerate(folded) if name in _IDENTIFIERS or ids[place] == PERSON]
    place = next(iter(keys), None)
    if place is None:
        place = next((ids.index(name) for name in _ELSE_IDENTIFIERS if name in ids), None)
    if place is None:
        raise ContractError(
            f"none of its {len(names)} columns tells people apart, or its header is missing. Export it with Profile "
            "ID, or name the column under `profile_aliases` in defs.yaml"
        )
    own = ["" if keys and at == place else one or f"column {at + 1}" for at, one in enumerate(ids)]
    if twice := [at for at, one in enumerate(own) if one in own[:at]]:
        raise ContractError(f"its columns {own.index(own[twice[0]]) + 1} and {twice[0] + 1} are the same attribute")
    return Header(place, bool(keys), tuple(own))
