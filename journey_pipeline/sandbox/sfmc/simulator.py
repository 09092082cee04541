"""The simulated Salesforce as a whole: its routes, who may call them, and the truth behind its answers.

Not here: the server (`sandbox/server.py`), which mounts it under `/sfmc`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from starlette.responses import Response
from starlette.routing import BaseRoute

from journey_pipeline.model import Window
from journey_pipeline.sandbox.gate import Exchange, Handler
from journey_pipeline.sandbox.registry import Surroundings
from journey_pipeline.sandbox.sfmc.envelope import RefusedError, words
from journey_pipeline.sandbox.sfmc.history import History
from journey_pipeline.sandbox.sfmc.journeys import JourneyList
from journey_pipeline.sandbox.sfmc.options import SfmcOptions
from journey_pipeline.sandbox.sfmc.prepared import PreparedAnswers
from journey_pipeline.sandbox.sfmc.query import read_query, window_of
from journey_pipeline.sandbox.sfmc.rows import row
from journey_pipeline.sandbox.sfmc.selection import silent
from journey_pipeline.sandbox.sfmc.tokens import Token, Tokens
from journey_pipeline.sandbox.world import Event

_INTERACTIONS = "/interaction/v1/interactions"
_HISTORY = f"{_INTERACTIONS}/journeyhistory"


class SfmcSimulator:
    """Salesforce Marketing Cloud, as far as journey history goes.

    Args:
        options: How it behaves; may be changed at any time.
    """

    def __init__(self, around: Surroundings, options: SfmcOptions) -> None:
        world = around.world
        self._world, self._clock, self._options = world, around.clock, options
        self.answers = PreparedAnswers(world, around.folder)
        self.tokens = Tokens(options)
        self._history = History(self.answers, options, lag_s=world.lag_s)
        self._journeys = JourneyList(world, options)
        self._gate = around.gate(words, window_of)

    def routes(self) -> list[BaseRoute]:
        """All routes, without the prefix."""
        route, guarded = self._gate.route, self._guarded
        return [
            route("/v2/token", "token", self._refusing("POST", self._token)),
            route(f"{_HISTORY}/estimate", "estimate", guarded("POST", self._history.estimate)),
            route(f"{_HISTORY}/download", "download", guarded("POST", self._history.download)),
            route(f"{_HISTORY}/freshness", "freshness", guarded("GET", self._history.freshness)),
            route(_INTERACTIONS, "journeys", guarded("GET", self._journeys.page)),
            route(f"{_INTERACTIONS}/status/{{journey}}", "journey_status", guarded("GET", self._journeys.status)),
            route(f"{_INTERACTIONS}/{{journey}}", "journey", guarded("GET", self._journeys.one)),
            route("/{path:path}", "unknown", self._refusing(None, _nowhere)),
        ]

    def environment(self, url: str) -> dict[str, str]:
        """The variables with which a connection named `sfmc` finds it and gets in."""
        return {
            "SFMC_AUTH_URL": url,
            "SFMC_REST_URL": url,
            "SFMC_CLIENT_ID": self._options.client_id,
            "SFMC_CLIENT_SECRET": self._options.client_secret,
            "SFMC_ACCOUNT_ID": self._options.account_id,
        }

    def close(self) -> None:
        """Stops writing answers; calls that wait for one are refused."""
        self.answers.close()

    def truth(self, window: Window, *, visible_at: datetime | None = None) -> Iterator[dict[str, str]]:
        """The rows of a window with all columns, oldest first, as a perfect client has them.

        Rows that the vendor leaves out are left out; rows that have expired are not: a client has them already.

        Args:
            window: Of their `TransactionTime`.
            visible_at: Only rows that could be had at this instant; all that will ever be if None.
        """
        for event in self.events(window, visible_at=visible_at):
            yield row(event, mutated=self._options.mutate, odd_messages=self._options.odd_messages)

    def events(self, window: Window, *, visible_at: datetime | None = None) -> Iterator[Event]:
        """The world's events behind `truth`: fewer than the world's, for the vendor leaves some out."""
        for event in self._world.events(window, visible_at=visible_at):
            if self._options.silent_completes or not silent(event.happening):
                yield event

    def count(self, window: Window, *, visible_at: datetime | None = None) -> int:
        """How many rows `truth` gives."""
        return sum(1 for _ in self.events(window, visible_at=visible_at))

    def prepare(self, windows: Sequence[Window], *, columns: Sequence[str] = ()) -> int:
        """Writes the answers to unfiltered downloads ahead of the calls.

        Args:
            columns: As the calls will ask for them; the eight defaults if empty.

        Returns:
            Their rows.
        """
        now, rows = self._clock.now(), 0
        retention = timedelta(days=self._options.retention_days)
        for window in windows:
            body = f'{{"start":"{window.start.isoformat()}","end":"{window.end.isoformat()}"}}'.encode()
            query = read_query({"columns": ",".join(columns)}, body, self._options, now=now)
            rows += self.answers.get(query, now=now, retention=retention).rows
        return rows

    def _token(self, exchange: Exchange) -> Response:
        request = exchange.request
        base_url = f"{request.url.scheme}://{request.url.netloc}{request.scope['root_path']}"
        return self.tokens.issue(exchange.content_type, exchange.body, base_url=base_url, now=exchange.now)

    def _guarded(self, method: str, handler: Callable[[Exchange, Token], Response]) -> Handler:
        def with_token(exchange: Exchange) -> Response:
            if exchange.fault is not None and exchange.fault.kind == "expire_token_now":
                self.tokens.revoke()
            return handler(exchange, self.tokens.check(exchange.request.headers.get("authorization"), now=exchange.now))

        return self._refusing(method, with_token)

    def _refusing(self, method: str | None, handler: Handler) -> Handler:
        def answer(exchange: Exchange) -> Response:
            try:
                if method is not None and exchange.request.method != method:
                    raise RefusedError(405, None, f"Use {method}.")  # noqa: TRY301 - one way to refuse
                return handler(exchange)
            except RefusedError as refused:
                return refused.response()

        return answer


def _nowhere(exchange: Exchange) -> Response:  # noqa: ARG001 - all handlers are alike
    raise RefusedError(404, 404, "There is no such route.")
