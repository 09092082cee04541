"""A download that was cut off goes on from its bytes: only with the very same file, and only where that is allowed."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from journey_pipeline.errors import ContractError, DamagedAnswerError, TransientVendorError
from journey_pipeline.transport.response import Downloaded, Place
from journey_pipeline.transport.retry import NO_WAITING_VARIABLE, Timeouts, Waits
from journey_pipeline_tests.transport.flaky_server import (
    FlakyServer,
    MakeClient,
    Piece,
    Seen,
    answer,
    chunk,
    chunked,
    close,
    gz,
    head,
    reset,
    stall,
)

RAW = random.Random(11).randbytes(300_000)
FILE = gz(RAW)
TAG = {"ETag": '"v1"'}
DATED = {"Last_Modified": "Sat, 28 Nov 2026 10:00:00 GMT", "Date": "Sun, 29 Nov 2026 10:00:00 GMT"}
PATH = "/file"

CHILD = """
import sys
from pathlib import Path
from journey_pipeline.transport.client import HttpClient
from journey_pipeline.transport.response import Place
url, to = sys.argv[1], Place(Path(sys.argv[2]))
HttpClient(vendor="acme", connection="acme_child", base_url=url).download("GET", "/file", to=to, resumes=True)
"""
NO_WAITING = {**os.environ, NO_WAITING_VARIABLE: "1"}

Load = Callable[..., Downloaded]


@pytest.fixture
def load(server: FlakyServer, client_of: MakeClient, tmp_path: Path, waits: Waits) -> Load:  # noqa: ARG001 - its switch
    """Downloads the file, allowed to go on with it."""

    def run(*, resumes: bool = True, **more: object) -> Downloaded:
        client = client_of(server, chunk_bytes=10_000, timeouts=Timeouts(idle_s=0.3))
        return client.download("GET", PATH, to=Place(tmp_path / "file.gz"), resumes=resumes, **more)

    return run


def cut(body: bytes, at: int, how: Piece = close, **headers: str) -> list[Piece]:
    return [head(Content_Length=str(len(body)), **headers) + body[:at], how]


def rest(body: bytes, **headers: str) -> Callable[[Seen], Iterable[Piece]]:
    """Answers a request for the rest as a file server does."""

    def reply(seen: Seen) -> Iterable[Piece]:
        first = int(seen.headers["range"].removeprefix("bytes=").removesuffix("-"))
        came = f"bytes {first}-{len(body) - 1}/{len(body)}"
        return answer(206, body[first:], Content_Range=came, **headers)

    return reply


def cut_rest(first: int, end: int) -> list[Piece]:
    came = {"Content_Length": str(len(FILE) - first), "Content_Range": f"bytes {first}-{len(FILE) - 1}/{len(FILE)}"}
    return [head(206, **came, **TAG) + FILE[first:end], close]


def asked_for(server: FlakyServer) -> list[tuple[str | None, str | None]]:
    return [(seen.headers.get("range"), seen.headers.get("if-range")) for seen in server.seen]


def nothing_else(folder: Path) -> bool:
    return [path.name for path in folder.iterdir()] == ["file.gz"]


@pytest.mark.parametrize("how", [close, reset, stall])
def test_the_next_try_asks_only_for_the_rest_and_the_file_is_byte_for_byte_the_vendors(
    how: Piece, server: FlakyServer, load: Load, tmp_path: Path
) -> None:
    server.on(PATH, cut(FILE, 123_456, how, **TAG), rest(FILE, **TAG))
    got = load()
    ((_, _), (asked, condition)) = asked_for(server)
    assert condition == '"v1"'
    # A reset may take bytes along that were on their way.
    assert asked == "bytes=123456-" or (how is reset and 0 < int(str(asked)[6:-1]) <= 123_456)
    assert got.path.read_bytes() == FILE
    assert (got.bytes, got.raw_bytes, got.received_as, got.attempts) == (len(FILE), len(RAW), "gzip", 2)
    assert nothing_else(tmp_path)


def test_storage_that_knows_if_match_alone_refuses_the_rest_of_another_file(server: FlakyServer, load: Load) -> None:
    server.on(PATH, cut(FILE, 1_000, **TAG), answer(412, b""), answer(200, FILE, ETag='"v2"'))
    assert load().path.read_bytes() == FILE
    assert [seen.headers.get("if-match") for seen in server.seen] == [None, '"v1"', None]


def test_a_file_that_is_cut_off_twice_goes_on_twice(server: FlakyServer, load: Load) -> None:
    server.on(
        PATH,
        cut(FILE, 1, **TAG),
        cut_rest(1, 50_000),
        rest(FILE, **TAG),
    )
    assert load().path.read_bytes() == FILE
    assert asked_for(server) == [(None, None), ("bytes=1-", '"v1"'), ("bytes=50000-", '"v1"')]


def test_a_large_file_may_be_cut_off_more_often_than_tries_in_vain_are_made(
    server: FlakyServer, client_of: MakeClient, tmp_path: Path, waits: Waits
) -> None:
    size, cuts = (1 << 20) + 7, 20
    body = random.Random(12).randbytes(size * cuts + 11)
    sent = 0

    def piece(seen: Seen) -> Iterable[Piece]:
        nonlocal sent
        first = int(seen.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        came = {"Content_Length": str(len(body) - first)}
        if first:
            came["Content_Range"] = f"bytes {first}-{len(body) - 1}/{len(body)}"
        part = body[first : first + size]
        sent += len(part)
        return [head(206 if first else 200, **came, **TAG) + part, close]

    server.on(PATH, piece)
    client = client_of(server, timeouts=Timeouts(idle_s=5))
    got = client.download("GET", PATH, to=Place(tmp_path / "file"), resumes=True, packed=False)
    assert (got.path.read_bytes() == body, got.attempts, sent) == (True, cuts + 1, len(body))
    assert max(waits) < 4, "a cut that brought something does not make the next wait longer"


def test_a_chunked_body_and_one_that_is_compressed_here_go_on_too(server: FlakyServer, load: Load) -> None:
    server.on(PATH, answer(200, RAW))
    expected = load().sha256
    server.on(PATH, chunked(RAW[:20_000], RAW[20_000:70_000], ended=False, **TAG), rest(RAW, **TAG))
    got = load()
    assert gzip.decompress(got.path.read_bytes()) == RAW
    assert (got.sha256, got.received_as) == (expected, "identity")
    assert asked_for(server)[-1] == ("bytes=70000-", '"v1"')


def test_the_time_of_the_last_change_names_a_file_without_an_etag(server: FlakyServer, load: Load) -> None:
    server.on(PATH, cut(FILE, 5_000, **DATED), rest(FILE, **DATED))
    assert load().path.read_bytes() == FILE
    assert asked_for(server)[-1] == ("bytes=5000-", DATED["Last_Modified"])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ETag": 'W/"v1"'},
        {"ETag": 'W/"v1"', **DATED},
        {**DATED, "Date": DATED["Last_Modified"]},
        {**TAG, "Accept_Ranges": "none"},
    ],
    ids=["no name", "a weak one", "a weak one with a time", "changed just now", "refused"],
)
def test_a_file_that_nothing_names_for_sure_starts_anew(
    headers: dict[str, str], server: FlakyServer, load: Load
) -> None:
    server.on(PATH, cut(FILE, 5_000, **headers), answer(200, FILE, **headers))
    assert load().path.read_bytes() == FILE
    assert asked_for(server) == [(None, None)] * 2


def test_where_the_vendor_gives_no_rests_every_try_starts_anew(server: FlakyServer, load: Load) -> None:
    server.on(PATH, cut(FILE, 5_000, **TAG), answer(200, FILE, **TAG))
    assert load(resumes=False).path.read_bytes() == FILE
    assert asked_for(server) == [(None, None)] * 2


def test_another_file_in_place_of_the_one_that_was_cut_off_starts_anew(
    server: FlakyServer, load: Load, tmp_path: Path
) -> None:
    other = gz(b"other" + RAW)
    server.on(PATH, cut(FILE, 5_000, **TAG), answer(200, other, ETag='"v2"'))
    got = load()
    assert got.path.read_bytes() == other
    assert got.raw_bytes == len(RAW) + 5
    assert nothing_else(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        answer(206, FILE[4_999:], Content_Range=f"bytes 4999-{len(FILE) - 1}/{len(FILE)}", **TAG),
        answer(206, FILE[5_000:6_000], Content_Range=f"bytes 5000-5999/{len(FILE)}", **TAG),
        answer(206, FILE[5_000:], Content_Range=f"bytes 5000-{len(FILE) - 1}/{len(FILE)}", ETag='"v2"'),
        answer(206, FILE[5_000:], **TAG),
        answer(416, b"", Content_Range=f"bytes */{len(FILE)}"),
    ],
    ids=["another place", "not all of it", "another file", "no place", "no such range"],
)
def test_an_answer_that_is_not_the_rest_is_refused_and_the_next_try_starts_anew(
    wrong: list[Piece], server: FlakyServer, load: Load, tmp_path: Path
) -> None:
    server.on(PATH, cut(FILE, 5_000, **TAG), wrong, answer(200, FILE, **TAG))
    assert load().path.read_bytes() == FILE
    assert [asked for asked, _ in asked_for(server)] == [None, "bytes=5000-", None]
    assert nothing_else(tmp_path)


def test_a_vendor_in_trouble_in_between_costs_nothing_that_came(server: FlakyServer, load: Load) -> None:
    server.on(PATH, cut(FILE, 5_000, **TAG), answer(503), rest(FILE, **TAG))
    assert load().path.read_bytes() == FILE
    assert asked_for(server)[1:] == [("bytes=5000-", '"v1"')] * 2


def test_a_damage_across_the_cut_is_found(server: FlakyServer, load: Load, tmp_path: Path) -> None:
    broken = FILE[:100_000] + bytes(64) + FILE[100_064:]
    server.on(PATH, cut(broken, 50_000, **TAG), rest(broken, **TAG), answer(200, broken, **TAG))
    with pytest.raises((ContractError, DamagedAnswerError)):
        load()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_never_comes_whole_leaves_nothing(server: FlakyServer, load: Load, tmp_path: Path) -> None:
    server.on(PATH, cut(FILE, 5_000, **TAG), cut_rest(5_000, 5_000))
    with pytest.raises(TransientVendorError, match="Gave up after 4 attempts"):
        load()
    assert list(tmp_path.iterdir()) == []


def test_an_inspector_sees_one_body_from_its_first_to_its_last_byte(server: FlakyServer, load: Load) -> None:
    made = []

    class Looker:
        def __init__(self) -> None:
            self.seen, self.verified = bytearray(), False
            made.append(self)

        def feed(self, piece: bytes) -> None:
            self.seen += piece

        def finish(self, *, verified: bool) -> None:
            self.verified = verified

    server.on(PATH, cut(FILE, 123_456, **TAG), rest(FILE, **TAG))
    got = load(inspector=Looker)
    assert [looker is got.inspector for looker in made] == [True]
    assert (bytes(made[0].seen), made[0].verified) == (RAW, True)


def test_the_rest_may_come_from_the_host_that_a_redirect_leads_to(server: FlakyServer, load: Load) -> None:
    moved = [head(302, Location="/elsewhere", Content_Length="0")]
    server.on(PATH, moved)
    server.on("/elsewhere", cut(FILE, 5_000, **TAG), rest(FILE, **TAG))
    assert load().path.read_bytes() == FILE


def test_bytes_that_came_with_a_broken_chunk_are_asked_for_again(server: FlakyServer, load: Load) -> None:
    server.on(
        PATH,
        [head(Transfer_Encoding="chunked", **TAG), chunk(FILE[:40_000]), b"9c40\r\n" + FILE[40_000:60_000], close],
        rest(FILE, **TAG),
    )
    assert load().path.read_bytes() == FILE


def test_a_process_that_was_killed_in_between_leaves_nothing_to_go_on_with(
    server: FlakyServer, load: Load, tmp_path: Path
) -> None:
    is_asked = threading.Event()

    def held(_: Seen) -> list[Piece]:
        is_asked.set()
        return [stall]

    server.on(PATH, cut(FILE, 5_000, **TAG), held, answer(200, FILE, **TAG))
    child = subprocess.Popen([sys.executable, "-c", CHILD, server.url, str(tmp_path / "file.gz")], env=NO_WAITING)
    assert is_asked.wait(60)
    child.kill()
    child.wait()
    assert [path.suffix for path in tmp_path.iterdir()] == [".tmp"]
    assert load().path.read_bytes() == FILE
    assert [asked for asked, _ in asked_for(server)] == [None, "bytes=5000-", None]
