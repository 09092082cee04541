"""The routes of the profile event export: the order, and the poll URL of either generation, which is the download.

Not here: what an order may say (`orders.py`), what the file holds (`profiles.py`, `profile_file.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse, Response

from journey_pipeline.sandbox.apsis.activities import Automations
from journey_pipeline.sandbox.apsis.envelope import RefusedError
from journey_pipeline.sandbox.apsis.events import EventSource, Span, ms
from journey_pipeline.sandbox.apsis.exports import Export, Exports, State
from journey_pipeline.sandbox.apsis.generated import Generated
from journey_pipeline.sandbox.apsis.options import ApsisOptions, FileShape
from journey_pipeline.sandbox.apsis.orders import ProfileOrder, read_profile_order
from journey_pipeline.sandbox.apsis.profile_file import ProfileFile
from journey_pipeline.sandbox.apsis.profiles import Profiles
from journey_pipeline.sandbox.faults import FAULTS
from journey_pipeline.sandbox.gate import Exchange
from journey_pipeline.sandbox.wire import HangUpResponse, StreamedResponse
from journey_pipeline.sandbox.world import World

PATH = "/audience/profiles/exports"
PATH_V2 = "/audience/profiles/v2/exports"


class ProfileExports:
    """Exports of profiles with their events."""

    def __init__(
        self, world: World, source: EventSource, automations: Automations, exports: Exports, options: ApsisOptions
    ) -> None:
        self._world, self._source, self._automations = world, source, automations
        self._exports, self._options = exports, options
        self._prepared: dict[ProfileOrder, Generated] = {}

    def prepare(
        self,
        order: ProfileOrder,
        asked_at: datetime,
        path: Path,
        grown: Callable[[Iterator[bytes]], Iterator[bytes]] | None = None,
    ) -> Generated:
        """Writes the file of an order ahead, changed by `grown`. The same order gets this file later, as it is now."""
        file = self._file(*self.profiles(order, asked_at))
        file = self._prepared[order] = (file.through(grown) if grown else file).kept(path)
        return file

    def order(self, exchange: Exchange) -> Response:
        """Takes an order and answers where to poll."""
        if exchange.content_type != "application/json":
            raise RefusedError(415, "Send the body as application/json.")
        order = read_profile_order(exchange.body)
        profiles, shape = self.profiles(order, exchange.now)
        kind = exchange.fault.kind if exchange.fault else ""
        export = self._exports.order(
            "ex",
            self._prepared.get(order) or self._file(profiles, shape),
            profiles.event_counts,
            life_s=self._options.poll_life_s,
            fails=kind == "fail_export",
            now=exchange.now,
        )
        return HangUpResponse(reset=True) if kind == "order_then_reset" else self._ordered(exchange, export)

    def poll(self, exchange: Exchange) -> Response:
        """Answers the poll URL of generation 1."""
        return self._answer(exchange, pending=404, unknown=410)

    def poll_v2(self, exchange: Exchange) -> Response:
        """Answers the poll URL of generation 2."""
        return self._answer(exchange, pending=202, unknown=404)

    def profiles(self, order: ProfileOrder, asked_at: datetime) -> tuple[Profiles, FileShape]:
        """The profiles that an order gets, and the shape that its file has, whatever the options say later."""
        shape = self._options.shape()
        span = Span.of(order.window, asked_at, shape) if order.window else None
        profiles = Profiles(
            self._world, self._source, self._automations, order=order, span=span, asked_ms=ms(asked_at), shape=shape
        )
        return profiles, shape

    def _file(self, profiles: Profiles, shape: FileShape) -> Generated:
        file = ProfileFile(profiles, shape)
        return Generated(file.chunks, closed=self._exports.closed, between=file.between)

    def _ordered(self, exchange: Exchange, export: Export) -> Response:
        base = base_url(exchange)
        first, second = f"{base}{PATH}/{export.id}", f"{base}{PATH_V2}/{export.id}"
        urls: dict[str, dict[str, str]] = {
            "v1": {"file_download_url": first},
            "v2": {"file_download_url_v2": second},
            "both": {"file_download_url": first, "file_download_url_v2": second},
            "other_name": {"poll_url": first},
            "location": {},
        }
        named = self._options.url_fields
        answer: dict[str, Any] = {"export_id": export.id, **urls[named], "status": "in_progress"}
        return JSONResponse(answer, 202, {"Location": first} if named == "location" else None)

    def _answer(self, exchange: Exchange, *, pending: int, unknown: int) -> Response:
        export = self._exports.find(exchange.request.path_params["export"])
        if export is None:
            raise RefusedError(unknown, "There is no such export.")
        state = export.state(exchange.now)
        if state is State.READY:
            return self._stream(exchange, export)
        when = self._options.when_to_poll()
        if state is State.PENDING:
            raise RefusedError(pending, "The export is not ready.", headers=when)
        if state is State.FAILED:
            raise RefusedError(503, "Processing of the export failed: order a new one.", headers=when)
        raise RefusedError(410, "The export is no longer available.")

    def _stream(self, exchange: Exchange, export: Export) -> Response:
        gzip = "gzip" in exchange.request.headers.get("accept-encoding", "").lower()
        headers = {"content-type": "application/json"} | ({"content-encoding": "gzip"} if gzip else {})
        return streamed(exchange, export.file, self._options, headers=headers, gzip=gzip)


def streamed(
    exchange: Exchange, file: Generated, options: ApsisOptions, *, headers: dict[str, str], gzip: bool
) -> Response:
    """A file as an answer, whole or as a fault leaves it."""
    fault = exchange.fault
    promised = options.transfer == "content_length" or (fault is not None and FAULTS[fault.kind].with_length)
    body = file.body(gzip=gzip, promise_length=promised, fault=fault)
    return StreamedResponse(body, headers=headers, promise_length=promised)


def base_url(exchange: Exchange) -> str:
    """Where the caller found the vendor, without a slash at the end."""
    request = exchange.request
    return f"{request.url.scheme}://{request.url.netloc}{request.scope['root_path']}"
