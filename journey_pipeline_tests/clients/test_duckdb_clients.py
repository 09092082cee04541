"""The versions of DuckDB that are promised to read the published file find in it what this one finds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from journey_pipeline_tests.clients.installed import ask, installed, versions_of

pytestmark = [
    pytest.mark.xdist_group("clients"),
    pytest.mark.slow(reason="a home of all vendors is loaded, and other versions of DuckDB are started"),
]

ROOT = Path(__file__).parents[2]
BUSIEST = """(
    select journey_root_id from marts.journey_funnel where journey_version is not null
    order by reached desc, journey_root_id limit 1
)"""
VERSION = f"(select {{}}(journey_version) from marts.journey_funnel where journey_root_id = {BUSIEST})"
PAGES = [(ROOT / name).read_text() for name in ("README.md", "docs/analysts.md")]
QUESTIONS = [
    *(question for page in PAGES for question in re.findall(r"journey-pipeline query \"(.+?)\"", page)),
    "select event_key, occurred_at, properties ->> '$.id', properties from core.journey_events where action = 'enter'",
    "select date_trunc('hour', occurred_at) as hour, count(*) from core.journey_events group by all",
    f"from marts.funnel({BUSIEST}, ['EMAILV2-1', 'WAIT-1'])",
    f"select * exclude (seconds_mean) from marts.step_times({BUSIEST})",
    f"from marts.people({BUSIEST})",
    "from marts.email_rates()",
    f"from marts.funnel_of_versions({BUSIEST}, {VERSION.format('min')}, {VERSION.format('max')})",
]


@pytest.fixture(scope="module")
def question(home: Path) -> dict[str, Any]:
    return {"file": str(home / "journeys.duckdb"), "questions": QUESTIONS}


@pytest.fixture(scope="module")
def truth(question: dict[str, Any]) -> dict[str, Any]:
    """What the version finds that wrote the file."""
    found: dict[str, Any] = ask("ask_duckdb.py", question)
    return found


def test_the_file_has_rows_comments_and_answers(truth: dict[str, Any]) -> None:
    filled = {table for table, rows in truth["rows"].items() if rows}
    assert {"core.journey_events", "core.profile_attributes", "core.journeys", "marts.journey_daily"} <= filled
    assert {"ops.rejects", "ops.partitions", "ops.exports"} <= filled
    assert all(comment not in {"None", ""} for *_, comment in truth["comments"] + truth["column_comments"])
    assert len(QUESTIONS) == len(truth["answers"]) > 3
    assert [question for question, rows in truth["answers"].items() if not rows] == []


@pytest.mark.parametrize("version", versions_of("duckdb"))
def test_a_promised_version_finds_every_table_column_comment_and_row(
    question: dict[str, Any], truth: dict[str, Any], version: str
) -> None:
    found = ask("ask_duckdb.py", question, installed("duckdb", version))
    assert found.pop("version") == version
    for part, content in found.items():
        assert content == truth[part], part
