"""The members of a giant object, decoded by the buffer: guessed cut first, exact cut where the decoder refuses.

Not here: finding the object in its document (`json_object.py`), the guess (`cut_guess.py`), members that are longer
than any buffer (`long_member.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from journey_pipeline.formats.cut_guess import CutGuess
from journey_pipeline.formats.failures import BrokenError, CutError, OversizedError
from journey_pipeline.formats.json_elements import BLANK, Elements
from journey_pipeline.formats.json_scan import Scanner
from journey_pipeline.formats.long_member import part

_SCANNED_AT_ONCE = 1 << 18
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
        buffering: How.
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
