"""The Components work from a Dagster project that only installs the package, and explain a wrong file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from journey_pipeline_tests.crash.commands import Ended
from journey_pipeline_tests.projects import make_project

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


def test_a_new_file_loads_and_has_variables_and_all_settings_as_comments(another_project: Path, dg_in: Dg) -> None:
    for component in ("SfmcJourneyHistory", "InsiderExports"):
        made = dg_in(another_project, "scaffold", "defs", f"journey_pipeline.components.{component}", component.lower())
        assert made.code == 0, made.out + made.err
    text = (another_project / "shop/defs/insiderexports/defs.yaml").read_text()
    assert "INSIDEREXPORTS_REQUEST_TOKEN" in text
    assert "  # lookback_days: 7\n" in text
    checked = dg_in(another_project, "check", "defs")
    assert checked.code == 0, checked.out + checked.err


def test_of_two_files_of_one_type_a_mistake_in_either_is_found_by_check_defs(another_project: Path, dg_in: Dg) -> None:
    """`dg check yaml` looks at one of them alone: see docs/dagster-faults.md."""
    for wrong in ("brand_a", "brand_c"):
        make_project(another_project, "brand_b", "brand_a", "brand_c")
        file = another_project / f"shop/defs/{wrong}/defs.yaml"
        file.write_text(f"{file.read_text()}  nonsense: 1\n")
        checked = dg_in(another_project, "check", "defs")
        assert checked.code != 0
        assert "nonsense" in checked.out + checked.err


@pytest.mark.parametrize(
    ("wrong", "command", "explained"),
    [
        ("  nonsense: 1\n", "yaml", "'nonsense' was unexpected"),
        ("  columns: some\n", "defs", "columns"),
        ("  filters: {status: [Failed]}\n", "yaml", "attributes.filters.status Additional properties are not allowed"),
        ("  filters: {statuses: [Faled]}\n", "yaml", "'Faled' does not match '(?i)^(complete|failed)$'"),
        (
            "  tolerance: {rejects_share: 2}\n",
            "yaml",
            "tolerance.rejects_share 2 is greater than the maximum of 1",
        ),
        ("  owners: [1]\n", "yaml", "1 is not of type 'string'"),
        ("  start: yesterday\n", "yaml", "attributes.start 'yesterday' does not match '^[0-9]{4}-"),
        ("  connection: Brand B\n", "yaml", "attributes.connection 'Brand B' does not match '^[a-z]"),
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
