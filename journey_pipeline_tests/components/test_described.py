"""Settings as people see them who write YAML: described in the schema, and refused with the form to write."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import ValidationError

from journey_pipeline import components
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.connections.project import read_connections
from journey_pipeline.connections.sfmc import SfmcConnection
from journey_pipeline.errors import ConfigError
from journey_pipeline.vendors.sfmc.journey_history.stream import Filters
from journey_pipeline_tests.projects import make_project

COMPONENTS = [getattr(components, name) for name in components.__all__]
OURS = {"ToleranceSettingsModel", "SfmcFiltersModel"}


@pytest.mark.parametrize("component", COMPONENTS, ids=components.__all__)
def test_each_setting_has_its_description_in_the_schema(component: type[dg.Component]) -> None:
    model = component.get_model_cls()
    assert model
    schema = model.model_json_schema()
    ours = [schema, *(schema["$defs"][name] for name in OURS & schema.get("$defs", {}).keys())]
    assert [name for one in ours for name, setting in one["properties"].items() if "description" not in setting] == []


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"connection": "Brand B"}, "write it in lower case with letters, digits and _, a letter first"),
        ({"start": "yesterday"}, 'write it as "2026-11-01-00:00", in quotes, UTC'),
        ({"start": 20261101}, 'write it as "2026-11-01-00:00", in quotes, UTC'),
    ],
)
def test_a_setting_of_another_form_is_refused_with_the_form(setting: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        SfmcConnection(**{"start": "2026-11-01-00:00", **setting})


def test_a_status_that_the_vendor_is_not_known_to_have_is_refused() -> None:
    assert Filters(statuses=["failed", "Complete"]).statuses == ["failed", "Complete"]
    with pytest.raises(ValidationError, match=r"complete\|failed"):
        Filters(statuses=["Faled"])


def test_a_tolerance_that_does_not_exist_is_refused_by_commands_as_by_dagster() -> None:
    with pytest.raises(ValidationError, match="new_colum"):
        SfmcConnection(start="2026-11-01-00:00", tolerance={"new_colum": "keep"})


def test_two_connections_of_one_name_are_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_project(tmp_path, "sfmc", "sfmc_again", package="twice")
    file = folder / "twice/defs/sfmc_again/defs.yaml"
    file.write_text(file.read_text().replace("connection: sfmc_again", "connection: sfmc"))
    monkeypatch.syspath_prepend(folder)
    assert read_connections(folder) is None
    with pytest.raises(ConfigError, match=r"2 connections are called sfmc\. Give each a name of its own"):
        _ = load_deployment(folder).connections


def test_dagster_still_drops_the_descriptions_as_the_page_of_its_faults_shows() -> None:
    """Once this fails, Dagster has been mended, and `Described.model` can go."""
    page = (Path(__file__).parents[2] / "docs/dagster-faults.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(code, {"__name__": "shop"})  # noqa: S102 - the page's own
