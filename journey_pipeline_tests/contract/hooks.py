"""Takes the calls of simulated vendors for whatever home a test has at the time, as the receiver does for one.

Not here: the receiver itself, whose own tests it has (`receiver/`).
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from journey_pipeline.exports.calls import Call, find_hook, take
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.vendors.judges import judge_of


@dataclass
class Hooks:
    """A server of hooks.

    Attributes:
        home: Whose ledger the calls go to.
        clock: The present.
    """

    home: Path | None = None
    clock: SandboxClock = field(default_factory=SandboxClock)

    def __post_init__(self) -> None:
        hooks = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200 if hooks.taken(self.path.rpartition("/")[2], body) else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, name="hooks", daemon=True).start()

    @property
    def url(self) -> str:
        """Where hooks are."""
        return f"http://127.0.0.1:{self._server.server_port}/hooks"

    def taken(self, nonce: str, body: bytes) -> bool:
        """Takes a call; whether there is such a hook."""
        at = self.clock.now()
        with open_ledger(f"sqlite:///{self.home}/exports.db") as ledger, ledger.writing() as tx:
            hook = find_hook(tx, nonce, at=at)
            if hook:
                judged = judge_of(hook.vendor, hook.connection)(json.loads(body), at)
                call = Call(hook.export_id, hook.attempt, at, "127.0.0.1", body, hook.ends_at)
                take(tx, call, judged, at=at)
        return hook is not None


HOOKS = Hooks()
