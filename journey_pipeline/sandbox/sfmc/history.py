"""The three routes of journey history: `estimate`, `download` and `freshness`.

Not here: reading the question (`query.py`), making the answer (`prepared.py`), spoiling it (`sandbox/faults.py`).
"""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from typing import Any

from starlette.responses import JSONResponse, Response

from journey_pipeline.sandbox.bodies import PackedFile, first_bytes
from journey_pipeline.sandbox.faults import spoil
from journey_pipeline.sandbox.gate import Exchange
from journey_pipeline.sandbox.sfmc.envelope import BAD_VALUE, MISSING, NOT_FOUND, RefusedError, envelope, refusal
from journey_pipeline.sandbox.sfmc.options import SfmcOptions
from journey_pipeline.sandbox.sfmc.prepared import Prepared, PreparedAnswers
from journey_pipeline.sandbox.sfmc.query import HistoryQuery, read_query
from journey_pipeline.sandbox.sfmc.tokens import Token
from journey_pipeline.sandbox.wire import StreamedResponse

_CUT_WITHOUT_PIPE_BYTES = 1_000_000


class History:
    """Journey history as the vendor tells it.

    Args:
        answers: Makes and keeps the answers.
        lag_s: The freshness to report unless the options say another.
    """

    def __init__(self, answers: PreparedAnswers, options: SfmcOptions, *, lag_s: int) -> None:
        self._answers, self._options, self._lag_s = answers, options, lag_s

    @property
    def retention(self) -> timedelta:
        """How long rows are kept."""
        return timedelta(days=self._options.retention_days)

    def estimate(self, exchange: Exchange, token: Token) -> Response:
        """Answers rows and sizes of what a download would have at this instant."""
        query = self._query(exchange, token)
        answer = self._answers.get(query, now=exchange.now, retention=self.retention)
        options = self._options
        rows = round(answer.rows * (1 + options.estimate_drift_percent / 100)) + options.estimate_drift_rows
        figures = (max(rows, 0), answer.raw_bytes, answer.packed_bytes)
        named = zip(options.estimate_names, figures, strict=True)
        return JSONResponse({name: figure for name, figure in named if name is not None})

    def download(self, exchange: Exchange, token: Token) -> Response:
        """Answers the rows as CSV or TSV."""
        query = self._query(exchange, token)
        piped = exchange.request.headers.get("x-direct-pipe", "").strip().lower() == "true"
        if not piped and self._options.direct_pipe_missing == "reject":
            raise RefusedError(400, MISSING, "The header x-direct-pipe: true is missing.")
        answer, file = self._answers.open(query, now=exchange.now, retention=self.retention)
        assert file is not None  # noqa: S101 - `open` opens
        gzip = "gzip" in exchange.request.headers.get("accept-encoding", "").lower()
        limit = self._limit(answer, piped=piped, gzip=gzip)
        if limit is not None and piped and self._options.over_limit == "reject":
            file.file.close()
            raise RefusedError(400, BAD_VALUE, "The download is larger than the limit: ask for a shorter range.")
        if not answer.rows and query.empty_body:
            file.file.close()
            return Response(b"", 200, {"content-type": self._options.content_type})
        return self._stream(exchange, query, file, gzip=gzip, limit=limit)

    def freshness(self, exchange: Exchange, token: Token) -> Response:  # noqa: ARG002 - all handlers are alike
        """Answers by how many seconds history trails reality."""
        options = self._options
        if options.freshness_status != 200:  # noqa: PLR2004 - HTTP
            code = NOT_FOUND if options.freshness_status == 404 else 0  # noqa: PLR2004 - HTTP
            return refusal(options.freshness_status, code, "Freshness is not available")
        seconds = self._lag_s if options.freshness_s is None else options.freshness_s
        shapes: dict[str, Any] = {
            "object": {"freshness": seconds},
            "number": seconds,
            "string": str(seconds),
            "other_key": {"lagInSeconds": seconds},
        }
        return JSONResponse(shapes[options.freshness_shape])

    def _query(self, exchange: Exchange, token: Token) -> HistoryQuery:
        if exchange.content_type != "application/json":
            raise RefusedError(415, None, "Send the body as application/json.")
        foreign = token.account_id != self._options.account_id
        return read_query(
            exchange.request.query_params, exchange.body, self._options, now=exchange.now, foreign=foreign
        )

    def _limit(self, answer: Prepared, *, piped: bool, gzip: bool) -> int | None:
        """The limit that the answer exceeds, bytes; None if it exceeds none."""
        if not piped:
            sent = answer.packed_bytes if gzip else answer.raw_bytes
            return _CUT_WITHOUT_PIPE_BYTES if sent > _CUT_WITHOUT_PIPE_BYTES else None
        return self._options.limit_bytes if answer.packed_bytes > self._options.limit_bytes else None

    def _stream(
        self, exchange: Exchange, query: HistoryQuery, file: PackedFile, *, gzip: bool, limit: int | None
    ) -> Response:
        options, fault = self._options, exchange.fault
        headers = {"content-type": options.content_type}
        if query.delimiter == "\t" and options.content_type.startswith("text/csv"):
            headers["content-type"] = "text/tab-separated-values; charset=utf-8"
        if gzip:
            headers["content-encoding"] = "gzip"
        error = json.dumps(envelope(0, "The service is not available")).encode()
        kind, value = (fault.kind, fault.value) if fault else (None, "")
        body = spoil(file, gzip=gzip, kind=kind, value=value, error=error)
        if limit is not None:
            body = dataclasses.replace(body, chunks=first_bytes(body.chunks, limit), ending="close")
        promised = options.transfer == "content_length"
        return StreamedResponse(body, headers=headers, promise_length=promised, file=file.file)
