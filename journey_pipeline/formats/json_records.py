"""Records cut out of a JSON answer as it streams by, in whichever array of the document the vendor put them.

Not here: records without a container (`json_lines.py`), an object with a member for each record (`json_object.py`).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from journey_pipeline.formats.json_elements import BLANK, Beginning, Elements, Member, SmallMembers, read_member, told
from journey_pipeline.formats.json_lines import Concatenated, Lines
from journey_pipeline.formats.json_path import ArrayAtPath
from journey_pipeline.formats.json_scan import BrokenError, CutError, NoRecordsError, Scanner

# A complete array up to this size waits until the whole object was seen; a longer one is taken or left at once.
COMPARED_BYTES = 1 << 20
_OF_OBJECTS = re.compile(rb"\[[ \t\r\n]*\{")
_EMPTY = re.compile(rb"\[[ \t\r\n]*\]")


class _Claim(NamedTuple):
    """An array that may be the records: the lower the rank, the better; text unless it is being given already."""

    rank: int
    array: Member
    is_given: bool


class OuterObject:
    """Finds the records in an object whose opening brace has been read.

    Args:
        arrays: Names of arrays of records, the likeliest first.
        at: Where the first byte after the brace lies.
        longest_bytes: The most bytes of one record.

    Attributes:
        small: What else the object holds.
    """

    def __init__(self, arrays: Sequence[str], *, at: int, longest_bytes: int) -> None:
        self.small = SmallMembers()
        self._arrays = tuple(arrays)
        self._longest = longest_bytes
        self._outer = Elements(b"{", at=at, longest_bytes=sys.maxsize)  # a member is let go long before
        self._inner: Elements | None = None
        self._best: _Claim | None = None
        self._rivals: list[str] = []

    @property
    def array(self) -> str | None:
        """The name of the records' array; final at the end."""
        return self._best.array.name if self._best else None

    @property
    def is_null(self) -> bool:
        """Whether a member that should hold the records is null, which says that there are none; final at the end."""
        values = self.small.values
        return not self._best and any(name in values and values[name] is None for name in self._arrays)

    def feed(self, piece: bytes) -> list[bytes]:
        """The records that are known to be such and that the next piece completes.

        Raises:
            DocumentError: As for `Elements.feed`, and if something follows the object.
        """
        if self._inner:
            records = self._inner.feed(piece)
            return records + self._go_on()
        if self._outer.rest is not None:
            self._outer.rest += piece
            self._refuse_rest()
            return []
        return self._read(self._outer.feed(piece))

    def finish(self) -> list[bytes]:
        """The records that had to wait for the end.

        Raises:
            CutError: If the object is not complete.
            NoRecordsError: If no array of it can be the records, or several can.
            DocumentError: As for `feed`.
        """
        if self._inner:
            raise self._inner.cut()
        if self._outer.rest is None:
            raise self._outer.cut()
        if not self._best:
            if self.is_null:
                return []
            message = f"is an object without an array of records; its members: {told(self.small.names)}"
            raise NoRecordsError(message, at=0, names=self.small.names)
        if self._rivals:
            message = f"has several arrays that may be the records: {told([self._best.array.name, *self._rivals])}"
            raise NoRecordsError(message, at=0, names=self.small.names)
        return [] if self._best.is_given else self._give_whole(self._best.array)

    def _read(self, members: Sequence[bytes]) -> list[bytes]:
        records: list[bytes] = []
        for text, at in zip(members, self._outer.starts, strict=True):
            member = self._member(text, at)
            if not self._claims(member, is_whole=True):
                self.small.keep(member)
            elif len(text) > COMPARED_BYTES:
                self._best = _Claim(self._rank(member), member._replace(value=b""), is_given=True)
                records += self._give_whole(member)
        if self._outer.rest is not None:
            self._refuse_rest()
        elif self._outer.pending_bytes > COMPARED_BYTES:
            records += self._begin_long()
        return records

    def _begin_long(self) -> list[bytes]:
        """Decides about a member before it is complete."""
        end = self._outer.at
        text = self._outer.take_pending()
        member = self._member(text, end - len(text))
        if not self._claims(member, is_whole=False):
            self._outer.skip_pending()
            return []
        self._inner = Elements(b"[", at=member.at + 1, longest_bytes=self._longest)
        records = self._inner.feed(member.value[1:])
        return records + self._go_on()

    def _go_on(self) -> list[bytes]:
        """Back to the object's members if the array has ended."""
        if not self._inner or self._inner.rest is None:
            return []
        inner, self._inner = self._inner, None
        return self._read(self._outer.resume(inner.rest or b"", inner.at))

    def _give_whole(self, array: Member) -> list[bytes]:
        elements = Elements(b"[", at=array.at + 1, longest_bytes=self._longest)
        records = elements.feed(array.value[1:])
        if elements.rest is None or elements.rest.strip(BLANK):
            raise BrokenError(f"has no comma after the array that ends at byte {elements.at}", at=elements.at)
        return records

    def _rank(self, array: Member) -> int:
        named = self._arrays.index(array.name) if array.name in self._arrays else len(self._arrays)
        return named + (0 if _OF_OBJECTS.match(array.value) else len(self._arrays) + 1)

    def _claims(self, member: Member, *, is_whole: bool) -> bool:
        """Whether the member is an array that is taken as the records now; who else might be is noted."""
        of_objects = bool(_OF_OBJECTS.match(member.value))
        if not of_objects and not (is_whole and _EMPTY.fullmatch(member.value)):
            return False
        rank, best = self._rank(member), self._best
        if best and best.rank <= rank:
            if best.rank == rank and of_objects:
                self._rivals.append(member.name)
            return False
        if best and best.is_given:
            self._rivals.append(member.name)
            return False
        self._best = _Claim(rank, member if is_whole else member._replace(value=b""), is_given=not is_whole)
        self._rivals = []
        return True

    def _member(self, text: bytes, at: int) -> Member:
        member = read_member(text, at)
        self.small.name(member)
        return member

    def _refuse_rest(self) -> None:
        self._outer.rest = (self._outer.rest or b"").strip(BLANK)
        if self._outer.rest:
            raise BrokenError(f"goes on after its end at byte {self._outer.at}", at=self._outer.at)


LONGEST_RECORD_BYTES = 64 << 20


class RecordSplitter:
    """Cuts one JSON document into its records: pushed with `feed` and `finish`, or pulled with `split`.

    Records are the bytes as they stand, without white space around them, in the document's order. Memory is one piece,
    one record and 1 MiB.

    Args:
        arrays: Names of arrays of records in a top-level object, the likeliest first.
        path: Names that lead to the array of records, from the top-level object inwards, if that is known: then
            nothing else is taken for records.
        longest_bytes: The most bytes of one record.

    Attributes:
        records: How many records were given so far: the first of the next ones has the number after it.
    """

    def __init__(
        self, arrays: Sequence[str] = (), *, path: Sequence[str] = (), longest_bytes: int = LONGEST_RECORD_BYTES
    ) -> None:
        self.records = 0
        self._arrays = path[:1] or arrays
        self._path = path
        self._is_elsewhere = False
        self._longest = longest_bytes
        self._beginning = Beginning()
        self._head = b""
        self._form: _Form | None = None

    @property
    def array(self) -> str | None:
        """The name of the records' array, if it lies in an object; final at the end."""
        return self._form.array if isinstance(self._form, OuterObject) else None

    @property
    def is_lines(self) -> bool:
        """Whether records follow one another without a container, so that a cut between two of them can't be seen."""
        return isinstance(self._form, Lines | Concatenated)

    @property
    def members(self) -> Mapping[str, Any]:
        """Other values of a top-level object, such as `count` and `next`, if they are small; final at the end.

        Where a path leads to the records, also those of the objects on the way.
        """
        if isinstance(self._form, ArrayAtPath):
            return self._form.values
        return self._form.small.values if isinstance(self._form, OuterObject) else {}

    @property
    def is_null(self) -> bool:
        """Whether null stands in place of the array of records; final at the end."""
        return isinstance(self._form, OuterObject | ArrayAtPath) and self._form.is_null

    @property
    def names(self) -> Sequence[str]:
        """The names of a top-level object's first members, and of those on the way; final at the end."""
        if isinstance(self._form, ArrayAtPath):
            return self._form.names
        return self._form.small.names if isinstance(self._form, OuterObject) else ()

    def feed(self, piece: bytes) -> list[bytes]:
        """The records that the next piece completes.

        Raises:
            BrokenError: If the document is not JSON.
            OversizedError: If a record is longer than allowed.
        """
        if not self._form:
            self._head += piece if self._head else self._beginning.feed(piece)
            self._form, piece = self._choose(at_end=False)
        return self._counted(self._form.feed(piece)) if self._form and piece else []

    def finish(self) -> list[bytes]:
        """The records that are known only now that nothing more comes.

        Raises:
            CutError: If the document is not complete.
            NoRecordsError: If it has no array that can be the records, or several; or if it has records elsewhere than
                the path leads to.
            BrokenError: As for `feed`.
            OversizedError: As for `feed`.
        """
        records: list[bytes] = []
        if not self._form:
            self._head = self._head or self._beginning.feed(b"", at_end=True)
            self._form, piece = self._choose(at_end=True)
            records = self._form.feed(piece) if self._form else []
        if not self._form:
            raise CutError("is empty", at=0)
        records = self._counted(records + self._form.finish())
        if self._is_elsewhere:
            message = f"has its records elsewhere than at {'.'.join(self._path)}: in no object at all"
            raise NoRecordsError(message, at=0, names=())
        return records

    def split(self, pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
        """The records of a whole document, some at a time.

        Raises:
            DocumentError: As for `feed` and `finish`.
        """
        for piece in pieces:
            if records := self.feed(piece):
                yield records
        if records := self.finish():
            yield records

    def _choose(self, *, at_end: bool) -> tuple[_Form | None, bytes]:
        """The document's form, once it is known, and what is left to be read then."""
        text, at = self._head, self._beginning.at
        if not text:
            return None, b""
        if text.startswith(b"["):
            self._head = b""
            return _TopArray(at=at + 1, longest_bytes=self._longest), text[1:]
        if not text.startswith(b"{"):
            raise BrokenError(f"does not begin as JSON with records does, at byte {at}", at=at)
        if len(text) <= COMPARED_BYTES and not at_end:
            return None, b""
        self._head = b""
        if _begins_with_a_line(text):
            return Lines(at=at, longest_bytes=self._longest), text
        if _begins_with_a_record(text, self._arrays):
            return Concatenated(at=at, longest_bytes=self._longest), text
        path, inside = self._path, {"at": at + 1, "longest_bytes": self._longest}
        return ArrayAtPath(path, **inside) if path else OuterObject(self._arrays, **inside), text[1:]

    def _counted(self, records: list[bytes]) -> list[bytes]:
        if self._path and not isinstance(self._form, ArrayAtPath):
            self._is_elsewhere |= bool(records)
            return []
        self.records += len(records)
        return records


class _TopArray:
    """A document that is an array."""

    def __init__(self, *, at: int, longest_bytes: int) -> None:
        self._elements = Elements(b"[", at=at, longest_bytes=longest_bytes)

    def feed(self, piece: bytes) -> list[bytes]:
        elements = self._elements
        was_closed = elements.rest is not None
        records = [] if was_closed else elements.feed(piece)
        rest = piece if was_closed else elements.rest or b""
        if rest.strip(BLANK):
            raise BrokenError(f"goes on after its end at byte {elements.at}", at=elements.at)
        return records

    def finish(self) -> list[bytes]:
        if self._elements.rest is None:
            raise self._elements.cut()
        return []


_Form: TypeAlias = _TopArray | Lines | Concatenated | OuterObject | ArrayAtPath


def _begins_with_a_line(text: bytes) -> bool:
    """Whether a text that begins with a brace has a whole object in its first line, and anything in further ones."""
    line, _, others = text[: COMPARED_BYTES + 1].partition(b"\n")  # no more, however much came at once
    line = line.rstrip(BLANK)
    return bool(others.strip(BLANK)) and Scanner().scan(line).end(1) == len(line) - 1


def _begins_with_a_record(text: bytes, arrays: Sequence[str]) -> bool:
    """Whether another object follows the first one, which is no document with records itself."""
    end = Scanner().scan(text[:COMPARED_BYTES]).end(1)
    if end is None or not text[end + 1 :].lstrip(BLANK).startswith(b"{"):
        return False
    try:
        first = json.loads(text[: end + 1])
    except (ValueError, RecursionError):
        return False
    lists = (value for value in first.values() if isinstance(value, list))
    return not any(name in first for name in arrays) and not any(isinstance(one[0], dict) for one in lists if one)
