"""The simulated APSIS One as a whole: its routes, who may call them, and the truth behind its answers.

Not here: the server (`sandbox/server.py`), which mounts it under `/apsis`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from journey_pipeline.model import Window
from journey_pipeline.sandbox.apsis import truth
from journey_pipeline.sandbox.apsis.activities import Automations
from journey_pipeline.sandbox.apsis.definitions import Definitions
from journey_pipeline.sandbox.apsis.email_reports import EmailReports
from journey_pipeline.sandbox.apsis.envelope import RefusedError, words
from journey_pipeline.sandbox.apsis.events import EventSource
from journey_pipeline.sandbox.apsis.exports import Exports
from journey_pipeline.sandbox.apsis.generated import Generated
from journey_pipeline.sandbox.apsis.options import ApsisOptions
from journey_pipeline.sandbox.apsis.orders import ProfileOrder, window_of
from journey_pipeline.sandbox.apsis.profile_exports import PATH, PATH_V2, ProfileExports
from journey_pipeline.sandbox.apsis.tokens import Tokens
from journey_pipeline.sandbox.gate import Exchange, Handler
from journey_pipeline.sandbox.registry import Surroundings


class ApsisSimulator:
    """APSIS One, as far as its two event exports go.

    Args:
        options: How it behaves; may be changed at any time.
    """

    def __init__(self, around: Surroundings, options: ApsisOptions) -> None:
        world = around.world
        self._clock, self._options = around.clock, options
        self.tokens = Tokens(options)
        self.exports = Exports(options)
        source, automations = EventSource(world), Automations(world)
        self._profiles = ProfileExports(world, source, automations, self.exports, options)
        self._emails = EmailReports(source, automations, self.exports, options)
        self._definitions = Definitions(automations, options)
        self._gate = around.gate(words, window_of)

    def routes(self) -> list[BaseRoute]:
        """All routes, without the prefix."""
        route, guarded, definitions = self._gate.route, self._guarded, self._definitions
        section = "/audience/sections/{section}"
        lists = {
            "/audience/sections": ("sections", definitions.sections),
            f"{section}/attributes": ("attributes", definitions.attributes),
            f"{section}/tags": ("tags", definitions.tags),
            f"{section}/events": ("events", definitions.events),
            f"{section}/consent-lists": ("consent_lists", definitions.consent_lists),
            f"{section}/consent-lists/{{list}}/topics": ("topics", definitions.topics),
            f"{section}/topics": ("topics", definitions.topics),
            "/audience/segments": ("segments", definitions.segments),
            "/audience/segments/": ("segments", definitions.segments),
            "/emails/sections/{section}/activities": ("activities", definitions.activities),
            "/emails/section/{section}/activities/{activity}": ("activity", definitions.activity),
        }
        return [
            route("/oauth/token", "token", self._refusing("POST", self._token)),
            route(PATH, "profile_order", guarded("POST", self._profiles.order)),
            route(f"{PATH}/{{export}}", "profile_poll", guarded("GET", self._profiles.poll)),
            route(f"{PATH_V2}/{{export}}", "profile_poll", guarded("GET", self._profiles.poll_v2)),
            route("/emails/reports", "email_order", guarded("POST", self._emails.order)),
            route("/emails/reports/{report}", "email_status", guarded("GET", self._emails.status)),
            route("/files/{file}", "email_file", self._refusing("GET", self._emails.download)),
            *(route(path, name, guarded("GET", handler)) for path, (name, handler) in lists.items()),
            route("/{path:path}", "unknown", self._refusing(None, _nowhere)),
        ]

    def environment(self, url: str) -> dict[str, str]:
        """The variables with which a connection named `apsis` finds it and gets in."""
        return {
            "APSIS_URL": url,
            "APSIS_CLIENT_ID": self._options.client_id,
            "APSIS_CLIENT_SECRET": self._options.client_secret,
        }

    def close(self) -> None:
        """Stops counting; calls that wait for it are refused."""
        self.exports.closed.set()

    def prepare(
        self, order: ProfileOrder, path: Path, grown: Callable[[Iterator[bytes]], Iterator[bytes]] | None = None
    ) -> Generated:
        """Writes the file of a profile export ahead of its order. The same order gets it as it is now.

        Args:
            order: What will be ordered, lists in the same order.
            path: Where the file goes, as gzip.
            grown: Makes of the file's chunks those that are written.
        """
        return self._profiles.prepare(order, self._clock.now(), path, grown)

    def profile_truth(self, window: Window, asked_at: datetime) -> Iterator[dict[str, Any]]:
        """The events that a perfect client has of a window after an order of everything in it; see `truth.py`.

        Args:
            window: As the order says it.
            asked_at: When it was ordered; what the vendor gets later is not in it.
        """
        return truth.profile_events(self._profiles, window, asked_at)

    def email_truth(self, window: Window, asked_at: datetime) -> Iterator[dict[str, Any]]:
        """The e-mail events that a perfect client has of a window after an order for each section; see `truth.py`.

        Args:
            window: As the orders say it.
            asked_at: When they were made; what the vendor gets later is not in it.
        """
        return truth.email_events(self._emails, window, asked_at)

    def _token(self, exchange: Exchange) -> Response:
        return self.tokens.issue(exchange.content_type, exchange.body, now=exchange.now)

    def _guarded(self, method: str, handler: Handler) -> Handler:
        def with_token(exchange: Exchange) -> Response:
            if exchange.fault is not None and exchange.fault.kind == "expire_token_now":
                self.tokens.expire(exchange.now)
            self.tokens.check(exchange.request.headers.get("authorization"), now=exchange.now)
            return handler(exchange)

        return self._refusing(method, with_token)

    def _refusing(self, method: str | None, handler: Handler) -> Handler:
        def answer(exchange: Exchange) -> Response:
            try:
                if method is not None and exchange.request.method != method:
                    raise RefusedError(405, f"Use {method}.")  # noqa: TRY301 - one way to refuse
                return handler(exchange)
            except RefusedError as refused:
                return refused.response()

        return answer


def _nowhere(exchange: Exchange) -> Response:  # noqa: ARG001 - all handlers are alike
    raise RefusedError(404, "There is no such route.")
