"""The members of one giant object inside a JSON document, such as `{"profiles": {"key": {...}, ...}, "metadata": ...}`.

Not here: how the object is cut (`giant_object.py`), arrays of records (`json_records.py`), what a member means.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic

from journey_pipeline.formats.giant_object import Buffering, Decoded, GiantObject, Members
from journey_pipeline.formats.json_elements import BLANK, Beginning, Elements, SmallMembers, read_member, told
from journey_pipeline.formats.json_scan import BrokenError, CutError, CutGuess, NoRecordsError

BUFFER_BYTES = 2 << 20
LONGEST_MEMBER_BYTES = 16 << 20
# Another member is let go once so much of it has come.
_LONGEST_PENDING_BYTES = 1 << 20


class ObjectSplitter(Generic[Decoded]):
    """Reads one giant object by buffers of whole members: pushed with `feed` and `finish`, or pulled with `split`.

    Memory is a few buffers, or a few times the longest member.

    Args:
        member: The giant object's name in the top-level object.
        decode: Reads a document `{"key": ...}` of some members; strict: it raises `msgspec.DecodeError` or `ValueError`
            at what is no JSON, also behind the document's end. What it refuses it may be given again in other pieces.
        hint: The first name inside of every member, if all begin alike. Without it every cut is exact, and slower.
        array: The name of the array in which a member that is too long is cut: its parts come as members with the same
            key, each with what stands before the array. Without it such a member is an error.
        buffer_bytes: About how long a document is.
        longest_bytes: The most bytes that are held of one member.

    Attributes:
        small: What else the top-level object holds; final at the end.
    """

    def __init__(
        self,
        member: str,
        decode: Callable[[bytes], Decoded],
        *,
        hint: str | None = None,
        array: str | None = None,
        buffer_bytes: int = BUFFER_BYTES,
        longest_bytes: int = LONGEST_MEMBER_BYTES,
    ) -> None:
        self.small = SmallMembers()
        guess = CutGuess(hint) if hint else None
        self._buffering = Buffering(decode, guess, array, buffer_bytes, max(buffer_bytes, longest_bytes))
        self._name = member
        self._begins = re.compile(rb'"' + re.escape(member.encode()) + rb'"[ \t\r\n]*+:[ \t\r\n]*+\{')
        self._beginning = Beginning()
        self._outer: Elements | None = None
        self._giant: GiantObject[Decoded] | None = None

    def feed(self, piece: bytes) -> Iterator[Members[Decoded]]:
        """The members that the next piece completes, once there is a buffer of them.

        Raises:
            BrokenError: If the document is no JSON object.
            OversizedError: If a member is longer than may be held.
        """
        if self._giant:
            yield from self._giant.feed(piece)
            yield from self._go_on()
        elif self._outer is None:
            yield from self._begin(self._beginning.feed(piece))
        elif self._outer.rest is None:
            yield from self._read(self._outer, self._outer.feed(piece))
        else:
            self._refuse(piece, self._outer.at)

    def finish(self) -> Iterator[Members[Decoded]]:
        """The last members.

        Raises:
            CutError: If the document is not complete; what was whole of the object has been given then.
            NoRecordsError: If the giant object is not in it.
            DocumentError: As for `feed`.
        """
        if self._outer is None:
            yield from self._begin(self._beginning.feed(b"", at_end=True))
        if self._giant:
            yield from self._giant.finish()
            yield from self._go_on()
        if self._outer is None:
            raise CutError("is empty", at=0)
        if self._outer.rest is None:
            raise self._outer.cut()
        if self._name not in self.small.names:
            message = f"is an object without {self._name!r}; its members: {told(self.small.names)}"
            raise NoRecordsError(message, at=0, names=self.small.names)

    def split(self, pieces: Iterable[bytes]) -> Iterator[Members[Decoded]]:
        """The members of a whole document.

        Raises:
            DocumentError: As for `feed` and `finish`.
        """
        for piece in pieces:
            yield from self.feed(piece)
        yield from self.finish()

    def _begin(self, text: bytes) -> Iterator[Members[Decoded]]:
        if not text:
            return
        at = self._beginning.at
        if not text.startswith(b"{"):
            raise BrokenError(f"does not begin as a JSON object, at byte {at}", at=at)
        self._outer = Elements(b"{", at=at + 1, longest_bytes=sys.maxsize)
        yield from self._read(self._outer, self._outer.feed(text[1:]))

    def _go_on(self) -> Iterator[Members[Decoded]]:
        """Back to the top-level object if the giant one has ended."""
        giant, outer = self._giant, self._outer
        if giant and outer and giant.rest is not None:
            self._giant = None
            yield from self._read(outer, outer.resume(giant.rest, giant.at))

    def _read(self, outer: Elements, members: Sequence[bytes]) -> Iterator[Members[Decoded]]:
        for text, at in zip(members, outer.starts, strict=True):
            member = read_member(text, at)
            self.small.name(member)
            if member.name == self._name and member.value.startswith(b"{"):
                giant = GiantObject(self._buffering, at=member.at + 1)
                yield from giant.feed(member.value[1:])
                yield from giant.finish()
                self._refuse(giant.rest or b"", giant.at)
            else:
                self.small.keep(member)
        if outer.rest is not None:
            self._refuse(outer.rest, outer.at)
        elif outer.pending_bytes:
            yield from self._look_ahead(outer)

    def _look_ahead(self, outer: Elements) -> Iterator[Members[Decoded]]:
        """Begins with the giant object as soon as it has begun."""
        found = self._begins.match(outer.pending)
        if found:
            text = outer.take_pending()
            self.small.name(read_member(text, outer.at - len(text)))
            self._giant = GiantObject(self._buffering, at=outer.at - len(text) + found.end())
            yield from self._giant.feed(text[found.end() :])
            yield from self._go_on()
        elif outer.pending_bytes > _LONGEST_PENDING_BYTES:
            text = outer.take_pending()
            self.small.name(read_member(text, outer.at - len(text)))
            outer.skip_pending()

    def _refuse(self, rest: bytes, at: int) -> None:
        if rest.strip(BLANK):
            raise BrokenError(f"goes on where it should end, at byte {at}", at=at)
