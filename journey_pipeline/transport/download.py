"""Puts one body on disk, complete and inspected, or nothing at all; over as many tries as it takes.

Where the vendor allows it, the next try asks only for the rest of a body whose connection broke (RFC 9110, 13.1.5 and
14). Not here: when there is a further try (`client.py`), how a cut is noticed (`body.py`, and the inspector for what
the wire can't prove).
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from journey_pipeline.errors import (
    ContractError,
    DamagedAnswerError,
    RepeatedCutError,
    TransientVendorError,
    VendorError,
)
from journey_pipeline.files import LandingFile
from journey_pipeline.transport.body import Body, Checksum, Deflater
from journey_pipeline.transport.response import Asked, Downloaded, FileInspector, Inspector, Place, http_date
from journey_pipeline.transport.retry import Attempt

_ACCEPTED, _NO_CONTENT, _PARTIAL_CONTENT = 202, 204, 206
_CHANGED, _NO_SUCH_RANGE = 412, 416
NO_REST = frozenset({_CHANGED, _NO_SUCH_RANGE})
_KEPT_OF_EACH_END_BYTES = 64 << 10
_SEES_ROOM_EACH_BYTES = 64 << 20
_BROUGHT_MORE_BYTES = 1 << 20
_TWICE = "The same bytes came twice"
_MD5 = re.compile(r'"([0-9a-f]{32})"')
_ENCRYPTION = "x-amz-server-side-encryption"
_KEY = f"{_ENCRYPTION}-customer-algorithm"
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class Terms:
    """How one body is to land; the rest as in `HttpClient.download`.

    Attributes:
        largest_bytes: The most bytes of a body, inflated or as it came.
        chunk_bytes: How much of a body is read at once.
        spare_bytes: How much of the disk is to stay free.
        is_stored: Whether it lies in a storage whose ETag is the MD5 of a body, if it looks like one.
    """

    to: Place
    inspector: Callable[[], Inspector] | None
    no_content: bytes
    resumes: bool
    packed: bool | Callable[[bytes], bool]
    largest_bytes: int
    chunk_bytes: int
    spare_bytes: int = 0
    is_stored: bool = False


class Download:
    """One download over all of its tries. A context manager: nothing is left of a body that did not land."""

    def __init__(self, terms: Terms, asked: Asked) -> None:
        self._terms = terms
        self._asked = asked
        self._cut: _Arriving | None = None
        self._tries = _Tries()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._forget()

    def headers(self) -> Mapping[str, str]:
        """The headers of the next request: they ask for the rest of the same file."""
        if not self._cut:
            return {}
        validator = self._cut.validator or ""
        # Storage that knows no If-Range knows If-Match: it refuses the rest of what has changed.
        is_same = {"If-Match": validator} if validator.startswith('"') else {}
        return {"Range": f"bytes={self._cut.body.wire.bytes}-", "If-Range": validator, **is_same}

    def take(self, response: requests.Response, attempt: Attempt) -> Downloaded:
        """Takes one answer.

        Raises:
            ContractError: If the body is larger than may be, or came damaged with the same bytes twice.
            TransientVendorError: If the body is not whole.
            VendorError: What the inspector raises.
        """
        if response.status_code == _ACCEPTED:
            raise self._asked.transient("answered 202: accepted, without data yet.", status=_ACCEPTED)
        arriving = self._rest(response, attempt) or self._anew(response, attempt)
        had_bytes = arriving.body.wire.bytes
        try:
            arriving.land()
        except VendorError as error:
            if self._terms.resumes and arriving.validator and arriving.body.is_broken_off:
                self._cut = arriving
                if isinstance(error, TransientVendorError):
                    error.brought_more = arriving.body.wire.bytes - had_bytes >= _BROUGHT_MORE_BYTES
                raise
            arriving.discard()
            judged = self._tries.judged(error, arriving)
            raise _told(judged, self._asked, arriving, response.status_code, keep_at=self._terms.to.evidence) from None
        except BaseException:
            arriving.discard()
            raise
        return arriving.downloaded(attempts=attempt.number)

    def _anew(self, response: requests.Response, attempt: Attempt) -> _Arriving:
        self._forget()
        instead = self._terms.no_content if response.status_code == _NO_CONTENT else b""
        body = Body(response, self._asked, attempt, self._terms.chunk_bytes, instead=instead)
        return _Arriving(self._terms, body, response.headers)

    def _rest(self, response: requests.Response, attempt: Attempt) -> _Arriving | None:
        """The body that was cut off, ready to take the rest from this answer; None if this one is another body."""
        arriving, status = self._cut, response.status_code
        if not arriving or status not in {_PARTIAL_CONTENT, *NO_REST}:
            return None
        if status in NO_REST or not arriving.goes_on_with(response.headers):
            self._forget()
            raise self._asked.transient(
                f"answered {status}, and not with the rest of what was cut off: it is asked for from its start.",
                status=status,
            )
        self._cut = None
        arriving.body.go_on(response, attempt)
        return arriving

    def _forget(self) -> None:
        if self._cut:
            self._cut.discard()
            self._cut = None


class _Arriving:
    """One body on its way to its file, over one answer or more. Its `validator` names these bytes to the vendor."""

    def __init__(self, terms: Terms, body: Body, headers: Mapping[str, str]) -> None:
        self.body = body
        self.evidence = _Evidence()
        self.validator = _validator(headers)
        self._headers = headers
        self._terms = terms
        self._raw_bytes = self._seen_room_at = 0
        self._told_md5 = _md5_in(headers) if terms.is_stored else ""
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._deflater = Deflater()
        self._is_packed = None if callable(terms.packed) else terms.packed
        self._held = b""
        self._inspector = terms.inspector() if terms.inspector else None
        self._damage: DamagedAnswerError | None = None
        self._open = ExitStack()
        self._file = self._open.enter_context(LandingFile(terms.to.file))

    def land(self) -> None:
        """Writes what comes to the file and shows it to the inspector in passing; at the end puts the file in place."""
        file, body = self._file, self.body
        told = self._headers.get("Content-Length", "")
        self._leave_room(int(told) if re.fullmatch(r"[0-9]{1,18}", told) else 0)
        for wire, raw in body:
            self._take(wire, raw)
            if self._terms.to.on_bytes:
                self._terms.to.on_bytes(len(wire))
        self._judge()
        if self._is_packed is not False:
            file.write(self._held if body.is_gzip else self._deflater.finish())
        if isinstance(self._inspector, FileInspector):
            self._inspector.look(file.flushed())
        self._open.close()

    def _take(self, wire: bytes, raw: bytes) -> None:
        if self._file.bytes - self._seen_room_at >= _SEES_ROOM_EACH_BYTES:
            self._leave_room(0)
        self._file.write(self._lying(wire, raw))
        self._raw_bytes += len(raw)
        self.evidence.add(raw)
        if self._told_md5:
            self._md5.update(wire)
        if max(self._raw_bytes, self._file.bytes) > self._terms.largest_bytes:  # zeros without end inflate to nothing
            raise self.body.too_large(self._terms.largest_bytes)
        self._show(raw)

    def _judge(self) -> None:
        """Judges the whole of what came.

        Raises:
            VendorError: If it is not whole, or not what it should be.
        """
        if self._damage:
            raise self._damage
        if self._told_md5 and self._md5.hexdigest() != self._told_md5:
            raise DamagedAnswerError("the file's MD5 is not the one that its ETag tells: bytes changed on the way.")
        if self._inspector:
            self._inspector.finish(verified=self.body.is_gzip)

    def _leave_room(self, coming: int) -> None:
        """Stops before the disk is full: others write there too.

        Raises:
            OSError: If what comes would fill it.
        """
        self._seen_room_at, spare = self._file.bytes, self._terms.spare_bytes
        if spare and shutil.disk_usage(self._terms.to.file.parent).free < coming + spare:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def discard(self) -> None:
        """Leaves nothing of the file."""
        error = InterruptedError()
        self._open.__exit__(type(error), error, None)

    def goes_on_with(self, headers: Mapping[str, str]) -> bool:
        """Whether an answer with these headers holds all of the rest of this body."""
        found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
        if not found or headers.get("Content-Encoding", "") != self._headers.get("Content-Encoding", ""):
            return False
        first, last, size = map(int, found.groups())
        is_same = headers.get("ETag", self._headers.get("ETag", "")) == self._headers.get("ETag", "")
        return is_same and first == self.body.wire.bytes and last + 1 == size

    def downloaded(self, *, attempts: int) -> Downloaded:
        """The file on disk now."""
        return Downloaded(
            path=self._terms.to.file,
            sha256=self._file.sha256,
            bytes=self._file.bytes,
            raw_bytes=self._raw_bytes,
            received_as="gzip" if self.body.is_gzip else "identity",
            headers=self._headers,
            attempts=attempts,
            inspector=self._inspector,
        )

    def _lying(self, wire: bytes, raw: bytes) -> bytes:
        """A piece as it goes into the file, with those that were held until it was known how it lies."""
        if self._is_packed is None and callable(self._terms.packed):
            self._held += wire
            if not raw:
                return b""
            wire, self._held, self._is_packed = self._held, b"", self._terms.packed(raw)
        if not self._is_packed:
            return raw
        return wire if self.body.is_gzip else self._deflater.feed(raw)

    def _show(self, raw: bytes) -> None:
        """Shows a piece to the inspector until that finds damage; the rest is only read, to know it again."""
        if not self._inspector or self._damage:
            return
        try:
            self._inspector.feed(raw)
        except DamagedAnswerError as error:
            self._damage = error


def _md5_in(headers: Mapping[str, str]) -> str:
    """The MD5 of a stored body by its ETag; empty if that is none, as of a body in parts, under a key, or packed."""
    found = _MD5.fullmatch(headers.get("ETag", "").strip())
    is_changed = any(name in headers for name in (_KEY, "Content-Encoding"))
    return found[1] if found and headers.get(_ENCRYPTION, "AES256") == "AES256" and not is_changed else ""


def _validator(headers: Mapping[str, str]) -> str | None:
    """A strong ETag, or without any a Last-Modified that is surely the last one (RFC 9110, 8.8 and 13.1.5)."""
    if headers.get("Accept-Ranges", "").strip().lower() == "none":
        return None
    if tag := headers.get("ETag", "").strip():
        return tag if tag.startswith('"') else None
    modified, sent = http_date(headers.get("Last-Modified", "")), http_date(headers.get("Date", ""))
    return headers["Last-Modified"] if modified and sent and sent - modified >= timedelta(seconds=1) else None


class _Evidence:
    """The start and the end of an inflated body, to look why it was refused: most break off at the end."""

    def __init__(self) -> None:
        self.checksum = Checksum()
        self._start = bytearray()
        self._end = b""

    def add(self, raw: bytes) -> None:
        self.checksum.add(raw)
        if (room := _KEPT_OF_EACH_END_BYTES - len(self._start)) > 0:
            self._start += raw[:room]
            raw = raw[room:]
        if raw:
            end = raw if len(raw) >= _KEPT_OF_EACH_END_BYTES else self._end + raw
            self._end = end[-_KEPT_OF_EACH_END_BYTES:]

    @property
    def content(self) -> bytes:
        """The kept bytes, with a line about the bytes left out in between."""
        left_out = self.checksum.bytes - len(self._start) - len(self._end)
        between = f"\n... {left_out} bytes are left out here ...\n".encode() if left_out else b""
        return bytes(self._start) + between + self._end


class _Tries:
    """The results of one download's tries. The same bytes with the same fault are no fault of the transfer.

    Broken in its middle, the answer itself is at fault: nothing helps. Ended early at the same byte, as where a gateway
    cuts off large answers, it may be whole if less is asked for. After a cut of the wire the next try may come further.
    """

    def __init__(self) -> None:
        self._last: tuple[type[VendorError], tuple[int, int]] | None = None

    def judged(self, error: VendorError, arriving: _Arriving) -> VendorError:
        """The error of one more try, as it is to be raised."""
        is_readers = error.vendor is None
        seen = arriving.evidence.checksum if is_readers else arriving.body.wire
        met = (type(error), seen.value)
        is_again, self._last = met == self._last and seen.bytes > 0, met
        if not is_again:
            return error
        if isinstance(error, DamagedAnswerError):
            more = f"{_TWICE}: the vendor's answer is broken. Report it to the vendor."
            return error.followed_by(more, ContractError)
        if isinstance(error, TransientVendorError) and is_readers:
            return error.followed_by(f"{_TWICE}.", RepeatedCutError)
        return error


def _told(error: VendorError, asked: Asked, arriving: _Arriving, status: int, *, keep_at: Path | None) -> VendorError:
    """An inspector's error with the request; evidence of the body is kept if there is a place for it.

    A body that came whole and looks cut may be all that the vendor ever gives. A landing after all removes the
    evidence.
    """
    is_inspectors = error.vendor is None
    if is_inspectors:
        asked.complete(error, status=status)
    content = asked.redactor.known_in(arriving.evidence.content)
    if keep_at and content and (is_inspectors or isinstance(error, ContractError)):
        with LandingFile(keep_at) as file:
            file.write(content)
    if keep_at and isinstance(error, ContractError):
        error.evidence = str(keep_at)
    return error
