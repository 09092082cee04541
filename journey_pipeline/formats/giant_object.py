"""The members of a giant object, decoded by the buffer: guessed cut first, exact cut where the decoder refuses.

A member that is too long for any buffer comes in parts that are cut inside one of its arrays. Not here: finding the
object in its document (`json_object.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec
import numpy as np

from journey_pipeline.formats.json_elements import BLANK, Elements
from journey_pipeline.formats.json_scan import OPEN, BrokenError, CutError, CutGuess, Marks, OversizedError, Scanner

_SCANNED_AT_ONCE = 1 << 18
_CLOSING = {ord("["): b"]", ord("{"): b"}"}
# The depth of a member's value, where the object that the member belongs to has 1.
_VALUE = 2
# The array of records is not looked for at a greater depth.
_DEEPEST = 32
# What stands before the array comes again with every part; more than this stays with the first.
_LONGEST_BEFORE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Parted:
    """A member cut in two.

    Attributes:
        first: What can be given now, a whole member.
        way: What has to stand before the rest, so that it is a member again.
        rest_at: Where the rest begins in the text.
    """

    first: bytes
    way: bytes
    rest_at: int


def part(text: bytes, array: str) -> Parted | None:
    """Cuts a member that is not complete after the last whole element of its array.

    Args:
        text: The member from its key on.
        array: The name of the array, at whatever depth.

    Returns:
        None if the text does not end inside such an array, or no element of it is complete.
    """
    open_ = _Open()
    scanner = Scanner(1)
    for start in range(0, len(text), _SCANNED_AT_ONCE):
        open_.take(scanner.scan(text[start : start + _SCANNED_AT_ONCE]), start)
    for depth in range(_VALUE, min(scanner.depth, _DEEPEST) + 1):
        comma = open_.commas.get(depth, -1)
        if (
            comma > open_.at[depth]
            and text[open_.at[depth]] == ord("[")
            and open_.name(text, depth) == b'"%s"' % array.encode()
        ):
            closing = b"".join(_CLOSING[text[open_.at[level]]] for level in range(depth, _VALUE - 1, -1))
            return Parted(text[:comma] + closing, open_.way(text, depth), comma + 1)
    return None


@dataclass(slots=True)
class _Open:
    """The containers that are open at the text's end, by depth.

    Attributes:
        at: Offset of the opening bracket.
        before: Offset after the mark that stands before it: there its name begins.
        commas: Offset of the last comma.
    """

    at: dict[int, int] = field(default_factory=dict)
    before: dict[int, int] = field(default_factory=dict)
    commas: dict[int, int] = field(default_factory=dict)
    _last: int = -1

    def take(self, marks: Marks, start: int) -> None:
        # The last bracket that opened a depth is the one that is open, if any is at the end.
        for depth in range(_VALUE, min(int(marks.depths.max(initial=0)), _DEEPEST) + 1):
            opening = np.flatnonzero((marks.kinds == OPEN) & (marks.depths == depth))
            if opening.size:
                last = int(opening[-1])
                self.at[depth] = start + int(marks.positions[last])
                self.before[depth] = (start + int(marks.positions[last - 1]) if last else self._last) + 1
            commas = marks.commas(depth)
            if commas.size:
                self.commas[depth] = start + int(commas[-1])
        if marks.positions.size:
            self._last = start + int(marks.positions[-1])

    def name(self, text: bytes, depth: int) -> bytes:
        """The name under which a container stands, in its quotes; nothing for an array's element."""
        return text[self.before[depth] : self.at[depth]].strip(b" \t\r\n:")

    def way(self, text: bytes, depth: int) -> bytes:
        """From the key to the array's bracket; of the outer containers only their names."""
        if depth == _VALUE:
            return text[: self.at[depth] + 1]
        before = text[self.at[depth - 1] : self.at[depth] + 1]
        if len(before) > _LONGEST_BEFORE_BYTES:
            before = before[:1] + text[self.before[depth] : self.at[depth] + 1]
        ways = [text[self.before[level] : self.at[level] + 1] for level in range(_VALUE, depth - 1)]
        return b"".join(ways) + text[self.before[depth - 1] : self.at[depth - 1]] + before


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
        """Gives the whole members of the buffer, and leaves what follows them in it."""
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
    for start in range(0, len(text), _SCANNED_AT_ONCE):
        marks = scanner.scan(text[start : start + _SCANNED_AT_ONCE])
        end = marks.end(1)
        if end is not None:
            return comma, start + end
        commas = marks.commas(1)
        if commas.size:
            comma = start + int(commas[-1])
    return comma, None
