"""A link to a store that is not ours: moto's S3 gives the file, with its own signature, ranges and ETags."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from journey_pipeline.model import Window
from journey_pipeline.transport.response import Place
from journey_pipeline.transport.retry import no_waiting
from journey_pipeline.vendors.insider.client import InsiderClient
from journey_pipeline.vendors.insider.user_events.stream import Choice, UserEvents, user_events_stream
from journey_pipeline.vendors.judges import judge_of
from journey_pipeline.vendors.source import Plan, Ticket
from journey_pipeline_tests.vendors.made_insider import as_format
from journey_pipeline_tests.vendors.test_insider_recipe import ENTER

pytestmark = pytest.mark.slow(reason="moto is imported, which takes seconds")

DAY = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
PARTNER = "acmeshop"
BODY = as_format("csv", list(ENTER), [[*list(ENTER.values())[:-1], f"17a.{number}"] for number in range(5_000)])
CUT_AT = 100_000


@dataclass
class Cutter:
    """Passes connections on to a port; of the first answer only the beginning.

    Attributes:
        heads: The head of each request.
    """

    behind: int
    heads: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                ours, _ = self.listener.accept()
            except OSError:
                return
            with ours, socket.create_connection(("127.0.0.1", self.behind)) as theirs:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += ours.recv(65_536)
                self.heads.append(head)
                theirs.sendall(head.replace(b"keep-alive", b"close"))
                left = CUT_AT if len(self.heads) == 1 else len(BODY) * 2
                while left > 0 and (piece := theirs.recv(min(left, 65_536))):
                    ours.sendall(piece)
                    left -= len(piece)


@pytest.fixture
def cutter() -> Iterator[Cutter]:
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - it takes seconds of each process that only collects

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    try:
        cutter = Cutter(port)
        yield cutter
        cutter.listener.close()
    finally:
        server.stop()


def test_a_presigned_file_of_s3_is_judged_fetched_and_goes_on_after_a_break_with_range_and_etag(
    cutter: Cutter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3  # noqa: PLC0415 - likewise
    from botocore.config import Config  # noqa: PLC0415 - likewise

    given = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "s3cr3t", "region_name": "eu-west-1"}
    signed = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    straight = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{cutter.behind}", config=signed, **given)
    straight.create_bucket(Bucket=PARTNER, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    key = "p/2026-03-02T02:14:09.482113907Z.csv"
    straight.put_object(Bucket=PARTNER, Key=key, Body=BODY)
    public = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{cutter.port}", config=signed, **given)
    link = public.generate_presigned_url("get_object", {"Bucket": PARTNER, "Key": key}, ExpiresIn=86_400)
    environment = {
        "URL": f"http://127.0.0.1:{cutter.port}",
        "PARTNER_NAME": PARTNER,
        "REQUEST_TOKEN": "ucd-key",
        "SEGMENT_ID": "1",
        "WEBHOOK_URL": "https://example.com/hooks",
        "DOWNLOAD_HOSTS": f"http://127.0.0.1:{cutter.port}",
    }
    for name, value in environment.items():
        monkeypatch.setenv(f"INSIDER_{name}", value)
    judged = judge_of("insider", "insider")({"url": link}, datetime.now(UTC))
    assert (judged.breaks, judged.link) == ("", link)
    source = UserEvents(InsiderClient("insider"), user_events_stream("insider", DAY.start), Choice())
    with no_waiting():
        part = source.fetch(
            Ticket(poll_address=link), Plan(DAY, {}), Place(tmp_path / "part-0.csv.gz", evidence=tmp_path / "evidence")
        )
    source.close()
    assert (part.rows, part.raw_bytes) == (5_000, len(BODY))
    first, second = cutter.heads
    assert b"Range:" not in first
    assert b"Range: bytes=" in second
    assert f'If-Match: "{hashlib.md5(BODY, usedforsecurity=False).hexdigest()}"'.encode() in second
