"""Wrong credentials, a missing variable, a home that can't be written: what is said, and what still works."""

from __future__ import annotations

from pathlib import Path

import pytest

from journey_pipeline.components.instance import use_dagster_home
from journey_pipeline.errors import ConfigError, LakeError, PermanentVendorError, WarehouseError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.partition import make_events
from journey_pipeline.loading.plan import State, survey
from journey_pipeline_tests.bad_input.bad_vendor import (
    HOUR,
    NEXT_HOUR,
    NOW,
    SECRET,
    STREAM,
    TOKEN,
    BadVendor,
    Line,
    assert_says,
    row,
    table,
)
from journey_pipeline_tests.transport.flaky_server import json

GOOD = table([row(1), row(2)])


@pytest.mark.parametrize("status", [400, 401, 403])
def test_wrong_credentials_cost_one_token_request_for_all_hours_and_name_the_variables(
    line: Line, vendor: BadVendor, status: int
) -> None:
    refusal = {"error": "invalid_client", "error_description": f"wrong secret {SECRET}"}
    vendor.server.on(TOKEN, json(refusal, status))
    outcomes = line.load(HOUR, NEXT_HOUR)
    for outcome in outcomes:
        assert isinstance(outcome.error, PermanentVendorError)
        assert_says(outcome.error, "(token)", f"answered {status}", "SFMC_CLIENT_ID", "SFMC_CLIENT_SECRET")
    assert vendor.server.count(TOKEN) == 1
    assert len(vendor.server.seen) == 1
    vendor.server.on(TOKEN, json({"access_token": "token-of-4711"}))
    vendor.gives(GOOD, rows=2)
    line.arrived()


@pytest.mark.parametrize("name", ["SFMC_AUTH_URL", "SFMC_REST_URL", "SFMC_CLIENT_ID", "SFMC_CLIENT_SECRET"])
@pytest.mark.parametrize("value", [None, "  "])
def test_a_missing_variable_is_named_and_nothing_is_asked(
    line: Line, vendor: BadVendor, monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    for outcome in line.load(HOUR, NEXT_HOUR):
        assert isinstance(outcome.error, ConfigError)
        assert_says(
            outcome.error, "connection sfmc can't be used", f"{name} not set", ".env", "journey-pipeline doctor sfmc"
        )
    assert vendor.server.seen == []


def test_without_its_variables_what_has_landed_is_still_normalized_synced_and_surveyed(
    line: Line, vendor: BadVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.gives(GOOD, rows=2)
    line.load()
    for name in vendor.environment():
        monkeypatch.delenv(name)
    make_events(line.lake, STREAM, HOUR, line.settings)
    line.sync()
    assert line.ids_in_warehouse() == ["id-1", "id-2"]
    assert survey(line.lake, STREAM, HOUR, NOW).windows(State.COMPLETE) == [HOUR]
    (kept,) = line.load(again=False)
    assert kept.error is None


def test_a_home_that_can_not_be_made_is_named_by_every_step(
    line: Line, vendor: BadVendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    line.lake = Lake(in_the_way / "home")
    vendor.gives(GOOD, rows=2)
    (outcome,) = line.load()
    assert isinstance(outcome.error, LakeError)
    assert_says(outcome.error, str(line.lake.home), "can't be written", "JOURNEY_PIPELINE_HOME")
    with pytest.raises(WarehouseError, match="can't be written") as refused:
        line.sync()
    assert_says(refused.value, str(line.lake.home), "JOURNEY_PIPELINE_HOME")
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("JOURNEY_PIPELINE_HOME", str(line.lake.home))
    with pytest.raises(ConfigError, match="can't be written"):
        use_dagster_home()
    in_the_way.unlink()
    line.arrived()
