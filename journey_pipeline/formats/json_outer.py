"""The records of a top-level object: which of its arrays they are, and what else the object says.

Not here: top-level arrays and newline-delimited JSON (`json_records.py`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import NamedTuple

from journey_pipeline.formats.failures import BrokenError, NoRecordsError
from journey_pipeline.formats.json_elements import BLANK, Elements
from journey_pipeline.formats.json_members import Member, SmallMembers, read_member, told

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
