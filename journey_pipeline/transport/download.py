"""Puts one answer's body on disk, complete and inspected, or nothing at all.

Not here: further attempts (`client.py`), how a cut is noticed (`gzip_body.py`, and the inspector for what the wire
can't prove).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from journey_pipeline.errors import ContractError, VendorError
from journey_pipeline.transport.answer import Inspector
from journey_pipeline.transport.failures import Asked
from journey_pipeline.transport.gzip_body import Body, Deflater
from journey_pipeline.transport.landing_file import LandingFile

_KEPT_OF_EACH_END_BYTES = 64 << 10


class Evidence:
    """The start and the end of an inflated body, for whoever looks why it was refused: most break off at the end."""

    def __init__(self) -> None:
        self._start = bytearray()
        self._end = b""
        self._bytes = 0

    def add(self, raw: bytes) -> None:
        """Takes the next piece."""
        self._bytes += len(raw)
        if (room := _KEPT_OF_EACH_END_BYTES - len(self._start)) > 0:
            self._start += raw[:room]
            raw = raw[room:]
        if raw:
            end = raw if len(raw) >= _KEPT_OF_EACH_END_BYTES else self._end + raw
            self._end = end[-_KEPT_OF_EACH_END_BYTES:]

    @property
    def content(self) -> bytes:
        """What is kept, with a line that tells of what is left out in between."""
        left_out = self._bytes - len(self._start) - len(self._end)
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
        body: The body, unread.
        to: Where the file appears when all is well.
        inspector: Sees the inflated bytes.
        on_bytes: Told the size of each piece as it came over the wire.
        evidence: Gets the inflated body.
        largest_bytes: The most bytes of an inflated body.

    Raises:
        ContractError: If the inflated body is larger.
        TransientVendorError: If the body is not whole.
        VendorError: What the inspector raises.
    """
    raw_bytes = 0
    deflater = Deflater()
    with LandingFile(to) as file:
        for wire, raw in body:
            file.write(wire if body.is_gzip else deflater.feed(raw))
            raw_bytes += len(raw)
            evidence.add(raw)
            if raw_bytes > largest_bytes:
                raise body.too_large(largest_bytes)
            if inspector:
                inspector.feed(raw)
            if on_bytes:
                on_bytes(len(wire))
        if inspector:
            inspector.finish(verified=body.is_gzip)
        if not body.is_gzip:
            file.write(deflater.finish())
    return Landed(file.sha256, file.bytes, raw_bytes, "gzip" if body.is_gzip else "identity")


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
