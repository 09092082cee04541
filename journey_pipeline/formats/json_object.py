"""The members of one giant object inside a JSON document, such as `{"profiles": {"key": {...}, ...}, "metadata": ...}`.

They are decoded by the buffer: guessed cut first, exact cut where the decoder refuses. Not here: a member that is too
long for any buffer (`json_elements.py`), arrays of records (`json_records.py`), what a member means.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from journey_pipeline.formats.json_elements import (
    BLANK,
    Beginning,
    Elements,
    SmallMembers,
    part,
    read_member,
    told,
)
from journey_pipeline.formats.json_scan import (
    SCANNED_AT_ONCE,
    BrokenError,
    CutError,
    CutGuess,
    NoRecordsError,
    OversizedError,
    Scanner,
)

_GROWTH = 2

Decoded = TypeVar("Decoded")


@dataclass(frozen=True, slots=True)
class Members(Generic[Decoded]):
    """Some members of the giant object, in its order.

    Attributes:
        raw: A document `{"key": ...}` with them as they stand.
        decoded: What the decoder made of it; None if it refused it, which then holds a single member.
        fault: Why it did.
    """

    raw: bytes
    decoded: Decoded | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Buffering(Generic[Decoded]):
    """How a giant object is read.

    Attributes:
        decode: Reads a document `{"key": ...}`.
        guess: Guesses where to cut; None to cut exactly from the start.
        array: The array in which a member may be cut that is too long; None if it may not.
        buffer_bytes: About how long a document is.
        longest_bytes: The most bytes that are held of one member.
    """

    decode: Callable[[bytes], Decoded]
    guess: CutGuess | None
    array: str | None
    buffer_bytes: int
    longest_bytes: int


class GiantObject(Generic[Decoded]):
    """Reads the members of an object whose opening brace has been read.

    Args:
        at: Where the first byte after the brace lies in the document.

    Attributes:
        at: Where the first byte lies that no member given so far holds.
        rest: What follows the closing brace in what was fed; None before the object is closed.
    """

    def __init__(self, buffering: Buffering[Decoded], *, at: int) -> None:
        self.at = at
        self.rest: bytes | None = None
        self._how = buffering
        self._want = buffering.buffer_bytes
        self._pieces: list[bytes] = []
        self._size = 0
        self._follows_comma = False
        self._is_parting = False

    def feed(self, piece: bytes) -> Iterator[Members[Decoded]]:
        """The members that are known to be whole once there is a buffer of them.

        Raises:
            BrokenError: If something that is no member stands where one should.
            OversizedError: If a member is longer than may be held.
        """
        for start in range(0, len(piece), self._how.buffer_bytes):
            stop = start + self._how.buffer_bytes
            self._pieces.append(piece[start:stop])
            self._size += len(self._pieces[-1])
            if self._size >= self._want:
                yield from self._drain(self._guessed)
            if self.rest is not None:
                self.rest += piece[stop:]
                return

    def finish(self) -> Iterator[Members[Decoded]]:
        """The last members.

        Raises:
            CutError: If the object is not closed; what was whole of it has been given then.
            DocumentError: As for `feed`.
        """
        yield from self._drain(None)
        if self.rest is None:
            end = self.at + self._size
            raise CutError(f"ends before its last bracket, after {end} bytes", at=end)

    def _drain(
        self, guessed: Callable[[bytes], tuple[Members[Decoded], int] | None] | None
    ) -> Iterator[Members[Decoded]]:
        """Returns the whole members of the buffer, and keeps the rest."""
        text = b"".join(self._pieces)
        found = guessed(text) if guessed else None
        if found:
            yield found[0]
            self._leave(text, found[1] + 1)
            return
        comma, end = _cuts(text)
        if end is not None:
            yield from self._close(text, end)
        elif comma is not None:
            yield from self._whole(text[:comma])
            self._leave(text, comma + 1)
        elif guessed:
            yield from self._grow(text)

    def _guessed(self, text: bytes) -> tuple[Members[Decoded], int] | None:
        comma = self._how.guess.find(text) if self._how.guess else None
        if comma is None:
            return None
        members = self._decoded(text[:comma])
        return (members, comma) if members.fault is None else None

    def _leave(self, text: bytes, start: int, way: bytes = b"") -> None:
        self._pieces = [way + text[start:]]
        self._size = len(self._pieces[0])
        self._want = self._how.buffer_bytes
        self._follows_comma, self._is_parting = True, bool(way)
        self.at += start - len(way)

    def _close(self, text: bytes, end: int) -> Iterator[Members[Decoded]]:
        at = self.at + end
        if text[end : end + 1] != b"}":
            raise BrokenError(f"has a bracket of the wrong kind at byte {at}", at=at)
        if self._follows_comma or text[:end].strip(BLANK):
            yield from self._whole(text[:end])
        self._pieces, self._size = [], 0
        self.at = at + 1
        self.rest = text[end + 1 :]

    def _grow(self, text: bytes) -> Iterator[Members[Decoded]]:
        """Waits for more of a member, or gives a part of it."""
        self._pieces = [text]
        if len(text) < self._how.longest_bytes and not self._is_parting:
            self._want = min(self._want * _GROWTH, self._how.longest_bytes)
            return
        parted = part(text, self._how.array) if self._how.array else None
        if parted:
            yield from self._whole(parted.first)
            self._leave(text, parted.rest_at, parted.way)
        elif len(text) >= self._how.longest_bytes:
            end = self.at + len(text)
            longest = self._how.longest_bytes
            raise OversizedError(f"has a member longer than {longest} bytes before byte {end}", at=end)
        else:
            self._want = min(self._want * _GROWTH, self._how.longest_bytes)

    def _whole(self, text: bytes) -> Iterator[Members[Decoded]]:
        """Members between exact cuts; one by one if the decoder refuses them together."""
        members = self._decoded(text)
        if members.fault is None:
            yield members
            return
        elements = Elements(b"{", at=self.at, longest_bytes=sys.maxsize)
        for element in elements.feed(text + b"}"):
            yield self._decoded(element)

    def _decoded(self, text: bytes) -> Members[Decoded]:
        raw = b"".join((b"{", text, b"}"))
        try:
            return Members(raw, self._how.decode(raw))
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            return Members(raw, None, f"no JSON as it is expected ({type(error).__name__})")


def _cuts(text: bytes) -> tuple[int | None, int | None]:
    """Offset of the last comma between members, and of the bracket that closes the object."""
    scanner = Scanner(1)
    comma = None
    for start in range(0, len(text), SCANNED_AT_ONCE):
        marks = scanner.scan(text[start : start + SCANNED_AT_ONCE])
        end = marks.end(1)
        if end is not None:
            return comma, start + end
        commas = marks.commas(1)
        if commas.size:
            comma = start + int(commas[-1])
    return comma, None


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
            raise NoRecordsError(message, names=self.small.names)

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
