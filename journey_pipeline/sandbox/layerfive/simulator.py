"""The simulated LayerFive as a whole: its route, who may call it, and the truth behind its answers.

Not here: the server (`sandbox/server.py`), which mounts it under `/layerfive`.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from datetime import datetime, timedelta

from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from journey_pipeline.model import Granularity, Window
from journey_pipeline.sandbox.gate import Exchange, Handler
from journey_pipeline.sandbox.layerfive.answers import Answers
from journey_pipeline.sandbox.layerfive.envelope import RefusedError, words
from journey_pipeline.sandbox.layerfive.options import LayerFiveOptions
from journey_pipeline.sandbox.layerfive.question import Question, milliseconds, not_before, read_question, window_of
from journey_pipeline.sandbox.layerfive.records import Record, Teller
from journey_pipeline.sandbox.layerfive.selection import Run, matching, told_by
from journey_pipeline.sandbox.registry import Surroundings

PATH = "/api/v1/customer-journey-details"
_ROUTE = "customer_journeys"
_DAILY_RUN = timedelta(hours=2)
_DAY = Granularity.DAY.duration


class LayerFiveSimulator:
    """LayerFive, as far as customer journey details go.

    Args:
        options: How it behaves; may be changed at any time.
    """

    def __init__(self, around: Surroundings, options: LayerFiveOptions) -> None:
        self._world, self._clock, self._options = around.world, around.clock, options
        self._answers = Answers(around.world, around.folder)
        self._gate = around.gate(words, window_of)

    def routes(self) -> list[BaseRoute]:
        """All routes, without the prefix."""
        route = self._gate.route
        return [
            route(PATH, _ROUTE, _refusing(self._without_slash)),
            route(f"{PATH}/", _ROUTE, _refusing(self._details)),
            route("/{path:path}", "unknown", _refusing(_nowhere)),
        ]

    def environment(self, url: str) -> dict[str, str]:
        """The variables with which a connection named `layerfive` finds it and gets in."""
        return {"LAYERFIVE_URL": url, "LAYERFIVE_API_KEY": self._options.api_key}

    def close(self) -> None:
        """Stops writing answers; calls that wait for one are refused."""
        self._answers.close()

    def truth(self, window: Window, *, asked_at: datetime | None = None) -> Iterator[Record]:
        """The records that the answer to `event_date` holds: exactly these, as often, in the default spelling.

        Default spelling means flat, with default names and ISO times, whatever the options say of shape and names. What
        they say of content counts: what changed by then, what is odd, which fields there are.

        Args:
            window: It starts when the day asked for does; where it ends does not matter, for an answer is open-ended.
            asked_at: The moment of asking; the present if None.
        """
        question = self._question(window, asked_at)
        teller = Teller(self._options)
        for some in matching(self._world.visits, question, self._options):
            for touchpoint in some:
                yield teller.record(touchpoint, question.asked_ms)

    def count(self, window: Window, *, asked_at: datetime | None = None) -> int:
        """How many records `truth` gives."""
        question = self._question(window, asked_at)
        return sum(len(some) for some in matching(self._world.visits, question, self._options))

    def known_events(self, days: Window, *, asked_after: timedelta = _DAILY_RUN) -> Iterator[Record]:
        """All that a client has that asks for every day of a span: what its answers hold together, each event once.

        Day D is asked for at D + 1 day + `asked_after`, so that the last answer reaches to `days.end + asked_after`.
        Real repeats within an answer stay as many as they are. A record that changes later is here as it was told
        first, one that is taken back is here if any of the answers had it, in the default spelling of `truth`.

        Args:
            days: Whole days, as many as there were runs.
            asked_after: How long after its end a day is asked for.
        """
        teller = Teller(self._options)
        runs = [
            Run(milliseconds(days.start + number * _DAY), milliseconds(days.start + (number + 1) * _DAY + asked_after))
            for number in range(days.duration // _DAY)
        ]
        for some, told_ms in told_by(self._world.visits, runs, self._options):
            for touchpoint, first_told_ms in zip(some, told_ms.tolist(), strict=True):
                yield teller.record(touchpoint, first_told_ms)

    def _question(self, window: Window, asked_at: datetime | None) -> Question:
        asked_ms = milliseconds(asked_at or self._clock.now())
        return Question("delta", asked_ms, not_before(window.start, asked_ms, self._options))

    def _without_slash(self, exchange: Exchange) -> Response:
        options, url = self._options, exchange.request.url
        if options.slash == "either":
            return self._details(exchange)
        query = f"?{url.query}" if url.query else ""
        return RedirectResponse(f"{options.slash_host or ''}{url.path}/{query}", 301)

    def _details(self, exchange: Exchange) -> Response:
        self._check_key(exchange)
        options = self._options.model_copy()  # one answer, one behaviour, even if they are changed meanwhile
        question = read_question(exchange.request.query_params, options, now=exchange.now)
        return self._answers.answer(exchange, question, options)

    def _check_key(self, exchange: Exchange) -> None:
        options = self._options
        given = exchange.request.headers.get(options.auth_header, "")
        if options.auth_scheme:
            scheme, _, given = given.partition(" ")
            given = given if scheme.lower() == options.auth_scheme.lower() else ""
        if not given:
            raise RefusedError(401, "Authentication credentials were not provided.")
        if not hmac.compare_digest(given.encode(), options.api_key.encode()):
            raise RefusedError(401, "Invalid token.")
        if not options.may_read:
            raise RefusedError(403, "You do not have permission to perform this action.")


def _refusing(handler: Handler) -> Handler:
    def answer(exchange: Exchange) -> Response:
        try:
            if exchange.request.method != "GET":
                raise RefusedError(405, f'Method "{exchange.request.method}" not allowed.')  # noqa: TRY301 - one way
            return handler(exchange)
        except RefusedError as refused:
            return refused.response()

    return answer


def _nowhere(exchange: Exchange) -> Response:  # noqa: ARG001 - all handlers are alike
    raise RefusedError(404, "Not found.")
