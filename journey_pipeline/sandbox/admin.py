"""Routes under `/_sandbox/` by which another process looks at the sandbox and changes it.

`health`, `clock` (`{"at": time, "move_s": seconds, "speed": factor}`), `faults` (`{"rules": [text]}`; DELETE clears),
`options` (`{"sfmc": {name: value}}`) and `calls` (`?route=`; DELETE clears): GET shows, POST changes. They answer JSON
and are not recorded. Not here: what they change (`clock.py`, `faults.py`, `calls.py`, `options.py`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from journey_pipeline.errors import ConfigError
from journey_pipeline.model import iso
from journey_pipeline.sandbox.fault_rules import parse_fault

if TYPE_CHECKING:
    from journey_pipeline.sandbox.sandbox import Sandbox


class _ClockChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    at: AwareDatetime | None = None
    move_s: float = 0.0
    speed: float | None = None


class _Rules(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rules: list[str]


class Admin:
    """The routes of one sandbox.

    Args:
        sandbox: What they show and change.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        """The routes, without the prefix."""
        return [
            Route("/health", self._health, methods=["GET"]),
            Route("/clock", self._clock, methods=["GET", "POST"]),
            Route("/faults", self._faults, methods=["GET", "POST", "DELETE"]),
            Route("/options", self._options, methods=["GET", "POST"]),
            Route("/calls", self._calls, methods=["GET", "DELETE"]),
        ]

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok", "now": iso(self._sandbox.clock.now())})

    async def _clock(self, request: Request) -> Response:
        clock = self._sandbox.clock

        def change(body: bytes) -> None:
            asked = _ClockChange.model_validate_json(body)
            if asked.speed is not None:
                clock.run(asked.speed)
            if asked.at is not None:
                clock.set(asked.at)
            clock.move(timedelta(seconds=asked.move_s))

        return await _changed(request, change) or JSONResponse({"now": iso(clock.now()), "speed": clock.speed})

    async def _faults(self, request: Request) -> Response:
        faults = self._sandbox.faults

        def change(body: bytes) -> None:
            rules = [
                parse_fault(rule, seed=self._sandbox.world.seed) for rule in _Rules.model_validate_json(body).rules
            ]
            for rule in rules:
                faults.add(rule)

        if request.method == "DELETE":
            faults.clear()
        refused = await _changed(request, change)
        shown = [{"rule": str(rule), "hits": faults.hits(rule)} for rule in faults.rules()]
        return refused or JSONResponse({"rules": shown})

    async def _options(self, request: Request) -> Response:
        options = self._sandbox.options
        return await _changed(request, options.change) or JSONResponse(options.shown())

    async def _calls(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._sandbox.calls.clear()
        calls = self._sandbox.calls.to(request.query_params.get("route"))
        shown = [dataclasses.asdict(call) | {"at": iso(call.at)} for call in calls]
        return JSONResponse({"count": len(shown), "calls": shown})


async def _changed(request: Request, change: Callable[[bytes], None]) -> Response | None:
    """Makes the change that a POST asks for; the refusal of one that can't be made."""
    if request.method != "POST":
        return None
    try:
        change(await request.body())
    except ConfigError as error:
        return JSONResponse({"error": str(error)}, 400)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)]
        return JSONResponse({"error": "; ".join(wrong)}, 400)
    return None
