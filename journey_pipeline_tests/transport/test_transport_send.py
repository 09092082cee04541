from __future__ import annotations

import socket
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from journey_pipeline.errors import ContractError, NotSentError, PermanentVendorError, TransientVendorError, VendorError
from journey_pipeline.model import Window
from journey_pipeline.transport.auth import BearerKey
from journey_pipeline.transport.response import Refusal
from journey_pipeline.transport.retry import Action, RetryPolicy, Timeouts, Waits
from journey_pipeline_tests.transport.flaky_server import (
    FlakyServer,
    MakeClient,
    Piece,
    Reply,
    Step,
    answer,
    chunked,
    close,
    drip,
    gz,
    head,
    json,
    reset,
    stall,
)

IMPATIENT = Timeouts(connect_s=2, first_byte_s=0.2, idle_s=0.2)
ONCE = RetryPolicy(attempts=1)
# Each byte would be in time for the time-outs, and all of them together for none of the tests.
HURRIED = RetryPolicy(attempts=1, deadline_s=0.5)
SLOWLY = b"y" * 200


def test_an_answer_has_status_headers_and_body(server: FlakyServer, client_of: MakeClient) -> None:
    server.on("/v1/things", json({"rowCount": 7}, X_Request_Id="r-1"))
    answered = client_of(server).send("POST", "/v1/things", json={"start": "2026-11-20T09:00:00Z"})
    assert (answered.status, answered.headers["x-request-id"], answered.json()) == (200, "r-1", {"rowCount": 7})
    assert server.seen[0].body == b'{"start": "2026-11-20T09:00:00Z"}'
    assert server.seen[0].headers["content-type"] == "application/json"


def test_a_ready_query_goes_out_as_it_is_and_a_mapping_is_encoded(server: FlakyServer, client_of: MakeClient) -> None:
    server.on("/q", json({}))
    client = client_of(server)
    client.send("GET", "q", query="columns=Id,Result.Messages&format=csv")
    client.send("GET", "q?a=1", query={"name": "x y&z"})
    assert [seen.query for seen in server.seen] == ["columns=Id,Result.Messages&format=csv", "a=1&name=x+y%26z"]


@pytest.mark.parametrize("base", ["", "/", "/api", "/api/"])
def test_a_base_url_may_end_in_a_slash(server: FlakyServer, client_of: MakeClient, base: str) -> None:
    path = f"{base.rstrip('/')}/v1/ping"
    server.on(path, json({}))
    assert client_of(server, base_url=server.url + base).send("GET", "/v1/ping").status == 200


def test_a_gzip_answer_is_inflated(server: FlakyServer, client_of: MakeClient) -> None:
    server.on("/z", answer(body=gz(b'{"a": 1}'), Content_Encoding="gzip"))
    assert client_of(server).send("GET", "/z").json() == {"a": 1}
    assert server.seen[0].headers["accept-encoding"] == "gzip"


def test_a_body_that_is_not_json_is_a_broken_contract(server: FlakyServer, client_of: MakeClient) -> None:
    server.on("/j", answer(body=b"<html>Down</html>"))
    with pytest.raises(ContractError, match=r"not JSON.*<html>Down") as caught:
        client_of(server).send("GET", "/j", stream="things", window="today").json()
    assert (caught.value.vendor, caught.value.stream, caught.value.window, caught.value.status) == (
        "acme",
        "things",
        "today",
        200,
    )


def test_an_answer_too_large_for_memory_is_refused(server: FlakyServer, client_of: MakeClient) -> None:
    server.on("/huge", answer(body=gz(bytes(70 << 20)), Content_Encoding="gzip"))
    with pytest.raises(ContractError, match="more than 67108864 bytes"):
        client_of(server).send("GET", "/huge")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520])
def test_a_status_that_may_pass_is_tried_again(
    server: FlakyServer, client_of: MakeClient, waits: Waits, status: int
) -> None:
    server.on("/x", answer(status, b"later"), json({"fine": True}))
    assert client_of(server).send("GET", "/x").json() == {"fine": True}
    assert len(waits) == 1


@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 409, 410, 413, 415, 422, 304])
def test_any_other_refusal_is_permanent(server: FlakyServer, client_of: MakeClient, waits: Waits, status: int) -> None:
    server.on("/x", [head(status, Content_Length="0")])
    with pytest.raises(PermanentVendorError, match=f"answered {status}") as caught:
        client_of(server).send("GET", "/x")
    assert (caught.value.status, server.count("/x"), waits) == (status, 1, [])


def test_a_policy_may_take_a_refusal_as_an_answer_or_as_worth_another_try(
    server: FlakyServer, client_of: MakeClient, waits: Waits
) -> None:
    server.on("/export", answer(404, b"not yet"), answer(409, b"busy"), answer(200, b"done"))
    policy = RetryPolicy(statuses={404: Action.ANSWER, 409: Action.RETRY})
    client = client_of(server, policy=policy)
    assert [client.send("GET", "/export").status for _ in range(2)] == [404, 200]
    assert len(waits) == 1


def test_waits_double_with_jitter_up_to_the_longest(server: FlakyServer, client_of: MakeClient, waits: Waits) -> None:
    server.on("/x", answer(503))
    with pytest.raises(TransientVendorError, match="Gave up after 6 attempts"):
        client_of(server, policy=RetryPolicy(attempts=6, longest_wait_s=20)).send("GET", "/x")
    assert server.count("/x") == 6
    for wait, least in zip(waits, [2, 4, 8, 16, 20], strict=True):
        assert least <= wait <= least + 1
    assert any(wait % 1 for wait in waits)


def test_the_error_after_the_last_attempt_says_where_it_happened(
    server: FlakyServer, client_of: MakeClient, waits: Waits
) -> None:
    server.on("/v1/download", answer(503, b'{"message":"maintenance"}'))
    start = datetime(2026, 11, 20, 9, tzinfo=UTC)
    with pytest.raises(TransientVendorError) as caught:
        client_of(server, connection="acme_brand").send(
            "POST", "/v1/download", stream="history", window=Window(start, start + timedelta(hours=1))
        )
    error = caught.value
    assert (error.vendor, error.connection, error.stream, error.status) == ("acme", "acme_brand", "history", 503)
    assert error.window == "2026-11-20T09:00:00Z/2026-11-20T10:00:00Z"
    assert len(waits) == 3
    for said in ("acme_brand/history 2026-11-20T09", "POST", "/v1/download", "503", "maintenance", "run it again"):
        assert said in str(error)


def test_the_vendor_may_explain_a_refusal(server: FlakyServer, client_of: MakeClient) -> None:
    server.on("/x", json({"errorcode": 20002, "mail": "ann@example.com"}, 403))

    def explain(_status: int, body: bytes) -> Refusal:
        return Refusal(body.decode(), "Grant journeys_read to <CONNECTION>_CLIENT_ID.")

    told = r"answered 403 \(the vendor says: .*20002.*\)\. Grant journeys_read to ACME_\w+_CLIENT_ID\.$"
    with pytest.raises(PermanentVendorError, match=told) as caught:
        client_of(server, explain=explain).send("GET", "/x")
    assert "ann@" not in str(caught.value)


def test_retry_after_in_seconds_is_obeyed(server: FlakyServer, client_of: MakeClient, waits: Waits) -> None:
    server.on("/x", answer(429, Retry_After="5"), json({}))
    client_of(server).send("GET", "/x")
    assert waits == [5.0]


def test_retry_after_as_a_date_counts_from_the_answers_own_clock(
    server: FlakyServer, client_of: MakeClient, waits: Waits
) -> None:
    now = datetime(2031, 5, 4, 12, tzinfo=UTC)
    until = now + timedelta(seconds=90)
    dates = {"Date": format_datetime(now, usegmt=True), "Retry_After": format_datetime(until, usegmt=True)}
    server.on("/x", answer(503, b"", **dates), json({}))
    client_of(server).send("GET", "/x")
    assert waits == [90.0]


def test_retry_after_as_a_date_works_without_a_date_header(
    server: FlakyServer, client_of: MakeClient, waits: Waits
) -> None:
    until = datetime.now(UTC) + timedelta(seconds=100)
    server.on("/x", answer(503, Retry_After=format_datetime(until, usegmt=True)), json({}))
    client_of(server).send("GET", "/x")
    assert 0 < waits[0] <= 100


@pytest.mark.parametrize(
    "value", ["soon", "-3", "0", "5 minutes", "Sun, 99 Nov 2026", "29 Nov 99999999999999999999 10:00:00 GMT"]
)
def test_a_retry_after_that_says_nothing_falls_back_to_our_own_wait(
    server: FlakyServer, client_of: MakeClient, waits: Waits, value: str
) -> None:
    server.on("/x", answer(429, Retry_After=value), json({}))
    client_of(server).send("GET", "/x")
    assert 2 <= waits[0] <= 3


def test_a_retry_after_beyond_the_ceiling_is_handed_up_at_once_and_never_cut(
    server: FlakyServer, client_of: MakeClient, waits: Waits
) -> None:
    server.on("/x", answer(429, Retry_After="3600"))
    with pytest.raises(TransientVendorError, match="asks to wait 3600 s") as caught:
        client_of(server).send("GET", "/x")
    assert (caught.value.retry_after_s, caught.value.status, waits, server.count("/x")) == (3600.0, 429, [], 1)


def test_a_retry_after_beyond_the_deadline_is_handed_up_at_once(
    server: FlakyServer, client_of: MakeClient, waits: Waits
) -> None:
    server.on("/x", answer(503, Retry_After="100"))
    with pytest.raises(TransientVendorError, match="would not fit into 90 s") as caught:
        client_of(server, policy=RetryPolicy(deadline_s=90)).send("GET", "/x")
    assert (caught.value.retry_after_s, waits) == (100.0, [])


def test_the_deadline_counts_over_all_attempts(server: FlakyServer, client_of: MakeClient, waits: Waits) -> None:
    server.on("/x", answer(503, Retry_After="40"))
    with pytest.raises(TransientVendorError, match="Gave up after 3 attempts"):
        client_of(server, policy=RetryPolicy(attempts=50, deadline_s=100)).send("GET", "/x")
    assert waits == [40.0, 40.0]


def test_a_throttle_without_retry_after_can_have_a_least_wait(
    server: FlakyServer, client_of: MakeClient, waits: Waits
) -> None:
    server.on("/x", answer(429), answer(503), json({}))
    client_of(server, policy=RetryPolicy(least_wait_s={429: 60})).send("GET", "/x")
    assert waits[0] == 60
    assert 4 <= waits[1] <= 5


@pytest.mark.parametrize(
    "broken",
    [
        [close],
        [reset],
        [b"HTTP/1.1 200 OK\r\nContent-", close],
        [b"not http at all\r\n\r\n", close],
        [head(Content_Length="100") + b"{", close],
        [head(Content_Length="100") + b"{", reset],
        chunked(b'{"a":1}', ended=False),
        [head(Content_Encoding="gzip") + gz(b'{"a":1}')[:-4], close],
    ],
)
def test_a_broken_answer_is_tried_again(
    server: FlakyServer, client_of: MakeClient, waits: Waits, broken: Reply
) -> None:
    server.on("/x", broken, json({"fine": True}))
    assert client_of(server).send("GET", "/x").json() == {"fine": True}
    assert len(waits) == 1


def test_a_late_first_byte_is_tried_again(server: FlakyServer, client_of: MakeClient, waits: Waits) -> None:
    server.on("/x", [stall], json({"fine": True}))
    assert client_of(server, timeouts=IMPATIENT).send("GET", "/x").json() == {"fine": True}
    assert waits  # once for each late byte: on a slow machine the next one may be late as well


def test_a_head_that_trickles_is_given_up_at_the_deadline(server: FlakyServer, client_of: MakeClient) -> None:
    server.on("/x", [drip(head(200, X_Slow=SLOWLY.decode(), Content_Length="0"))])
    with pytest.raises(TransientVendorError, match=r"no answer within 0\.5 s"):
        client_of(server, policy=HURRIED).send("GET", "/x")


def again(piece: bytes) -> Step:
    """Sends the same until the client has had enough."""

    def step(connection: socket.socket, server: FlakyServer) -> None:
        while not server.stopping.is_set():
            connection.sendall(piece)

    return step


WITHOUT_END = {
    "of 100": [again(head(100))],
    "one header line": [b"HTTP/1.1 200 OK\r\nX-Long: ", again(b"y" * 1000)],
    "headers": [b"HTTP/1.1 200 OK\r\n", again(b"X-Many: y\r\n")],
    "large headers": [b"HTTP/1.1 200 OK\r\n", again(b"X-Large: " + b"y" * 60_000 + b"\r\n")],
    "trailers": [*chunked(b"ok")[:-1], b"0\r\n", again(b"X-After: y\r\n")],
}


@pytest.mark.parametrize("reply", WITHOUT_END.values(), ids=WITHOUT_END)
def test_headers_without_end_are_told_at_once(server: FlakyServer, client_of: MakeClient, reply: list[Piece]) -> None:
    server.on("/x", reply)
    with pytest.raises(TransientVendorError, match=r"its headers have no end|got more than 100 headers") as raised:
        client_of(server).send("GET", "/x", policy=ONCE)
    assert "Gave up after 1 attempt" in str(raised.value)


def test_a_short_answer_that_trickles_is_given_up_at_the_deadline(server: FlakyServer, client_of: MakeClient) -> None:
    server.on("/x", [head(200, Content_Length="200"), drip(SLOWLY)])
    with pytest.raises(TransientVendorError, match="not whole"):
        client_of(server, policy=HURRIED).send("GET", "/x")


@pytest.mark.timeout(30)  # half of what is waited between two pieces
def test_an_answer_that_stops_halfway_is_waited_for_no_longer_than_the_deadline(
    server: FlakyServer, client_of: MakeClient
) -> None:
    server.on("/x", [head(200, Content_Length="200") + b"y", stall])
    with pytest.raises(TransientVendorError, match="not whole"):
        client_of(server, policy=HURRIED).send("GET", "/x")


def test_of_a_refusal_that_trickles_the_start_is_told(server: FlakyServer, client_of: MakeClient) -> None:
    server.on("/x", [head(400, Content_Length="220") + b"wrong section here: ", drip(SLOWLY)])
    with pytest.raises(PermanentVendorError, match="answered 400") as caught:
        client_of(server, policy=HURRIED).send("GET", "/x")
    assert "wrong section" in str(caught.value)
    assert "y" * 100 not in str(caught.value)


def test_redirects_share_one_deadline(server: FlakyServer, client_of: MakeClient) -> None:
    for number in range(5):
        server.on(f"/{number}", [drip(b"HTTP/1.1 302 X"), head(302, Location=f"/{number + 1}")[14:]])
    with pytest.raises(TransientVendorError, match="no answer within"):
        client_of(server, policy=RetryPolicy(attempts=1, deadline_s=1)).send("GET", "/0")
    assert server.count("/4") == 0


def test_a_look_gives_status_and_headers_and_leaves_the_body_unread(server: FlakyServer, client_of: MakeClient) -> None:
    server.on("/x", [head(404, Content_Length="900000000000", Retry_After="90") + b"{", stall])
    looked = client_of(server).look(
        "/x", stream="things", policy=RetryPolicy(attempts=1, statuses={404: Action.ANSWER})
    )
    assert (looked.status, looked.body, looked.retry_after_s) == (404, b"", 90.0)


@pytest.mark.parametrize("status", [404, 503])
def test_a_refusal_hands_up_how_long_to_wait_whether_or_not_it_is_tried_again(
    server: FlakyServer, client_of: MakeClient, status: int
) -> None:
    server.on("/x", answer(status, Retry_After="90"))
    with pytest.raises(VendorError) as caught:
        client_of(server, policy=ONCE).send("GET", "/x")
    assert (caught.value.status, caught.value.retry_after_s) == (status, 90.0)


def test_a_refused_connection_is_transient_and_names_the_reason(server: FlakyServer, client_of: MakeClient) -> None:
    client = client_of(server, policy=ONCE)
    server.close()
    with pytest.raises(TransientVendorError, match=r"Connection refused.*check the connection's URL"):
        client.send("GET", "/x")


@pytest.mark.parametrize("base", ["nonsense", "ftp://127.0.0.1", "http://", "http://127.0.0.1:99999999"])
def test_an_address_that_cannot_be_used_is_permanent(
    client_of: MakeClient, server: FlakyServer, waits: Waits, base: str
) -> None:
    with pytest.raises(PermanentVendorError, match="Check the connection's URL"):
        client_of(server, base_url=base).send("GET", "/x")
    assert waits == []


def test_an_encrypted_request_to_a_plain_server_is_transient_and_says_so(
    server: FlakyServer, client_of: MakeClient
) -> None:
    client = client_of(server, base_url=server.url.replace("http:", "https:"), policy=ONCE)
    with pytest.raises(TransientVendorError, match="the TLS handshake failed"):
        client.send("GET", "/x")


def test_an_encrypted_request_to_a_server_that_says_nothing_is_transient_and_says_so(
    server: FlakyServer, client_of: MakeClient
) -> None:
    server.on_hello = stall
    impatient = Timeouts(connect_s=0.2)
    client = client_of(server, base_url=server.url.replace("http:", "https:"), policy=ONCE, timeouts=impatient)
    with pytest.raises(TransientVendorError, match=r"the TLS handshake failed .*not answered in time"):
        client.send("GET", "/x")


def test_a_connection_is_used_again(server: FlakyServer, client_of: MakeClient) -> None:
    ports = set()
    server.on("/x", [lambda connection, _: ports.add(connection.getpeername()[1]), *json({})])
    client = client_of(server)
    for _ in range(3):
        client.send("GET", "/x")
    assert len(ports) == 1


def test_a_cookie_is_never_sent_back(server: FlakyServer, client_of: MakeClient) -> None:
    server.on("/x", json({}, Set_Cookie="sid=1; Path=/"))
    client = client_of(server)
    client.send("GET", "/x")
    client.send("GET", "/x")
    assert "cookie" not in server.seen[1].headers


def test_no_cause_of_an_error_says_what_the_error_does_not(
    server: FlakyServer, client_of: MakeClient, waits: Waits
) -> None:
    server.on("/x", [close])
    query, headers = "sig=top-secret-signature", {"X-Key": "very-hidden"}
    with pytest.raises(TransientVendorError) as caught:
        client_of(server).send("GET", "/x", query=query, headers=headers)
    client = client_of(server, base_url="http://127.0.0.1:1", policy=ONCE)
    with pytest.raises(TransientVendorError) as refused:
        client.send("GET", "/x", query=query, headers=headers)
    shown = "".join([*traceback.format_exception(caught.value), *traceback.format_exception(refused.value)])
    assert "top-secret" not in shown
    assert "very-hidden" not in shown
    assert len(waits) == 3


def test_an_answer_that_ends_within_its_headers_is_not_an_empty_answer(
    server: FlakyServer, client_of: MakeClient, waits: Waits
) -> None:
    server.on("/x", [b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n", close], [head(204)])
    assert client_of(server).send("GET", "/x").status == 204
    assert len(waits) == 1


@pytest.mark.parametrize(
    ("status", "expected"), [(401, [True, True, True]), (403, [True, False]), (404, [True, False])]
)
def test_a_refusal_is_of_the_connection_unless_the_route_has_answered_before(
    server: FlakyServer, client_of: MakeClient, status: int, expected: list[bool]
) -> None:
    server.on("/x", json({}, status), json({}), json({}, status))
    client = client_of(server, auth=BearerKey("key"))
    told = []
    for _ in range(3):
        try:
            client.send("GET", "/x")
        except PermanentVendorError as error:
            told.append(error.of_connection)
    assert told == expected


def test_a_host_that_never_answered_is_asked_by_one_call_alone(
    server: FlakyServer, client_of: MakeClient, waits: Waits, caplog: pytest.LogCaptureFixture
) -> None:
    server.close()
    client = client_of(server, auth=BearerKey("key"))
    told = []
    for path in ("/x", "/y"):
        with pytest.raises(NotSentError) as caught:
            client.send("GET", path)
        told.append(str(caught.value))
        assert caught.value.of_connection
    assert told[0] == told[1]
    assert told[0].endswith(
        "Gave up after 4 attempts: check the connection's URL and the network, or run it again later."
    )
    assert len(waits) == 3
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
