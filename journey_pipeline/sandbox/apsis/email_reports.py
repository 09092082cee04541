"""The routes of the e-mail event export: the order, the report's status, and the file behind its link.

A link authenticates itself by its query, or by a header where the caller asked for that. A file of which a part came is
gone on with (assumed: a file host can). Not here: what an order may
say (`orders.py`), what the file holds (`email_file.py`).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

from starlette.responses import JSONResponse, Response

from journey_pipeline.model import iso
from journey_pipeline.sandbox.apsis.account import SECTIONS
from journey_pipeline.sandbox.apsis.activities import Automations
from journey_pipeline.sandbox.apsis.email_file import EmailFile
from journey_pipeline.sandbox.apsis.envelope import RefusedError
from journey_pipeline.sandbox.apsis.events import EventSource, Span, ms
from journey_pipeline.sandbox.apsis.exports import Exports, State
from journey_pipeline.sandbox.apsis.generated import Generated
from journey_pipeline.sandbox.apsis.options import ApsisOptions
from journey_pipeline.sandbox.apsis.orders import MOST_SECTIONS, EmailOrder, read_email_order
from journey_pipeline.sandbox.apsis.profile_exports import base_url, streamed
from journey_pipeline.sandbox.bodies import Body, after
from journey_pipeline.sandbox.faults import FAULTS
from journey_pipeline.sandbox.gate import Exchange
from journey_pipeline.sandbox.wire import HangUpResponse, StreamedResponse, rest_wanted

AUTH_HEADER = "x-apsis-auth"
_TOKEN = re.compile(r"([0-9]{1,15})\.[0-9a-f]{64}")


class EmailReports:
    """Exports of e-mail events."""

    def __init__(self, source: EventSource, automations: Automations, exports: Exports, options: ApsisOptions) -> None:
        self._source, self._automations = source, automations
        self._exports, self._options = exports, options
        self._key = secrets.token_bytes(32)

    def order(self, exchange: Exchange) -> Response:
        """Takes an order and answers the report's id."""
        if exchange.content_type != "application/json":
            raise RefusedError(415, "Send the body as application/json.")
        if len(SECTIONS) + self._options.extra_sections > MOST_SECTIONS:
            raise RefusedError(413, f"The account has more than {MOST_SECTIONS} sections.")
        file = self.file(read_email_order(exchange.body, now=exchange.now), exchange.now)
        kind = exchange.fault.kind if exchange.fault else ""
        export = self._exports.order(
            "rp",
            Generated(file.chunks, closed=self._exports.closed),
            lambda: (1 for _ in file.records()),
            life_s=self._options.file_life_s,
            fails=kind == "fail_export",
            now=exchange.now,
        )
        if kind == "order_then_reset":
            return HangUpResponse(reset=True)
        return JSONResponse({"report_id": export.id}, 202)

    def status(self, exchange: Exchange) -> Response:
        """Answers what has become of a report, and where its file is."""
        export = self._exports.find(exchange.request.path_params["report"])
        state = State.GONE if export is None else export.state(exchange.now)
        if export is None or state is State.GONE:
            raise RefusedError(404, "There is no such report.")
        if state is State.PENDING:
            return JSONResponse({"status": self._options.pending_word}, headers=self._options.when_to_poll())
        if state is State.FAILED:
            return JSONResponse({"status": "error"})
        expires_at = min(exchange.now + timedelta(seconds=self._options.link_life_s), export.gone_at)
        token = self._token(export.id, ms(expires_at))
        by_header = exchange.request.query_params.get("header_auth", "").lower() == "true"
        url = f"{self._files_url(exchange)}/files/{export.id}.csv.gz"
        answer = {
            "status": "completed",
            "file_download_url": url if by_header else f"{url}?signature={token}",
            "file_download_url_expires_at": iso(expires_at),
            "file_expires_at": iso(export.gone_at),
        }
        return JSONResponse(answer, headers={AUTH_HEADER: token} if by_header else None)

    def download(self, exchange: Exchange) -> Response:
        """Answers the file to a call with a valid link, or its header."""
        request = exchange.request
        export_id = request.path_params["file"].removesuffix(".csv.gz")
        given = request.query_params.get("signature") or request.headers.get(AUTH_HEADER, "")
        if not self._is_good(given, export_id, exchange.now):
            raise RefusedError(403, "The link is not valid or has expired.")
        export = self._exports.find(export_id)
        if export is None or export.state(exchange.now) is not State.READY:
            raise RefusedError(404, "There is no such file.")
        tag = f'"{export.id}"'
        headers = {"content-type": "application/gzip", "accept-ranges": "bytes"}
        fault, first = exchange.fault, rest_wanted(request.headers, tag)
        if first is not None and not fault:
            return _rest(export.file, first, {**headers, "etag": tag})
        if not fault or FAULTS[fault.kind].is_start:  # other faults make other bytes
            headers["etag"] = tag
        return streamed(exchange, export.file, self._options, headers=headers, gzip=True)

    def file(self, order: EmailOrder, asked_at: datetime) -> EmailFile:
        """The file that an order gets, in the shape that the options say now."""
        shape = self._options.shape()
        span = Span.of(order.window, asked_at, shape)
        return EmailFile(self._source, self._automations, order=order, span=span, shape=shape)

    def _files_url(self, exchange: Exchange) -> str:
        base = base_url(exchange)
        host = exchange.request.url.hostname
        return base.replace(f"//{host}", f"//{self._options.files_host}", 1) if self._options.files_host else base

    def _token(self, export_id: str, expires_ms: int) -> str:
        """What opens a file until an instant; anybody can read until when."""
        text = f"{export_id}.{expires_ms}"
        return f"{expires_ms}.{hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()}"

    def _is_good(self, token: str, export_id: str, now: datetime) -> bool:
        if (found := _TOKEN.match(token)) is None:
            return False
        expires_ms = int(found[1])
        return ms(now) < expires_ms and hmac.compare_digest(token.encode(), self._token(export_id, expires_ms).encode())


def _rest(file: Generated, first: int, headers: dict[str, str]) -> Response:
    size = file.packed_bytes
    if first >= size:
        return Response(status_code=416, headers={"content-range": f"bytes */{size}"})
    headers = {**headers, "content-range": f"bytes {first}-{size - 1}/{size}"}
    body = Body(after(file.packed(), first), size - first)
    return StreamedResponse(body, headers=headers, promise_length=True, status=206)
