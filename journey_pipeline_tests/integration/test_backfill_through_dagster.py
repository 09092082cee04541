"""From the vendor over HTTP through the Dagster assets to the published file, and what the UI then knows."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import freeze_time

from journey_pipeline.components.instance import accepted_previews
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.runs import Runner
from journey_pipeline.components.translator import key_of
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import LandingManifest
from journey_pipeline.loading.checks import CLAIMS
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline_tests.integration.recorded import checks, materialization
from journey_pipeline_tests.integration.truth import ask, hours_ago, truth, warehouse_rows
from journey_pipeline_tests.projects import NOW

pytestmark = pytest.mark.slow(reason="hours go through Dagster")


def figure(metadata: dict[str, Any], name: str) -> int:
    value = metadata[name].value
    assert isinstance(value, int)
    return value


def test_a_range_of_hours_arrives_whole_in_the_published_warehouse(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, home: Path
) -> None:
    hours = hours_ago(9, 4)
    assert runner.load(assets, hours, pull=True, only_missing=True).succeeded
    assert runner.sync_warehouse() is not None
    assert warehouse_rows(home) == truth(sandbox, hours)
    assert len(truth(sandbox, hours)) > 100


def test_every_partition_has_its_own_checks_and_figures(runner: Runner, assets: LoadAssets) -> None:
    hours = hours_ago(9, 3)
    runner.load(assets, hours, pull=True, only_missing=True)
    for hour in hours:
        key = key_of(assets.partitions, hour)
        assert {name for name, given in checks(runner, assets, key).items() if given.passed} == set(CLAIMS)
        raw = materialization(runner, assets.raw, key)
        events = materialization(runner, assets.events, key)
        assert figure(raw, "dagster/partition_row_count") == figure(raw, "estimate") == figure(events, "landed") > 0
        assert figure(raw, "bytes") > 0
        parts = ("dagster/partition_row_count", "rejects", "duplicates")
        assert figure(events, "landed") == sum(figure(events, part) for part in parts)


def test_the_preview_shows_no_person(runner: Runner, assets: LoadAssets) -> None:
    (hour,) = hours_ago(5, 1)
    runner.load(assets, [hour], pull=True, only_missing=True)
    shown = materialization(runner, assets.events, key_of(assets.partitions, hour))["preview"]
    assert {name for record in shown.records for name in record.data} == {"journey_name", "channel", "action", "events"}


def test_marts_of_which_no_column_tells_of_a_person_show_ten_rows_and_all_columns_have_types(
    runner: Runner, assets: LoadAssets, home: Path
) -> None:
    runner.load(assets, hours_ago(9, 2), pull=True, only_missing=True)
    runner.sync_warehouse()
    shown = {}
    with accepted_previews():
        graph = runner.deployment.definitions.get_repository_def().asset_graph
    for key in graph.get_all_asset_keys():
        if key.path[0] not in {"marts", "warehouse"}:
            continue
        columns = graph.get(key).metadata["dagster/column_schema"].columns
        assert columns
        assert "unknown" not in {column.type for column in columns}, key
        record = runner.instance.get_latest_materialization_event(key)
        assert record is not None
        assert record.asset_materialization is not None
        if preview := record.asset_materialization.metadata.get("preview"):
            shown[key.path[-1]] = [dict(row.data) for row in preview.value.records]
    of_journeys = {"journey_daily", "journey_funnel", "journey_transitions", "journeys_now", "email_performance"}
    assert {"journey_daily", "journey_funnel"} <= set(shown) <= of_journeys
    assert len(shown["journey_daily"]) == 10
    people = {str(one) for row in ask(home, "select contact_id, person_id, email from core.contacts") for one in row}
    people |= {str(row[0]) for row in ask(home, "select distinct contact_id from core.journey_events")}
    assert len(people) > 10
    assert not people & {str(value) for rows in shown.values() for row in rows for value in row.values() if value}


def test_a_failed_hour_does_not_take_the_finished_ones_with_it(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, home: Path
) -> None:
    hours = hours_ago(9, 4)
    broken = hours[1]
    sandbox.faults.add(f"download:503#{broken.partition}")
    outcome = runner.load(assets, hours, pull=True, only_missing=True)
    assert not outcome.succeeded
    assert key_of(assets.partitions, broken) in outcome.says
    finished = {key_of(assets.partitions, hour) for hour in hours if hour != broken}
    assert runner.materialized(assets) == finished
    assert all(len(checks(runner, assets, key)) == len(CLAIMS) for key in finished)
    runner.sync_warehouse()
    assert warehouse_rows(home) == truth(sandbox, [hour for hour in hours if hour != broken])

    sandbox.faults.clear()
    sandbox.calls.clear()
    assert runner.load(assets, [broken], pull=True, only_missing=True).succeeded
    runner.sync_warehouse()
    assert warehouse_rows(home) == truth(sandbox, hours)
    assert sandbox.calls.count("download") == 1


def test_what_has_landed_is_not_asked_for_again(runner: Runner, assets: LoadAssets, sandbox: Sandbox) -> None:
    hours = hours_ago(6, 2)
    runner.load(assets, hours, pull=True, only_missing=True)
    sandbox.calls.clear()
    assert runner.load(assets, hours, pull=True, only_missing=True).succeeded
    assert sandbox.calls.count("download") == sandbox.calls.count("estimate") == 0


def test_events_are_made_again_from_the_landing_alone_with_the_same_bytes(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, lake: Lake
) -> None:
    (hour,) = hours_ago(6, 1)
    runner.load(assets, [hour], pull=True, only_missing=True)
    file = lake.events_file(assets.stream.key, hour.partition)
    before = file.read_bytes()
    sandbox.calls.clear()
    assert runner.load(assets, [hour], pull=False, only_missing=False).succeeded
    assert file.read_bytes() == before
    assert len(sandbox.calls) == 0


def test_late_rows_are_there_after_the_hour_is_asked_again(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, home: Path, lake: Lake
) -> None:
    (hour,) = hours_ago(1, 1)
    now = sandbox.clock.now()
    sandbox.clock.freeze(hour.end + timedelta(minutes=1))
    runner.load(assets, [hour], pull=True, only_missing=True)
    early = truth(sandbox, [hour])
    sandbox.clock.freeze(now + timedelta(days=2))
    assert runner.load(assets, [hour], pull=True, only_missing=False).succeeded
    runner.sync_warehouse()
    assert len(early) < len(warehouse_rows(home))
    assert warehouse_rows(home) == truth(sandbox, [hour])
    manifest = LandingManifest.read(lake.landing_manifest(assets.stream.key, hour.partition))
    assert manifest is not None
    assert [attempt.superseded for attempt in manifest.attempts] == [True, False]


def test_an_hour_the_vendor_no_longer_keeps_is_refused_without_a_request(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, lake: Lake
) -> None:
    (hour,) = hours_ago(30 * 24 + 2, 1)
    outcome = runner.load(assets, [hour], pull=True, only_missing=True)
    assert not outcome.succeeded
    assert "can no longer be downloaded" in outcome.says
    assert sandbox.calls.count("download") == sandbox.calls.count("estimate") == 0
    assert not lake.landing_dir(assets.stream.key, hour.partition).exists()


def test_an_hour_that_expires_while_its_run_waits_is_left_out_and_fails_nothing(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, lake: Lake
) -> None:
    gone, kept = hours_ago(30 * 24 - 1, 2)
    with freeze_time(NOW - timedelta(hours=1)):  # when the run is asked for
        outcome = runner.load(assets, [gone, kept], pull=True, only_missing=True)
    assert outcome.succeeded
    assert runner.materialized(assets) == {key_of(assets.partitions, kept)}
    assert sandbox.calls.count("download") == 1
    assert not lake.landing_dir(assets.stream.key, gone.partition).exists()


def test_a_drifting_estimate_warns_and_does_not_fail(runner: Runner, assets: LoadAssets, sandbox: Sandbox) -> None:
    (hour,) = hours_ago(1, 1)
    sandbox.options.sfmc.estimate_drift_rows = -50
    assert runner.load(assets, [hour], pull=True, only_missing=True).succeeded
    given = checks(runner, assets, key_of(assets.partitions, hour))["rows_match_estimate"]
    assert (given.passed, given.severity) == (False, dg.AssetCheckSeverity.WARN)


def test_fewer_rows_than_the_estimate_of_a_settled_hour_are_an_error(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox
) -> None:
    (hour,) = hours_ago(48, 1)
    sandbox.options.sfmc.estimate_drift_rows = 1
    runner.load(assets, [hour], pull=True, only_missing=True)
    given = checks(runner, assets, key_of(assets.partitions, hour))["rows_match_estimate"]
    assert (given.passed, given.severity) == (False, dg.AssetCheckSeverity.ERROR)


def test_wrong_credentials_cost_one_token_request_and_name_the_variables(
    runner: Runner, assets: LoadAssets, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFMC_CLIENT_SECRET", "hush-hush-wrong")
    outcome = runner.load(assets, hours_ago(6, 3), pull=True, only_missing=True)
    assert not outcome.succeeded
    assert "SFMC_CLIENT_SECRET" in outcome.says
    assert "hush-hush-wrong" not in outcome.says
    assert sandbox.calls.count("token") == 1


def test_a_missing_variable_is_named(runner: Runner, assets: LoadAssets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SFMC_CLIENT_ID")
    outcome = runner.load(assets, hours_ago(6, 1), pull=True, only_missing=True)
    assert not outcome.succeeded
    assert "SFMC_CLIENT_ID not set" in outcome.says


def test_names_and_versions_of_journeys_come_from_the_vendors_list(
    runner: Runner, assets: LoadAssets, home: Path
) -> None:
    runner.load(assets, hours_ago(9, 2), pull=True, only_missing=True)
    pulled = runner.pull_dimensions("sfmc")
    assert pulled is not None
    assert pulled.succeeded, pulled.says
    runner.sync_warehouse()
    assert ask(home, "select count(*) from core.journeys where version is not null")[0][0] > 10
    assert ask(home, "select max(version) from core.journeys")[0][0] > 1
    unknown = "select count(*) from core.journey_events anti join core.journeys using (connection, journey_id)"
    assert ask(home, unknown) == [(0,)]
