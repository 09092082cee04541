"""What every call of every vendor goes through: it is recorded, may be hit by a fault, and is answered.

Not here: what a vendor answers (a handler gets an `Exchange`), nor what a fault does (`faults.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from journey_pipeline.model import Window
from journey_pipeline.sandbox.calls import Call, CallLog, recorded_body, recorded_headers, recorded_query
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.fault_rules import Fault, Faults
from journey_pipeline.sandbox.faults import FAULTS, Words
from journey_pipeline.sandbox.wire import HangUpResponse, gone_within

_ALL_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call on its way to an answer.

    Attributes:
        request: The call; its body has been read already.
        body: The body.
        now: The present, on the sandbox's clock.
        fault: The fault that hits it, None if none does.
    """

    request: Request
    body: bytes
    now: datetime
    fault: Fault | None

    @property
    def content_type(self) -> str:
        """Media type of the body, lower case, without parameters."""
        return self.request.headers.get("content-type", "").partition(";")[0].strip().lower()


Handler: TypeAlias = Callable[[Exchange], Response]


@dataclass(frozen=True, slots=True)
class Gate:
    """The way in to one vendor.

    Attributes:
        vendor: The vendor's short name.
        clock: The present.
        faults: Rules in force.
        calls: Where calls are recorded.
        words: How the vendor says that something is wrong.
        window_of: What span a call asks for by its body, or by its query if it has no body; None if it asks for none.
    """

    vendor: str
    clock: SandboxClock
    faults: Faults
    calls: CallLog
    words: Words
    window_of: Callable[[bytes], Window | None]

    def route(self, path: str, name: str, handler: Handler) -> Route:
        """A route for all methods: the handler says which one it takes.

        Args:
            name: For fault rules and records.
            handler: May block; runs in a thread.
        """

        async def endpoint(request: Request) -> Response:
            body = await request.body()
            now = self.clock.now()
            call = self._recorded(name, request, body, now)
            fault = self.faults.pick(self.vendor, name, self.window_of(body or request.url.query.encode()))
            call.fault = fault.kind if fault else None
            response = await self._answer(handler, Exchange(request, body, now, fault))
            call.status = response.status_code
            return response

        return Route(path, endpoint, methods=list(_ALL_METHODS), name=name)

    async def _answer(self, handler: Handler, exchange: Exchange) -> Response:
        if (fault := exchange.fault) is not None:
            does = FAULTS[fault.kind]
            if does.answer is not None:
                return does.answer(self.words)
            wait_s = does.delay_s and float(fault.value or does.delay_s)
            if wait_s and await gone_within(exchange.request.receive, wait_s):
                return HangUpResponse(reset=False)
        return await run_in_threadpool(handler, exchange)

    def _recorded(self, name: str, request: Request, body: bytes, now: datetime) -> Call:
        query = recorded_query(request.url.query)
        call = Call(
            vendor=self.vendor,
            route=name,
            method=request.method,
            path=request.url.path,
            query=dict(QueryParams(query)),
            query_string=query,
            body=recorded_body(request.headers.get("content-type", ""), body),
            headers=recorded_headers(request.headers),
            at=now,
        )
        self.calls.add(call)
        return call
