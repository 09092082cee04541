"""Dagster's SQLite files stay open while a step records: seen in the log file that the last one to close folds away."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import dagster as dg
import pytest
from alembic.script import ScriptDirectory

from journey_pipeline.components.instance import accepted_previews, history_kept_open, open_instance
from journey_pipeline.components.translator import RANGE_END, RANGE_START

WRITTEN_AT = {"create_timestamp", "migration_completed"}
DAYS = dg.DailyPartitionsDefinition("2026-11-01", timezone="UTC")


def test_an_event_leaves_the_log_beside_the_history_until_the_step_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("JOURNEY_PIPELINE_HOME", str(tmp_path))
    with open_instance() as instance:
        instance.add_dynamic_partitions("windows", ["before"])
        assert not list(tmp_path.rglob("index.db-wal"))
        with history_kept_open(instance):
            instance.add_dynamic_partitions("windows", ["during"])
            assert list(tmp_path.rglob("index.db-wal"))
        assert not list(tmp_path.rglob("index.db-wal"))
        assert set(instance.get_dynamic_partitions("windows")) == {"before", "during"}


def test_a_history_that_is_not_in_sqlite_is_left_alone() -> None:
    with dg.DagsterInstance.ephemeral() as instance, history_kept_open(instance):
        instance.add_dynamic_partitions("windows", ["one"])
        assert instance.get_dynamic_partitions("windows") == ["one"]


def test_migrations_of_dagster_are_read_once_however_many_files_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_again(_: object) -> None:
        raise AssertionError("the migrations are read again")

    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("JOURNEY_PIPELINE_HOME", str(tmp_path))
    with open_instance() as instance, history_kept_open(instance):
        monkeypatch.setattr(ScriptDirectory, "_load_revisions", read_again)
        for run_id in ("one", "two"):
            assert instance.all_logs(run_id) == []
    assert {"one.db", "two.db"} <= {file.name for file in tmp_path.rglob("*.db")}


def _loading() -> dg.AssetsDefinition:
    """A step over a range of days, one of which is bad; its second check is of no partition."""

    @dg.multi_asset(
        specs=[dg.AssetSpec("days")],
        can_subset=True,
        partitions_def=DAYS,
        check_specs=[
            dg.AssetCheckSpec("is_whole", asset="days", partitions_def=DAYS),
            dg.AssetCheckSpec("is_fine", asset="days"),
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def days(context: dg.AssetExecutionContext) -> Iterator[object]:
        for day in [*context.partition_keys, "2026-11-02", "2026-12-24"]:  # one twice, and one that is not planned
            evaluation = dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey("days"),
                check_name="is_whole",
                passed=day != "2026-11-03",
                metadata={"rows": 3, "says": "a “word”"},
                partition=day,
            )
            context.log_event(evaluation)
            context.log.info("%s", day)
        yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True, check_name="is_fine")])

    return days


def _rows(folder: Path) -> dict[tuple[str, str], list[object]]:
    """What is in the tables of a history, without the time at which a row was written."""
    found: dict[tuple[str, str], list[object]] = {}
    for file in folder.rglob("*.db"):
        with closing(sqlite3.connect(file)) as database:
            tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
            for table in tables:
                columns = [column[1] for column in database.execute(f"pragma table_info({table})")]
                kept = ", ".join(f'"{column}"' for column in columns if column not in WRITTEN_AT)
                found[file.name, table] = database.execute(f"select {kept} from {table} order by 1").fetchall()
    return found


def test_a_history_that_is_kept_open_holds_what_dagster_writes_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = {RANGE_START: "2026-11-01", RANGE_END: "2026-11-04"}
    with accepted_previews(), dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize([_loading()], instance=instance, tags=tags)
        events = [record.event_log_entry for record in instance.get_records_for_run(run.run_id).records]
    assert run.success
    for name in ("alone", "kept"):
        monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / name))
        with (
            open_instance() as instance,
            history_kept_open(instance) if name == "kept" else nullcontext(),
        ):
            for event in events:
                instance.event_log_storage.store_event(event)
    alone, kept = _rows(tmp_path / "alone"), _rows(tmp_path / "kept")
    assert len(alone["index.db", "asset_check_executions"]) == 10
    assert kept == alone
