"""What is promised of other programs is what is tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from journey_pipeline.settings import storage_version
from journey_pipeline_tests.clients.installed import FOLDER, installed, versions_of

ROOT = Path(__file__).parents[2]
PAGE = " ".join((ROOT / "docs/analysts.md").read_text().split())


def as_number(version: str) -> list[int]:
    return [int(part) for part in version.removeprefix("v").split(".")]


def test_the_page_for_analysts_promises_the_versions_that_are_tested() -> None:
    (duckdb,) = re.findall(r"\(tested: ([\d., ]+)\)", PAGE)
    assert duckdb.split(", ") == versions_of("duckdb")
    assert set(re.findall(r"DuckDB ([\d.]+) or later", PAGE)) == {versions_of("duckdb")[0]}
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    (others,) = re.findall(r"\(tested: (Spark[^)]+)\)", PAGE)
    spark = [f"Spark {version}" for version in versions_of("pyspark")]
    assert others.split(", ") == [*spark, f"polars {pinned['polars']}", f"pandas {pinned['pandas']}"]


def test_the_page_for_analysts_names_the_versions_of_tools_that_are_tested() -> None:
    rows = dict(re.findall(r"\| ([\w, ]+?) \| ([^|]+) \|", PAGE))
    assert rows["Python"].startswith(f"duckdb {', '.join(versions_of('duckdb'))} (each run of CI)")
    core = re.search(r"^dbt-core==(\S+)$", (FOLDER / "constraints.txt").read_text(), re.MULTILINE)
    assert core
    (dbt,), (pm4py,), (retentioneering,) = map(versions_of, ("dbt-duckdb", "pm4py", "retentioneering"))
    assert rows["dbt"] == f"dbt-core {core[1]} with dbt-duckdb {dbt} (each run of CI)"
    assert rows["PM4Py"] == f"{pm4py} (each run of CI)"
    assert rows["retentioneering"] == f"{retentioneering} (each run of CI)"


def test_the_oldest_promised_version_can_read_the_storage_version_and_none_is_older_than_it() -> None:
    versions = [as_number(version) for version in versions_of("duckdb")]
    assert versions == sorted(versions)
    assert as_number(storage_version()) <= versions[0]


def test_ci_installs_the_clients_before_it_tests() -> None:
    script = (ROOT / ".ci/run").read_text()
    assert script.index(" clients ") < script.index("make test")


@pytest.mark.parametrize(("where", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_program_that_is_not_installed_skips_a_test_and_fails_it_in_ci(
    monkeypatch: pytest.MonkeyPatch, where: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", where)
    with pytest.raises(outcome, match="make clients"):
        installed("duckdb", "0.0.1")
