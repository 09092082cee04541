from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from journey_pipeline.errors import PermanentVendorError
from journey_pipeline.transport.auth import Auth, BearerKey, ClientCredentials
from journey_pipeline.transport.redaction import Redactor
from journey_pipeline.transport.request import Destinations, Request, origin
from journey_pipeline.transport.response import Asked, Place
from journey_pipeline.transport.retry import Waits
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
    client = client_of(server, auth=auth, download_hosts="127.0.0.1")
    assert client.send("GET", "/x", headers=SECRET_HEADERS).body == b"fine"
    assert set(elsewhere.seen[0].headers) == {"host", "user-agent", "accept", "accept-encoding"}


def test_nothing_secret_follows_to_another_name_of_the_same_machine(server: FlakyServer, client_of: MakeClient) -> None:
    server.on("/x", to(server.url.replace("127.0.0.1", "localhost") + "/y"))
    server.on("/y", json({}))
    client_of(server, auth=KEY, download_hosts="files.example, LocalHost").send("GET", "/x")
    assert "authorization" not in server.seen[1].headers


def test_a_credential_does_not_come_back_with_a_redirect_home(
    server: FlakyServer, elsewhere: FlakyServer, client_of: MakeClient
) -> None:
    server.on("/x", to(f"{elsewhere.url}/there"))
    elsewhere.on("/there", to(f"{server.url}/y"))
    server.on("/y", json({}))
    client_of(server, auth=KEY, download_hosts="127.0.0.1").send("GET", "/x", headers=SECRET_HEADERS)
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
        client_of(server, auth=auth, download_hosts="127.0.0.1").send("GET", "/x")
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


def test_a_redirect_to_a_host_that_nobody_named_is_refused_and_names_host_and_setting(
    server: FlakyServer, client_of: MakeClient, waits: Waits, tmp_path: Path
) -> None:
    server.on("/x", to(server.url.replace("127.0.0.1", "localhost") + "/y?X-Amz-Signature=secret-of-the-link"))
    client = client_of(server, connection="acme_north", auth=KEY, download_hosts="files.example")
    with pytest.raises(
        PermanentVendorError, match=r"302: .*another host, localhost, .*ACME_NORTH_DOWNLOAD_HOSTS"
    ) as raised:
        client.download("GET", "/x", to=Place(tmp_path / "part"))
    assert "secret-of-the-link" not in str(raised.value)
    assert ([seen.path for seen in server.seen], waits) == (["/x"], [])


OF_THIS_NETWORK = [
    "127.0.0.1", "[::1]", "169.254.169.254", "[::]", "localhost", "x.localhost", "[::ffff:127.0.0.1]", "[fe80::1]",
    "10.1.2.3", "192.168.0.9", "172.16.0.1", "100.64.0.1", "[fc00::1]", "localhost.",
]  # fmt: skip


@pytest.mark.parametrize("host", OF_THIS_NETWORK)
def test_an_address_that_a_vendor_names_is_never_one_of_this_machine_or_its_network(host: str) -> None:
    asked = Asked(Redactor(), "acme", "acme", None, None, "GET https://a.example/x")
    with pytest.raises(PermanentVendorError, match=r"this machine or its network.*ACME_DOWNLOAD_HOSTS"):
        Destinations("acme", "https://93.184.216.34").refuse_link(f"https://{host}/latest/meta-data", asked)
    Destinations("acme", "http://127.0.0.1:1").refuse_link(f"http://{host}:2/y", asked)  # a vendor on this machine may
    named = host.strip("[].")
    Destinations("acme", "https://93.184.216.34", {named}).refuse_link(f"https://{host}/y", asked)


def test_a_name_that_stands_for_an_address_of_this_machine_is_refused_though_it_be_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_up = {"files.example": "127.0.0.1", "cdn.example": "93.184.216.34"}

    def look_up(host: str, *_: object) -> list[tuple[object, ...]]:
        if host not in looked_up:
            raise socket.gaierror("unknown")
        return [(socket.AF_INET, 0, 0, "", (looked_up[host], 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    asked = Asked(Redactor(), "acme", "acme", None, None, "GET https://a.example/x")
    hosts = Destinations("acme", "https://a.example", {"files.example", "cdn.example", "10.0.0.7"})
    with pytest.raises(PermanentVendorError, match=r"redirect to files\.example, .*this machine"):
        hosts.refuse_redirect("https://a.example/x", "https://files.example/y", asked, status=302)
    with pytest.raises(PermanentVendorError, match="this machine"):
        Destinations("acme", "https://a.example").refuse_link("https://files.example/y", asked)
    for allowed in ("cdn.example", "10.0.0.7"):
        hosts.refuse_redirect("https://a.example/x", f"https://{allowed}/y", asked, status=302)


@pytest.mark.parametrize(
    ("location", "is_followed"), [("https://a.example/y", True), ("http://a.example:8080/y", False)]
)
def test_encryption_may_be_added_on_the_way_and_another_port_is_another_host(location: str, is_followed: bool) -> None:
    asked = Asked(Redactor(), "acme", "acme", None, None, "GET http://a.example/x")
    hosts = Destinations("acme", "http://a.example")
    with nullcontext() if is_followed else pytest.raises(PermanentVendorError, match="another host"):
        hosts.refuse_redirect("http://a.example/x", location, asked, status=301)


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin("https://A.example/x?y") == origin("https://a.example:443/") == ("https", "a.example", 443)
    assert len({origin(f"{url}/x") for url in ("http://a", "https://a", "https://a:8443", "https://b")}) == 4


def test_a_download_follows_to_a_file_host_and_lands_there(
    server: FlakyServer, elsewhere: FlakyServer, client_of: MakeClient, tmp_path: Path
) -> None:
    server.on("/x", to(f"{elsewhere.url}/file"))
    elsewhere.on("/file", answer(body=gz(b"Id\n1\n"), Content_Encoding="gzip"))
    client = client_of(server, auth=KEY, download_hosts="127.0.0.1")
    landed = client.download("POST", "/x", json={}, to=Place(tmp_path / "part"))
    assert landed.raw_bytes == 5
    assert (elsewhere.seen[0].method, "authorization" in elsewhere.seen[0].headers) == ("GET", False)
