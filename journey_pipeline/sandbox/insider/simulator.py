"""The simulated Insider as a whole: its routes, the file host beside them, and the truth behind its answers.

Not here: the server (`sandbox/server.py`), which mounts it under `/insider`, and the file host at the root.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from journey_pipeline.model import Granularity, Window, floor
from journey_pipeline.sandbox.gate import Exchange, Handler
from journey_pipeline.sandbox.insider.account import Account, attribute, contacts, profile_id
from journey_pipeline.sandbox.insider.calls import Caller, DueCall
from journey_pipeline.sandbox.insider.envelope import RefusedError, words
from journey_pipeline.sandbox.insider.events import EventSource, at, figures
from journey_pipeline.sandbox.insider.files import rows_of, write_file
from journey_pipeline.sandbox.insider.options import SEGMENT, InsiderOptions
from journey_pipeline.sandbox.insider.orders import ExportOrder, Quota, check_access, read_order, window_of
from journey_pipeline.sandbox.insider.second import Exports, internal_names
from journey_pipeline.sandbox.insider.storage import Storage
from journey_pipeline.sandbox.registry import Surroundings
from journey_pipeline.sandbox.wire import HangUpResponse

_LISTED = 25  # people
_SIGNED_AFTER = timedelta(seconds=27)  # observed in public code: C1


class InsiderSimulator:
    """Insider, as far as its raw export and what goes with it.

    Args:
        options: How it behaves; may be changed at any time.

    Attributes:
        account: What the account has.
        quota: The orders of each day.
        caller: The calls to webhooks.
        orders: The orders that were taken on.
    """

    def __init__(self, around: Surroundings, options: InsiderOptions) -> None:
        self._options, self._clock = options, around.clock
        self.account = Account(around.world)
        self._source = EventSource(around.world, self.account)
        self._storage = Storage(options, around.folder)
        self._gate = around.gate(words, window_of)
        self.quota = Quota()
        self.caller = Caller(around.clock)
        self.orders: list[ExportOrder] = []
        self.exports = Exports(self._source, self._storage, options)

    def routes(self) -> list[BaseRoute]:
        """All routes, without the prefix."""
        route = self._gate.route
        return [
            route("/api/raw/v1/export", "order", self._guarded("POST", self._order)),
            route("/api/user/v3/metadata/columns", "columns", self._guarded("POST", self._columns)),
            route("/api/raw/v2/export", "order", self._guarded("POST", self._order_second)),
            route("/api/raw/v2/export/{export_id}", "status", self._refusing("GET", self._status)),
            route("/v1/journeys", "journeys", self._with_key(self._journeys)),
            route("/v1/journey/{journey}", "figures", self._with_key(self._figures)),
            route("/{path:path}", "unknown", self._refusing(None, _nowhere)),
        ]

    def root_routes(self) -> list[BaseRoute]:
        """The file host: its links have no room for a prefix."""
        return [self._gate.route("/{partner}/p/{file}", "file", self._storage.get)]

    def environment(self, url: str) -> dict[str, str]:
        """The variables with which a connection named `insider` finds it and gets in."""
        return {
            "INSIDER_URL": url,
            "INSIDER_PARTNER_NAME": self._options.partner,
            "INSIDER_REQUEST_TOKEN": self._options.request_token,
            "INSIDER_SEGMENT_ID": str(SEGMENT),
            "INSIDER_WEBHOOK_URL": self._options.webhook_url,
            "INSIDER_DOWNLOAD_HOSTS": url.removesuffix("/insider"),
            "INSIDER_FORMAT": self._options.format,
            "INSIDER_ANALYTICS_URL": url,
            "INSIDER_ANALYTICS_KEY": self._options.analytics_key,
        }

    def close(self) -> None:
        """Makes no more calls."""
        self.caller.close()

    def forget(self) -> None:
        """Forgets all orders, and the days that they have used."""
        self.quota.accepted.clear()
        self.caller.clear()
        self.exports.clear()
        self.orders.clear()

    def lists(self) -> dict[str, bytes]:
        """A list of the panel: people who entered a journey within the last week."""
        end = floor(self._clock.now(), Granularity.DAY)
        journey = min(self.account.journey_numbers.values())
        name = f"insider-profiles__journey-{journey}__enter__{end - timedelta(days=7):%Y-%m-%d}_{end:%Y-%m-%d}.csv"
        rows = [
            (profile_id(number), *(attribute(number, column, masked=False) for column in ("email", "c_loyalty_tier")))
            for number in range(_LISTED)
        ]
        lines = [("Profile ID", "Email", "Loyalty Tier"), *rows]
        return {name: "".join(f"{','.join(line)}\r\n" for line in lines).encode()}

    def truth(self, window: Window, asked_at: datetime) -> Iterator[dict[str, Any]]:
        """The events that a perfect client has of a window after an order of all that there is, each once.

        Args:
            window: Of the events' times.
            asked_at: When it was ordered; what the vendor gets later is not in it.
        """
        shape = self._options.shape()
        for event in self._source.events(window, shape, received_by=asked_at):
            yield {
                **event._asdict(),
                "iid": event.iid,
                "email": attribute(event.person_number, "email", masked=shape.masked),
                "occurred_at": at(event.at_s),
            }

    def _columns(self, exchange: Exchange) -> Response:
        try:
            table = json.loads(exchange.body).get("table")
        except (ValueError, AttributeError):
            table = None
        if table not in {"events", "contacts"}:
            raise RefusedError(400, "table must be events or contacts: bad request")
        return JSONResponse(self.account.events(self._options) if table == "events" else contacts())

    def _journeys(self, exchange: Exchange) -> Response:
        asked = exchange.request.query_params
        limit, page = min(int(asked.get("limit", "300")), 300), int(asked.get("page", "1"))
        return JSONResponse({"journeys": self.account.journeys()[limit * (page - 1) : limit * page]})

    def _figures(self, exchange: Exchange) -> Response:
        try:
            ends = [
                datetime.strptime(end, "%d/%m/%Y").replace(tzinfo=UTC)
                for end in exchange.request.query_params["statDate"].split(" - ")
            ]
            window = Window(ends[0], ends[1] + timedelta(days=1))
            number = int(exchange.request.path_params["journey"])
        except (ValueError, KeyError, IndexError):
            raise RefusedError(400, "statDate must be DD/MM/YYYY - DD/MM/YYYY: bad request") from None
        shape = self._options.shape()
        events = self._source.events(window, shape, received_by=exchange.now)
        return JSONResponse(figures(event for event in events if event.journey == number))

    def _order(self, exchange: Exchange) -> Response:
        order = read_order(exchange.body, self._options, now=exchange.now)
        self.quota.take(self._options, exchange.now)
        self.orders.append(order)
        fails = exchange.fault is not None and exchange.fault.kind == "fail_export"
        due_at = exchange.now + timedelta(seconds=self._options.call_after_s)
        origin = _origin(exchange)
        call = DueCall(due_at, order.hook, partial(self._bodies, order, origin, fails=fails))
        if self._options.call == "before_answer":
            self.caller.make(call)
        elif self._options.call != "in_answer":
            self.caller.add(call)
        if exchange.fault is not None and exchange.fault.kind == "order_then_reset":
            return HangUpResponse(reset=True)
        if self._options.call == "in_answer":
            return JSONResponse({"url": self.link(order, origin)}, 202)
        return Response(status_code=200)

    def _order_second(self, exchange: Exchange) -> Response:
        try:
            asked = internal_names(json.loads(exchange.body))
        except (ValueError, AttributeError, TypeError):
            raise RefusedError(400, "the body must be an object: bad request") from None
        if asked.get("format") == "json":
            raise RefusedError(400, "format must be csv or parquet: bad request")
        order = read_order(json.dumps(asked).encode(), self._options, now=exchange.now)
        self.quota.take(self._options, exchange.now)
        self.orders.append(order)
        due_at = exchange.now + timedelta(seconds=self._options.call_after_s)
        export_id, origin = self.exports.take(order, due_at), _origin(exchange)

        def bodies() -> list[dict[str, Any]]:
            told = self.exports.status(export_id, origin, self._clock.now())
            return [] if self._options.call == "no_call" else [told]

        self.caller.add(DueCall(due_at, order.hook, bodies))
        if exchange.fault is not None and exchange.fault.kind == "order_then_reset":
            return HangUpResponse(reset=True)
        return JSONResponse({"export_id": export_id, "status": "queued"}, 202)

    def _status(self, exchange: Exchange) -> Response:
        check_access(exchange.request.headers, self._options)
        export_id = exchange.request.path_params["export_id"]
        return JSONResponse(self.exports.status(export_id, _origin(exchange), exchange.now))

    def _bodies(self, order: ExportOrder, origin: str, *, fails: bool) -> list[dict[str, Any]]:
        """What the calls of an export say."""
        kind = self._options.call
        if kind == "no_call":
            return []
        if fails or kind == "no_url":
            return [{"message": "The export is too large, please choose a smaller date range."}]
        url = self.link(order, origin)
        if kind == "foreign_host":
            return [{"url": url.replace(origin, "https://files.example.org")}]
        if kind == "another_path":
            return [{"url": url}, {"url": self.link(order, origin)}]
        return [{"url": url}] * (2 if kind == "twice" else 1)

    def link(self, order: ExportOrder, origin: str) -> str:
        """Makes an order's file, and a link to it."""
        place = self._storage.place(order.format)
        events = self._source.events(order.window, order.shape, received_by=order.ordered_at)
        write_file(order, rows_of(order, events), place)
        now = self._clock.now()
        return self._storage.put(place, origin=origin, made_at=now - _SIGNED_AFTER, signed_at=now)

    def _guarded(self, method: str, handler: Handler) -> Handler:
        def with_access(exchange: Exchange) -> Response:
            if exchange.content_type != "application/json":
                raise RefusedError(400, "content type must be application/json")
            check_access(exchange.request.headers, self._options)
            return handler(exchange)

        return self._refusing(method, with_access)

    def _with_key(self, handler: Handler) -> Handler:
        def with_key(exchange: Exchange) -> Response:
            if exchange.request.headers.get("authorization") != f"Bearer {self._options.analytics_key}":
                raise RefusedError(401, "Invalid API key")
            return handler(exchange)

        return self._refusing("GET", with_key)

    def _refusing(self, method: str | None, handler: Handler) -> Handler:
        def answer(exchange: Exchange) -> Response:
            if method is not None and exchange.request.method != method:
                return Response("Invalid Payload.", 405)
            try:
                return handler(exchange)
            except RefusedError as refused:
                return refused.response()

        return answer


def _origin(exchange: Exchange) -> str:
    return str(exchange.request.base_url).removesuffix("/").removesuffix("/insider")


def _nowhere(exchange: Exchange) -> Response:  # noqa: ARG001 - all handlers are alike
    raise RefusedError(404, "no such route: not found")
