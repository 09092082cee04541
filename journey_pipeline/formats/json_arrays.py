"""The array of records inside of a top-level object: at a declared path, or the likeliest of those that there are.

Not here: documents of other forms (`json_records.py`), a giant object with a member for each record (`json_object.py`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from journey_pipeline.formats.json_elements import BLANK, Elements, Member, SmallMembers, read_member, told
from journey_pipeline.formats.json_scan import BrokenError, CutError, NoRecordsError

_HELD_BYTES = 1 << 20  # a longer member is begun, or let go, before it is complete
_TOLD_APART = 2  # objects of one name: a document that has more of them is refused as one that has two


class ArrayAtPath:
    """Reads the array at a path, in an object whose opening brace has been read.

    Args:
        path: Names, from the object inwards; the last one is the array's.
        at: Where the first byte after the brace lies.
        longest_bytes: The most bytes of one record.

    Attributes:
        small: What else the object itself holds.
    """

    def __init__(self, path: Sequence[str], *, at: int, longest_bytes: int) -> None:
        self.small = SmallMembers()
        self._name, *self._further = path
        self._longest = longest_bytes
        self._outer = Elements(b"{", at=at, longest_bytes=sys.maxsize)  # a member is let go long before
        self._inner: Elements | ArrayAtPath | None = None
        self._within: list[ArrayAtPath] = []
        self._arrays = 0

    @property
    def at(self) -> int:
        """Where the next byte lies that `feed` is given."""
        return self._outer.at

    @property
    def rest(self) -> bytes | None:
        """The bytes after the object's end in the same piece; None before its end."""
        return self._outer.rest

    @property
    def found(self) -> int:
        """How many arrays are at the path: more than one if a name is there twice."""
        return self._arrays + sum(one.found for one in self._within)

    @property
    def is_null(self) -> bool:
        """Whether null stands there, or on the way, which says that there are no records; final at the end."""
        values = self.small.values
        is_own = self._name in values and values[self._name] is None
        return not self.found and (is_own or any(one.is_null for one in self._within))

    @property
    def values(self) -> Mapping[str, Any]:
        """The small values beside the way; of one name the outermost that is not null. Final at the end."""
        inner = {name: value for one in self._within for name, value in one.values.items()}
        own = {name: value for name, value in self.small.values.items() if value is not None or name not in inner}
        return inner | own

    @property
    def names(self) -> list[str]:
        """All names beside the way; final at the end."""
        return self.small.names + [name for one in self._within for name in one.names]

    @property
    def placed_names(self) -> list[str]:
        """The names, those of objects on the way with the way to them."""
        return self.small.names + [f"{self._name}.{name}" for one in self._within for name in one.placed_names]

    def feed(self, piece: bytes) -> list[bytes]:
        """The records that the next piece completes.

        Raises:
            DocumentError: As for `Elements.feed`.
        """
        if self._inner:
            return self._inner.feed(piece) + self._go_on()
        if self._outer.rest is not None:
            self._outer.rest = (self._outer.rest + piece).lstrip(BLANK)
            return []
        return self._read(self._outer.feed(piece))

    def finish(self) -> list[bytes]:
        """Nothing: no record has to wait for the end.

        Raises:
            CutError: If the object is not complete.
            BrokenError: If something follows it.
            NoRecordsError: If there is no array at the path, or more than one.
        """
        if self.rest is None:
            raise self.cut()
        if self.rest.strip(BLANK):
            raise BrokenError(f"goes on after its end at byte {self.at}", at=self.at)
        if self.found != 1 and not self.is_null:
            how = "more than one array" if self.found else "no array"
            place = ".".join([self._name, *self._further])
            message = f"is an object with {how} at {place}; its members: {told(self.placed_names)}"
            raise NoRecordsError(message, names=self.names)
        return []

    def cut(self) -> CutError:
        """The error to raise if no more bytes come."""
        return self._inner.cut() if self._inner else self._outer.cut()

    def _read(self, members: Sequence[bytes]) -> list[bytes]:
        records: list[bytes] = []
        for text, at in zip(members, self._outer.starts, strict=True):
            member = self._member(text, at)
            if not (inner := self._leads_into(member)):
                self.small.keep(member)
                continue
            records += inner.feed(member.value[1:])
            if inner.rest is None or inner.rest.strip(BLANK):
                raise BrokenError(f"has no comma after the value that ends at byte {inner.at}", at=inner.at)
        if self._outer.rest is None and self._outer.pending_bytes > _HELD_BYTES:
            records += self._begin_long()
        return records

    def _begin_long(self) -> list[bytes]:
        """Decides about a member before it is complete."""
        end = self._outer.at
        text = self._outer.take_pending()
        member = self._member(text, end - len(text))
        self._inner = self._leads_into(member)
        if not self._inner:
            self._outer.skip_pending()
            return []
        return self._inner.feed(member.value[1:]) + self._go_on()

    def _go_on(self) -> list[bytes]:
        """Back to the object's members if what was read inside of it has ended."""
        if not self._inner or self._inner.rest is None:
            return []
        inner, self._inner = self._inner, None
        return self._read(self._outer.resume(inner.rest or b"", inner.at))

    def _leads_into(self, member: Member) -> Elements | ArrayAtPath | None:
        """The reader of a member that is the array, or an object on the way to it."""
        if member.name != self._name:
            return None
        at = member.at + 1
        if not self._further and member.value.startswith(b"["):
            self._arrays += 1
            return Elements(b"[", at=at, longest_bytes=self._longest)
        if self._further and member.value.startswith(b"{") and len(self._within) < _TOLD_APART:
            self._within.append(ArrayAtPath(self._further, at=at, longest_bytes=self._longest))
            return self._within[-1]
        return None

    def _member(self, text: bytes, at: int) -> Member:
        member = read_member(text, at)
        self.small.name(member)
        return member


# A complete array up to this size waits until the whole object was seen; a longer one is taken or left at once.
COMPARED_BYTES = 1 << 20


_OF_OBJECTS = re.compile(rb"\[[ \t\r\n]*\{")


_EMPTY = re.compile(rb"\[[ \t\r\n]*\]")


class _Candidate(NamedTuple):
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
        self._best: _Candidate | None = None
        self._rivals: list[str] = []

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
            raise NoRecordsError(message, names=self.small.names)
        if self._rivals:
            message = f"has several arrays that may be the records: {told([self._best.array.name, *self._rivals])}"
            raise NoRecordsError(message, names=self.small.names)
        return [] if self._best.is_given else self._give_whole(self._best.array)

    def _read(self, members: Sequence[bytes]) -> list[bytes]:
        records: list[bytes] = []
        for text, at in zip(members, self._outer.starts, strict=True):
            member = self._member(text, at)
            if not self._consider(member, is_whole=True):
                self.small.keep(member)
            elif len(text) > COMPARED_BYTES:
                self._best = _Candidate(self._rank(member), member._replace(value=b""), is_given=True)
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
        if not self._consider(member, is_whole=False):
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

    def _consider(self, member: Member, *, is_whole: bool) -> bool:
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
        self._best = _Candidate(rank, member if is_whole else member._replace(value=b""), is_given=not is_whole)
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
