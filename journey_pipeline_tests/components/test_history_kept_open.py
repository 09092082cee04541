"""Dagster's SQLite files stay open while a step records: seen in the log file that the last one to close folds away."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from alembic.script import ScriptDirectory

from journey_pipeline.components.instance import history_kept_open, open_instance


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
