from __future__ import annotations

import inspect
import itertools
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

from journey_pipeline.errors import ContractError, PermanentVendorError, TransientVendorError, VendorError
from journey_pipeline.transport import retry
from journey_pipeline.transport.auth import BearerKey, ClientCredentials
from journey_pipeline.transport.retry import Action, RetryPolicy, Waits
from journey_pipeline_tests.transport.flaky_server import (
    FlakyServer,
    MakeClient,
    Piece,
    Seen,
    answer,
    drip,
    head,
    json,
    stall,
)

T = TypeVar("T")
THREADS = 32
CREDENTIALS = "ACME_CLIENT_ID and ACME_CLIENT_SECRET"


class Vendor:
    """A token route that numbers its tokens, and a route that takes those that are not revoked."""

    def __init__(self, server: FlakyServer, expires_in: object = 1079) -> None:
        self.server = server
        self.revoked: set[str] = set()
        self.expires_in = expires_in
        self.numbers = itertools.count(1)
        server.on("/v2/token", self.mint)
        server.on("/v1/data", self.data)

    def mint(self, _seen: Seen) -> Iterable[Piece]:
        return json({"access_token": f"token-number-{next(self.numbers)}", "expires_in": self.expires_in})

    def data(self, seen: Seen) -> Iterable[Piece]:
        token = seen.headers.get("authorization", "").removeprefix("Bearer ")
        if not token.startswith("token-number-") or token in self.revoked:
            return json({"message": "Not Authorized", "errorcode": 0}, 401)
        return json({"token": token})


@pytest.fixture
def vendor(server: FlakyServer) -> Vendor:
    return Vendor(server)


def credentials(server: FlakyServer) -> ClientCredentials:
    payload = {"client_id": "k3v9t1-client", "client_secret": "hush-hush-secret", "account_id": "510004711"}
    return ClientCredentials(f"{server.url}/v2/token", payload, credentials=CREDENTIALS)


def in_threads(work: Callable[[int], T]) -> list[T]:
    barrier = threading.Barrier(THREADS)

    def together(number: int) -> T:
        barrier.wait(30)
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(together, range(THREADS)))


def outcome(call: Callable[[], T]) -> T | VendorError:
    try:
        return call()
    except VendorError as error:
        return error


@pytest.mark.usefixtures("vendor")
def test_a_token_is_asked_for_as_json(server: FlakyServer, client_of: MakeClient) -> None:
    client_of(server, auth=credentials(server)).send("GET", "/v1/data")
    token, data = server.seen
    assert token.headers["content-type"] == "application/json"
    assert token.body == (
        b'{"grant_type": "client_credentials", "client_id": "k3v9t1-client", "client_secret": "hush-hush-secret", '
        b'"account_id": "510004711"}'
    )
    assert "authorization" not in token.headers
    assert data.headers["authorization"] == "Bearer token-number-1"


@pytest.mark.usefixtures("vendor")
def test_many_threads_make_one_token_request(server: FlakyServer, client_of: MakeClient) -> None:
    client = client_of(server, auth=credentials(server))
    answers = in_threads(lambda _: client.send("GET", "/v1/data").json()["token"])
    assert set(answers) == {"token-number-1"}
    assert server.count("/v2/token") == 1


def test_many_threads_that_meet_a_401_renew_once_and_all_succeed(
    server: FlakyServer, client_of: MakeClient, vendor: Vendor
) -> None:
    client = client_of(server, auth=credentials(server))
    client.send("GET", "/v1/data")
    vendor.revoked.add("token-number-1")
    answers = in_threads(lambda _: client.send("GET", "/v1/data").json()["token"])
    assert set(answers) == {"token-number-2"}
    assert server.count("/v2/token") == 2


@pytest.mark.usefixtures("vendor")
def test_a_second_401_is_permanent_and_not_tried_again(
    server: FlakyServer, client_of: MakeClient, waits: Waits
) -> None:
    server.on("/v1/data", json({"message": "Not Authorized"}, 401))
    with pytest.raises(PermanentVendorError, match=r"401.*Not Authorized.*credentials") as caught:
        client_of(server, auth=credentials(server)).send("GET", "/v1/data", stream="history")
    assert (caught.value.status, caught.value.stream, waits) == (401, "history", [])
    assert (server.count("/v1/data"), server.count("/v2/token")) == (2, 2)


@pytest.mark.usefixtures("vendor")
def test_an_outage_after_a_renewal_does_not_renew_again(
    server: FlakyServer, client_of: MakeClient, waits: Waits
) -> None:
    refused = json({"message": "Not Authorized"}, 401)
    server.on("/v1/data", refused, answer(503), refused)
    with pytest.raises(PermanentVendorError, match="401"):
        client_of(server, auth=credentials(server)).send("GET", "/v1/data")
    assert (server.count("/v1/data"), server.count("/v2/token"), len(waits)) == (3, 2, 1)


@pytest.mark.usefixtures("vendor")
def test_another_status_can_mean_that_the_token_is_old(server: FlakyServer, client_of: MakeClient) -> None:
    server.on("/v1/data", answer(403, b"token expired"), json({}))
    client = client_of(server, auth=credentials(server), policy=RetryPolicy(statuses={403: Action.RENEW_AUTH}))
    client.send("GET", "/v1/data")
    assert server.count("/v2/token") == 2


@pytest.mark.usefixtures("vendor")
def test_a_token_is_renewed_before_it_ends(server: FlakyServer, client_of: MakeClient, waits: Waits) -> None:
    client = client_of(server, auth=credentials(server))
    client.send("GET", "/v1/data")
    retry.wait(1079 - 120 - 30)
    client.send("GET", "/v1/data")
    assert server.count("/v2/token") == 1
    retry.wait(40)
    assert client.send("GET", "/v1/data").json()["token"] == "token-number-2"
    assert server.count("/v2/token") == 2
    assert len(waits) == 2


@pytest.mark.parametrize("expires_in", [60, "60"])
def test_a_token_that_lives_shorter_than_the_margin_is_used_for_half_its_life(
    server: FlakyServer, client_of: MakeClient, waits: Waits, expires_in: object
) -> None:
    Vendor(server, expires_in)
    client = client_of(server, auth=credentials(server))
    client.send("GET", "/v1/data")
    retry.wait(20)
    client.send("GET", "/v1/data")
    assert server.count("/v2/token") == 1
    retry.wait(20)
    client.send("GET", "/v1/data")
    assert server.count("/v2/token") == 2
    assert len(waits) == 2


@pytest.mark.parametrize(
    "lifetime", [{}, {"expires_in": None}, {"expires_in": "soon"}, {"expires_in": "nan"}, {"expires_in": 1e300}]
)
@pytest.mark.usefixtures("vendor")
def test_a_token_without_a_lifetime_is_used_for_a_while(
    server: FlakyServer, client_of: MakeClient, lifetime: dict[str, object]
) -> None:
    server.on("/v2/token", json({"access_token": "token-number-9", **lifetime}))
    client = client_of(server, auth=credentials(server))
    client.send("GET", "/v1/data")
    client.send("GET", "/v1/data")
    assert server.count("/v2/token") == 1


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.usefixtures("vendor")
def test_refused_credentials_are_sent_once_by_however_many_threads(
    server: FlakyServer, client_of: MakeClient, waits: Waits, status: int
) -> None:
    refusal = {"error": "invalid_client", "error_description": "bad secret hush-hush-secret"}
    server.on("/v2/token", json(refusal, status))
    client = client_of(server, auth=credentials(server))
    errors = in_threads(lambda _: outcome(lambda: client.send("GET", "/v1/data")))
    errors.append(outcome(lambda: client.send("GET", "/v1/data")))
    assert {type(error) for error in errors} == {PermanentVendorError}
    assert {error.status for error in errors} == {status}
    for error in errors:
        assert "invalid_client" in str(error)
        assert str(error).endswith(f"Check {CREDENTIALS}.")
        assert "hush-hush" not in str(error)
    assert (server.count("/v2/token"), server.count("/v1/data"), waits) == (1, 0, [])


def test_a_token_route_in_trouble_is_tried_again(
    server: FlakyServer, client_of: MakeClient, waits: Waits, vendor: Vendor
) -> None:
    server.on("/v2/token", answer(503), answer(429, Retry_After="7"), vendor.mint)
    assert client_of(server, auth=credentials(server)).send("GET", "/v1/data").status == 200
    assert (server.count("/v2/token"), waits[1]) == (3, 7.0)


def in_line_for_the_token() -> int:
    """How many threads stand before the lock of `credential`."""
    lines, first = inspect.getsourcelines(ClientCredentials.credential)
    lock_at = first + next(number for number, line in enumerate(lines) if "with self._lock" in line)
    frames = sys._current_frames().values()
    return sum(frame.f_code.co_name == "credential" and frame.f_lineno == lock_at for frame in frames)


@pytest.mark.parametrize("reply", [[stall], [drip(head(200, X_Slow="y" * 200))]], ids=["hangs", "trickles"])
def test_a_token_is_waited_for_no_longer_than_the_call_that_needs_it(
    vendor: Vendor, server: FlakyServer, client_of: MakeClient, reply: list[Piece]
) -> None:
    server.on("/v2/token", reply, vendor.mint)
    client = client_of(server, auth=credentials(server), policy=RetryPolicy(attempts=1, deadline_s=0.5))
    with pytest.raises(TransientVendorError, match=r"\(token\): no answer within 0\.5 s"):
        client.send("GET", "/v1/data")
    assert server.count("/v1/data") == 0
    assert client.send("GET", "/v1/data").json() == {"token": "token-number-1"}


def test_threads_that_waited_for_a_token_in_vain_share_the_failure(
    server: FlakyServer, client_of: MakeClient, waits: Waits, vendor: Vendor
) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def down(_seen: Seen) -> Iterable[Piece]:
        asked.set()
        go_on.wait(30)
        return answer(503)

    server.on("/v2/token", down)
    client = client_of(server, auth=credentials(server), policy=RetryPolicy(attempts=1))
    with ThreadPoolExecutor(5) as pool:
        calls = [pool.submit(outcome, lambda: client.send("GET", "/v1/data"))]
        assert asked.wait(30)
        calls += [pool.submit(outcome, lambda: client.send("GET", "/v1/data")) for _ in range(4)]
        while in_line_for_the_token() < 4:
            pass
        go_on.set()
        errors = [call.result() for call in calls]
    assert {type(error) for error in errors} == {TransientVendorError}
    assert len({id(error) for error in errors}) == 5
    assert (server.count("/v2/token"), waits) == (1, [])
    server.on("/v2/token", vendor.mint)
    assert client.send("GET", "/v1/data").status == 200


@pytest.mark.parametrize("body", [{}, {"access_token": ""}, {"access_token": 5}, ["token"]])
@pytest.mark.usefixtures("vendor")
def test_an_answer_without_a_token_is_a_broken_contract(
    server: FlakyServer, client_of: MakeClient, body: object
) -> None:
    server.on("/v2/token", json(body))
    with pytest.raises(ContractError, match="no access_token"):
        client_of(server, auth=credentials(server)).send("GET", "/v1/data")


@pytest.mark.parametrize(
    ("settings", "header", "value"),
    [
        ({}, "authorization", "Bearer key-of-a-person"),
        ({"header": "X-API-Key", "scheme": ""}, "x-api-key", "key-of-a-person"),
    ],
)
@pytest.mark.usefixtures("vendor")
def test_a_key_goes_into_its_header(
    server: FlakyServer, client_of: MakeClient, settings: dict[str, Any], header: str, value: str
) -> None:
    server.on("/x", json({}))
    client_of(server, auth=BearerKey("key-of-a-person", **settings)).send("GET", "/x")
    assert server.seen[0].headers[header] == value


@pytest.mark.usefixtures("vendor")
def test_a_refused_key_is_permanent_at_once(server: FlakyServer, client_of: MakeClient, waits: Waits) -> None:
    server.on("/x", answer(401))
    with pytest.raises(PermanentVendorError, match="401"):
        client_of(server, auth=BearerKey("key-of-a-person")).send("GET", "/x")
    assert (server.count("/x"), waits) == (1, [])


@pytest.mark.usefixtures("vendor")
def test_a_key_that_was_refused_is_sent_by_no_later_call(server: FlakyServer, client_of: MakeClient) -> None:
    server.on("/x", answer(401, b"this key is revoked"))
    client = client_of(server, auth=BearerKey("key-of-a-person"))
    for _ in range(3):
        with pytest.raises(PermanentVendorError, match=r"answered 401 \(this key is revoked\)") as caught:
            client.send("GET", "/x")
        assert caught.value.status == 401
    assert server.count("/x") == 1


def test_a_token_route_that_stays_down_is_asked_as_often_as_the_policy_says(
    server: FlakyServer, client_of: MakeClient, waits: Waits
) -> None:
    server.on("/v2/token", answer(503))
    with pytest.raises(TransientVendorError, match="Gave up after 4 attempts"):
        client_of(server, auth=credentials(server), policy=RetryPolicy(attempts=4)).send("GET", "/v1/data")
    assert (server.count("/v2/token"), len(waits)) == (4, 3)


@pytest.mark.usefixtures("vendor")
def test_a_netrc_file_does_not_replace_the_credential(
    server: FlakyServer, client_of: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client_of(server, auth=credentials(server)).send("GET", "/v1/data")
    assert "authorization" not in server.seen[0].headers
    assert server.seen[1].headers["authorization"] == "Bearer token-number-1"
