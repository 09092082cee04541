"""The vendor's file host: links that are signed as S3's are, and the files behind them, with `Range` and `ETag`.

The signature is AWS Signature Version 4 over method, path, query and host. Not here: what is in a file (`files.py`).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

from starlette.responses import RedirectResponse, Response

from journey_pipeline.sandbox.bodies import CHUNK_BYTES, Body, after, cut_off, first_bytes, repack
from journey_pipeline.sandbox.fault_rules import Fault
from journey_pipeline.sandbox.faults import FAULTS, spoil
from journey_pipeline.sandbox.gate import Exchange
from journey_pipeline.sandbox.insider.envelope import xml
from journey_pipeline.sandbox.insider.options import InsiderOptions
from journey_pipeline.sandbox.wire import StreamedResponse

_ACCESS_KEY, _SECRET_KEY = "AKIASANDBOXSANDBOX00", "sandbox-secret-of-the-file-host"
_REGION = "eu-west-1"
_ALGORITHM = "AWS4-HMAC-SHA256"
_TIME = "%Y%m%dT%H%M%SZ"
_RANGE = re.compile(r"bytes=([0-9]{1,15})-([0-9]{1,15})?")
_FORBIDDEN, _NOT_FOUND, _NO_SUCH_RANGE, _CHANGED = 403, 404, 416, 412


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file on disk that an answer is made of, and what names it."""

    path: Path
    etag: str

    @property
    def raw_bytes(self) -> int:
        """Its size."""
        return self.path.stat().st_size

    @property
    def packed_bytes(self) -> int:
        """Its size as gzip."""
        return sum(map(len, self.packed()))

    def raw(self) -> Iterator[bytes]:
        """Its bytes."""
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    def packed(self, most: int | None = None) -> Iterator[bytes]:
        """Its bytes as gzip, the first `most` of them."""
        packed = (chunk for chunk in repack(self.raw()) if chunk)
        return packed if most is None else first_bytes(packed, most)


@dataclass
class Storage:
    """The files of all exports, by the path of their links."""

    options: InsiderOptions
    folder: Path
    _files: dict[str, StoredFile] = field(default_factory=dict)

    def place(self, extension: str) -> Path:
        """Where the next file is to be written."""
        return self.folder / f"insider-{secrets.token_hex(8)}.{extension}"

    def put(self, written: Path, *, origin: str, made_at: datetime, signed_at: datetime) -> str:
        """Takes in a file that was written; gives the link to it, signed."""
        return self.sign(origin, self.keep(written, made_at), signed_at)

    def keep(self, written: Path, made_at: datetime) -> str:
        """Takes in a file that was written; gives its path."""
        nanos = f"{made_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{secrets.randbelow(10**9):09}Z{written.suffix}"
        path = f"/{self.options.partner}/p/{nanos}"
        digest = hashlib.md5(written.read_bytes(), usedforsecurity=False).hexdigest()
        self._files[path] = StoredFile(written, f'"{digest}"')
        return path

    def sign(self, origin: str, path: str, at: datetime) -> str:
        """A link to a path that lives from an instant on."""
        scope = f"{at:%Y%m%d}/{_REGION}/s3/aws4_request"
        query = {
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{_ACCESS_KEY}/{scope}",
            "X-Amz-Date": f"{at.astimezone(UTC):{_TIME}}",
            "X-Amz-Expires": str(self.options.link_life_s),
            "X-Amz-SignedHeaders": "host",
        }
        signature = _signature("GET", path, query, origin.partition("://")[2])
        return f"{origin}{quote(path)}?{urlencode({**query, 'X-Amz-Signature': signature}, quote_via=quote, safe='')}"

    def get(self, exchange: Exchange) -> Response:
        """Answers a request for a file."""
        request = exchange.request
        query = dict(parse_qsl(request.url.query))
        given = query.pop("X-Amz-Signature", "")
        wanted = _signature(request.method, request.url.path, query, request.headers.get("host", ""))
        if not hmac.compare_digest(given, wanted) or request.method != "GET":
            return xml(_FORBIDDEN, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        signed = datetime.strptime(query["X-Amz-Date"], _TIME).replace(tzinfo=UTC)
        if exchange.now >= signed + timedelta(seconds=int(query["X-Amz-Expires"])):
            return xml(_FORBIDDEN, "AccessDenied", "Request has expired")
        file = self._files.get(request.url.path)
        if file is None:
            return xml(_NOT_FOUND, "NoSuchKey", "The specified key does not exist.")
        if self.options.redirects:
            return RedirectResponse(f"{request.url.path}?{request.url.query}&again=1", 307)
        return self._answer(exchange, file)

    def _answer(self, exchange: Exchange, file: StoredFile) -> Response:
        headers, is_gzip = exchange.request.headers, self.options.file_encoding == "gzip"
        etag = f'{file.etag[:-1]}-1"' if is_gzip else file.etag  # other bytes, whose MD5 nobody has asked for
        if headers.get("if-match", etag) != etag:
            return xml(_CHANGED, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
        body = self._body(file, exchange.fault)
        given = {"Content-Type": "binary/octet-stream"}
        fault = exchange.fault
        if fault is None or FAULTS[fault.kind].body is None or FAULTS[fault.kind].is_start:
            given |= {"ETag": etag, "Accept-Ranges": "bytes"}  # other faults make other bytes
        found = _RANGE.fullmatch(headers.get("range", "")) if headers.get("if-range", etag) == etag else None
        size = file.packed_bytes if is_gzip else file.raw_bytes
        status, start = 200, 0
        if found and body.length is not None:
            start = int(found[1])
            if start >= size:
                return xml(_NO_SUCH_RANGE, "InvalidRange", "The requested range is not satisfiable")
            status, given["Content-Range"] = 206, f"bytes {start}-{size - 1}/{size}"
            body = Body(after(body.chunks, start), body.length - start, body.ending, body.pause_s)
        promised = self.options.transfer == "content_length"
        with_length = exchange.fault is not None and FAULTS[exchange.fault.kind].with_length
        return StreamedResponse(body, headers=given, promise_length=promised or with_length, status=status)

    def _body(self, file: StoredFile, fault: Fault | None) -> Body:
        is_gzip = self.options.file_encoding == "gzip"
        kind, value = (fault.kind, fault.value) if fault else (None, "")
        return spoil(file, gzip=is_gzip, kind=kind, value=value, error=b'{"error":"broken"}\n', cut=cut_off)


def _signature(method: str, path: str, query: dict[str, str], host: str) -> str:
    canonical = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(query.items()))
    request = "\n".join((method, quote(path), canonical, f"host:{host}", "", "host", "UNSIGNED-PAYLOAD"))
    date, scope = query.get("X-Amz-Date", ""), query.get("X-Amz-Credential", "").partition("/")[2]
    to_sign = "\n".join((_ALGORITHM, date, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"AWS4{_SECRET_KEY}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()
