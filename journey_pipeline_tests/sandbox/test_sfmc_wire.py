"""S19 to S21: how the bytes come."""

from __future__ import annotations

import csv
import gzip
import io
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from journey_pipeline.model import Window, iso
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.sfmc.envelope import RefusedError
from journey_pipeline.sandbox.sfmc.prepared import PreparedAnswers
from journey_pipeline.sandbox.sfmc.query import HistoryQuery
from journey_pipeline.sandbox.sfmc.rows import COLUMNS
from journey_pipeline.sandbox.world import World

ALL = ",".join(COLUMNS)


def test_gzip_comes_when_asked_for_and_plain_bytes_otherwise(caller: Any, asked: Any) -> None:
    packed = caller.download(asked, headers={"Accept-Encoding": "gzip, deflate"})
    plain = caller.download(asked, headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.content == plain.content == gzip.decompress(caller.raw_download(asked))


def test_the_body_is_chunked_and_carries_nothing_to_resume_or_revalidate(caller: Any, asked: Any) -> None:
    answer = caller.download(asked)
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert {"Content-Length", "ETag", "Last-Modified", "Accept-Ranges"}.isdisjoint(answer.headers)


def test_a_range_is_ignored(caller: Any, asked: Any) -> None:
    answer = caller.download(asked, headers={"Range": "bytes=100-"})
    assert answer.status_code == 200
    assert answer.content == caller.download(asked).content


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_the_length_can_be_promised(sandbox: Sandbox, caller: Any, asked: Any, encoding: str) -> None:
    sandbox.options.sfmc.transfer = "content_length"
    answer = caller.download(asked, headers={"Accept-Encoding": encoding}, stream=True)
    assert "Transfer-Encoding" not in answer.headers
    assert int(answer.headers["Content-Length"]) == len(answer.raw.read(decode_content=False))


def parsed(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_lines_end_as_configured_and_line_breaks_inside_stay(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    plain = caller.download(asked, columns=ALL).content
    assert b"\r" not in plain
    sandbox.options.sfmc.line_end = "crlf"
    answer = caller.download(asked, columns=ALL).content
    assert answer.count(b"\r\n") == len(parsed(answer)) + 1 < answer.count(b"\n")
    assert parsed(answer) == parsed(plain)


def test_a_byte_order_mark_comes_once(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    plain = caller.download(asked).content
    sandbox.options.sfmc.bom = True
    assert caller.download(asked).content == b"\xef\xbb\xbf" + plain


def test_the_content_type_can_be_another(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    sandbox.options.sfmc.content_type = "application/octet-stream"
    assert caller.download(asked).headers["Content-Type"] == "application/octet-stream"


def test_columns_can_come_in_another_order(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    before = caller.rows(asked, columns=ALL)
    sandbox.options.sfmc.column_order = "reversed"
    after = caller.rows(asked, columns=ALL)
    assert list(after[0]) == list(COLUMNS)[::-1]
    assert after == before


def test_a_column_that_nobody_asked_for_can_come(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    sandbox.options.sfmc.extra_column = "Brand.New"
    rows = caller.rows(asked, columns="Id,Status")
    assert list(rows[0]) == ["Id", "Status", "Brand.New"]
    assert {row["Brand.New"] for row in rows} == {"x"}


def test_the_oldest_row_can_come_first(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    before = caller.rows(asked, columns="Id,TransactionTime")
    sandbox.options.sfmc.row_order = "ascending"
    after = caller.rows(asked, columns="Id,TransactionTime")
    assert after == before[::-1]
    assert [row["TransactionTime"] for row in after] == sorted(row["TransactionTime"] for row in after)


@pytest.mark.parametrize("line_end", ["lf", "crlf"])
def test_the_last_line_can_lack_its_end(sandbox: Sandbox, caller: Any, asked: Any, line_end: Any) -> None:
    sandbox.options.sfmc.line_end = line_end
    whole = caller.download(asked).content
    sandbox.options.sfmc.final_newline = False
    assert caller.download(asked).content == whole.rstrip(b"\r\n") != whole


def test_only_what_needs_quotes_has_them(caller: Any, asked: Any) -> None:
    text = caller.download(asked, columns=ALL).content.decode()
    expected = io.StringIO(newline="")
    writer = csv.writer(expected, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerows(csv.reader(io.StringIO(text, newline="")))
    assert text == expected.getvalue()


def test_an_empty_hour_is_a_header_line_or_nothing(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    nobody = asked | {"contactKeys": ["nobody"]}
    assert caller.download(nobody, columns="Id,Status").content == b"Id,Status\n"
    sandbox.options.sfmc.empty_body = True
    answer = caller.download(nobody, columns="Id,Status")
    assert (answer.status_code, answer.content) == (200, b"")
    assert caller.rows(asked)


def test_the_same_bytes_come_again_and_from_several_calls_at_once(caller: Any, asked: Any) -> None:
    caller.login()
    with ThreadPoolExecutor(4) as pool:
        bodies = list(pool.map(lambda _: caller.raw_download(asked), range(8)))
    assert len(set(bodies)) == 1


def test_an_hour_can_be_prepared_and_is_then_served_as_it_lies(sandbox: Sandbox, caller: Any, hour: Window) -> None:
    before_bytes = sandbox.sfmc.answers.total_bytes
    sandbox.options.sfmc.final_newline = False  # as no other test has it
    rows = sandbox.sfmc.prepare([hour], columns=COLUMNS)
    prepared_bytes = sandbox.sfmc.answers.total_bytes
    assert len(caller.rows({"start": iso(hour.start), "end": iso(hour.end)}, columns=ALL)) == rows > 200
    assert sandbox.sfmc.answers.total_bytes == prepared_bytes > before_bytes


def test_prepared_answers_stay_below_their_bound(world: World, hour: Window, tmp_path: Path) -> None:
    answers = PreparedAnswers(world, tmp_path, most_bytes=60_000)
    start_ms = round(hour.start.timestamp() * 1000)
    for number in range(8):
        query = HistoryQuery(start_ms - number * 3_600_000, start_ms - (number - 1) * 3_600_000)
        answer = answers.get(query, now=hour.end, retention=timedelta(days=30))
        assert answer.path.exists()
    kept = list(tmp_path.iterdir())
    assert 0 < sum(file.stat().st_size for file in kept) == answers.total_bytes <= 60_000
    assert 1 < len(kept) < 8


@pytest.mark.slow(reason="a big hour is served")
def test_memory_stays_flat_while_a_big_hour_is_made_and_served(hour: Window) -> None:
    big = World(rows_per_hour=30_000, steady=True)
    with serve(big, clock=SandboxClock.frozen(hour.end + timedelta(days=2))) as sandbox:
        tracemalloc.start()
        try:
            rows = sandbox.sfmc.prepare([hour])
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert rows > 25_000
        # It takes 5 to 8 MB, by when the garbage collector passes. All events of the hour at once are 9 MB more.
        assert peak_bytes < 12_000_000


def test_answers_are_not_written_any_more_once_the_sandbox_is_closed(
    world: World, hour: Window, tmp_path: Path
) -> None:
    sandbox = Sandbox(world, clock=SandboxClock.frozen(hour.end), folder=tmp_path)
    sandbox.close()
    with pytest.raises(RefusedError, match="stopped"):
        sandbox.sfmc.prepare([hour])
    assert list(tmp_path.iterdir()) == []
