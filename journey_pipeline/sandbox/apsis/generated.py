"""The bytes of an export, made while they are sent, the same ones each time; and those that a fault leaves of them.

A file of any size takes no memory, and one whose size must be known first is made twice. Nothing is kept but what is
prepared for a client whose speed is measured. Not here: what is in it (`profile_file.py`, `email_file.py`), what a
fault does to a body (`sandbox/faults.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import takewhile
from pathlib import Path

from journey_pipeline.sandbox.apsis.envelope import RefusedError
from journey_pipeline.sandbox.bodies import Body, PackedFile, Place, cut_off, first_bytes, repack
from journey_pipeline.sandbox.fault_rules import Fault
from journey_pipeline.sandbox.faults import FAULTS, spoil

_RECORD_CUT_BYTES = 12  # how far into a record a cut goes


class Generated:
    """A file that is made as it is read.

    Args:
        chunks: Makes it from the start; the same bytes each time.
        closed: Set when the sandbox is being stopped.
        between: What stands between two records, for cuts; None for CSV.
    """

    def __init__(
        self, chunks: Callable[[], Iterator[bytes]], *, closed: threading.Event, between: bytes | None = None
    ) -> None:
        self._chunks, self._closed, self._between = chunks, closed, between

    def raw(self) -> Iterator[bytes]:
        """The file. It breaks off when the sandbox is being stopped: by then nobody listens."""
        return takewhile(lambda _: not self._closed.is_set(), self._chunks())

    def packed(self, most: int | None = None) -> Iterator[bytes]:
        """The file as gzip, the first `most` bytes of that."""
        packed = (chunk for chunk in repack(self.raw()) if chunk)
        return packed if most is None else first_bytes(packed, most)

    def through(self, change: Callable[[Iterator[bytes]], Iterator[bytes]]) -> Generated:
        """The file as a function of its chunks makes it."""
        return Generated(lambda: change(self.raw()), closed=self._closed, between=self._between)

    def kept(self, path: Path) -> Generated:
        """Makes the file once and for all, and gives it as it lies on disk from then on."""
        with path.open("wb") as file:
            size = sum(map(file.write, self.packed()))
        return _Kept(path, size, closed=self._closed, between=self._between)

    @cached_property
    def raw_bytes(self) -> int:
        """Its size."""
        return total(map(len, self.raw()), self._closed)

    @cached_property
    def packed_bytes(self) -> int:
        """Its size as gzip."""
        return total(map(len, self.packed()), self._closed)

    def body(self, *, gzip: bool, promise_length: bool, fault: Fault | None) -> Body:
        """What is sent.

        Args:
            promise_length: Whether its size has to be known first.
            fault: What goes wrong with it, None for nothing.
        """
        if fault is None or FAULTS[fault.kind].body is None:
            length = (self.packed_bytes if gzip else self.raw_bytes) if promise_length else None
            return Body(self.packed() if gzip else self.raw(), length)
        return spoil(self, gzip=gzip, kind=fault.kind, value=fault.value, error=b'{"message":"Broken"}', cut=self._cut)

    def _cut(self, chunks: Iterator[bytes], after: int, at: Place) -> Iterator[bytes]:
        """The bytes up to the first place of a kind after an offset."""
        if self._between is None:
            yield from cut_off(chunks, after, at)
            return
        seen = 0
        for chunk in chunks:
            start = max(0, after - seen)
            seen += len(chunk)
            if seen > after and (place := _place(chunk, start, at, self._between)):
                yield chunk[:place]
                return
            yield chunk


class _Kept(Generated):
    """A file that lies on disk as gzip, of so many bytes."""

    def __init__(self, path: Path, size: int, *, closed: threading.Event, between: bytes | None) -> None:
        super().__init__(self._unpacked, closed=closed, between=between)
        self._path, self._size = path, size

    def packed(self, most: int | None = None) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            yield from PackedFile(file, self._size, 0).packed(most)

    def _unpacked(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            yield from PackedFile(file, self._size, 0).raw()


def total(figures: Iterable[int], closed: threading.Event) -> int:
    """The sum of many figures, each of which takes its time.

    Raises:
        RefusedError: 503 if the sandbox is stopped meanwhile.
    """
    found = 0
    for figure in figures:
        if closed.is_set():
            raise RefusedError(503, "The sandbox is being stopped.")
        found += figure
    return found


def _place(chunk: bytes, start: int, at: Place, between: bytes) -> int:
    """Where a chunk can be cut, 0 if nowhere."""
    if at == "character":
        return next((place + 1 for place in range(start, len(chunk)) if chunk[place] >= 0xC0), 0)  # noqa: PLR2004 - UTF-8
    place = chunk.find(between, start) + 1
    if not place or at == "between":
        return place
    return min(place + len(between) + _RECORD_CUT_BYTES, len(chunk) - 1)
