"""`docs`: what it writes is what the warehouse is, and the page of the repository is what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from journey_pipeline.cli.commands import cli
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import warehouse_file
from journey_pipeline.warehouse.dictionary import TYPES, dictionary, types_of
from journey_pipeline_tests.new_home import put_warehouse
from journey_pipeline_tests.warehouse.made_lake import rows_of

PAGE = Path(__file__).parents[2] / "docs/tables.md"

pytestmark = pytest.mark.xdist_group("docs")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The text of each file that the command writes, by its name."""
    folder = tmp_path_factory.mktemp("docs") / "new"
    ended = CliRunner().invoke(cli, ["docs", "--out", str(folder)])
    assert ended.exit_code == 0, ended.output
    assert ended.output.splitlines() == [str(folder / name) for name in FILES]
    return {file.name: file.read_text() for file in folder.iterdir()}


FILES = ["core.md", "marts.md", "ops.md", "tables.md", "tables.json", "sources.yml", "settings.md"]


@pytest.mark.parametrize("page", ["tables.md", "settings.md"])
def test_the_page_of_the_repository_is_what_the_command_writes(written: dict[str, str], page: str) -> None:
    assert PAGE.with_name(page).read_text() == written[page], (
        f"run `journey-pipeline docs --out /tmp/pages` and copy {page} to docs/"
    )


def test_dagster_is_told_the_same_types_without_making_the_tables() -> None:
    assert types_of(dictionary()) == TYPES.read_text(), "write what `types_of(dictionary())` gives to that file"


def test_columns_types_and_comments_are_those_of_the_warehouse(written: dict[str, str], tmp_path: Path) -> None:
    sql = """
        select schema_name || '.' || table_name, column_name, data_type, comment
        from duckdb_columns() where schema_name in ('core', 'marts', 'ops') order by all
    """
    there = rows_of(warehouse_file(Lake(put_warehouse(tmp_path / "home"))), sql)
    tables = json.loads(written["tables.json"])
    told = sorted(
        (table["table"], column["name"], column["type"], column["comment"])
        for table in tables
        if table["kind"] != "macro"
        for column in table["columns"]
    )
    assert told == there
    assert all(set(table["key"]) <= {column["name"] for column in table["columns"]} for table in tables)
    assert [table["table"] for table in tables if not table["key"]] == []


def test_dbt_finds_every_table_with_its_key_and_tells_from_the_horizon_how_fresh_it_is(written: dict[str, str]) -> None:
    sources = {source["name"]: source for source in yaml.safe_load(written["sources.yml"])["sources"]}
    tables = {f"{name}.{one['name']}": one for name, source in sources.items() for one in source["tables"]}
    assert tables.keys() == {table["table"] for table in json.loads(written["tables.json"]) if table["kind"] != "macro"}
    (unique,) = tables["marts.journey_enrolments"]["data_tests"]
    assert unique == {
        "dbt_utils.unique_combination_of_columns": {
            "arguments": {"combination_of_columns": ["connection", "enrolment_id"]}
        }
    }
    assert [(name, one["loaded_at_field"]) for name, one in tables.items() if "freshness" in one] == [
        ("ops.days", "horizon")
    ]
    assert "columns" in tables["core.contacts"]


def test_each_page_is_also_a_part_of_the_page_of_all(written: dict[str, str]) -> None:
    for schema in ("core", "marts", "ops"):
        rows = [line for line in written[f"{schema}.md"].splitlines() if line.startswith("| `")]
        assert rows
        assert set(rows) <= set(written["tables.md"].splitlines())
