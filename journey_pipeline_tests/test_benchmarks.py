"""The benchmarks run and compare like with like, at sizes that measure nothing.

Not here: dlt, which only `make bench` installs. ijson is here for these tests.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.contenders.floor import parse as floor_parse
from benchmarks.contenders.polars_script import parse as polars_parse
from benchmarks.digests import digest
from benchmarks.export_vendor import Day
from benchmarks.growth import SHOWN, hours_before
from benchmarks.processes import ContenderError, run, serving
from benchmarks.task import COLUMNS
from journey_pipeline.model import Granularity, Window, floor
from journey_pipeline.sandbox.apsis.orders import read_profile_order
from journey_pipeline.sandbox.server import serve
from journey_pipeline.transport.retry import Limits
from journey_pipeline.vendors.apsis.client import ApsisClient
from journey_pipeline.vendors.apsis.orders import Account, profile_body
from journey_pipeline.vendors.apsis.profile_events.stream import ProfileEvents, profile_events_stream
from journey_pipeline.vendors.sfmc.journey_history.stream import DEFAULT_COLUMNS

pytestmark = pytest.mark.slow(reason="benchmarks run, if at small sizes")


def test_everyone_downloads_the_columns_that_the_pipeline_asks_for() -> None:
    assert tuple(COLUMNS) == DEFAULT_COLUMNS


def test_the_floor_and_the_pipeline_come_to_the_vendors_rows(tmp_path: Path) -> None:
    with serving(2, 200) as vendor:
        contenders = ("floor", "duckdb_script", "polars_script", "direct", "through_dagster")
        measured = {name: run(name, tmp_path / name, vendor.environment) for name in contenders}
    assert vendor.rows > 0
    assert {name: one.said["rows"] for name, one in measured.items()} == dict.fromkeys(contenders, vendor.rows)
    assert len({digest(*one.said["table"]) for one in measured.values()}) == 1
    assert (tmp_path / "floor" / "floor.duckdb").exists()
    assert (tmp_path / "through_dagster" / "journeys.duckdb").exists()


@pytest.mark.parametrize("parse", [floor_parse, polars_parse])
def test_a_name_that_looks_like_nothing_stays_a_name(parse: Callable[[bytes], Any]) -> None:
    names = ["null", "NA", "NaN", "#N/A", "x"]
    rows = [[name if column == "DefinitionName" else "" for column in COLUMNS] for name in names]
    rows = parse("\n".join(",".join(row) for row in [COLUMNS, *rows]).encode() + b"\n")
    assert list(rows["DefinitionName"].to_pylist() if parse is floor_parse else rows["DefinitionName"]) == names


def test_tables_that_differ_in_one_value_have_other_digests(tmp_path: Path) -> None:
    made = []
    for name in ("Welcome", "welcome"):
        file = tmp_path / f"{name}.duckdb"
        with duckdb.connect(file) as database:
            values = f"'1' as Id, '2026-11-20'::timestamptz as TransactionTime, '{name}' as DefinitionName"
            database.execute(f"create table events as select {values}, null as ContactKey, '' as ActivityName")
        made.append(digest(file, "events"))
    assert made[0] != made[1]


def test_an_hour_pulled_again_counts_once(tmp_path: Path) -> None:
    with serving(2, 50) as vendor:
        said = run("pulled_again", tmp_path, vendor.environment).said
    assert said["rows"] == vendor.rows
    assert said["first_s"] > 0 < said["again_s"]


def test_a_quick_question_is_answered_with_a_table_of_its_contenders() -> None:
    answer = CliRunner().invoke(main, ["normalizer", "--quick", "--no-dlt"])
    assert answer.exit_code == 0, answer.output
    assert "| normalizer_floor |" in answer.output
    assert "| normalizer |" in answer.output


def test_the_pipeline_orders_the_export_that_the_vendor_has_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    start = datetime(2026, 11, 18, tzinfo=UTC)
    day = Day(Window(start, start + timedelta(days=1)), rows_per_hour=1, profiles=0)
    with serve(day.world, options=day.options) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        account = Account(ApsisClient("apsis", limits=Limits(requests_per_s=1e9)))
        source = ProfileEvents(account, profile_events_stream("apsis", start))
        body = profile_body(source.plan(day.window), account.names)
        source.close()
    assert read_profile_order(json.dumps(body).encode()) == day.order


def _said(rows: Any) -> list[list[Any]]:
    """What both keep in `properties`; the pipeline also keeps times that are none."""
    told = (json.loads(text) for text in rows["properties"].to_pylist())
    return [[one.get(name) for name in ("section_id", "type_id", "correlation_id", "data")] for one in told]


def test_the_quick_question_of_the_export_is_answered_by_all_of_its_contenders_and_its_reader_equals_the_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = map(tmp_path.joinpath, ("whole way", "beside the peer"))
    monkeypatch.setattr("benchmarks.export.new_folder", lambda: nullcontext(next(homes)))
    answer = CliRunner().invoke(main, ["export", "--quick"])
    assert answer.exit_code == 0, answer.output
    for name in ("direct", "through_dagster", "floor", "reader", "ijson", "normalizer"):
        assert f"| export_{name} |" in answer.output
    reader, peer = (pq.read_table(tmp_path / f"beside the peer/{name}.parquet") for name in ("reader", "ijson"))
    assert reader.drop_columns("properties") == peer.drop_columns("properties")
    assert _said(reader) == _said(peer)
    (events,) = (tmp_path / "beside the peer/events").rglob("*.parquet")
    assert reader.num_rows > pq.read_metadata(events).num_rows > 0, "some come twice"


def test_what_grows_with_partitions_is_measured_beside_its_floors(tmp_path: Path) -> None:
    end = floor(datetime.now(UTC), Granularity.HOUR) - timedelta(hours=3)
    grown = run("growth", tmp_path, hours_before(end, 2), "1")
    assert set(SHOWN) <= set(grown.said["costs"])
    assert (grown.said["made"], grown.said["rows"]) == (2, (2 + 3) * 5)


def test_each_format_of_insider_is_measured_beside_csv_and_attributes_beside_none() -> None:
    answer = CliRunner().invoke(main, ["insider", "--quick"])
    assert answer.exit_code == 0, answer.output
    rows = re.findall(r"^\| (\w+) \| (\d+) \| [\d.]+ \|", answer.output, re.MULTILINE)
    assert rows == [("csv", "3"), ("parquet", "3"), ("json", "3"), ("ndjson", "3"), ("parquet", "0"), ("parquet", "10")]
    assert re.search(r"10 attributes cost [\d.]+ times the work without", answer.output)


def test_a_rolling_answer_is_measured_beside_its_new_day_and_on_disk() -> None:
    answer = CliRunner().invoke(main, ["rolling", "--quick"])
    assert answer.exit_code == 0, answer.output
    assert re.findall(r"^\| ([\d,]+) \| [\d.]+ \| [\d.]+ \|", answer.output, re.MULTILINE) == ["800"]
    assert re.findall(r"^\| (events|warehouse) \| \d", answer.output, re.MULTILINE) == ["events", "warehouse"]


def test_the_receiver_is_measured_while_others_hang_and_while_its_ledger_is_locked() -> None:
    answer = CliRunner().invoke(main, ["receiver", "--quick"])
    assert answer.exit_code == 0, answer.output
    assert len(re.findall(r"\d\.\d ms", answer.output)) == 4
    assert "| calls lost of 8 | 0 | 0 |" in answer.output


def test_a_contender_that_fails_says_how_it_ended(tmp_path: Path) -> None:
    with pytest.raises(ContenderError, match="BENCHMARK_START"):
        run("floor", tmp_path, {})


_PREPARING = """
from threading import Event
from benchmarks.vendor import stoppable
from journey_pipeline.sandbox.server import run

def ready(sandbox):
    with stoppable():
        print("preparing", flush=True)
        Event().wait()

run(on_ready=ready)
"""


def test_a_vendor_ends_at_sigterm_while_it_prepares() -> None:
    with subprocess.Popen([sys.executable, "-c", _PREPARING], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "preparing\n"
        process.terminate()
        assert process.wait() == 0
