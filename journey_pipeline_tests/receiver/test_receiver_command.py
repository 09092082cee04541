"""The command: it ends well when it is told to, and nothing that it keeps or prints holds a secret."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from journey_pipeline.cli.commands import receiver
from journey_pipeline.errors import ConfigError
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.inbox import Inbox
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline.receiver.app import Receiver
from journey_pipeline.settings import utc_now
from journey_pipeline.vendors.judges import judge_of
from journey_pipeline_tests.exports.made_orders import export_of
from journey_pipeline_tests.receiver.conftest import PARTNER, Running, link

pytestmark = pytest.mark.slow(reason="each test starts a receiver as a new interpreter")

COMMAND = [sys.executable, "-m", "journey_pipeline.cli.main", "receiver", "--port", "0"]


@contextmanager
def command(home: Path, ledger: Ledger, *options: str) -> Iterator[tuple[Running, subprocess.Popen[str]]]:
    """The command as a process, with what is needed to call it."""
    environment = os.environ | {
        "JOURNEY_PIPELINE_HOME": str(home),
        "INSIDER_PARTNER_NAME": PARTNER,
        "PYTHONUNBUFFERED": "1",
    }
    with subprocess.Popen(
        [*COMMAND, *options], env=environment, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            found = next(filter(None, (re.search(r"http://127\.0\.0\.1:(\d+)", line) for line in lines)))
            taking = Receiver(ledger, Inbox(home, ledger.vault), judge_of, utc_now)
            yield Running(int(found[1]), ledger, home, taking), process
        finally:
            process.kill()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGHUP])
def test_it_answers_what_it_has_when_it_is_stopped_and_leaves_no_secret_anywhere(
    tmp_path: Path, stop: signal.Signals
) -> None:
    with open_ledger(f"sqlite:///{tmp_path / 'exports.db'}") as ledger, command(tmp_path, ledger) as (running, process):
        url, mail = link("n4me"), "ada@example.com"
        exports = [running.ask(day) for day in range(5)]
        assert running.call(exports[0], {"url": url}) == 200
        assert running.call(exports[0], {"url": link("4nother")}) == 200
        assert running.call(exports[1], {"url": link(host="https://f1les.example")}) == 200
        assert running.call(exports[2], {"error": f"too large, ask {mail}, see {url}"}) == 200
        assert running.call(exports[3], b"{" + url.encode()) == 400
        assert running.send("GET", f"/{exports[3].hook}")[0] == 405
        assert running.send("POST", f"/{exports[3].hook}x?{url}", b"{}")[0] == 404
        with closing(sqlite3.connect(tmp_path / "exports.db", isolation_level=None)) as locking:
            locking.execute("begin immediate")
            assert running.call(exports[4], {"url": url}) == 200
        body = json.dumps({"url": url}).encode()
        with running.connect() as slow:
            head = f"POST /{exports[3].hook} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
            slow.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
            assert slow.recv(100).startswith(b"HTTP/1.1 100")  # it waits for the body
            process.send_signal(stop)
            slow.sendall(body)
            assert slow.recv(100).startswith(b"HTTP/1.1 200")
        assert process.stdout is not None
        printed = process.stdout.read()
        assert process.wait(20) == 0
        assert export_of(ledger, exports[3].id).standing == "ready"
        assert "export 1 of insider, attempt 1: a call came: delivered" in printed
        held = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    held["printed"] = printed.encode()
    nonces = [str(export.hook) for export in exports]
    for secret in (*nonces, "n4me", "4nother", "f1les", "Signature", "useinsider.com/acme", mail, "5e5e5e5e"):
        assert [name for name, content in held.items() if secret.encode() in content] == [], secret


def test_no_call_that_was_answered_is_lost_when_it_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIDER_PARTNER_NAME", PARTNER)
    with open_ledger(f"sqlite:///{tmp_path / 'exports.db'}") as ledger:
        with command(tmp_path, ledger) as (running, process):
            kept, waits, cut = (running.ask(day) for day in range(3))
            assert running.call(kept, {"url": link("1")}) == 200
            locking = sqlite3.connect(tmp_path / "exports.db", isolation_level=None)
            locking.execute("begin immediate")
            assert running.call(waits, {"url": link("2")}) == 200
            with running.connect() as half, suppress(ConnectionResetError):
                half.sendall(f"POST /{cut.hook} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{{".encode())
                process.kill()
                assert half.recv(1) == b""
            locking.close()
        assert [export_of(ledger, one.id).standing for one in (kept, waits, cut)] == ["ready", "asking", "asking"]
        with command(tmp_path, ledger) as (again, _):
            assert again.call(cut, {"url": link("3")}) == 200
            running.receiver.drain()  # unless the new one has done so already
        assert [export_of(ledger, one.id).standing for one in (kept, waits, cut)] == ["ready"] * 3
        assert not list(tmp_path.glob("inbox/*/calls/*"))


def test_it_takes_calls_though_the_ledger_is_not_there_when_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSIDER_PARTNER_NAME", PARTNER)
    with open_ledger(f"sqlite:///{tmp_path / 'exports.db'}") as ledger:
        with monkeypatch.context() as patched:
            patched.setenv("JOURNEY_PIPELINE_LEDGER_URL", "postgresql://ledger@127.0.0.1:1/exports")
            patched.setenv("JOURNEY_PIPELINE_LINK_KEY", (tmp_path / "exports.key").read_text().strip())
            with command(tmp_path, ledger) as (running, _):
                export = running.ask()
                assert running.call(export, {"url": link()}) == 200
                assert running.send("GET", "/health")[0] == 503
        running.receiver.drain()
        assert export_of(ledger, export.id).standing == "ready"


def test_it_says_what_is_wrong_with_its_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNEY_PIPELINE_HOME", str(tmp_path))
    for options, wrong in {
        ("--trusted-proxies", "127.0.0.1,proxy.example"): r"--trusted-proxies names 'proxy\.example'",
        ("--host", "192.0.2.1"): "can't listen on 192.0.2.1:8770",
    }.items():
        done = CliRunner().invoke(receiver, options)
        assert isinstance(done.exception, ConfigError)
        assert re.search(wrong, str(done.exception))
