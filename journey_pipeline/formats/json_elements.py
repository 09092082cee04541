"""One JSON container cut into its elements as it streams by: the values of an array, or the members of an object.

Also what stands beside what is streamed, the names and small values of a top-level object; and a member that is too
long to be held, cut inside of one of its arrays. Not here: which container of a document holds the records
(`json_records.py`, `json_object.py`).
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from journey_pipeline.formats.json_scan import (
    OPEN,
    SCANNED_AT_ONCE,
    BrokenError,
    CutError,
    Marks,
    OversizedError,
    Scanner,
)
from journey_pipeline.formats.small_answers import read_json

BLANK = b" \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CLOSING = {b"[": b"]", b"{": b"}"}


class _Pending(enum.Enum):
    """How the unfinished element is read."""

    GIVEN = enum.auto()
    SKIPPED = enum.auto()
    READ_ELSEWHERE = enum.auto()


class Elements:
    """Cuts a container whose opening bracket has been read.

    Args:
        at: Where the first byte after it lies in the document.
        longest_bytes: The most bytes of one element.

    Attributes:
        at: Where the next byte lies that `feed` is given.
        starts: Where the members lie that `feed` gave last. Nobody asks where an array's elements lie.
        rest: What followed the closing bracket in the piece that held it; None before the container is closed.
    """

    def __init__(self, opening: bytes, *, at: int, longest_bytes: int) -> None:
        self.at = at
        self.count = 0
        self.starts: list[int] = []
        self.rest: bytes | None = None
        self._closing = _CLOSING[opening]
        self._longest = longest_bytes
        self._scanner = Scanner(1)
        self._held: list[bytes] = []
        self._size = 0
        self._pending = _Pending.GIVEN
        self._resumed_at = at

    @property
    def pending_bytes(self) -> int:
        """How much is held of the element that has begun and is not complete."""
        return self._size

    @property
    def pending(self) -> bytes:
        """That, from its first letter on."""
        self._held = [b"".join(self._held)] if self._held else []
        return self._held[0] if self._held else b""

    def feed(self, piece: bytes) -> list[bytes]:
        """The elements that the next piece completes, without white space around them.

        Raises:
            BrokenError: If an element is missing between two commas, or the wrong bracket closes the container.
            OversizedError: If an element is longer than allowed.
        """
        elements: list[bytes] = []
        self.starts = []
        for start in range(0, len(piece), SCANNED_AT_ONCE):
            stop = start + SCANNED_AT_ONCE
            self._take(piece[start:stop], elements)
            if self.rest is not None:
                self.rest += piece[stop:]
                break
        return elements

    def take_pending(self) -> bytes:
        """The unfinished element so far. Another reader takes it over, see `resume`."""
        pending = self.pending
        self._held, self._size, self._pending = [], 0, _Pending.READ_ELSEWHERE
        return pending

    def skip_pending(self) -> None:
        """Drops the unfinished element, including its rest."""
        self._held, self._size, self._pending = [], 0, _Pending.SKIPPED

    def resume(self, rest: bytes, at: int) -> list[bytes]:
        """Goes on after the element that another reader has finished.

        Raises:
            BrokenError: As for `feed`, and if anything stands between the element and the next comma.
        """
        self._scanner = Scanner(1)
        self.at = self._resumed_at = at
        return self.feed(rest)

    def cut(self) -> CutError:
        """The error to raise if no more bytes come."""
        where = "inside a string" if self._scanner.inside_string else "before its last bracket"
        return CutError(f"ends {where}, after {self.at} bytes", at=self.at)

    def _take(self, piece: bytes, elements: list[bytes]) -> None:
        marks = self._scanner.scan(piece)
        end, commas = marks.end(1), marks.commas(1)
        if end is not None:
            commas = commas[commas < end]
        start = self._between(piece, commas.tolist(), elements)
        if end is None:
            self._hold(piece[start:])
            self.at += len(piece)
        else:
            self._close(elements, piece[start:end], piece[end : end + 1], at=self.at + end)
            self.at += end + 1
            self.rest = piece[end + 1 :]

    def _between(self, piece: bytes, commas: list[int], elements: list[bytes]) -> int:
        """Takes the elements before each comma of a piece; says where the next one begins."""
        if not commas:
            return 0
        self._complete(elements, piece[: commas[0]], at=self.at + commas[0])
        # The others lie in this piece alone: together, because most records come this way.
        texts = [piece[start + 1 : stop] for start, stop in pairwise(commas)]
        whole = [text.strip(BLANK) for text in texts]
        if all(whole) and max(map(len, whole), default=0) <= self._longest:
            elements += whole
            self.count += len(whole)
            if self._closing == b"}":
                stops = zip(texts, commas[1:], strict=True)
                self.starts += [self.at + stop - len(text.lstrip(BLANK)) for text, stop in stops]
        else:
            for start, stop in pairwise(commas):
                self._complete(elements, piece[start + 1 : stop], at=self.at + stop)
        return commas[-1] + 1

    def _complete(self, elements: list[bytes], last: bytes, *, at: int) -> None:
        """Ends the element at a comma or bracket that lies at `at`."""
        if self._held:
            self._hold(last)
            last, self._held, self._size = b"".join(self._held), [], 0
        element, pending = last.strip(BLANK), self._pending
        self._pending = _Pending.GIVEN
        if pending is _Pending.GIVEN and not element:
            raise BrokenError(f"has a comma with nothing beside it at byte {at}", at=at)
        if pending is _Pending.READ_ELSEWHERE and element:
            at = self._resumed_at
            raise BrokenError(f"has no comma after the value that ends at byte {at}", at=at)
        if len(element) > self._longest:
            raise self._oversized(at)
        self.count += 1
        if pending is _Pending.GIVEN:
            elements.append(element)
            if self._closing == b"}":
                self.starts.append(at - len(last.lstrip(BLANK)))

    def _close(self, elements: list[bytes], last: bytes, bracket: bytes, *, at: int) -> None:
        if bracket != self._closing:
            raise BrokenError(f"has a bracket of the wrong kind at byte {at}", at=at)
        is_empty = self._pending is _Pending.GIVEN and not (self.count or self._size or last.strip(BLANK))
        if not is_empty:
            self._complete(elements, last, at=at)

    def _hold(self, piece: bytes) -> None:
        if self._pending is _Pending.SKIPPED:
            return
        piece = piece if self._size else piece.lstrip(BLANK)
        if piece:
            self._held.append(piece)
            self._size += len(piece)
        if self._size > self._longest:
            raise self._oversized(self.at)

    def _oversized(self, at: int) -> OversizedError:
        return OversizedError(f"has a value longer than {self._longest} bytes before byte {at}", at=at)


class Beginning:
    """The first bytes of a document: waits for its first letter, in no more memory than that takes.

    Attributes:
        at: Where in the document the text lies that `feed` gave first.
    """

    def __init__(self) -> None:
        self.at = 0
        self._mark = b""

    def feed(self, piece: bytes, *, at_end: bool = False) -> bytes:
        """The document from its first letter on, without a byte order mark; empty if that has not come."""
        text = self._mark + piece
        self._mark = b""
        if not at_end and not self.at and _BYTE_ORDER_MARK.startswith(text):
            self._mark = text  # the rest of a byte order mark may follow
            return b""
        found = (text if self.at else text.removeprefix(_BYTE_ORDER_MARK)).lstrip(BLANK)
        self.at += len(text) - len(found)
        return found


_LONGEST_VALUE_BYTES = 64 << 10
_MOST_MEMBERS = 100
_MEMBER = re.compile(rb'("(?:[^"\\]|\\.)*+")[ \t\r\n]*+:[ \t\r\n]*+', re.DOTALL)
_PLAIN_NAME = re.compile(r"[A-Za-z_][\w.-]{0,59}")


class Member(NamedTuple):
    """A member of an object as it stands.

    Attributes:
        name: Its name.
        value: Its value's text, as far as it came.
        at: Where that begins.
    """

    name: str
    value: bytes
    at: int


def read_member(text: bytes, at: int) -> Member:
    """Takes a member apart.

    Raises:
        BrokenError: If it does not begin with a name and a colon.
    """
    found = _MEMBER.match(text)
    if not found:
        raise BrokenError(f"has no name with a colon at byte {at}", at=at)
    try:
        name = str(json.loads(found[1]))
    except ValueError as error:
        raise BrokenError(f"has a name that is no JSON at byte {at}", at=at) from error
    return Member(name, text[found.end() :], at + found.end())


class SmallMembers:
    """The first members of an object: their names, and their values where those are small.

    Attributes:
        names: The names, in their order.
        values: The values that are small.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.values: dict[str, Any] = {}

    def name(self, member: Member) -> None:
        """Notes that there is such a member."""
        if len(self.names) < _MOST_MEMBERS:
            self.names.append(member.name)

    def keep(self, member: Member) -> None:
        """Keeps a whole member's value if it is small.

        Raises:
            BrokenError: If it is no JSON.
        """
        if len(member.value) > _LONGEST_VALUE_BYTES or len(self.values) >= _MOST_MEMBERS:
            return
        try:
            self.values[member.name] = read_json(member.value)
        except ValueError as error:
            raise BrokenError(f"has a value that is no JSON at byte {member.at}", at=member.at) from error


def told(names: Sequence[str]) -> str:
    """Names that are surely none of a person's data."""
    plain = [name for name in names if _PLAIN_NAME.fullmatch(name)]
    others = f"and {len(names) - len(plain)} others" if len(plain) < len(names) else ""
    return ", ".join([*plain, *([others] if others else [])]) or "none"


_CLOSED_BY = {ord("["): b"]", ord("{"): b"}"}


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
    for start in range(0, len(text), SCANNED_AT_ONCE):
        open_.take(scanner.scan(text[start : start + SCANNED_AT_ONCE]), start)
    for depth in range(_VALUE, min(scanner.depth, _DEEPEST) + 1):
        comma = open_.commas.get(depth, -1)
        if (
            comma > open_.at[depth]
            and text[open_.at[depth]] == ord("[")
            and open_.name(text, depth) == b'"%s"' % array.encode()
        ):
            closing = b"".join(_CLOSED_BY[text[open_.at[level]]] for level in range(depth, _VALUE - 1, -1))
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
        import numpy as np  # noqa: PLC0415 - as in `json_scan`

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
