"""The benchmarks run and compare like with like, at sizes that measure nothing.

Not here: dlt, which only `make bench` installs.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.processes import ContenderError, run, serving
from benchmarks.task import COLUMNS
from journey_pipeline.vendors.sfmc.recipe import DEFAULT_COLUMNS


def test_everyone_downloads_the_columns_that_the_pipeline_asks_for() -> None:
    assert tuple(COLUMNS) == DEFAULT_COLUMNS


def test_the_floor_and_the_pipeline_come_to_the_vendors_rows(tmp_path: Path) -> None:
    with serving(2, 200) as vendor:
        contenders = ("floor", "direct", "through_dagster")
        measured = {name: run(name, tmp_path / name, vendor.environment) for name in contenders}
    assert vendor.rows > 0
    assert {name: one.said["rows"] for name, one in measured.items()} == dict.fromkeys(contenders, vendor.rows)
    assert (tmp_path / "floor" / "floor.duckdb").exists()
    assert (tmp_path / "through_dagster" / "journeys.duckdb").exists()


def test_a_quick_question_is_answered_with_a_table_of_its_contenders() -> None:
    answer = CliRunner().invoke(main, ["normalizer", "--quick", "--no-dlt"])
    assert answer.exit_code == 0, answer.output
    assert "| normalizer_floor |" in answer.output
    assert "| normalizer |" in answer.output


def test_a_contender_that_fails_says_how_it_ended(tmp_path: Path) -> None:
    with pytest.raises(ContenderError, match="BENCHMARK_START"):
        run("floor", tmp_path, {})
