"""Puts one answer's body on disk, complete and inspected, or nothing at all.

Not here: further attempts (`client.py`), how a cut is noticed (`gzip_body.py`, and the inspector for what the wire
can't prove).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from journey_pipeline.errors import (
    ContractError,
    DamagedAnswerError,
    RepeatedCutError,
    TransientVendorError,
    VendorError,
)
from journey_pipeline.files import LandingFile
from journey_pipeline.transport.failures import Asked
from journey_pipeline.transport.gzip_body import Body, Checksum, Deflater
from journey_pipeline.transport.response import Inspector

_KEPT_OF_EACH_END_BYTES = 64 << 10
_TWICE = "The same bytes came twice"


class Evidence:
    """The start and the end of an inflated body, for whoever looks why it was refused: most break off at the end.

    Attributes:
        checksum: Of all of it.
    """

    def __init__(self) -> None:
        self.checksum = Checksum()
        self._start = bytearray()
        self._end = b""

    def add(self, raw: bytes) -> None:
        """Takes the next piece."""
        self.checksum.add(raw)
        if (room := _KEPT_OF_EACH_END_BYTES - len(self._start)) > 0:
            self._start += raw[:room]
            raw = raw[room:]
        if raw:
            end = raw if len(raw) >= _KEPT_OF_EACH_END_BYTES else self._end + raw
            self._end = end[-_KEPT_OF_EACH_END_BYTES:]

    @property
    def content(self) -> bytes:
        """What is kept, with a line that tells of what is left out in between."""
        left_out = self.checksum.bytes - len(self._start) - len(self._end)
        between = f"\n... {left_out} bytes are left out here ...\n".encode() if left_out else b""
        return bytes(self._start) + between + self._end


@dataclass(frozen=True, slots=True)
class Landed:
    """What lies on disk now.

    Attributes:
        sha256: Of the file.
        bytes: Its size.
        raw_bytes: Size of the body inflated.
        received_as: `gzip` or `identity`.
    """

    sha256: str
    bytes: int
    raw_bytes: int
    received_as: str


class Tries:
    """What the tries of one download brought: the same bytes with the same fault again are no accident of the way.

    By the kind of the fault it is told what helps. Broken in its middle, the answer itself is: nothing helps. Ended
    early, as where a gateway cuts off all that is too large for it at the same byte, it may be whole if less is asked
    for. What the wire itself cut off is left alone: the next try may come further.
    """

    def __init__(self) -> None:
        self._last: tuple[type[VendorError], tuple[int, int]] | None = None

    def judged(self, error: VendorError, body: Body, evidence: Evidence) -> VendorError:
        """The error of one more try, as it is to be raised."""
        is_readers = error.vendor is None
        seen = evidence.checksum if is_readers else body.wire
        met = (type(error), seen.value)
        is_again, self._last = met == self._last and seen.bytes > 0, met
        if not is_again:
            return error
        if isinstance(error, DamagedAnswerError):
            return _as(ContractError, error, f"{_TWICE}: it is made so. Report it to the vendor.")
        if isinstance(error, TransientVendorError) and is_readers:
            return _as(RepeatedCutError, error, f"{_TWICE}.")
        return error


def land(
    body: Body,
    to: Path,
    inspector: Inspector | None,
    *,
    on_bytes: Callable[[int], None] | None,
    evidence: Evidence,
    largest_bytes: int,
) -> Landed:
    """Writes a body to a file and shows it to an inspector in passing.

    Args:
        to: Where the file appears when all is well.
        inspector: Sees the inflated bytes.
        on_bytes: Told the size of each piece as it came over the wire.
        largest_bytes: The most bytes of a body, inflated or as it came.

    Raises:
        ContractError: If the body is larger.
        TransientVendorError: If the body is not whole.
        VendorError: What the inspector raises.
    """
    raw_bytes = 0
    deflater, reader = Deflater(), _Reader(inspector)
    with LandingFile(to) as file:
        for wire, raw in body:
            file.write(wire if body.is_gzip else deflater.feed(raw))
            raw_bytes += len(raw)
            evidence.add(raw)
            if max(raw_bytes, file.bytes) > largest_bytes:  # zeros without end inflate to nothing
                raise body.too_large(largest_bytes)
            reader.feed(raw)
            if on_bytes:
                on_bytes(len(wire))
        reader.finish(verified=body.is_gzip)
        if not body.is_gzip:
            file.write(deflater.finish())
    return Landed(file.sha256, file.bytes, raw_bytes, "gzip" if body.is_gzip else "identity")


class _Reader:
    """Shows a body to an inspector until that says that it is damaged; the rest is only read, to know it again."""

    def __init__(self, inspector: Inspector | None) -> None:
        self._inspector = inspector
        self._damage: DamagedAnswerError | None = None

    def feed(self, raw: bytes) -> None:
        if not self._inspector or self._damage:
            return
        try:
            self._inspector.feed(raw)
        except DamagedAnswerError as error:
            self._damage = error

    def finish(self, *, verified: bool) -> None:
        if self._damage:
            raise self._damage
        if self._inspector:
            self._inspector.finish(verified=verified)


def _as(kind: type[VendorError], error: VendorError, why: str) -> VendorError:
    return kind(
        f"{error} {why}",
        vendor=error.vendor,
        connection=error.connection,
        stream=error.stream,
        window=error.window,
        status=error.status,
    )


def told(error: VendorError, asked: Asked, *, status: int, evidence: Evidence, keep_at: Path | None) -> VendorError:
    """An inspector's error, told where it happened.

    The evidence of what it saw is kept if there is a place for it, whatever it says of it: a body that came whole over
    the wire and looks cut may be all that the vendor ever gives. Whoever lands the answer after all removes it.
    """
    is_inspectors = error.vendor is None
    if is_inspectors:
        asked.complete(error, status=status)
    content = asked.redactor.known_in(evidence.content)
    if keep_at and content and (is_inspectors or isinstance(error, ContractError)):
        with LandingFile(keep_at) as file:
            file.write(content)
    if keep_at and isinstance(error, ContractError):
        error.evidence = str(keep_at)
    return error
