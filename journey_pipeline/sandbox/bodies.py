"""Bodies of answers: a file that is sent as gzip or as it is, and the ways to take bytes apart and together.

Not here: sending it (`wire.py`), which fault spoils it and how (`faults.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol, TypeAlias

from isal import isal_zlib

CHUNK_BYTES = 1 << 20
_SLOW_BYTES = 4_096
TRAILER_BYTES = 8  # CRC-32 and length, both of the unpacked bytes
_RECORD_CUT_BYTES = 12  # how far into a record a cut goes

Ending: TypeAlias = Literal["complete", "close", "reset"]
Place: TypeAlias = Literal["record", "between", "character"]
# Of bytes, those up to the first place of a kind after an offset.
Cut: TypeAlias = Callable[[Iterator[bytes], int, Place], Iterator[bytes]]


class Content(Protocol):
    """A file that an answer is made of."""

    @property
    def packed_bytes(self) -> int:
        """Its size as gzip."""
        ...

    @property
    def raw_bytes(self) -> int:
        """Its size without."""
        ...

    def packed(self, most: int | None = None) -> Iterator[bytes]:
        """Its bytes as gzip, the first `most` of them."""
        ...

    def raw(self) -> Iterator[bytes]:
        """Its bytes."""
        ...


@dataclass(slots=True)
class PackedFile:
    """An open gzip file that an answer is made of.

    Attributes:
        file: Open at its start; closed when the body has been sent.
        packed_bytes: Its size.
        raw_bytes: Size after unpacking.
    """

    file: BinaryIO
    packed_bytes: int
    raw_bytes: int

    def packed(self, most: int | None = None) -> Iterator[bytes]:
        """The bytes as they lie there, the first `most` of them."""
        left = self.packed_bytes if most is None else most
        while left > 0 and (chunk := self.file.read(min(left, CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk

    def raw(self) -> Iterator[bytes]:
        """The bytes unpacked."""
        unpack = isal_zlib.decompressobj(wbits=31)
        for chunk in self.packed():
            if data := unpack.decompress(chunk):
                yield data
        if data := unpack.flush():
            yield data


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent as the body of an answer.

    Attributes:
        chunks: Its bytes.
        length: How many a `Content-Length` promises, None if unknown.
        ending: Properly, or with the connection before it is complete.
        pause_s: Real seconds between the pieces.
    """

    chunks: Iterator[bytes]
    length: int | None
    ending: Ending = "complete"
    pause_s: float = 0.0


def cut_off(chunks: Iterator[bytes], after: int, at: Place, *, quoted: bool = True) -> Iterator[bytes]:
    """The bytes up to the first place of a kind after an offset.

    Args:
        chunks: CSV, minimally quoted, or JSON with a record a line.
        after: Offset in bytes.
        at: Inside a record, between two, or inside a multi-byte character.
        quoted: Whether a line break inside quotes ends no record, as in CSV; in JSON there is none.
    """
    seen, quotes = 0, 0 if quoted else None
    for chunk in chunks:
        for place in _places(chunk, max(0, after - seen), at, quotes) if seen + len(chunk) > after else ():
            yield chunk[:place]
            return
        quotes = None if quotes is None else quotes + chunk.count(b'"')
        seen += len(chunk)
        yield chunk


def _places(chunk: bytes, start: int, at: Place, quotes: int | None) -> Iterator[int]:
    """Where a chunk can be cut."""
    if at == "character":
        yield from (place + 1 for place in range(start, len(chunk)) if chunk[place] >= 0xC0)  # noqa: PLR2004 - UTF-8
        return
    place = start
    while (place := chunk.find(b"\n", place) + 1) > 0:
        # A line break inside quotes ends no record: there, the number of quotes so far is odd.
        if quotes is not None and (quotes + chunk.count(b'"', 0, place)) % 2:
            continue
        if at == "between":
            yield place
        elif place + _RECORD_CUT_BYTES < len(chunk):
            yield place + _RECORD_CUT_BYTES


def repack(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Bytes as a gzip stream."""
    pack = isal_zlib.compressobj(level=1, wbits=31)
    for chunk in chunks:
        yield pack.compress(chunk)
    yield pack.flush()


def packed_open(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Bytes as a gzip stream that gives all of them and never ends."""
    pack = isal_zlib.compressobj(level=1, wbits=31)
    for chunk in chunks:
        yield pack.compress(chunk)
    yield pack.flush(isal_zlib.Z_SYNC_FLUSH)


def first_bytes(chunks: Iterator[bytes], most: int) -> Iterator[bytes]:
    """The first bytes of a body."""
    for chunk in chunks:
        yield chunk[:most]
        most -= len(chunk)
        if most <= 0:
            return


def after(chunks: Iterator[bytes], place: int) -> Iterator[bytes]:
    """The bytes of a body from a place on."""
    for chunk in chunks:
        yield chunk[place:]
        place = max(0, place - len(chunk))


def followed(chunks: Iterator[bytes], more: bytes) -> Iterator[bytes]:
    """Bytes, and more after them."""
    yield from chunks
    yield more


def in_pieces(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Bytes in pieces of 4 KB."""
    for chunk in chunks:
        for start in range(0, len(chunk), _SLOW_BYTES):
            yield chunk[start : start + _SLOW_BYTES]


def with_changed_byte(chunks: Iterator[bytes], place: int) -> Iterator[bytes]:
    """Bytes with a wrong one at a place."""
    for chunk in chunks:
        if 0 <= place < len(chunk):
            yield chunk[:place] + bytes([chunk[place] ^ 0xFF]) + chunk[place + 1 :]
        else:
            yield chunk
        place -= len(chunk)
