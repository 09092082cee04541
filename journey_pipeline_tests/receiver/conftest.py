"""A receiver over real HTTP, with a ledger in which one export was asked for."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.export import Export
from journey_pipeline.exports.inbox import Inbox
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline.model import StreamKey
from journey_pipeline.receiver.app import LEDGER_S, Receiver
from journey_pipeline.receiver.server import server
from journey_pipeline.settings import utc_now
from journey_pipeline.vendors.judges import judge_of
from journey_pipeline_tests.exports.made_orders import DAY, STEADY, order, queue

POLICY = replace(STEADY, hook_life=2 * DAY, is_polled=False, pending_limit=None)
EVENTS = StreamKey("insider", "insider", "user_events")
PARTNER = "acmeshop"


def link(
    name: str = "1", *, host: str = "https://insider-data-export.useinsider.com", signed: datetime | None = None
) -> str:
    """A link as the vendor gives them, signed now."""
    date = (signed or utc_now()).strftime("%Y%m%dT%H%M%SZ")
    return (
        f"{host}/{PARTNER}/p/{name}.parquet?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAEXAMPLE%2Fs3"
        f"&X-Amz-Date={date}&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature={'5e' * 32}"
    )


@dataclass
class Running:
    """A receiver that runs."""

    port: int
    ledger: Ledger
    home: Path
    receiver: Receiver
    asked: list[Export] = field(default_factory=list)

    def ask(self, day: int = 0) -> Export:
        """Asks the vendor, as a sensor does; the export knows its nonce."""
        now = queue(self.ledger, utc_now(), policy=POLICY, connection="insider")
        now.want(order(day, key=EVENTS))
        export = now.next_to_ask()
        assert export is not None
        assert export.hook
        self.asked.append(export)
        return export

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        """One request: status, body, headers of its answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def call(self, export: Export, said: object, path: str = "/hooks/insider/v1/") -> int:
        """The vendor calls; the status of the answer."""
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        return self.send("POST", f"{path}{export.hook}", body, {"Content-Type": "application/json"})[0]

    def connect(self) -> socket.socket:
        """A connection on which nothing was sent."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setenv("INSIDER_PARTNER_NAME", PARTNER)
    monkeypatch.delenv("INSIDER_DOWNLOAD_HOSTS", raising=False)
    url = f"sqlite:///{tmp_path / 'exports.db'}"
    with open_ledger(url) as ledger, open_ledger(url, waits_s=LEDGER_S * 0.9) as theirs:
        receiver = Receiver(theirs, Inbox(tmp_path, theirs.vault), judge_of, utc_now)
        serving = server(receiver, trusted_proxies=["127.0.0.2"])
        listener = socket.create_server(("127.0.0.1", 0), backlog=2_048)
        thread = threading.Thread(target=serving.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield Running(listener.getsockname()[1], ledger, tmp_path, receiver)
        finally:
            serving.should_exit = True
            thread.join(20)
            receiver.close()
            listener.close()


def ago(duration: timedelta) -> datetime:
    return utc_now() - duration
