"""Connections that are slow, broken or many keep no call out, and never get more than a line."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journey_pipeline.receiver import app, server
from journey_pipeline_tests.examples import examples
from journey_pipeline_tests.exports.made_orders import export_of
from journey_pipeline_tests.receiver.conftest import Running, link


@pytest.fixture
def hurried(running: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    """A receiver that waits for what is slow a moment only."""
    monkeypatch.setattr(app, "ARRIVES_S", 0.2)
    monkeypatch.setattr(server, "ARRIVES_S", 0.2)
    return running


def answer_to(connection: socket.socket) -> bytes:
    """What comes until the connection is closed."""
    came = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            came += piece
    return came


def test_a_body_that_does_not_arrive_in_time_is_given_up(hurried: Running) -> None:
    nonce = str(hurried.ask().hook).encode()
    with hurried.connect() as slow:
        slow.sendall(b"POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{" % nonce)
        came = answer_to(slow)
    assert came.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in came.lower()


@pytest.mark.parametrize("sent", [b"", b"GET /health HTT", b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_head_that_does_not_arrive_in_time_is_given_up(hurried: Running, sent: bytes) -> None:
    with hurried.connect() as slow:
        slow.sendall(sent)
        assert answer_to(slow) == b""


def test_a_head_without_end_is_given_up(running: Running) -> None:
    with running.connect() as endless, contextlib.suppress(ConnectionError):
        endless.sendall(b"GET /health HTTP/1.1\r\n")
        for _ in range(200):
            endless.sendall(b"X-More: %s\r\n" % (b"x" * 4_000))
        assert answer_to(endless) == b""
    assert running.send("GET", "/health")[0] == 200


def test_a_thousand_connections_that_send_nothing_or_half_of_it_keep_no_call_out(running: Running) -> None:
    export = running.ask()
    nonce = str(export.hook).encode()
    halves = (b"", b"POST /x", b"POST /%s HTTP/1.1\r\nContent-Length: 50\r\n\r\n{" % nonce)
    with contextlib.ExitStack() as held:
        for number in range(1_000):
            held.enter_context(running.connect()).sendall(halves[number % 3])
        assert running.call(export, {"url": link()}) == 200
    assert export_of(running.ledger, export.id).standing == "ready"


def test_requests_in_a_row_on_one_connection_are_answered_in_order(running: Running) -> None:
    export = running.ask()
    body = json.dumps({"url": link()}).encode()
    head = b"POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (str(export.hook).encode(), len(body))
    with running.connect() as raw:
        raw.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n" + head + body)
        came = answer_to(raw)
    assert re.findall(rb"HTTP/1.1 (\d+)", came) == [b"404", b"200", b"200"]
    assert export_of(running.ledger, export.id).standing == "ready"


def test_a_call_in_pieces_is_taken(running: Running) -> None:
    export = running.ask()
    body = json.dumps({"url": link()}).encode()
    with running.connect() as raw:
        raw.sendall(b"POST /%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % str(export.hook).encode())
        for byte in range(len(body)):
            raw.sendall(b"1\r\n%s\r\n" % body[byte : byte + 1])
        raw.sendall(b"0\r\n\r\n")
        assert answer_to(raw).startswith(b"HTTP/1.1 200")


TEXTS = st.text(max_size=100).map(lambda text: json.dumps([text]).encode())
BODIES = st.binary(max_size=300) | st.just(b'{"url": "x"}') | TEXTS
NAMES = [b"Content-Length", b"Transfer-Encoding", b"Expect", b"Upgrade", b"Connection", b"X-Forwarded-For"]
VALUES = st.binary(max_size=30) | st.sampled_from([b"chunked", b"100-continue", b"h2c", b"websocket", b"-1", b"9" * 30])
METHODS = [b"POST", b"POST", b"GET", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"TRACE", b"PRI", b"X"]
PATHS = [b"/NONCE", b"/a/NONCE", b"/health", b"*", b"http://x/NONCE", b"/x"]
LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request, well made or not, on the hook (`NONCE`) or elsewhere."""
    method = draw(st.sampled_from(METHODS))
    path = draw(st.sampled_from(PATHS) | st.sampled_from(PATHS) | st.binary(max_size=60))
    headers = draw(st.just([]) | st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=2))
    body = draw(BODIES)
    told = draw(st.sampled_from([b"Content-Length: %d\r\n" % (len(body) + more) for more in (0, 0, 0, 9)]))
    lines = b"".join(b"%s: %s\r\n" % header for header in headers)
    sent = b"%s %s HTTP/1.1\r\nHost: x\r\n%s%s\r\n%s" % (method, path, told, lines, body)
    return sent[: draw(st.just(len(sent)) | st.just(len(sent)) | st.integers(0, len(sent)))]


def test_whatever_is_sent_gets_a_line_at_most_and_no_error_of_ours(hurried: Running) -> None:
    nonce, seen = str(hurried.ask().hook).encode(), Counter[int]()

    @settings(max_examples=max(examples(120), 120), deadline=None)  # fewer may not meet every status
    @given(sent=st.lists(requests(), min_size=1, max_size=3).map(b"".join) | st.binary(max_size=200))
    def send(sent: bytes) -> None:
        with hurried.connect() as raw, contextlib.suppress(ConnectionError):
            raw.sendall(sent.replace(b"NONCE", nonce) + LAST)
            for status, body in answers(answer_to(raw)):
                seen[status] += 1
                assert status < 500
                assert len(body) <= 200
                assert b"\n" not in body

    send()
    assert {400, 404, 405} <= set(seen)
    assert hurried.send("GET", "/health")[0] == 200


def answers(came: bytes) -> Iterator[tuple[int, bytes]]:
    """Status and body of each answer."""
    while found := re.match(rb"HTTP/1\.1 (\d+) .*?\r\n\r\n", came, re.DOTALL):
        length = re.search(rb"content-length: (\d+)", found[0], re.IGNORECASE)
        size = int(length[1]) if length else 0
        yield int(found[1]), came[found.end() : found.end() + size]
        came = came[found.end() + size :]
