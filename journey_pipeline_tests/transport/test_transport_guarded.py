"""A download from a link that came by a call goes to public addresses alone, and to the very one that was checked."""

from __future__ import annotations

import hashlib
import shutil
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from journey_pipeline.errors import ContractError, LakeError, PermanentVendorError, TransientVendorError
from journey_pipeline.files import naming_disk_troubles
from journey_pipeline.settings import LINKED_SIZE_VARIABLE, SPARE_DISK_VARIABLE
from journey_pipeline.transport.addresses import ForbiddenAddressError, Guard, is_of_this_network
from journey_pipeline.transport.response import Place
from journey_pipeline_tests.transport.flaky_server import FlakyServer, MakeClient, answer, close, head

PUBLIC = "93.184.216.34"
BODY = b"x" * 1_000


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "169.254.169.254",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.0.1",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - not listened on
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "2002:0a00:0001::",
        "64:ff9b::10.0.0.1",
    ],
)
def test_addresses_of_this_machine_its_network_and_its_provider_are_known(address: str) -> None:
    assert is_of_this_network(address)


def test_public_addresses_are_known() -> None:
    for address in (PUBLIC, "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34", "64:ff9b::93.184.216.34"):
        assert not is_of_this_network(address)


class Names:
    """Looks names up as it is told, and counts; addresses stand for themselves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.asked = 0
        self._answers = answers
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host: str, port: int, *given: Any, **named: Any) -> list[Any]:
        if host != "files.example":
            return list(self._real(host, port, *given, **named))
        found = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        kinds = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in found]
        return [(kind, socket.SOCK_STREAM, 6, "", (address, port)) for kind, address in zip(kinds, found, strict=True)]


@pytest.mark.parametrize(
    "found",
    [["127.0.0.1"], ["169.254.169.254"], ["10.0.0.8"], ["100.64.0.1"], ["::ffff:10.0.0.1"], [PUBLIC, "10.0.0.1"]],
)
def test_a_name_that_stands_for_a_private_address_is_not_connected_to(
    server: FlakyServer, client_of: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: list[str]
) -> None:
    names = Names(monkeypatch, found)
    client = client_of(server, download_hosts="files.example")
    port = server.url.rpartition(":")[2]
    with pytest.raises(PermanentVendorError, match="stands for an address of this machine") as error:
        client.download("GET", f"http://files.example:{port}/p?sig=s3cr3t", to=Place(tmp_path / "file"), guarded=True)
    assert (error.value.status, names.asked, server.seen) == (None, 1, [])
    assert "s3cr3t" not in str(error.value)


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch, [PUBLIC], ["127.0.0.1"])
    connected = []

    class Connection:
        host, port = "files.example", 443

    connection: Any = Connection()
    Guard().connect(connection, "https", lambda: connected.append(connection.host))  # type: ignore[arg-type,func-returns-value]
    assert (connected, names.asked, connection.host) == ([PUBLIC], 1, "files.example")
    with pytest.raises(ForbiddenAddressError):
        Guard().connect(connection, "https", lambda: connected.append(connection.host))  # type: ignore[arg-type,func-returns-value]
    assert connected == [PUBLIC]


def test_an_origin_that_is_spelled_out_is_taken_at_its_word(
    server: FlakyServer, client_of: MakeClient, tmp_path: Path
) -> None:
    server.on("/p", answer(200, BODY))
    for hosts, is_taken in (("", False), ("127.0.0.1", False), (server.url, True), ("http://127.0.0.1:1", False)):
        client = client_of(server, download_hosts=hosts)
        if is_taken:
            assert client.download("GET", "/p", to=Place(tmp_path / "file"), guarded=True).raw_bytes == len(BODY)
        else:
            with pytest.raises(PermanentVendorError):
                client.download("GET", "/p", to=Place(tmp_path / "file"), guarded=True)
    assert len(server.seen) == 1


def test_no_proxy_is_asked_and_no_redirect_is_followed(
    server: FlakyServer, client_of: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    client = client_of(server, download_hosts=server.url)
    server.on("/p", answer(200, BODY, Set_Cookie="a=b"), answer(200, BODY))
    for _ in range(2):
        client.download("GET", "/p", to=Place(tmp_path / "file"), guarded=True)
    assert not any({"cookie", "authorization"} & set(seen.headers) for seen in server.seen)
    server.on("/r", answer(302, b"", Location=f"{server.url}/p"))
    with pytest.raises(PermanentVendorError, match="302"):
        client.download("GET", "/r", to=Place(tmp_path / "other"), guarded=True)
    assert [seen.path for seen in server.seen] == ["/p", "/p", "/r"]


@pytest.mark.usefixtures("waits")
def test_a_name_that_can_not_be_looked_up_is_tried_again(
    server: FlakyServer, client_of: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    client = client_of(server)
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(TransientVendorError, match="Temporary failure"):
        client.download("GET", "http://files.example/p", to=Place(tmp_path / "file"), guarded=True)


def test_a_file_behind_a_link_has_bounds_of_its_own(
    server: FlakyServer, client_of: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(server, download_hosts=server.url)
    server.on("/p", answer(200, BODY))
    monkeypatch.setenv(LINKED_SIZE_VARIABLE, str(len(BODY) / 2 / (1 << 30)))
    with pytest.raises(ContractError, match="more than"):
        client.download("GET", "/p", to=Place(tmp_path / "file"), guarded=True)
    monkeypatch.delenv(LINKED_SIZE_VARIABLE)
    monkeypatch.setenv(SPARE_DISK_VARIABLE, "1")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=(1 << 30) + len(BODY) - 1))
    with pytest.raises(LakeError, match="is full"), naming_disk_troubles("landing", tmp_path):
        client.download("GET", "/p", to=Place(tmp_path / "file"), guarded=True)
    assert list(tmp_path.iterdir()) == []
    client.download("GET", "/p", to=Place(tmp_path / "file"))


MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()


@pytest.mark.usefixtures("waits")
def test_a_file_of_other_bytes_than_its_etag_tells_does_not_land(
    server: FlakyServer, client_of: MakeClient, tmp_path: Path
) -> None:
    client, place, evidence = client_of(server, download_hosts=server.url), tmp_path / "file", tmp_path / "evidence"
    server.on("/p", answer(200, BODY[:-1] + b"y", ETag=f'"{MD5}"'), answer(200, BODY, ETag=f'"{MD5}"'))
    assert client.download("GET", "/p", to=Place(place, evidence=evidence), packed=False, guarded=True).attempts == 2
    assert place.read_bytes() == BODY
    for headers in (
        {"ETag": f'"{MD5[:-1]}0-2"'},
        {"ETag": f'"{MD5[::-1]}"', "X-Amz-Server-Side-Encryption": "aws:kms"},
    ):
        server.on("/k", answer(200, BODY, **headers))
        assert client.download("GET", "/k", to=Place(place), guarded=True).attempts == 1
    server.on("/q", *[answer(200, BODY, ETag=f'"{MD5[::-1]}"')] * 2)
    with pytest.raises(ContractError, match=r"the one that its ETag tells.* The same bytes came twice"):
        client.download("GET", "/q", to=Place(place, evidence=evidence), guarded=True)
    assert evidence.read_bytes() == BODY


@pytest.mark.usefixtures("waits")
def test_the_rest_of_a_file_counts_for_its_md5(server: FlakyServer, client_of: MakeClient, tmp_path: Path) -> None:
    client, tag = client_of(server, download_hosts=server.url), {"ETag": f'"{MD5}"', "Accept_Ranges": "bytes"}
    came = f"bytes 400-{len(BODY) - 1}/{len(BODY)}"
    whole = [head(200, Content_Length=str(len(BODY)), **tag) + BODY[:400], close]
    server.on("/p", whole, answer(206, BODY[400:], Content_Range=came, **tag))
    assert client.download("GET", "/p", to=Place(tmp_path / "file"), resumes=True, guarded=True).attempts == 2
