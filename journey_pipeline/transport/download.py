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

_KEPT_AS_EVIDENCE_BYTES = 64 << 10


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
    body: Body, to: Path, inspector: Inspector | None, *, on_bytes: Callable[[int], None] | None, evidence: bytearray
) -> Landed:
    """Writes a body to a file and shows it to an inspector in passing.

    Args:
        body: The body, unread.
        to: Where the file appears when all is well.
        inspector: Sees the inflated bytes.
        on_bytes: Told the size of each piece as it came over the wire.
        evidence: Gets the inflated start of the body.

    Raises:
        TransientVendorError: If the body is not whole.
        VendorError: What the inspector raises.
    """
    raw_bytes = 0
    deflater = Deflater()
    with LandingFile(to) as file:
        for wire, raw in body:
            file.write(wire if body.is_gzip else deflater.feed(raw))
            raw_bytes += len(raw)
            if len(evidence) < _KEPT_AS_EVIDENCE_BYTES:
                evidence += raw[: _KEPT_AS_EVIDENCE_BYTES - len(evidence)]
            if inspector:
                inspector.feed(raw)
            if on_bytes:
                on_bytes(len(wire))
        if inspector:
            inspector.finish(verified=body.is_gzip)
        if not body.is_gzip:
            file.write(deflater.finish())
    return Landed(file.sha256, file.bytes, raw_bytes, "gzip" if body.is_gzip else "identity")


def told(error: VendorError, asked: Asked, *, status: int, evidence: bytearray, keep_at: Path | None) -> VendorError:
    """An inspector's error, told where it happened.

    The evidence of what it saw is kept if there is a place for it, whatever it says of it: a body that came whole over
    the wire and looks cut may be all that the vendor ever gives. Whoever lands the answer after all removes it.
    """
    is_inspectors = error.vendor is None
    if is_inspectors:
        asked.complete(error, status=status)
    if keep_at and evidence and (is_inspectors or isinstance(error, ContractError)):
        with LandingFile(keep_at) as file:
            file.write(bytes(evidence))
    if keep_at and isinstance(error, ContractError):
        error.evidence = str(keep_at)
    return error
