"""The receiver keeps each authentic call, answers at once, and tells a stranger nothing."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from journey_pipeline import __version__
from journey_pipeline.exports import inbox
from journey_pipeline.exports.export import Export
from journey_pipeline.exports.inbox import Waiting
from journey_pipeline.exports.ledger import callbacks
from journey_pipeline.loading.exports import Exports
from journey_pipeline.model import StreamKey
from journey_pipeline.receiver import app
from journey_pipeline.settings import utc_now
from journey_pipeline_tests.exports.made_orders import export_of, order, queue
from journey_pipeline_tests.receiver.conftest import PARTNER, POLICY, Running, ago, link

HOUR = timedelta(hours=1)


def verdicts(running: Running) -> list[str]:
    with running.ledger.reading() as tx:
        return [row["verdict"] for row in tx.rows(select(callbacks).order_by(callbacks.c.id))]


def standing(running: Running, export: Export) -> str:
    return export_of(running.ledger, export.id).standing


def test_a_call_is_kept_and_its_export_is_ready_when_it_is_answered(running: Running) -> None:
    export = running.ask()
    url = link()
    status, body, headers = running.send(
        "POST", f"/any/prefix/{export.hook}", json.dumps({"url": url}).encode(), {"Content-Type": "text/plain"}
    )
    assert (status, body, headers["content-type"]) == (200, b"{}", "application/json")
    assert "server" not in headers
    found = export_of(running.ledger, export.id)
    assert (found.standing, found.poll_address) == ("ready", url)
    with running.ledger.reading() as tx:
        (row,) = tx.rows(select(callbacks))
    assert (row["attempt"], row["peer"], row["verdict"]) == (1, "127.0.0.1", "delivered")


def test_no_log_holds_the_path_of_a_call_however_logging_is_set_up(
    running: Running, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("uvicorn.access"), "propagate", True)
    caplog.set_level(logging.DEBUG)
    export = running.ask()
    assert running.call(export, {"url": link()}) == 200
    assert running.send("GET", "/some/path")[0] == 404
    assert "a call came: delivered" in caplog.text
    assert not any(text in caplog.text for text in (str(export.hook), "/some/path", "Signature"))


def test_the_last_segment_of_the_path_counts_alone(running: Running) -> None:
    for day, path in enumerate(("/", "/a/b/c/d/", "//")):
        assert running.call(running.ask(day), {"url": link(str(day))}, path) == 200
    assert verdicts(running) == ["delivered"] * 3


def test_health_says_which_ledger_it_is_and_nothing_else(running: Running) -> None:
    for path in ("/health", "/hooks/insider/health"):
        status, body, _ = running.send("GET", path)
        assert status == 200
        assert json.loads(body) == {"version": __version__, "fingerprint": running.ledger.fingerprint()}
    assert running.send("POST", "/health", b"{}")[0] == 405
    assert running.send("HEAD", "/health")[:2] == (200, b"")


@pytest.mark.parametrize("path", ["/", "/hooks/insider/v1/", "/x", f"/hooks/{'n' * 43}", "/%00", "/%ff", "/a/../b?c=d"])
def test_whatever_names_no_hook_is_not_found(running: Running, path: str) -> None:
    export = running.ask()
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
        status, body, _ = running.send(method, path, b'{"url": "x"}')
        assert (status, body) == (404, b"")
    assert running.send("POST", f"/{export.hook}x")[0] == 404
    assert verdicts(running) == []


def test_a_hook_takes_calls_for_two_days(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    export = running.ask()
    monkeypatch.setattr(running.receiver, "now", lambda: ago(-48 * HOUR))
    assert running.call(export, {"url": link()}) == 404
    monkeypatch.setattr(running.receiver, "now", lambda: ago(-47 * HOUR))
    assert running.call(export, {"url": link()}) == 200


def test_a_hook_takes_posts_alone(running: Running) -> None:
    export = running.ask()
    for method in ("GET", "PUT", "HEAD", "DELETE"):
        status, body, headers = running.send(method, f"/{export.hook}")
        assert (status, body, headers["allow"]) == (405, b"", "POST")


def test_a_peer_that_guesses_is_told_to_wait_and_a_call_of_the_same_peer_is_taken(running: Running) -> None:
    export = running.ask()
    answers = [running.send("GET", f"/{number}")[0] for number in range(25)]
    assert answers[:20] == [404] * 20
    assert set(answers[20:]) <= {429, 404}  # a minute may begin meanwhile
    assert running.call(export, {"url": link()}) == 200
    assert running.receiver.unknown.total == 25


def test_guesses_are_counted_by_peer_and_minute_and_in_bounded_memory() -> None:
    counter, now = app.Unknown(), ago(HOUR)
    assert [counter.is_too_many("192.0.2.1", now) for _ in range(21)] == [False] * 20 + [True]
    assert not counter.is_too_many("192.0.2.2", now)
    assert not counter.is_too_many("192.0.2.1", now + timedelta(minutes=1))
    for number in range(app._MOST_PEERS + 10):
        counter.is_too_many(f"{number}", now + timedelta(minutes=1))
    assert counter.is_too_many("one more", now + timedelta(minutes=1))
    assert len(counter._peers) == app._MOST_PEERS


@pytest.mark.parametrize(
    ("given", "trusted", "peer"),
    [
        ("198.51.100.7", False, "127.0.0.1"),
        ("198.51.100.7", True, "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7", True, "198.51.100.7"),
        ("no address", True, "unknown"),
    ],
)
def test_the_peer_is_the_sockets_unless_a_trusted_proxy_says_so(
    running: Running, given: str, trusted: bool, peer: str
) -> None:
    import http.client  # noqa: PLC0415 - a request from another address of this machine

    export = running.ask()
    source = ("127.0.0.2" if trusted else "127.0.0.1", 0)
    with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=20, source_address=source)) as proxy:
        said = json.dumps({"url": link()})
        proxy.request("POST", f"/{export.hook}", said, {"X-Forwarded-For": given})
        assert proxy.getresponse().status == 200
    with running.ledger.reading() as tx:
        assert [row["peer"] for row in tx.rows(select(callbacks))] == [peer]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[" * 1_000 + b"]" * 1_000, b'{"url": ' * 20_000, b"[[[[[[[[[1]]]]]]]]]"]
)
def test_what_is_no_json_is_refused_and_kept_for_an_operator(running: Running, body: bytes) -> None:
    export = running.ask()
    assert running.call(export, body) == (400 if len(body) <= app.LARGEST_BYTES else 413)
    assert standing(running, export) == "asking"
    with running.ledger.reading() as tx:
        for row in tx.rows(select(callbacks)):
            kept = tx.vault.unseal(row["body"])
            assert row["verdict"] == "unreadable"
            assert kept is not None
            assert kept.encode("latin-1") == body[:4096]
    assert running.call(export, {"url": link()}) == 200


@pytest.mark.parametrize("size", [64 << 10, (64 << 10) + 1, 1 << 20, 3 << 20])
def test_a_body_has_64_kib_at_most_by_header_and_by_count(running: Running, size: int) -> None:
    export = running.ask()
    body = b'{"url": "%s"}' % (b"x" * (size - 11))
    expected = 200 if size <= app.LARGEST_BYTES else 413
    if size < 3 << 20:  # beyond that a connection is cut in the midst of the body
        assert running.call(export, body) == expected
    with running.connect() as raw:
        raw.sendall(b"POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (str(export.hook).encode(), size))
        if size < 3 << 20:
            raw.sendall(body)
        assert raw.recv(12) == b"HTTP/1.1 %d" % expected
    with running.connect() as raw:
        raw.sendall(b"POST /%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % str(export.hook).encode())
        if size < 3 << 20:
            raw.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (size, body))
            assert raw.recv(12) == b"HTTP/1.1 %d" % expected


def test_a_link_that_breaks_a_rule_is_answered_and_kept_in_quarantine(running: Running) -> None:
    export = running.ask()
    for said in (
        {"url": link(host="https://files.example")},
        {"url": 7},
        {"url": ""},
        {"url": "x" * 60_000},
        {"url": link() + "\n"},
        {"url": "\ud800"},
    ):
        assert running.call(export, said) == 200
    assert verdicts(running) == ["quarantined"] * 6
    assert standing(running, export) == "asking"
    assert running.call(export, {"url": link()}) == 200
    assert standing(running, export) == "ready"


def test_a_notice_a_replay_another_link_and_an_ended_one(running: Running) -> None:
    first, second, third = running.ask(0), running.ask(1), running.ask(2)
    assert running.call(first, {"error": "too large, ask ada@example.com\x00\ud800"}) == 200
    asking = queue(running.ledger, utc_now(), policy=POLICY, connection="insider")
    asking.next_to_look()
    assert standing(running, first) == "wanted: failed"
    url = link()
    assert [running.call(second, {"url": url}) for _ in range(3)] == [200] * 3
    assert running.call(second, {"url": link("2")}) == 200
    assert export_of(running.ledger, second.id).poll_address == url
    assert running.call(third, {"url": link(signed=ago(25 * HOUR))}) == 200
    asking.next_to_look()
    assert standing(running, third) == "wanted: expired"
    assert verdicts(running) == ["notice", "delivered", "another link", "expired"]
    assert "ada@" not in str(export_of(running.ledger, first.id).error)


def test_a_connection_without_what_judges_its_links_keeps_them_in_quarantine(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = running.ask()
    monkeypatch.delenv("INSIDER_PARTNER_NAME")
    assert running.call(export, {"url": link()}) == 200
    with running.ledger.reading() as tx:
        (row,) = tx.rows(select(callbacks))
    assert row["verdict"] == "quarantined"
    assert "INSIDER_PARTNER_NAME" in row["says"]


def lock(ledger: Path) -> sqlite3.Connection:
    """Somebody else's transaction: no other can write."""
    locking = sqlite3.connect(ledger, isolation_level=None, check_same_thread=False)
    locking.execute("begin immediate")
    return locking


def test_a_call_that_the_ledger_does_not_take_in_time_waits_in_a_file_and_is_taken_later(running: Running) -> None:
    exports = [running.ask(day) for day in range(6)]
    urls = [link(str(export.id)) for export in exports]
    with closing(lock(running.home / "exports.db")) as locking:
        answers: list[int] = []
        threads = [
            threading.Thread(target=lambda one=one, url=url: answers.append(running.call(one, {"url": url})))
            for one, url in zip(exports, urls, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [200] * 6
        waiting = list(running.home.glob("inbox/insider/calls/*"))
        assert len(waiting) == 6
        assert {path.stat().st_mode & 0o777 for path in waiting} == {0o600}
        held = b"".join(path.read_bytes() for path in waiting)
        assert not any(secret in held for secret in (b"useinsider", b"url", str(exports[0].hook).encode()))
        locking.execute("rollback")
    running.receiver.drain()
    assert [export_of(running.ledger, one.id).poll_address for one in exports] == urls
    assert list(running.home.glob("inbox/*/calls/*")) == []


def test_a_call_whose_hook_can_not_be_looked_up_waits_too(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    export = running.ask()
    with monkeypatch.context() as patched:
        patched.setattr(type(running.ledger), "reading", lambda _: (_ for _ in ()).throw(OSError("gone")))
        assert running.call(export, {"url": link()}) == 200
        assert running.send("POST", f"/{'n' * 43}", b"{}")[0] == 200
        assert running.send("POST", "/guess", b"{}")[0] == 404
        assert running.send("GET", f"/{'n' * 43}")[0] == 404
        assert running.send("GET", "/health")[0] == 503
        assert len(list(running.home.glob("inbox/unknown/calls/*"))) == 2
    running.receiver.drain()
    assert standing(running, export) == "ready"
    assert list(running.home.glob("inbox/*/calls/*")) == []


def test_a_load_takes_the_calls_that_wait_before_anything_else(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    export, url = running.ask(), link()
    call = Waiting(str(export.hook), utc_now(), "192.0.2.1", json.dumps({"url": url}).encode())
    running.receiver.inbox.keep(call, "insider")
    (running.home / "inbox" / "insider" / "calls" / "1.call").write_text("of another key")
    monkeypatch.setenv("JOURNEY_PIPELINE_HOME", str(running.home))
    at = queue(running.ledger, utc_now(), policy=POLICY, connection="insider")
    Exports(at, {}).move_due()
    assert export_of(running.ledger, export.id).poll_address == url
    assert [path.name for path in running.home.glob("inbox/*/calls/*")] == ["1.call"]


def test_no_more_calls_of_unknown_hooks_wait_than_a_disk_can_hold(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "_MOST_UNKNOWN", 1)
    call = Waiting("n" * 43, ago(HOUR), "192.0.2.1", b"{}")
    running.receiver.inbox.keep(call, None)
    with pytest.raises(inbox.FullError):
        running.receiver.inbox.keep(call, None)
    running.receiver.inbox.keep(call, "insider")


def test_two_connections_share_a_receiver_and_each_link_is_judged_by_the_rules_of_its_own(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSIDER_TWO_PARTNER_NAME", "other")
    now = queue(running.ledger, utc_now(), policy=POLICY, connection="insider_two")
    now.want(order(key=StreamKey("insider", "insider_two", "user_events")))
    first, second = running.ask(), now.next_to_ask()
    assert second is not None
    theirs = link().replace(f"/{PARTNER}/", "/other/")
    assert running.call(first, {"url": theirs}) == running.call(second, {"url": link()}) == 200
    assert verdicts(running) == ["quarantined"] * 2
    assert running.call(first, {"url": link()}) == running.call(second, {"url": theirs}) == 200
    assert [standing(running, export) for export in (first, second)] == ["ready", "ready"]
