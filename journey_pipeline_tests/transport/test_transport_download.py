from __future__ import annotations

import gzip
import hashlib
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from journey_pipeline import settings
from journey_pipeline.errors import (
    ContractError,
    DamagedAnswerError,
    PermanentVendorError,
    RepeatedCutError,
    TransientVendorError,
    VendorError,
)
from journey_pipeline.normalize.landed_file import Inflated
from journey_pipeline.transport import retry
from journey_pipeline.transport.response import Place
from journey_pipeline.transport.retry import RetryPolicy, Timeouts, Waits
from journey_pipeline_tests.transport.flaky_server import (
    FlakyServer,
    MakeClient,
    Piece,
    Reply,
    Seen,
    answer,
    chunk,
    chunked,
    close,
    gz,
    head,
    reset,
    stall,
    when,
)

IMPATIENT = Timeouts(connect_s=2, first_byte_s=5, idle_s=0.2)
RAW = b"Id,Name\n" + b"".join(b"%d,name %d\n" % (i, i * i % 9973) for i in range(20_000))
GZ = gz(RAW)
MIDDLE = len(GZ) // 2


class Watcher:
    """An inspector that keeps what it saw."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.raw = b""
        self.verified: bool | None = None

    def feed(self, chunk: bytes) -> None:
        self.raw += chunk

    def finish(self, *, verified: bool) -> None:
        self.verified = verified


class Refuser(Watcher):
    error: VendorError

    def finish(self, *, verified: bool) -> None:
        super().finish(verified=verified)
        raise type(self.error)(str(self.error))


def gzipped(body: bytes, *pieces: Piece, **headers: str) -> list[Piece]:
    """A close-delimited gzip answer."""
    return [head(200, Content_Encoding="gzip", **headers) + body, *pieces, close]


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "raw" / "part-0.csv.gz"


def left_over(to: Path) -> list[str]:
    return sorted(path.name for path in to.parent.glob("*")) if to.parent.exists() else []


@pytest.mark.parametrize(
    "reply",
    [
        answer(body=GZ, Content_Encoding="gzip"),
        answer(body=GZ, Content_Encoding="x-gzip"),
        answer(body=GZ, Content_Type="application/gzip"),
        chunked(GZ[:7], GZ[7:8], GZ[8:-3], GZ[-3:], Content_Encoding="gzip"),
        gzipped(GZ),
        [head(Content_Length=str(len(GZ))), GZ[:1], GZ[1:]],
    ],
)
def test_a_gzip_body_is_kept_byte_by_byte(server: FlakyServer, client_of: MakeClient, to: Path, reply: Reply) -> None:
    server.on("/d", reply)
    landed = client_of(server).download("POST", "/d", to=Place(to), json={}, inspector=Watcher)
    assert to.read_bytes() == GZ
    assert (landed.path, landed.bytes, landed.raw_bytes, landed.received_as) == (to, len(GZ), len(RAW), "gzip")
    assert landed.sha256 == hashlib.sha256(GZ).hexdigest()
    assert (landed.inspector.raw, landed.inspector.verified) == (RAW, True)
    assert landed.attempts == 1
    assert left_over(to) == ["part-0.csv.gz"]


@pytest.mark.parametrize("after", [b"\0", b"\0" * 1000, GZ, GZ + b"\0" * 9, b"\0" + GZ])
@pytest.mark.parametrize("cuts", [(), (1,), (-1, 1)])
def test_gzip_of_several_members_and_padded_with_zeros_is_kept_byte_by_byte_and_read_by_the_lake(
    server: FlakyServer, client_of: MakeClient, to: Path, after: bytes, cuts: tuple[int, ...]
) -> None:
    whole = GZ + after
    edges = [0, *(len(GZ) + cut for cut in cuts), len(whole)]
    server.on("/d", chunked(*(whole[a:b] for a, b in itertools.pairwise(edges) if a < b), Content_Encoding="gzip"))
    landed = client_of(server).download("POST", "/d", to=Place(to), json={}, inspector=Watcher)
    raw = RAW * (1 + (GZ in after))
    assert to.read_bytes() == whole
    assert (landed.raw_bytes, landed.inspector.raw) == (len(raw), raw)
    with closing(Inflated(to)) as content:
        assert b"".join(content.chunks()) == raw


@pytest.mark.parametrize("size", [97, 4099, 300_000])
def test_a_plain_body_is_compressed_the_same_way_however_it_was_cut(
    server: FlakyServer, client_of: MakeClient, to: Path, size: int
) -> None:
    server.on("/d", answer(body=RAW), chunked(*(RAW[i : i + size] for i in range(0, len(RAW), size))))
    client = client_of(server)
    first = client.download("POST", "/d", to=Place(to.with_name("first.gz")), inspector=Watcher)
    landed = client.download("POST", "/d", to=Place(to), inspector=Watcher)
    packed = to.read_bytes()
    assert gzip.decompress(packed) == landed.inspector.raw == RAW
    assert (landed.received_as, landed.raw_bytes, landed.inspector.verified) == ("identity", len(RAW), False)
    assert first.sha256 == landed.sha256 == hashlib.sha256(packed).hexdigest()
    assert (landed.bytes, packed[4:8]) == (len(packed), bytes(4))


CUTS: dict[str, Reply] = {
    "clean close in the middle": gzipped(GZ[:MIDDLE]),
    "clean close within the gzip header": gzipped(GZ[:5]),
    "clean close before the trailer": gzipped(GZ[:-8]),
    "clean close within the trailer": gzipped(GZ[:-1]),
    "reset in the middle": [head(Content_Encoding="gzip") + GZ[:MIDDLE], reset],
    "Content-Length not reached": [
        head(Content_Encoding="gzip", Content_Length=str(len(GZ))) + GZ[:MIDDLE],
        close,
    ],
    "Content-Length not reached, reset": [
        head(Content_Encoding="gzip", Content_Length=str(len(GZ))) + GZ[:MIDDLE],
        reset,
    ],
    "Content-Length too small": [head(Content_Encoding="gzip", Content_Length=str(MIDDLE)) + GZ, close],
    "Content-Length too large": [head(Content_Encoding="gzip", Content_Length=str(len(GZ) + 1)) + GZ, close],
    "chunks without their end": chunked(GZ, ended=False, Content_Encoding="gzip"),
    "cut within a chunk": [
        head(Content_Encoding="gzip", Transfer_Encoding="chunked") + chunk(GZ)[:MIDDLE],
        close,
    ],
    "cut within a chunk's length": [
        head(Content_Encoding="gzip", Transfer_Encoding="chunked") + chunk(GZ[:MIDDLE]) + b"4",
        close,
    ],
    "nonsense for a chunk's length": [
        head(Content_Encoding="gzip", Transfer_Encoding="chunked") + chunk(GZ[:MIDDLE]) + b"xyz\r\n",
        close,
    ],
    "chunks end properly, gzip does not": chunked(GZ[:MIDDLE], Content_Encoding="gzip"),
    "a second member that begins": gzipped(GZ + GZ[:1]),
    "a second member that is cut": gzipped(GZ + GZ[:MIDDLE]),
    "nothing, and nobody said so": gzipped(b""),
    "plain, Content-Length not reached": [head(Content_Length=str(len(RAW))) + RAW[:-1], close],
    "plain, chunks without their end": chunked(RAW, ended=False),
    "plain, reset": [head() + RAW, reset],
    "stalled before the body": [head(Content_Encoding="gzip"), stall],
    "stalled in the middle": [head(Content_Encoding="gzip", Content_Length=str(len(GZ))) + GZ[:MIDDLE], stall],
    "stalled, the connection announced to close": [head(Content_Encoding="gzip", Connection="close") + GZ[:9], stall],
    "stalled between chunks": chunked(GZ[:MIDDLE], stall, Content_Encoding="gzip"),
}
BROKEN_CRC = GZ[:-8] + bytes([GZ[-8] ^ 1]) + GZ[-7:]
DAMAGES: dict[str, Reply] = {
    "wrong checksum": gzipped(BROKEN_CRC),
    "wrong length": gzipped(GZ[:-1] + bytes([GZ[-1] ^ 1])),
    "damage in the middle": gzipped(GZ[:MIDDLE] + bytes([GZ[MIDDLE] ^ 255]) + GZ[MIDDLE + 1 :]),
    "bytes after the trailer": gzipped(GZ + b"x"),
    "bytes after the padding": gzipped(GZ + b"\0\0x"),
    "bytes after the trailer, in a piece of their own": chunked(GZ, b"{}", Content_Encoding="gzip"),
    "not gzip at all": gzipped(RAW),
}


@pytest.mark.parametrize("fault", CUTS)
def test_a_cut_body_is_never_a_landing(
    server: FlakyServer, client_of: MakeClient, to: Path, waits: Waits, fault: str
) -> None:
    server.on("/d", CUTS[fault])
    client = client_of(server, timeouts=IMPATIENT, policy=RetryPolicy(attempts=2))
    with pytest.raises(TransientVendorError, match=r"not whole.*Gave up after 2 attempts") as caught:
        client.download("POST", "/d", to=Place(to), stream="history", window="w", inspector=Watcher)
    assert (caught.value.vendor, caught.value.stream, caught.value.window, caught.value.status) == (
        "acme",
        "history",
        "w",
        200,
    )
    assert left_over(to) == []
    assert (server.count("/d"), len(waits)) == (2, 1)


@pytest.mark.parametrize("fault", DAMAGES)
def test_a_damaged_gzip_that_comes_with_the_same_bytes_twice_is_a_fault_of_form(
    server: FlakyServer, client_of: MakeClient, to: Path, waits: Waits, fault: str
) -> None:
    server.on("/d", DAMAGES[fault])
    with pytest.raises(ContractError, match=r"not whole.*The same bytes came twice.*Report it") as caught:
        client_of(server).download("POST", "/d", to=Place(to), stream="history", window="w")
    error = caught.value
    assert (error.vendor, error.stream, error.window, error.status) == ("acme", "history", "w", 200)
    assert (left_over(to), server.count("/d"), len(waits)) == ([], 2, 1)


def test_a_damage_is_known_again_however_its_body_is_cut_on_the_way(
    server: FlakyServer, client_of: MakeClient, to: Path, waits: Waits
) -> None:
    in_pieces = chunked(*(BROKEN_CRC[i : i + 999] for i in range(0, len(BROKEN_CRC), 999)), Content_Encoding="gzip")
    server.on("/d", answer(body=BROKEN_CRC, Content_Encoding="gzip"), in_pieces)
    with pytest.raises(ContractError, match="twice"):
        client_of(server).download("POST", "/d", to=Place(to))
    assert (server.count("/d"), len(waits)) == (2, 1)


def test_a_damage_that_is_another_each_time_may_pass(
    server: FlakyServer, client_of: MakeClient, to: Path, waits: Waits
) -> None:
    damaged = [DAMAGES[name] for name in ("wrong checksum", "wrong length", "damage in the middle")]
    server.on("/d", *damaged, answer(body=GZ, Content_Encoding="gzip"))
    assert client_of(server).download("POST", "/d", to=Place(to)).attempts == 4
    server.on("/d", *damaged, DAMAGES["wrong checksum"])
    with pytest.raises(DamagedAnswerError, match="Gave up after 4 attempts"):
        client_of(server).download("POST", "/d", to=Place(to))
    assert len(waits) == 6


def test_a_damage_that_an_inspector_finds_is_read_to_its_end_and_known_again(
    server: FlakyServer, client_of: MakeClient, to: Path, waits: Waits, tmp_path: Path
) -> None:
    class Damaged(Watcher):
        def feed(self, chunk: bytes) -> None:
            super().feed(chunk)
            if len(self.raw) > 1000:
                raise DamagedAnswerError("it breaks at byte 1000.")

    server.on("/d", answer(body=RAW), chunked(RAW[:1500], RAW[1500:]))
    with pytest.raises(ContractError, match=r"byte 1000\. The same bytes came twice") as caught:
        client_of(server, chunk_bytes=777).download(
            "POST", "/d", to=Place(to, evidence=tmp_path / "kept"), inspector=Damaged
        )
    assert (caught.value.vendor, server.count("/d"), len(waits)) == ("acme", 2, 1)
    assert (tmp_path / "kept").read_bytes().endswith(RAW[-1000:])


def test_what_an_inspector_calls_cut_twice_at_the_same_byte_is_not_tried_again(
    server: FlakyServer, client_of: MakeClient, to: Path, waits: Waits
) -> None:
    Refuser.error = TransientVendorError("it ends in a record.")
    server.on("/d", answer(body=RAW), answer(body=RAW[:-9]), answer(body=RAW[:-9]))
    with pytest.raises(RepeatedCutError, match=r"record\. The same bytes came twice\.$"):
        client_of(server).download("POST", "/d", to=Place(to), inspector=Refuser)
    assert (server.count("/d"), len(waits)) == (3, 2)


def test_no_byte_twice_is_no_repeated_cut(server: FlakyServer, client_of: MakeClient, to: Path, waits: Waits) -> None:
    Refuser.error = TransientVendorError("not a byte came.")
    server.on("/d", answer())
    with pytest.raises(TransientVendorError, match="Gave up after 4 attempts"):
        client_of(server).download("POST", "/d", to=Place(to), inspector=Refuser)
    assert len(waits) == 3


@pytest.mark.parametrize("fault", ["reset in the middle", "a second member that is cut", "stalled in the middle"])
def test_a_cut_download_starts_over_with_a_fresh_inspector(
    server: FlakyServer, client_of: MakeClient, to: Path, waits: Waits, fault: str
) -> None:
    server.on("/d", CUTS[fault], answer(503), answer(body=GZ, Content_Encoding="gzip"))
    made_before = Watcher.made
    landed = client_of(server, timeouts=IMPATIENT).download("POST", "/d", to=Place(to), inspector=Watcher)
    assert (landed.attempts, landed.inspector.raw, to.read_bytes()) == (3, RAW, GZ)
    assert (Watcher.made - made_before, len(waits)) == (2, 2)
    assert left_over(to) == ["part-0.csv.gz"]


def test_a_failed_download_leaves_the_file_that_was_there(
    server: FlakyServer, client_of: MakeClient, to: Path, waits: Waits
) -> None:
    to.parent.mkdir()
    to.write_bytes(b"earlier")
    server.on("/d", CUTS["clean close in the middle"])
    with pytest.raises(TransientVendorError):
        client_of(server).download("POST", "/d", to=Place(to))
    assert to.read_bytes() == b"earlier"
    assert left_over(to) == ["part-0.csv.gz"]
    assert len(waits) == 3


def test_what_the_wire_cannot_prove_is_left_to_the_inspector(
    server: FlakyServer, client_of: MakeClient, to: Path, waits: Waits
) -> None:
    class NoNewlineIsCut(Watcher):
        def finish(self, *, verified: bool) -> None:
            super().finish(verified=verified)
            if not verified and not self.raw.endswith(b"\n"):
                raise TransientVendorError("the last line has no end.")

    server.on("/d", [head() + RAW[:-3], close], [head() + RAW, close])
    landed = client_of(server).download("POST", "/d", to=Place(to), inspector=NoNewlineIsCut)
    assert (landed.attempts, landed.raw_bytes) == (2, len(RAW))
    assert len(waits) == 1


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_an_empty_body_that_is_announced_is_an_empty_file(
    server: FlakyServer, client_of: MakeClient, to: Path, encoding: str
) -> None:
    server.on("/d", answer(Content_Encoding=encoding))
    landed = client_of(server).download("POST", "/d", to=Place(to), inspector=Watcher)
    assert (landed.raw_bytes, landed.received_as, landed.inspector.verified) == (0, "identity", False)
    assert gzip.decompress(to.read_bytes()) == b""


@pytest.mark.parametrize("encoding", ["deflate", "br", "zstd", "gzip, br", "gzip, gzip"])
def test_an_encoding_that_was_not_asked_for_is_a_broken_contract(
    server: FlakyServer, client_of: MakeClient, to: Path, encoding: str
) -> None:
    server.on("/d", answer(body=zlib.compress(RAW), Content_Encoding=encoding))
    with pytest.raises(ContractError, match=f"200 in the encoding '{encoding}', though gzip or none"):
        client_of(server).download("POST", "/d", to=Place(to))
    assert (left_over(to), server.count("/d")) == ([], 1)


def test_a_part_of_an_answer_is_never_taken_for_all_of_it(server: FlakyServer, client_of: MakeClient, to: Path) -> None:
    server.on("/d", answer(206, GZ, Content_Encoding="gzip", Content_Range=f"bytes 0-{len(GZ) - 1}/{len(GZ)}"))
    with pytest.raises(ContractError, match="206: a part of the answer, although all of it was asked for"):
        client_of(server).download("POST", "/d", to=Place(to))
    assert (left_over(to), server.count("/d")) == ([], 1)
    server.on("/d", answer(416))
    with pytest.raises(PermanentVendorError, match="answered 416"):
        client_of(server).download("POST", "/d", to=Place(to))
    assert server.count("/d") == 2


def test_what_is_only_taken_on_is_asked_for_again_and_is_no_empty_answer(
    server: FlakyServer, client_of: MakeClient, to: Path, waits: Waits
) -> None:
    server.on("/d", answer(202), answer(body=GZ, Content_Encoding="gzip"))
    assert client_of(server).download("POST", "/d", to=Place(to)).raw_bytes == len(RAW)
    assert len(waits) == 1


def test_a_chunked_body_with_trailers_is_whole_and_its_connection_goes_on(
    server: FlakyServer, client_of: MakeClient, to: Path
) -> None:
    body = [head(Content_Encoding="gzip", Transfer_Encoding="chunked", Trailer="X-Sum"), chunk(GZ)]
    server.on("/d", [*body, b"0\r\nX-Sum: 4711\r\nX-Other: 2\r\n\r\n"])
    client = client_of(server)
    for _ in range(2):
        assert client.download("POST", "/d", to=Place(to)).raw_bytes == len(RAW)


@pytest.mark.parametrize("body", [RAW, GZ])
def test_an_inspector_that_finds_a_broken_contract_ends_it_at_once_and_evidence_is_kept(
    server: FlakyServer, client_of: MakeClient, to: Path, tmp_path: Path, body: bytes
) -> None:
    Refuser.error = ContractError("no column Id.")
    server.on("/d", answer(body=body))
    with pytest.raises(ContractError, match=r"acme.*no column Id") as caught:
        client_of(server).download(
            "POST", "/d", to=Place(to, evidence=tmp_path / "evidence" / "start"), inspector=Refuser
        )
    assert (caught.value.vendor, caught.value.status) == ("acme", 200)
    assert caught.value.evidence == str(tmp_path / "evidence" / "start")
    assert (tmp_path / "evidence" / "start").read_bytes().startswith(RAW[: 64 << 10])
    assert (left_over(to), server.count("/d")) == ([], 1)


@pytest.mark.parametrize("chunk_bytes", [1000, 1 << 20])
@pytest.mark.parametrize("size", [0, 1, 64 << 10, (64 << 10) + 1, 128 << 10, (128 << 10) + 1, 500_000])
def test_of_a_body_that_breaks_off_the_start_and_the_end_are_kept(
    server: FlakyServer, client_of: MakeClient, tmp_path: Path, size: int, chunk_bytes: int
) -> None:
    Refuser.error = ContractError("it ends in the middle.")
    body = random.Random(size).randbytes(size)
    server.on("/d", answer(body=body))
    kept = tmp_path / "evidence"
    with pytest.raises(ContractError):
        client_of(server, chunk_bytes=chunk_bytes).download(
            "POST", "/d", to=Place(tmp_path / "part", evidence=kept), inspector=Refuser
        )
    start, between, end = body[: 64 << 10], b"\n... %d bytes are left out here ...\n", body[-64 << 10 :]
    expected = start + between % (size - (128 << 10)) + end if size > 128 << 10 else body
    assert (kept.read_bytes() if kept.exists() else b"") == expected


def test_what_an_inspector_quotes_is_redacted_and_bounded(server: FlakyServer, client_of: MakeClient, to: Path) -> None:
    Refuser.error = ContractError("page: ann@example.com hush-hush-key " + "x" * 5000)
    server.on("/d", answer(body=RAW))
    with pytest.raises(ContractError) as caught:
        client_of(server, secrets=("hush-hush-key",)).download("POST", "/d", to=Place(to), inspector=Refuser)
    assert "ann@" not in str(caught.value)
    assert "hush" not in str(caught.value)
    assert len(str(caught.value)) < 800


def test_a_refused_download_leaves_nothing(server: FlakyServer, client_of: MakeClient, to: Path) -> None:
    server.on("/d", answer(400, b'{"errorcode":10005,"message":"unknown column Foo"}'))
    with pytest.raises(PermanentVendorError, match=r"400.*unknown column Foo"):
        client_of(server).download("POST", "/d", to=Place(to), query="columns=Foo")
    assert left_over(to) == []


def test_a_failure_of_our_own_leaves_nothing_and_is_not_blamed_on_the_vendor(
    server: FlakyServer, client_of: MakeClient, to: Path, waits: Waits
) -> None:
    class Broken(Watcher):
        def feed(self, chunk: bytes) -> None:
            super().feed(chunk)
            raise OSError(28, "No space left on device")

    server.on("/d", answer(body=GZ, Content_Encoding="gzip"))
    with pytest.raises(OSError, match="No space left"):
        client_of(server).download("POST", "/d", to=Place(to), inspector=Broken)
    assert (left_over(to), waits) == ([], [])


def test_progress_is_told_in_bytes_of_the_wire(server: FlakyServer, client_of: MakeClient, to: Path) -> None:
    told: list[int] = []
    server.on("/d", chunked(*(GZ[i : i + 999] for i in range(0, len(GZ), 999)), Content_Encoding="gzip"))
    client_of(server).download("POST", "/d", to=Place(to, on_bytes=told.append))
    assert sum(told) == len(GZ)
    assert len(told) > 1


def test_a_trickle_that_keeps_coming_is_no_stall(server: FlakyServer, client_of: MakeClient, to: Path) -> None:
    allowed = threading.Semaphore(1)
    pieces = [step for i in range(0, len(GZ), 4000) for step in (when(allowed), chunk(GZ[i : i + 4000]))]
    server.on("/d", [head(Content_Encoding="gzip", Transfer_Encoding="chunked"), *pieces, b"0\r\n\r\n"])
    landed = client_of(server).download(
        "POST", "/d", to=Place(to, on_bytes=lambda count: allowed.release() if count else None)
    )
    assert landed.bytes == len(GZ)


def test_a_trickle_without_end_stops_at_the_deadline(
    server: FlakyServer, client_of: MakeClient, to: Path, waits: Waits
) -> None:
    allowed = threading.Semaphore(1)

    def endless(_seen: Seen) -> Iterator[Piece]:
        yield head(Transfer_Encoding="chunked")
        while True:
            yield when(allowed)
            yield chunk(b"1,2\n")

    def pass_time(_count: int) -> None:
        retry.wait(10, for_rate=True)
        allowed.release()

    server.on("/d", endless)
    with pytest.raises(TransientVendorError, match=r"still coming.*Gave up after 1 attempt:"):
        client_of(server, policy=RetryPolicy(deadline_s=100)).download("POST", "/d", to=Place(to, on_bytes=pass_time))
    assert left_over(to) == []
    assert waits == []
    assert sum(waits.rate_limited) <= 120


def test_memory_does_not_grow_with_a_body_that_inflates_a_thousandfold(
    server: FlakyServer, client_of: MakeClient, to: Path
) -> None:
    class Largest(Watcher):
        largest = 0

        def feed(self, chunk: bytes) -> None:
            Largest.largest = max(Largest.largest, len(chunk))

    packed = gz(bytes(200 << 20))
    server.on("/d", answer(body=packed, Content_Encoding="gzip"))
    landed = client_of(server).download("POST", "/d", to=Place(to), inspector=Largest)
    assert (landed.raw_bytes, Largest.largest <= 1 << 20) == (200 << 20, True)


def test_a_process_killed_in_the_middle_leaves_no_file_in_place(server: FlakyServer, to: Path) -> None:
    arrived = threading.Event()
    body = gz(random.Random(7).randbytes(1 << 20))
    server.on(
        "/d",
        [
            head(Content_Encoding="gzip", Content_Length=str(len(body))) + body[:-100],
            lambda *_: arrived.set(),
            stall,
        ],
    )
    program = (
        "import sys, pathlib\n"
        "from journey_pipeline.transport.client import HttpClient\n"
        "from journey_pipeline.transport.response import Place\n"
        "client = HttpClient(vendor='acme', connection='acme', base_url=sys.argv[1])\n"
        "seen = 0\n"
        "def on_bytes(count):\n"
        "    global seen\n"
        "    seen += count\n"
        "    if seen == int(sys.argv[3]): print('there', flush=True)\n"
        "client.download('POST', '/d', to=Place(pathlib.Path(sys.argv[2]), on_bytes))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, server.url, str(to), str(len(body) - 100)], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"there\n"
        os.kill(child.pid, signal.SIGKILL)
    assert arrived.is_set()
    assert not to.exists()
    assert all(name.endswith(".tmp") for name in left_over(to))


def test_an_answer_that_inflates_to_more_than_is_taken_is_refused_at_once(
    server: FlakyServer, client_of: MakeClient, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.ANSWER_SIZE_VARIABLE, f"{1 / 256}")
    server.on("/d", answer(body=gzip.compress(b"\n" * (1 << 24)), Content_Encoding="gzip"))
    with pytest.raises(ContractError, match=f"inflates to more than 4,194,304 bytes.*{settings.ANSWER_SIZE_VARIABLE}"):
        client_of(server).download("POST", "/d", to=Place(to), inspector=Watcher)
    assert (left_over(to), server.count("/d")) == ([], 1)


def test_padding_without_end_fills_no_disk(
    server: FlakyServer, client_of: MakeClient, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(_seen: Seen) -> Iterator[Piece]:
        yield head(Content_Encoding="gzip", Transfer_Encoding="chunked") + chunk(GZ)
        while True:
            yield chunk(bytes(1 << 16))

    monkeypatch.setenv(settings.ANSWER_SIZE_VARIABLE, f"{1 / 256}")
    server.on("/d", endless)
    with pytest.raises(ContractError, match=settings.ANSWER_SIZE_VARIABLE):
        client_of(server).download("POST", "/d", to=Place(to), inspector=Watcher)
    assert (left_over(to), server.count("/d")) == ([], 1)


@pytest.mark.usefixtures("waits")
def test_an_answer_that_inflates_for_longer_than_it_may_take_is_stopped_though_all_of_it_has_come(
    server: FlakyServer, client_of: MakeClient, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Watcher):
        def feed(self, chunk: bytes) -> None:
            self.raw += chunk[:1]
            Slow.most = len(self.raw)
            retry.wait(10, for_rate=True)

    monkeypatch.setenv(settings.ANSWER_TIME_VARIABLE, "0.5")
    server.on("/d", answer(body=gz(bytes(32 << 20)), Content_Encoding="gzip"))
    with pytest.raises(TransientVendorError, match=rf"still coming.*30 s, as {settings.ANSWER_TIME_VARIABLE} says"):
        client_of(server).download("POST", "/d", to=Place(to), inspector=Slow)
    assert (left_over(to), server.count("/d"), Slow.most) == ([], 1, 3)
