"""What the lake lacks of what is loaded: a disk that is not mounted empties nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from journey_pipeline.errors import WarehouseError
from journey_pipeline.lake.documents import DriftReport, ExportListing, put_listing, write_report
from journey_pipeline.lake.layout import Lake
from journey_pipeline.model import EXPORT_COLUMNS, StreamKey
from journey_pipeline.warehouse.connection import WarehouseSettings, published_file, warehouse_file
from journey_pipeline.warehouse.equality import compare_with_lake
from journey_pipeline.warehouse.publish import publish
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.warehouse.made_lake import (
    INSIDER,
    MIDNIGHT,
    SFMC,
    MadeLake,
    assert_is_as_in_the_model,
    dump,
    events,
    held_events,
    rows_of,
)

pytestmark = pytest.mark.slow(reason="a warehouse is made in each test")

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0)
ASKED = replace(SMALL, remove=True)
HOURS = [f"2026-11-01T{hour:02}" for hour in range(8)]


def put_hours(made: MadeLake, stream: StreamKey = SFMC, first_key: int = 0) -> None:
    for number, hour in enumerate(HOURS):
        made.put(hour, events([first_key + number]), stream)


def empty(made: MadeLake) -> None:
    shutil.rmtree(made.lake.events_root)
    made.lake.events_root.mkdir()


def test_an_empty_events_folder_empties_no_warehouse(made: MadeLake) -> None:
    put_hours(made)
    sync(made.lake, SMALL)
    before = dump(made.lake)
    empty(made)
    report = sync(made.lake, SMALL)
    assert report.removed == 0
    (said,) = report.broken
    assert str(said).startswith("events/sfmc/journey_history: 8 of 8 ")
    assert "journey-pipeline sync --remove" in str(said)
    assert dump(made.lake) == before
    assert any("--remove" in problem for problem in compare_with_lake(made.lake, SMALL).problems)
    assert sync(made.lake, ASKED).removed == 8
    assert held_events(made.lake) == {}


def test_what_is_new_is_loaded_while_what_is_gone_is_kept(made: MadeLake) -> None:
    put_hours(made)
    put_hours(made, INSIDER, first_key=100)
    sync(made.lake, SMALL)
    truth = dict(made.files)
    for hour in HOURS[:7]:
        made.remove(hour)
    made.put("2026-11-02T00", events([50, 0], attempt="20991101T060000Z-aa"))
    made.put(HOURS[0], events([100, 101], attempt="20991101T060000Z-aa"), INSIDER)
    report = sync(made.lake, SMALL)
    assert (report.added, report.replaced, report.removed) == (1, 1, 0)
    made.files = truth | made.files
    assert_is_as_in_the_model(made)


def test_files_that_come_back_are_as_if_they_had_never_been_gone(made: MadeLake) -> None:
    put_hours(made)
    sync(made.lake, SMALL)
    before = dump(made.lake)
    made.lake.events_root.rename(made.lake.home / "elsewhere")
    made.lake.events_root.mkdir()
    assert sync(made.lake, SMALL).broken
    made.lake.events_root.rmdir()
    (made.lake.home / "elsewhere").rename(made.lake.events_root)
    assert sync(made.lake, SMALL).broken == ()
    assert dump(made.lake) == before


def test_a_handful_of_partitions_that_are_gone_go(made: MadeLake) -> None:
    put_hours(made)
    sync(made.lake, SMALL)
    for hour in HOURS[:5]:
        made.remove(hour)
    report = sync(made.lake, SMALL)
    assert (report.removed, report.broken) == (5, ())
    assert_is_as_in_the_model(made)


def test_the_only_partition_of_a_stream_goes_only_if_asked(made: MadeLake) -> None:
    put_hours(made)
    made.put("2026-11-01", events([100]), INSIDER)
    sync(made.lake, SMALL)
    made.remove("2026-11-01", INSIDER)
    assert sync(made.lake, SMALL).removed == 0
    assert sync(made.lake, ASKED).removed == 1
    assert_is_as_in_the_model(made)


def other_layout(file: Path) -> None:
    with duckdb.connect(file) as session:
        session.execute("update internal.state set layout = '0-old'")


def unopenable(file: Path) -> None:
    file.write_bytes(b"nothing of a database" * 1000)


def test_a_warehouse_is_not_made_anew_of_an_empty_lake_unless_asked(made: MadeLake) -> None:
    put_hours(made)
    sync(made.lake, SMALL)
    publish(made.lake, SMALL)
    empty(made)
    file = warehouse_file(made.lake)
    assert_is_not_made_anew(made, rebuild)
    for damage in (other_layout, unopenable, Path.unlink):
        damage(file)
        assert_is_not_made_anew(made, sync)
    assert_is_not_made_anew(made, rebuild)
    assert rows_of(published_file(made.lake), "select count(*) from core.journey_events") == [(8,)]
    assert rebuild(made.lake, ASKED).removed == 8
    assert held_events(made.lake) == {}


def assert_is_not_made_anew(made: MadeLake, make: Callable[[Lake, WarehouseSettings], object]) -> None:
    file = warehouse_file(made.lake)
    was = file.read_bytes() if file.exists() else b""
    with pytest.raises(WarehouseError, match=r"8 of 8 .*Nothing has changed.*rebuild --remove"):
        make(made.lake, SMALL)
    assert (file.read_bytes() if file.exists() else b"") == was
    assert not list(made.lake.home.glob("warehouse.rebuilding*"))


def test_a_rebuild_does_not_lose_what_can_not_be_read_now(made: MadeLake) -> None:
    put_hours(made)
    sync(made.lake, SMALL)
    before = dump(made.lake)
    for hour in HOURS[:6]:
        made.lake.events_file(SFMC, hour).write_bytes(b"no parquet")
    with pytest.raises(WarehouseError, match=r"6 of 8 .*2026-11-01T00.parquet.*normalize"):
        rebuild(made.lake, SMALL)
    assert dump(made.lake) == before


def test_dimensions_drift_and_exports_that_are_gone_are_kept_too(made: MadeLake) -> None:
    put_hours(made)
    made.put_dimension("journeys", [{"journey_id": "J-1", "journey_name": "Welcome"}])
    for day in range(8):
        write_report(
            made.lake,
            DriftReport(
                vendor="sfmc",
                connection="sfmc",
                stream="journey_history",
                swept_at=MIDNIGHT + timedelta(days=day),
                asked=1,
                compared=0,
            ),
        )
    export = dict.fromkeys(column.name for column in EXPORT_COLUMNS) | {"export_id": 1}
    put_listing(made.lake, ExportListing(exports=(export,)))
    sync(made.lake, SMALL)
    before = dump(made.lake)
    shutil.rmtree(made.lake.drift_root)
    shutil.rmtree(made.lake.dimensions_root)
    put_listing(made.lake, None)
    kept = ["dimensions/sfmc", "drift/sfmc/journey_history", "exports/ledger.json"]
    assert sorted(broken.path for broken in sync(made.lake, SMALL).broken) == kept
    assert dump(made.lake) == before
    with pytest.raises(WarehouseError, match=r"dimensions/sfmc: 1 of 1 .*drift/.*8 of 8 .*exports/"):
        rebuild(made.lake, SMALL)
    assert sync(made.lake, ASKED).broken == ()
    assert rows_of(warehouse_file(made.lake), "select count(*) from ops.exports") == [(0,)]
