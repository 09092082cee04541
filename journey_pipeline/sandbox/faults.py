"""Everything that can go wrong with a call: what each fault is called, what it does, and how.

A new fault is a new entry of `FAULTS`. Not here: which calls are hit (`fault_rules.py`), the vendors' words for a
refusal (`sfmc/envelope.py` and its like), the bytes of a body that is whole (`bodies.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from starlette.responses import Response

from journey_pipeline.sandbox.bodies import (
    TRAILER_BYTES,
    Body,
    Content,
    Cut,
    Place,
    cut_off,
    first_bytes,
    followed,
    in_pieces,
    packed_open,
    repack,
    with_changed_byte,
)
from journey_pipeline.sandbox.wire import HangUpResponse

SECONDS = r"\d+(\.\d+)?"
BAD_GATEWAY = "<html><body><h1>Bad gateway</h1></body></html>"


class Words(Protocol):
    """How a vendor says that something is wrong."""

    def __call__(self, status: int, retry_after_s: int | None = None) -> Response:
        """The vendor's refusal with a status; of 200, what its error looks like under that status."""
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """A body as it would be sent, for a fault to spoil.

    Attributes:
        content: What it holds.
        gzip: Whether it is sent packed.
        value: What the rule says besides.
        error: Line that says in the vendor's words that something broke.
        cut: Cuts the plain bytes.
    """

    content: Content
    gzip: bool
    value: str
    error: bytes
    cut: Cut

    def body(self) -> Body:
        """The body, not spoilt."""
        content = self.content
        return Body(content.packed(), content.packed_bytes) if self.gzip else Body(content.raw(), content.raw_bytes)

    def plain(self, chunks: Iterator[bytes], length: int | None = None) -> Body:
        """Other plain bytes in its place; packed as they were."""
        return Body(repack(chunks), None) if self.gzip else Body(chunks, length)


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One thing that can go wrong. It does at most one of three things; a vendor looks for those that do none.

    Attributes:
        does: What it does, for people.
        takes: Regular expression of its value; None if it takes none.
        value: What its value means.
        answer: What comes in place of the vendor's answer.
        body: What becomes of the body.
        delay_s: Seconds before the vendor looks at the call, if no value is given.
        with_length: Whether the length of what is left is promised, behind which the cut hides.
        is_start: Whether what is left of the body is its own start, byte for byte, so that its rest may be asked for.
    """

    does: str
    takes: str | None = None
    value: str = ""
    answer: Callable[[Words], Response] | None = None
    body: Callable[[Whole], Body] | None = None
    delay_s: float = 0.0
    with_length: bool = False
    is_start: bool = False


def _cut(where: str, at: Place) -> FaultKind:
    """Ends the connection half way, at a place of a kind; promises what it doesn't send."""

    def body(whole: Whole) -> Body:
        raw = whole.cut(whole.content.raw(), whole.content.raw_bytes // 2, at)
        chunks = packed_open(raw) if whole.gzip else raw
        return Body(chunks, whole.body().length, "reset" if whole.value == "reset" else "close")

    return FaultKind(f"ends the connection {where}", "close|reset", "close or reset", body=body)


def _cut_byte(whole: Whole) -> Body:
    """Ends the connection after so many bytes of what is sent; promises all of it."""
    body = whole.body()
    return Body(first_bytes(body.chunks, int(whole.value or 1)), body.length, "close")


def _cut_file(whole: Whole) -> Body:
    half = whole.content.raw_bytes // 2
    return whole.plain(first_bytes(whole.content.raw(), half), half)


def _then_error(whole: Whole) -> Body:
    return whole.plain(followed(whole.content.raw(), whole.error))


def _slow_body(whole: Whole) -> Body:
    body = whole.body()
    return Body(in_pieces(body.chunks), body.length, pause_s=float(whole.value or 0.05))


def _of_gzip(spoil: Callable[[Content], Body]) -> Callable[[Whole], Body]:
    """A fault of gzip does nothing to a body that isn't."""
    return lambda whole: spoil(whole.content) if whole.gzip else whole.body()


def _cut_gzip(content: Content) -> Body:
    half = content.packed_bytes // 2
    return Body(content.packed(half), half)


def _no_trailer(content: Content) -> Body:
    most = content.packed_bytes - TRAILER_BYTES
    return Body(content.packed(most), most)


def _bad_crc(content: Content) -> Body:
    size = content.packed_bytes
    return Body(with_changed_byte(content.packed(), size - TRAILER_BYTES), size)


def _trailing(content: Content) -> Body:
    more = b"more bytes after the end"
    return Body(followed(content.packed(), more), content.packed_bytes + len(more))


def html(status: int) -> Response:
    """The page of some gateway."""
    return Response(BAD_GATEWAY, status, media_type="text/html")


FAULTS: dict[str, FaultKind] = {
    "401": FaultKind("refuses the credentials", answer=lambda words: words(401)),
    "429": FaultKind("asks to wait for 5 seconds", answer=lambda words: words(429, 5)),
    "429_blocked": FaultKind("refuses all calls for a while and doesn't say how long", answer=lambda words: words(429)),
    "429_long": FaultKind("asks to wait for an hour", answer=lambda words: words(429, 3600)),
    "500": FaultKind("fails", answer=lambda words: words(500)),
    "502": FaultKind("sends a gateway's page of HTML", answer=lambda _: html(502)),
    "503": FaultKind("is not available", answer=lambda words: words(503)),
    "504": FaultKind("takes too long", answer=lambda words: words(504)),
    "520": FaultKind("sends a page of the edge: an unknown error", answer=lambda _: html(520)),
    "json_200": FaultKind("sends an error with status 200", answer=lambda words: words(200)),
    "html_200": FaultKind("sends a page of HTML with status 200", answer=lambda _: html(200)),
    "refuse": FaultKind("closes the connection without an answer", answer=lambda _: HangUpResponse(reset=False)),
    "reset": FaultKind("resets the connection without an answer", answer=lambda _: HangUpResponse(reset=True)),
    "slow_first_byte": FaultKind("answers late", SECONDS, "seconds, 1 by default", delay_s=1.0),
    "slow_body": FaultKind("pauses", SECONDS, "seconds between pieces of 4 KB, 0.05 by default", body=_slow_body),
    "cut_record": _cut("inside a record", "record"),
    "cut_line": _cut("between two records", "between"),
    "cut_character": _cut("inside a character", "character"),
    "cut_byte": FaultKind(
        "ends the connection early", r"[1-9]\d*", "bytes sent before, 1 by default", body=_cut_byte, is_start=True
    ),
    "cut_file": FaultKind("sends half a file and calls it whole", body=_cut_file, with_length=True),
    "cut_gzip": FaultKind("sends half a gzip and calls it whole", body=_of_gzip(_cut_gzip), with_length=True),
    "gzip_no_trailer": FaultKind("leaves out the end of a gzip", body=_of_gzip(_no_trailer)),
    "gzip_bad_crc": FaultKind("sends a wrong checksum in a gzip", body=_of_gzip(_bad_crc)),
    "gzip_trailing": FaultKind("sends bytes after the end of a gzip", body=_of_gzip(_trailing)),
    "csv_then_error": FaultKind("sends an error after the last record", body=_then_error),
    "expire_token_now": FaultKind("lets all tokens expire just before the call"),
    "fail_export": FaultKind("takes the order of an export and fails to make it"),
    "order_then_reset": FaultKind("takes the order of an export and resets the connection"),
}


def spoil(
    content: Content, *, gzip: bool, kind: str | None, value: str = "", error: bytes = b"", cut: Cut = cut_off
) -> Body:
    """The body of an answer as a fault leaves it; as it should be for faults that do nothing to bodies.

    Args:
        gzip: Whether it is sent packed.
        kind: Kind of the fault, None for none.
        value: What the fault's rule says besides.
        error: Line that says in the vendor's words that something broke.
        cut: Cuts the plain bytes; as CSV if it isn't given.
    """
    whole = Whole(content, gzip, value, error, cut)
    act = FAULTS[kind].body if kind else None
    return act(whole) if act else whole.body()
