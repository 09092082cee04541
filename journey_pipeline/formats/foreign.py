"""Knows by its first bytes what is neither CSV nor JSON in UTF-8, so that a message can call it by its name.

Not here: error pages and error objects (the inspectors in `vendors/`).
"""

from __future__ import annotations

_STARTS = (
    (b"\x1f\x8b", "gzip inside of gzip: it was compressed twice"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x28\xb5\x2f\xfd", "a file compressed with Zstandard"),
    (b"\xfd7zXZ\x00", "a file compressed with xz"),
    *((bytes([0x78, level]), "a file compressed with zlib") for level in (0x01, 0x9C, 0xDA)),
)
_LETTERS = 2


def foreign_form(start: bytes) -> str | None:
    """What a body is, by its first bytes; None if it may be text in UTF-8, or too little came to tell."""
    for mark, name in _STARTS:
        if start.startswith(mark):
            return name
    letters = [start[at : at + 2] for at in range(0, 2 * _LETTERS, 2)]
    if len(start) >= 2 * _LETTERS and any(_are_utf_16(letters, zero) for zero in (0, 1)):
        return "text in UTF-16 without a mark"
    return None


def _are_utf_16(letters: list[bytes], zero: int) -> bool:
    """Whether each letter is one of ASCII with a zero at this place."""
    return all(letter[zero] == 0 and letter[1 - zero] != 0 for letter in letters)
