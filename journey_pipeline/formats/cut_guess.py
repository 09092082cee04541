r"""A quick guess where a buffer of members can be cut, for a strict parser to verify.

Looked for from the buffer's end: `} , "key" : { "hint"`, where hint is the first name inside of every member, and the
key's first letter is none of `,:}]` or white space. Were its quote a closing one, such a letter would have to follow;
so it is an opening one, and the comma before it lies outside of strings. Only the depth stays in doubt, and text that
is cut at a wrong depth is no balanced document. Not here: the exact way (`json_scan.py`), verifying
(`giant_object.py`).
"""

from __future__ import annotations

import re

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
