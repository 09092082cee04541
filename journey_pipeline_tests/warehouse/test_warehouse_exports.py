from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.turns import listed, shown
from journey_pipeline.loading.lists import list_exports
from journey_pipeline.model import EXPORT_COLUMNS
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.exports.made_orders import ADDRESS, MINUTE, NOW, made_ready, queue, requested, wanted
from journey_pipeline_tests.warehouse.made_lake import MadeLake, dump, events, rows_of

pytestmark = pytest.mark.slow(reason="a warehouse is made in each test")

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger' / 'exports.db'}"


def held(made: MadeLake, columns: str = "*") -> list[tuple[Any, ...]]:
    return rows_of(warehouse_file(made.lake), f"select {columns} from ops.exports order by export_id")


def test_analysts_see_what_the_ledger_shows_and_nothing_secret(made: MadeLake, url: str) -> None:
    with open_ledger(url) as ledger:
        for day in range(3):
            wanted(ledger, day)
        made_ready(ledger)
        requested(ledger)
        assert list_exports(made.lake, url)
        sync(made.lake, SMALL)
        assert held(made) == [tuple(shown(export).values()) for export in listed(ledger, with_ended=True)]
    assert [state for (state,) in held(made, "state")] == ["ready", "pending", "wanted"]
    for file in (made.lake.export_listing, warehouse_file(made.lake)):
        assert b"s3cr3t" not in file.read_bytes()
    assert "s3cr3t" in ADDRESS


def test_the_table_has_the_columns_of_the_listing_with_their_comments(made: MadeLake) -> None:
    sync(made.lake, SMALL)
    described = rows_of(
        warehouse_file(made.lake),
        "select column_name, comment from duckdb_columns() where schema_name = 'ops' and table_name = 'exports' "
        "order by column_index",
    )
    assert described == [(column.name, column.comment) for column in EXPORT_COLUMNS]


def test_without_a_ledger_the_table_is_empty_and_no_ledger_is_made(made: MadeLake, url: str, tmp_path: Path) -> None:
    assert not list_exports(made.lake, url)
    sync(made.lake, SMALL)
    assert held(made) == []
    assert not (tmp_path / "ledger").exists()
    assert not made.lake.export_listing.exists()


def test_a_listing_is_written_again_only_if_it_is_another(made: MadeLake, url: str) -> None:
    with open_ledger(url) as ledger:
        wanted(ledger)
        assert list_exports(made.lake, url)
        before = made.lake.export_listing.stat()
        assert not list_exports(made.lake, url)
        assert made.lake.export_listing.stat().st_mtime_ns == before.st_mtime_ns
        wanted(ledger, 1)
        assert list_exports(made.lake, url)


def test_a_sync_takes_the_listing_as_it_is_now_and_a_rebuild_makes_the_same(made: MadeLake, url: str) -> None:
    made.put("2026-11-01T05", events([1]))
    with open_ledger(url) as ledger:
        wanted(ledger)
        list_exports(made.lake, url)
        sync(made.lake, SMALL)
        made_ready(ledger)
        list_exports(made.lake, url)
    report = sync(made.lake, SMALL)
    assert (report.unchanged, held(made, "state")) == (1, [("ready",)])
    synced = dump(made.lake)
    rebuild(made.lake, SMALL)
    assert dump(made.lake) == synced


def test_what_a_ledger_said_that_is_gone_goes_only_if_asked(made: MadeLake, url: str, tmp_path: Path) -> None:
    with open_ledger(url) as ledger:
        wanted(ledger)
    list_exports(made.lake, url)
    sync(made.lake, SMALL)
    (tmp_path / "ledger" / "exports.db").unlink()
    assert list_exports(made.lake, url)
    sync(made.lake, SMALL)
    assert len(held(made)) == 1
    sync(made.lake, replace(SMALL, remove=True))
    assert held(made) == []


def test_a_ledger_that_cannot_be_read_leaves_the_table_as_it_was_and_says_so(
    made: MadeLake, url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_ledger(url) as ledger:
        wanted(ledger)
    list_exports(made.lake, url)
    sync(made.lake, SMALL)
    for leftover in (tmp_path / "ledger").iterdir():
        leftover.write_bytes(b"no database at all, but long enough to be taken for one" * 100)
    with caplog.at_level(logging.WARNING):
        assert not list_exports(made.lake, url)
    assert "ops.exports stays as it was" in caplog.text
    sync(made.lake, SMALL)
    assert held(made, "state") == [("wanted",)]


@pytest.mark.parametrize("damage", ["no JSON", "no listing", "no times"])
def test_a_damaged_listing_is_named_and_written_again_by_the_next_one(made: MadeLake, url: str, damage: str) -> None:
    with open_ledger(url) as ledger:
        wanted(ledger)
    list_exports(made.lake, url)
    sync(made.lake, SMALL)
    path = made.lake.export_listing
    good = path.read_bytes()
    if damage == "no times":
        document = json.loads(good)
        document["exports"][0]["wanted_at"] = "noon"
        path.write_text(json.dumps(document))
    else:
        path.write_bytes(b"{" if damage == "no JSON" else b'{"exports": 7}')
    (broken,) = sync(made.lake, SMALL).broken
    assert broken.path == "exports/ledger.json"
    assert held(made, "state") == [("wanted",)]
    assert list_exports(made.lake, url)
    assert path.read_bytes() == good
    assert sync(made.lake, SMALL).broken == ()


def test_an_export_that_has_landed_stays_in_the_table(made: MadeLake, url: str) -> None:
    with open_ledger(url) as ledger:
        export = wanted(ledger)
        made_ready(ledger)
        collection = queue(ledger, NOW + 10 * MINUTE).lease_to_fetch(export.id)
        assert collection is not None
        queue(ledger, NOW + 10 * MINUTE).landed(collection)
    list_exports(made.lake, url)
    sync(made.lake, SMALL)
    assert held(made, "state, due_at, landed_at") == [("landed", None, NOW + 10 * MINUTE)]
