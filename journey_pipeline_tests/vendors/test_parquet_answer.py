"""A Parquet file lands as it came, so that a reader can seek in it; what is none lands nowhere."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journey_pipeline.errors import ContractError, TransientVendorError
from journey_pipeline.transport.client import HttpClient
from journey_pipeline.transport.response import Downloaded, Place
from journey_pipeline.transport.retry import Limits, no_waiting
from journey_pipeline.vendors.parquet_answer import ParquetInspector
from journey_pipeline_tests.transport.flaky_server import FlakyServer, Piece, answer, chunked, close, head


def parquet(rows: int = 2000) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"iid": list(range(rows)), "name": ["x" * 20] * rows}), file)
    return file.getvalue()


FILE = parquet()


@pytest.fixture
def server() -> Iterator[FlakyServer]:
    server = FlakyServer()
    yield server
    server.close()


@dataclass
class Load:
    """Downloads the file to a folder."""

    server: FlakyServer
    folder: Path

    def __call__(self, *, resumes: bool = False) -> Downloaded:
        limits = Limits(requests_per_s=1e9, concurrency=8)
        client = HttpClient(
            vendor="acme", connection="acme_pq", base_url=self.server.url, limits=limits, chunk_bytes=999
        )
        with no_waiting(), client:
            return client.download(
                "GET",
                "/file",
                to=Place(self.folder / "part-0.parquet"),
                inspector=ParquetInspector,
                packed=False,
                resumes=resumes,
            )


@pytest.fixture
def load(server: FlakyServer, tmp_path: Path) -> Load:
    return Load(server, tmp_path)


@pytest.mark.parametrize(
    "came",
    [answer(200, FILE), chunked(FILE[:10], FILE[10:]), answer(200, gzip.compress(FILE), Content_Encoding="gzip")],
    ids=["plain", "in chunks", "compressed on the way"],
)
def test_it_lies_as_a_reader_wants_it_whatever_way_it_came(came: list[Piece], server: FlakyServer, load: Load) -> None:
    server.on("/file", came)
    got = load()
    assert got.path.read_bytes() == FILE
    assert (got.bytes, got.raw_bytes) == (len(FILE), len(FILE))
    assert (got.inspector.rows, got.inspector.columns) == (2000, ("iid", "name"))


def test_one_that_was_cut_off_goes_on_from_its_bytes(server: FlakyServer, load: Load) -> None:
    size, tag = len(FILE), {"ETag": '"v1"'}
    rest = {"Content_Range": f"bytes 3000-{size - 1}/{size}", **tag}
    server.on("/file", [head(Content_Length=str(size), **tag) + FILE[:3000], close], answer(206, FILE[3000:], **rest))
    got = load(resumes=True)
    assert server.seen[1].headers["range"] == "bytes=3000-"
    assert (got.path.read_bytes(), got.inspector.rows) == (FILE, 2000)


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        (FILE[:-5], TransientVendorError, "was cut off"),
        (FILE[:6], TransientVendorError, "was cut off"),
        (FILE[:-8] + b"\xff\xff\xff\x7fPAR1", ContractError, "table of contents can't be read"),
        (b"<html><title>Sorry</title></html>", ContractError, "an HTML page .Sorry. came in place of a Parquet file"),
        (b'{"message": "not ready"}', ContractError, "a JSON error .message: not ready. came"),
        (b"a,b\n1,2\n" * 500, ContractError, "^[^,]*something else came in place of a Parquet file"),
    ],
)
def test_what_is_no_whole_parquet_file_lands_nowhere(
    body: bytes, error: type[Exception], says: str, server: FlakyServer, load: Load
) -> None:
    server.on("/file", answer(200, body))
    with pytest.raises(error, match=says):
        load()
    assert list(load.folder.iterdir()) == []
