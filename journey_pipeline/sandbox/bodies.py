"""Bodies of answers, whole or spoilt: cut off, slow, or broken in the gzip.

Vendor-neutral: a body is a file that is sent as gzip or as it is. Not here: sending it (`wire.py`), and which
call is hit (`faults.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol, TypeAlias

from isal import isal_zlib

CHUNK_BYTES = 1 << 20
_SLOW_BYTES = 4_096
_TRAILER_BYTES = 8  # CRC-32 and length, both of the unpacked bytes
_RECORD_CUT_BYTES = 12  # how far into a record a cut goes

Ending: TypeAlias = Literal["complete", "close", "reset"]


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


def spoil(
    packed: Content,
    *,
    gzip: bool,
    kind: str | None,
    value: str = "",
    error: bytes = b"",
    cut: Callable[[Iterator[bytes], int, str], Iterator[bytes]] | None = None,
) -> Body:
    """The body of an answer as a fault leaves it; as it should be for kinds that do nothing to bodies.

    Args:
        gzip: Whether it is sent packed; the kinds that concern gzip do nothing to one that isn't.
        kind: Kind of the fault, None for none.
        error: Line that `csv_then_error` adds.
        cut: Cuts the file; `cut_off` if None.
    """
    length = packed.packed_bytes if gzip else packed.raw_bytes
    whole = packed.packed() if gzip else packed.raw()
    if kind in {"cut_record", "cut_line", "cut_character"}:
        raw = (cut or cut_off)(packed.raw(), packed.raw_bytes // 2, kind)
        return Body(_packed_open(raw) if gzip else raw, length, "reset" if value == "reset" else "close")
    if kind == "cut_file":
        half = packed.raw_bytes // 2
        raw = first_bytes(packed.raw(), half)
        return Body(repack(raw), None) if gzip else Body(raw, half)
    if kind == "csv_then_error":
        raw = _followed(packed.raw(), error)
        return Body(repack(raw) if gzip else raw, None)
    if kind == "slow_body":
        return Body(_in_pieces(whole), length, pause_s=float(value or 0.05))
    if gzip and kind in _GZIP_FAULTS:
        return _GZIP_FAULTS[kind](packed)
    return Body(whole, length)


def cut_off(chunks: Iterator[bytes], after: int, kind: str, *, quoted: bool = True) -> Iterator[bytes]:
    """The bytes up to the first place of a kind after an offset.

    Args:
        chunks: CSV, minimally quoted, or JSON with a record a line.
        after: Offset in bytes.
        kind: `cut_record` cuts inside a record, `cut_line` between two, `cut_character` inside a multi-byte character.
        quoted: Whether a line break inside quotes ends no record, as in CSV; in JSON there is none.
    """
    seen, quotes = 0, 0 if quoted else None
    for chunk in chunks:
        for place in _places(chunk, max(0, after - seen), kind, quotes) if seen + len(chunk) > after else ():
            yield chunk[:place]
            return
        quotes = None if quotes is None else quotes + chunk.count(b'"')
        seen += len(chunk)
        yield chunk


def _places(chunk: bytes, start: int, kind: str, quotes: int | None) -> Iterator[int]:
    """Where a chunk can be cut."""
    if kind == "cut_character":
        yield from (place + 1 for place in range(start, len(chunk)) if chunk[place] >= 0xC0)  # noqa: PLR2004 - UTF-8
        return
    place = start
    while (place := chunk.find(b"\n", place) + 1) > 0:
        # A line break inside quotes ends no record: there, the number of quotes so far is odd.
        if quotes is not None and (quotes + chunk.count(b'"', 0, place)) % 2:
            continue
        if kind == "cut_line":
            yield place
        elif place + _RECORD_CUT_BYTES < len(chunk):
            yield place + _RECORD_CUT_BYTES


def repack(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Bytes as a gzip stream."""
    pack = isal_zlib.compressobj(level=1, wbits=31)
    for chunk in chunks:
        yield pack.compress(chunk)
    yield pack.flush()


def _packed_open(chunks: Iterator[bytes]) -> Iterator[bytes]:
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


def _followed(chunks: Iterator[bytes], more: bytes) -> Iterator[bytes]:
    yield from chunks
    yield more


def _in_pieces(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), _SLOW_BYTES):
            yield chunk[start : start + _SLOW_BYTES]


def _cut_gzip(packed: Content) -> Body:
    return Body(packed.packed(packed.packed_bytes // 2), packed.packed_bytes // 2)


def _no_trailer(packed: Content) -> Body:
    most = packed.packed_bytes - _TRAILER_BYTES
    return Body(packed.packed(most), most)


def _bad_crc(packed: Content) -> Body:
    def chunks() -> Iterator[bytes]:
        place = packed.packed_bytes - _TRAILER_BYTES
        for chunk in packed.packed():
            if 0 <= place < len(chunk):
                yield chunk[:place] + bytes([chunk[place] ^ 0xFF]) + chunk[place + 1 :]
            else:
                yield chunk
            place -= len(chunk)

    return Body(chunks(), packed.packed_bytes)


def _trailing(packed: Content) -> Body:
    more = b"more bytes after the end"
    return Body(_followed(packed.packed(), more), packed.packed_bytes + len(more))


_GZIP_FAULTS: dict[str, Callable[[Content], Body]] = {
    "cut_gzip": _cut_gzip,
    "gzip_no_trailer": _no_trailer,
    "gzip_bad_crc": _bad_crc,
    "gzip_trailing": _trailing,
}
