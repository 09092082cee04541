"""The Components work from a Dagster project that only installs the package, and explain a wrong file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from journey_pipeline_tests.crash.commands import Ended

pytestmark = pytest.mark.slow(reason="each test starts Dagster's command in a project of its own")

Dg = Callable[..., Ended]


def test_the_assets_of_a_connection_appear_in_another_project(another_project: Path, dg_in: Dg) -> None:
    listed = dg_in(another_project, "list", "defs", "--json")
    assert listed.code == 0, listed.err
    keys = {asset["asset_key"] for asset in json.loads(listed.out)["assets"]}
    assert {
        "raw/brand_b/journey_history",
        "events/brand_b/journey_history",
        "dimensions/brand_b/journeys",
        "warehouse/journey_events",
        "marts/journey_daily",
    } <= keys


def test_yaml_and_definitions_of_another_project_pass_their_checks(another_project: Path, dg_in: Dg) -> None:
    checked = dg_in(another_project, "check", "defs")
    assert checked.code == 0, checked.out + checked.err


def test_components_are_listed_with_what_they_do(another_project: Path, dg_in: Dg) -> None:
    listed = dg_in(another_project, "list", "components")
    assert "journey_pipeline.components.SfmcJourneyHistory" in listed.out
    assert "Salesforce Marketing Cloud: journey history, hour by hour." in listed.out
    assert "journey_pipeline.components.JourneyWarehouse" in listed.out


@pytest.mark.parametrize(
    ("wrong", "command", "explained"),
    [
        ("  nonsense: 1\n", "yaml", "'nonsense' was unexpected"),
        ("  columns: some\n", "defs", "columns"),
        ("  filters: {status: [Failed]}\n", "yaml", "filters"),
        ("  start: yesterday\n", "defs", "2026-11-01-00:00"),
        ("  connection: Brand B\n", "defs", "connection"),
        ("  translation: {groop: shop}\n", "yaml", "translation"),
    ],
)
def test_a_wrong_file_is_explained(another_project: Path, dg_in: Dg, wrong: str, command: str, explained: str) -> None:
    file = another_project / "shop/defs/brand_b/defs.yaml"
    name = wrong.partition(":")[0]
    kept = [line for line in file.read_text().splitlines(keepends=True) if not line.startswith(f"{name}:")]
    file.write_text("".join(kept) + wrong)
    checked = dg_in(another_project, "check", command)
    assert checked.code != 0
    assert explained in checked.out + checked.err
    assert "defs.yaml" in checked.out + checked.err
