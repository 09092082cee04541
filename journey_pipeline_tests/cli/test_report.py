"""`report` and `proof`: pages of a home that the simulated vendors filled."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from journey_pipeline.components.reports import report_definitions
from journey_pipeline.components.translator import Translator
from journey_pipeline.settings import CLOCK_OFFSET_VARIABLE
from journey_pipeline_tests.cli.terminal import Terminal
from journey_pipeline_tests.projects import NOW

pytestmark = pytest.mark.slow(reason="a terminal that loads")

DAY = f"{NOW - timedelta(days=2):%Y-%m-%d}"


@pytest.fixture(scope="module")
def loaded(terminal: Terminal) -> Terminal:
    refused = terminal("report")
    assert (refused.code, "nothing is published yet" in refused.err) == (2, True)
    done = terminal("backfill", "sfmc", "--from", f"{DAY}T05", "--to", f"{DAY}T09")
    assert done.code == 0, done.err
    return terminal


def asked(terminal: Terminal, sql: str) -> list[dict[str, str]]:
    done = terminal("query", sql, "--format", "csv")
    assert done.code == 0, done.err
    return list(csv.DictReader(io.StringIO(done.out)))


def data_of(file: Path) -> dict[str, Any]:
    found = re.search(r'id="data">(.*?)</script>', file.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def rows_of(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(part["columns"], row, strict=True)) for row in part["rows"]]


@pytest.fixture(scope="module")
def busiest(loaded: Terminal) -> dict[str, str]:
    """The journey that most entered."""
    (row,) = asked(
        loaded,
        "select journey_root_id as root, any_value(journey_name) as name, count(*) as entered "
        "from marts.journey_enrolments where entry_is_known and status <> 'refused' "
        "group by 1 order by 3 desc, 1 limit 1",
    )
    return row


@pytest.fixture(scope="module")
def page(loaded: Terminal, busiest: dict[str, str]) -> Path:
    """Its page."""
    done = loaded("report", busiest["root"], "--timezone", "Europe/Stockholm")
    assert done.code == 0, done.err
    return Path(done.out.strip())


def test_a_page_has_the_figures_of_the_marts(page: Path, busiest: dict[str, str]) -> None:
    data = data_of(page)
    assert data["wrong"] == []
    assert data["figures"][0][:2] == ["Entered", busiest["entered"]]
    parts = {part["title"]: part for part in data["parts"]}
    flow, reached, days = parts["Flow"], parts["Steps reached"], parts["By day of entry"]
    emails, clock = parts["E-mails"], parts["By weekday and hour"]
    failures, loaded_days = parts["Failures by code"], parts["Completeness"]
    assert rows_of(reached)[0]["reached"] == int(busiest["entered"])
    assert sum(move["moves"] for move in rows_of(flow) if move["from step"] == "entered") == int(busiest["entered"])
    assert sum(day["entered"] for day in rows_of(days)) == int(busiest["entered"])
    # 05:00 to 09:00 UTC, in November
    assert {cell["hour"] for cell in rows_of(clock)} <= {6, 7, 8, 9}
    assert all(part["plot"] for part in (flow, reached, days, clock))
    assert sum(mail["sent"] for mail in rows_of(emails)) > 0
    assert {mail["opened"] for mail in rows_of(emails)} == {None}  # Salesforce does not tell
    (day,) = rows_of(loaded_days)
    assert (day["stream"], day["day"], day["hours landed"]) == ("journey_history", DAY, 4)
    assert failures["columns"] == ["code", "action", "reason", "events"]


# Journeys that have two versions alone, or one split with two outcomes.
VERSIONS = """
    select journey_root_id as root, min(journey_version) as one, max(journey_version) as other
    from marts.journey_funnel where activity_id = 'entered' and reached > 0
    group by 1 having count(distinct journey_version) = 2
"""
VARIANTS = """
    with splits as (
        select journey_root_id as root, step_key as split, min(outcome) as one, max(outcome) as other
        from marts.enrolment_steps where action = 'decide' and is_let_in
        group by 1, 2 having count(distinct outcome) = 2
    )
    from splits where root in (select root from splits group by 1 having count(*) = 1)
"""


@pytest.mark.parametrize(
    ("title", "macro", "sides"),
    [
        ("Two versions", "marts.funnel_of_versions('{root}', {one}, {other})", VERSIONS),
        ("Two variants", "marts.funnel_of_variants('{root}', '{split}', '{one}', '{other}')", VARIANTS),
    ],
)
def test_a_page_lays_two_versions_and_two_variants_side_by_side(
    loaded: Terminal, title: str, macro: str, sides: str, tmp_path: Path
) -> None:
    chosen = asked(loaded, f"from ({sides}) order by root limit 1")[0]
    assert loaded("report", chosen["root"], "--out", str(tmp_path / "two.html")).code == 0
    part = next(part for part in data_of(tmp_path / "two.html")["parts"] if part["title"] == title)
    expected = asked(loaded, f"from {macro.format(**chosen)}")
    assert part["plot"]
    assert sorted((row["step"], row["reached one"], row["reached other"]) for row in rows_of(part)) == sorted(
        (row["step_key"], int(row["reached_one"]), int(row["reached_other"])) for row in expected
    )


def test_the_sql_on_a_page_gives_its_table(loaded: Terminal, page: Path) -> None:
    for part in data_of(page)["parts"]:
        assert len(asked(loaded, part["sql"])) == part["all"], part["sql"]


def test_a_page_holds_no_person(loaded: Terminal, page: Path) -> None:
    keys = [
        row["contact_id"]
        for row in asked(loaded, "select distinct contact_id from core.journey_events where length(contact_id) > 6")
    ]
    text = page.read_text(encoding="utf-8")
    data = text[text.index('id="data">') :]
    data = data[: data.index("</script>")]
    assert len(keys) > 20
    assert not [key for key in keys if key in data]
    assert not re.search(r"[\w.]+@[\w.]+\.\w", data)


def test_a_page_is_small_and_the_same_when_it_is_made_again(loaded: Terminal, page: Path, tmp_path: Path) -> None:
    before = page.read_bytes()
    assert len(before) < 1_000_000
    root = json.dumps(data_of(page)["head"][0])
    name = root.split(", ")[1].rstrip('."')
    again = loaded("report", f"sfmc/{name}", "--timezone", "Europe/Stockholm", "--out", str(tmp_path / "again.html"))
    assert again.code == 0, again.err
    assert (tmp_path / "again.html").read_bytes() == before


def test_a_file_of_an_earlier_version_is_refused_with_what_to_do(loaded: Terminal, tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "journeys.duckdb") as earlier:
        earlier.sql("create schema marts; create table marts.journey_daily (day date)")
    refused = loaded("report", JOURNEY_PIPELINE_HOME=str(tmp_path))
    assert (refused.code, "`journey-pipeline sync` publishes it anew" in refused.err) == (2, True)
    asked_of = loaded("query", "from marts.journey_enrolments", JOURNEY_PIPELINE_HOME=str(tmp_path))
    assert asked_of.code == 1
    assert asked_of.err.splitlines()[0].endswith(
        "another version published the file: `journey-pipeline sync` publishes it anew."
    )
    mistyped = loaded("query", "from marts.enrolments")
    assert 'Did you mean "enrolment_steps"?' in mistyped.err
    assert "another version" not in mistyped.err


def test_days_of_entry_can_be_chosen(loaded: Terminal, busiest: dict[str, str], tmp_path: Path) -> None:
    out = str(tmp_path / "chosen.html")
    assert loaded("report", busiest["root"], "--to", DAY, "--out", out).code == 0
    data = data_of(tmp_path / "chosen.html")
    assert data["figures"][0][1] == "0"
    assert f"to {DAY}, excluded. Nothing entered on these days." in " ".join(data["head"])


def test_without_a_journey_all_are_listed(loaded: Terminal, tmp_path: Path) -> None:
    done = loaded("report", "--out", str(tmp_path / "all.html"))
    assert done.code == 0, done.err
    (journeys,) = data_of(tmp_path / "all.html")["parts"]
    known = asked(loaded, "select distinct connection, journey_root_id from marts.journey_enrolments")
    assert {(row["connection"], row["root"]) for row in rows_of(journeys)} == {
        (row["connection"], row["journey_root_id"]) for row in known
    }


def test_an_unknown_journey_or_time_zone_is_refused_with_near_names(loaded: Terminal, busiest: dict[str, str]) -> None:
    wanted = " ".join(busiest["name"].split())[:-1]
    unknown = loaded("report", wanted)
    assert unknown.code == 2
    assert f"no journey is called {wanted!r}; near: " in unknown.err
    zone = loaded("report", "--timezone", "Europe/Stokholm")
    assert zone.code == 2
    assert "near: 'Europe/Stockholm'" in zone.err


def test_the_asset_writes_the_pages_and_shows_their_funnels(
    loaded: Terminal, busiest: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNEY_PIPELINE_HOME", str(loaded.home))
    (reports,) = report_definitions(Translator(frozenset(), ()), []).assets or ()
    assert isinstance(reports, dg.AssetsDefinition)
    config = {"ops": {"reports": {"config": {"journeys": [busiest["root"]]}}}}
    (made,) = dg.materialize([reports], run_config=config).asset_materializations_for_node("reports")
    assert made.metadata["pages"].value == 1
    assert Path(str(made.metadata["index"].value)) == loaded.home / "reports/index.html"
    thumbnail = base64.b64decode(str(made.metadata["funnels"].value).partition("base64,")[2].rstrip(")"))
    assert busiest["entered"] in thumbnail.decode()


def test_a_process_of_its_own_says_nothing_at_its_end(loaded: Terminal) -> None:
    command = [sys.executable, "-m", "journey_pipeline.cli.main", "query", "select 1 as one", "--format", "csv"]
    environment = {**os.environ, "JOURNEY_PIPELINE_HOME": str(loaded.home)}
    done = subprocess.run(command, env=environment, cwd=loaded.folder, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("one\n1\n", "")


def proven(terminal: Terminal, *arguments: str, **changes: str) -> tuple[int, list[dict[str, str]], dict[str, Any]]:
    """What a proof ends with, its CSV and its page."""
    done = terminal("proof", *arguments, **changes)
    page = Path(done.out.splitlines()[1])
    return done.code, list(csv.DictReader(io.StringIO(page.with_suffix(".csv").read_text()))), data_of(page)


def test_a_proof_has_each_partition_from_estimate_to_warehouse(loaded: Terminal) -> None:
    code, rows, page = proven(loaded, "sfmc", "--to", f"{DAY}T09")
    assert code == 0
    assert [row["partition"] for row in rows] == [f"{DAY}T0{hour}" for hour in (5, 6, 7, 8)]
    for row in rows:
        assert int(row["estimate"]) == int(row["landed"]) > 0
        assert int(row["landed"]) == int(row["events"]) + int(row["rejected"]) + int(row["repeated"])
        (file,) = loaded.home.glob(f"raw/sfmc/journey_history/{row['partition']}/*/part-0*")
        assert row["checksums"].endswith(f"{file.name}:{hashlib.sha256(file.read_bytes()).hexdigest()}")
    (counted,) = asked(loaded, "select count(*) as events from core.journey_events")
    assert sum(int(row["in_warehouse"]) for row in rows) == int(counted["events"])
    assert page["head"][1] == "Nothing is missing, and all totals agree."
    assert page["parts"][2]["title"] == "What is not guaranteed"


def test_a_proof_names_what_is_missing_and_how_long_it_can_be_had(loaded: Terminal) -> None:
    code, rows, page = proven(loaded, "--from", f"{DAY}T04", "--to", f"{DAY}T09")
    assert code == 1
    assert [row["state"] for row in rows] == ["missing", *["complete"] * 4]
    assert float(rows[0]["hours_left"]) > 24 * 20
    assert page["wrong"] == ["1 partition is missing or disagrees."]


@pytest.mark.parametrize(("later", "code", "gaps"), [(0, 0, 0), (4, 0, 0), (6, 1, 2)])
def test_a_proof_takes_a_partition_for_missing_only_once_it_is_late(
    loaded: Terminal, later: int, code: int, gaps: int
) -> None:
    at = datetime.fromisoformat(f"{DAY}T09:30Z") + timedelta(hours=later)
    offset = {CLOCK_OFFSET_VARIABLE: str((at - datetime.now(UTC)).total_seconds())}
    found, rows, _ = proven(loaded, "sfmc", **offset)
    assert (found, [row["state"] for row in rows]) == (code, ["complete"] * 4 + ["missing"] * gaps)


def test_a_proof_does_not_hold_where_lake_and_warehouse_differ(loaded: Terminal, tmp_path: Path) -> None:
    copy = loaded.with_copy(tmp_path / "home")
    for file in (copy.home / "events/sfmc/journey_history").glob(f"{DAY}T06*"):
        file.unlink()
    code, rows, page = proven(copy, "sfmc", "--to", f"{DAY}T09")
    assert code == 1
    assert [row["partition"] for row in rows if row["says"]] == [f"{DAY}T06"]
    assert any("sfmc/journey_history" in said for said in page["wrong"])
