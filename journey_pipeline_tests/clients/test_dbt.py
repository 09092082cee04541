"""A team with dbt builds models of its own on the published file, and tests its keys, by the written `sources.yml`."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from journey_pipeline.cli.commands import cli
from journey_pipeline.warehouse.dictionary import dictionary
from journey_pipeline_tests.clients.installed import ask, installed, versions_of
from journey_pipeline_tests.warehouse.made_lake import rows_of

pytestmark = [pytest.mark.xdist_group("clients"), pytest.mark.slow(reason="a home of all vendors is loaded")]

ENTERED = """
select journey_root_id, entered_on, count(*) as entered
from {} where entry_is_known and status <> 'refused'
group by all
"""
# dbt_utils is not in the package index: this is its test, without its options.
UNIQUE = """
{% test unique_combination_of_columns(model, combination_of_columns) %}
select {{ combination_of_columns | join(', ') }} from {{ model }} group by all having count(*) > 1
{% endtest %}
"""
FILES = {
    "dbt_project.yml": "{name: ours, version: '1.0', profile: ours}",
    "packages.yml": "packages: [{local: dbt_utils}]",
    "dbt_utils/dbt_project.yml": "{name: dbt_utils, version: '1.0'}",
    "dbt_utils/macros/unique.sql": UNIQUE,
    "models/entered.sql": ENTERED.format("{{ source('marts', 'journey_enrolments') }}"),
}
PROFILE = """
ours:
  target: local
  outputs:
    local: {type: duckdb, path: ours.duckdb, attach: [{path: %s, alias: journeys, read_only: true}]}
"""


@pytest.fixture
def project(home: Path, tmp_path: Path) -> Path:
    for name, text in {**FILES, "profiles.yml": PROFILE % (home / "journeys.duckdb")}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    written = CliRunner().invoke(cli, ["docs", "--out", str(tmp_path / "docs")])
    assert written.exit_code == 0, written.output
    (tmp_path / "docs/sources.yml").rename(tmp_path / "models/sources.yml")
    return tmp_path


@pytest.mark.parametrize("version", versions_of("dbt-duckdb"))
def test_dbt_builds_a_model_on_the_sources_and_finds_every_key_unique(home: Path, project: Path, version: str) -> None:
    told = ask("ask_dbt.py", {"folder": str(project)}, installed("dbt-duckdb", version))
    assert told["version"] == version
    tables = [table for tables in dictionary().values() for table in tables if not table.arguments]
    assert told["built"].pop("entered") == "success"
    assert list(told["built"].values()) == ["pass"] * len(tables)
    assert told["fresh"].keys() == {"days"}
    assert told["fresh"]["days"] != "runtime error"
    with duckdb.connect(project / "ours.duckdb") as session:
        session.execute(f"attach '{home / 'journeys.duckdb'}' as journeys (read_only)")
        made = session.execute("from entered order by all").fetchall()
    assert made == rows_of(home / "journeys.duckdb", ENTERED.format("marts.journey_enrolments") + "order by all")
    assert made
