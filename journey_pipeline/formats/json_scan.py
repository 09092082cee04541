"""The structure of JSON text, whole pieces at a time: where brackets and commas stand, where a buffer can be cut.

Also what can be wrong with a file of JSON as a whole; each error says where, and never what stands there. Not here:
cutting a container into its elements (`json_elements.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:  # a stream is declared with its reader, and most commands read no file
    import numpy as np
    import numpy.typing as npt


class DocumentError(Exception):
    """A file can't be read to its end.

    Args:
        message: What is wrong; completes "the answer ..." or "the file ...".
        at: Where, in bytes of the inflated file from its start, from 0.
    """

    def __init__(self, message: str, *, at: int) -> None:
        super().__init__(message)
        self.at = at


class CutError(DocumentError):
    """The bytes end before the document does."""


class BrokenError(DocumentError):
    """The text is invalid JSON."""


class OversizedError(DocumentError):
    """A record, or a member, is longer than allowed."""


class NoRecordsError(DocumentError):
    """A whole document in which no array of records could be made out.

    Args:
        message: As for `DocumentError`.
        names: The names of the members of its outer object, in their order.
    """

    def __init__(self, message: str, *, names: Sequence[str]) -> None:
        super().__init__(message, at=0)
        self.names = tuple(names)


_QUOTE, _BACKSLASH, OPEN, _CLOSE, _COMMA = 1, 2, 3, 4, 5
_KIND_OF = {ord('"'): _QUOTE, ord("\\"): _BACKSLASH, ord(","): _COMMA}
_KIND_OF |= dict.fromkeys(b"{[", OPEN) | dict.fromkeys(b"}]", _CLOSE)
_KINDS = bytes(_KIND_OF.get(byte, 0) for byte in range(256))

Integers: TypeAlias = "npt.NDArray[np.int64]"
Bytes: TypeAlias = "npt.NDArray[np.uint8]"
Flags: TypeAlias = "npt.NDArray[np.bool_]"


class Marks(NamedTuple):
    """Brackets and commas outside of strings, in the order in which they stand.

    Attributes:
        positions: Offsets in the piece.
        kinds: Which each one is; `OPEN` if it is an opening bracket.
        depths: How many brackets are open after each one.
    """

    positions: Integers
    kinds: Bytes
    depths: Integers

    def commas(self, depth: int) -> Integers:
        """Offsets of the commas between the elements of the containers that lie at a depth."""
        found: Integers = self.positions[(self.kinds == _COMMA) & (self.depths == depth)]
        return found

    def end(self, depth: int) -> int | None:
        """Offset of the first bracket that closes a container at a depth."""
        ends = self.ends(depth)
        return int(ends[0]) if ends.size else None

    def ends(self, depth: int) -> Integers:
        """Offsets of all brackets that close a container at a depth."""
        found: Integers = self.positions[(self.kinds == _CLOSE) & (self.depths == depth - 1)]
        return found


SCANNED_AT_ONCE = 1 << 18
"""So much text is looked at in one go: more would not stay near the processor."""


class Scanner:
    """Scans JSON text piece by piece; the text starts outside of strings.

    Args:
        depth: How many brackets are open before it.

    Attributes:
        inside_string: Whether the text so far ends inside a string.
        depth: How many brackets are open at its end.
    """

    def __init__(self, depth: int = 0) -> None:
        self.depth = depth
        self.inside_string = False
        self._escaped = False

    def scan(self, piece: bytes | memoryview) -> Marks:
        """Takes the next piece, cut anywhere."""
        import numpy as np  # noqa: PLC0415 - as above

        text = bytes(piece)
        kinds_of_all = np.frombuffer(text.translate(_KINDS), np.uint8)
        positions = np.flatnonzero(kinds_of_all != 0)  # of truth values it is twice as fast as of bytes
        if self._escaped and positions.size and positions[0] == 0:
            positions = positions[1:]
        self._escaped &= not text
        kinds = kinds_of_all[positions]
        quotes = kinds == _QUOTE
        self._drop_escaped(quotes, positions, positions[kinds == _BACKSLASH], len(text))
        inside = np.bitwise_xor.accumulate(quotes, dtype=np.bool_) ^ self.inside_string
        if inside.size:
            self.inside_string = bool(inside[-1])
        marks = np.flatnonzero(~inside & (kinds >= OPEN))
        kinds = kinds[marks]
        steps = (kinds == OPEN).astype(np.int8) - (kinds == _CLOSE)
        depths = np.cumsum(steps, dtype=np.int64) + self.depth
        if depths.size:
            self.depth = int(depths[-1])
        return Marks(positions[marks], kinds, depths)

    def _drop_escaped(self, quotes: Flags, positions: Integers, backslashes: Integers, length: int) -> None:
        """Takes out the quotes that a backslash escapes: an odd run of them escapes what follows it."""
        import numpy as np  # noqa: PLC0415 - as above

        if not backslashes.size:
            return
        first = np.flatnonzero(np.diff(backslashes, prepend=-2) != 1)
        runs = np.diff(np.append(first, backslashes.size))
        odd = runs % 2 == 1
        escaped = backslashes[first][odd] + runs[odd]
        if escaped.size and escaped[-1] == length:
            self._escaped = True
            escaped = escaped[:-1]
        found = np.minimum(np.searchsorted(positions, escaped), positions.size - 1)
        quotes[found[positions[found] == escaped]] = False


_BLANK = rb"[ \t\r\n]*+"
_TRIES = 8
# How far before the hint its member may begin: a longer key is left to the exact way.
_LONGEST_KEY_BYTES = 4096


class CutGuess:
    """Guesses cuts between members.

    Args:
        hint: The first name inside of every member.
    """

    def __init__(self, hint: str) -> None:
        name = re.escape(hint.encode())
        self._hint = b'"' + hint.encode() + b'"'
        key = rb'"[^"\\,:}\]\s][^"\\]*+"'
        parts = (rb"\}", rb"(,)", key, rb":", rb"\{", rb'"' + name + rb'"')
        self._cut = re.compile(_BLANK.join(parts))

    def find(self, buffer: bytes) -> int | None:
        """Offset of the comma of the last likely cut."""
        end = len(buffer)
        for _ in range(_TRIES):
            end = buffer.rfind(self._hint, 0, end)
            if end < 0:
                return None
            brace = buffer.rfind(b"}", 0, end)
            while brace >= 0 and end - brace < _LONGEST_KEY_BYTES:
                if found := self._cut.match(buffer, brace):
                    return found.start(1)
                brace = buffer.rfind(b"}", 0, brace)
        return None
