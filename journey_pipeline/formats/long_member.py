"""A member that is too long for any buffer, given in parts that are cut inside one of its arrays.

Each part is a member of its own under the same key: the first has everything up to the cut, the next ones the way to
the array, what stands before the array in the object that holds it, and the array's further elements. Not here: members
that fit (`json_object.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from journey_pipeline.formats.json_scan import OPEN, Marks, Scanner

_SCANNED_AT_ONCE = 1 << 18
_CLOSING = {ord("["): b"]", ord("{"): b"}"}
# The depth of a member's value, where the object that the member belongs to has 1.
_VALUE = 2
# Below this many brackets nobody looks for the array.
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
