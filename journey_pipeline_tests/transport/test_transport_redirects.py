from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from journey_pipeline.errors import PermanentVendorError
from journey_pipeline.transport.auth import Auth, BearerKey, ClientCredentials
from journey_pipeline.transport.failures import Asked
from journey_pipeline.transport.redaction import Redactor
from journey_pipeline.transport.waiting import Waits
from journey_pipeline.transport.wire import Request, origin
from journey_pipeline_tests.transport.flaky_server import FlakyServer, MakeClient, Piece, answer, gz, head, json

KEY = BearerKey("key-of-a-person")
SECRET_HEADERS = {"X-Request-Token": "token-of-a-person", "x-direct-pipe": "true"}


@pytest.fixture
def elsewhere() -> Iterator[FlakyServer]:
    server = FlakyServer()
    yield server
    server.close()


def to(location: str, status: int = 302) -> list[Piece]:
    return [head(status, Location=location, Content_Length="0", Set_Cookie="sid=secret")]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_host_keeps_the_credential(
    server: FlakyServer, client_of: MakeClient, status: int
) -> None:
    server.on("/x", to("/x/", status))
    server.on("/x/", json({}))
    client_of(server, auth=KEY).send("GET", "/x", headers=SECRET_HEADERS)
    assert server.seen[1].headers["authorization"] == "Bearer key-of-a-person"
    assert server.seen[1].headers["x-request-token"] == "token-of-a-person"
    assert "cookie" not in server.seen[1].headers


@pytest.mark.parametrize(("status", "method", "body"), [(302, "GET", b""), (303, "GET", b""), (307, "POST", b"{}")])
def test_a_redirected_post_stays_one_only_where_the_status_says_so(
    server: FlakyServer, client_of: MakeClient, status: int, method: str, body: bytes
) -> None:
    server.on("/x", to("/y?a=1,2", status))
    server.on("/y", json({}))
    client_of(server).send("POST", "/x", json={})
    assert (server.seen[1].method, server.seen[1].query, server.seen[1].body) == (method, "a=1,2", body)


@pytest.mark.parametrize("auth", [KEY, BearerKey("key-of-a-person", header="X-API-Key", scheme="")])
def test_nothing_secret_follows_to_another_port(
    server: FlakyServer, elsewhere: FlakyServer, client_of: MakeClient, auth: Auth
) -> None:
    server.on("/x", to(f"{elsewhere.url}/file?sig=1"))
    elsewhere.on("/file", answer(body=b"fine"))
    assert client_of(server, auth=auth).send("GET", "/x", headers=SECRET_HEADERS).body == b"fine"
    assert set(elsewhere.seen[0].headers) == {"host", "user-agent", "accept", "accept-encoding"}


def test_nothing_secret_follows_to_another_name_of_the_same_machine(server: FlakyServer, client_of: MakeClient) -> None:
    server.on("/x", to(server.url.replace("127.0.0.1", "localhost") + "/y"))
    server.on("/y", json({}))
    client_of(server, auth=KEY).send("GET", "/x")
    assert "authorization" not in server.seen[1].headers


def test_a_credential_does_not_come_back_with_a_redirect_home(
    server: FlakyServer, elsewhere: FlakyServer, client_of: MakeClient
) -> None:
    server.on("/x", to(f"{elsewhere.url}/there"))
    elsewhere.on("/there", to(f"{server.url}/y"))
    server.on("/y", json({}))
    client_of(server, auth=KEY).send("GET", "/x", headers=SECRET_HEADERS)
    assert "authorization" not in server.seen[1].headers
    assert "x-request-token" not in server.seen[1].headers


def test_a_refusal_by_another_host_does_not_cost_the_token(
    server: FlakyServer, elsewhere: FlakyServer, client_of: MakeClient
) -> None:
    server.on("/v2/token", json({"access_token": "token-number-1"}))
    server.on("/x", to(f"{elsewhere.url}/file"))
    elsewhere.on("/file", answer(401))
    auth = ClientCredentials(f"{server.url}/v2/token", {"client_id": "somebody", "client_secret": "hush-hush"})
    with pytest.raises(PermanentVendorError, match="401"):
        client_of(server, auth=auth).send("GET", "/x")
    assert server.count("/v2/token") == 1


def test_a_body_does_not_follow_to_another_host(
    server: FlakyServer, elsewhere: FlakyServer, client_of: MakeClient, waits: Waits
) -> None:
    server.on("/x", to(f"{elsewhere.url}/y", 307))
    with pytest.raises(PermanentVendorError, match=r"307.*take the request's body to another host"):
        client_of(server).send("POST", "/x", json={"contactKeys": ["C-1"]})
    assert (elsewhere.seen, waits) == ([], [])


def test_a_token_request_does_not_follow_to_another_host(
    server: FlakyServer, elsewhere: FlakyServer, client_of: MakeClient
) -> None:
    server.on("/v2/token", to(f"{elsewhere.url}/v2/token", 308))
    auth = ClientCredentials(f"{server.url}/v2/token", {"client_id": "somebody", "client_secret": "hush-hush"})
    with pytest.raises(PermanentVendorError, match="another host"):
        client_of(server, auth=auth).send("GET", "/x")
    assert elsewhere.seen == []


def test_an_address_of_another_host_is_asked_without_the_credential(
    server: FlakyServer, elsewhere: FlakyServer, client_of: MakeClient
) -> None:
    elsewhere.on("/poll", json({}))
    client_of(server, auth=KEY).send("GET", f"{elsewhere.url}/poll?id=1")
    assert "authorization" not in elsewhere.seen[0].headers
    assert elsewhere.seen[0].query == "id=1"


def test_a_redirect_without_end_is_permanent(server: FlakyServer, client_of: MakeClient, waits: Waits) -> None:
    server.on("/x", to("/x"))
    with pytest.raises(PermanentVendorError, match="redirected more than 5 times"):
        client_of(server).send("GET", "/x")
    assert (server.count("/x"), waits) == (6, [])


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "javascript:alert(1)"])
def test_a_redirect_to_something_else_than_the_web_is_not_followed(
    server: FlakyServer, client_of: MakeClient, location: str
) -> None:
    server.on("/x", to(location))
    with pytest.raises(PermanentVendorError, match="not followed"):
        client_of(server).send("GET", "/x")


def test_a_redirect_without_a_location_is_a_refusal(server: FlakyServer, client_of: MakeClient) -> None:
    server.on("/x", [head(302, Content_Length="0")])
    with pytest.raises(PermanentVendorError, match="answered 302"):
        client_of(server).send("GET", "/x")


def test_a_redirect_never_leaves_encryption() -> None:
    asked = Asked(Redactor(), "acme", "acme", None, None, "GET https://a.example/x")
    with pytest.raises(PermanentVendorError, match="without encryption"):
        Request("GET", "https://a.example/x").redirected(302, "http://a.example/x", asked)
    assert Request("GET", "http://a.example/x").redirected(302, "https://a.example/x", asked).url.startswith("https")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "169.254.169.254", "localhost", "x.localhost", "[::ffff:127.0.0.1]", "[fe80::1]"],
)
def test_a_redirect_of_a_vendor_never_leads_to_this_machine_or_its_network(host: str) -> None:
    asked = Asked(Redactor(), "acme", "acme", None, None, "GET https://a.example/x")
    with pytest.raises(PermanentVendorError, match="this machine or its network"):
        Request("GET", "https://a.example/x").redirected(302, f"https://{host}/latest/meta-data", asked)
    elsewhere = Request("GET", "http://127.0.0.1:1/x").redirected(302, f"http://{host}:2/y", asked)
    assert elsewhere.url == f"http://{host}:2/y"  # a simulated vendor on this machine may


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin("https://A.example/x?y") == origin("https://a.example:443/") == ("https", "a.example", 443)
    assert len({origin(f"{url}/x") for url in ("http://a", "https://a", "https://a:8443", "https://b")}) == 4


def test_a_download_follows_to_a_file_host_and_lands_there(
    server: FlakyServer, elsewhere: FlakyServer, client_of: MakeClient, tmp_path: Path
) -> None:
    server.on("/x", to(f"{elsewhere.url}/file"))
    elsewhere.on("/file", answer(body=gz(b"Id\n1\n"), Content_Encoding="gzip"))
    landed = client_of(server, auth=KEY).download("POST", "/x", json={}, to=tmp_path / "part")
    assert landed.raw_bytes == 5
    assert (elsewhere.seen[0].method, "authorization" in elsewhere.seen[0].headers) == ("GET", False)
