"""What a project's `translation` changes of its assets, and that everything that names them follows."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from journey_pipeline.components.deployment import Deployment, load_deployment
from journey_pipeline.components.runs import Runner
from journey_pipeline.components.translator import key_of
from journey_pipeline.loading.checks import claims_of
from journey_pipeline_tests.integration.recorded import checks
from journey_pipeline_tests.integration.truth import hours_ago
from journey_pipeline_tests.projects import make_project

pytestmark = pytest.mark.slow(reason="an hour goes through Dagster")

OF_CONNECTION = """
  translation:
    key_prefix: shop
    group_name: "{{ data.vendor }}_{{ data.role }}"
    owners: ["team:history"]
    tags: {name: "{{ data.name }}"}
    kinds: [file]
"""
BY_FUNCTION = """
  translation: "{{ as_we_name_it(spec, data) }}"
template_vars_module: translated_shop.naming
"""
NAMING = """
import dagster as dg

@dg.template_var
def as_we_name_it():
    def name(spec, data):
        return spec.replace_attributes(key=["web", data.role, data.name or data.connection], group_name="web")

    return name
"""
OF_WAREHOUSE = """attributes:
  translation:
    key: "tables/{{ data.name }}"
    group_name: "{{ 'tables' if data.role == 'warehouse' else spec.group_name }}"
"""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = make_project(
        tmp_path_factory.mktemp("translated"), "sfmc", "apsis", "layerfive", package="translated_shop"
    )
    (folder / "translated_shop/naming.py").write_text(NAMING)
    for name, added in {"sfmc": OF_CONNECTION, "layerfive": BY_FUNCTION, "warehouse": OF_WAREHOUSE}.items():
        file = folder / f"translated_shop/defs/{name}/defs.yaml"
        file.write_text(file.read_text() + added)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield load_deployment(folder)


@pytest.fixture(scope="module")
def specs(deployment: Deployment) -> dict[str, dg.AssetSpec]:
    made = [each for each in deployment.definitions.assets or () if isinstance(each, dg.AssetsDefinition)]
    return {spec.key.to_user_string(): spec for definition in made for spec in definition.specs}


def test_a_translation_decides_keys_groups_kinds_owners_and_tags(specs: dict[str, dg.AssetSpec]) -> None:
    of_sfmc = {
        "shop/raw/sfmc/journey_history",
        "shop/events/sfmc/journey_history",
        "shop/dimensions/sfmc/journeys",
        "shop/dimensions/sfmc/activities",
        "shop/reconciliation/sfmc/journey_history",
        "shop/leftovers/sfmc",
    }
    assert {key for key in specs if "sfmc" in key} == of_sfmc
    events = specs["shop/events/sfmc/journey_history"]
    assert (events.group_name, events.owners, events.kinds) == ("sfmc_events", ["team:history"], {"file"})
    assert events.tags["name"] == "journey_history"
    assert {"raw/apsis/profile_events", "requests/apsis/profile_events", "leftovers/apsis"} < set(specs)


def test_a_function_of_the_project_may_decide(specs: dict[str, dg.AssetSpec]) -> None:
    of_layerfive = {key: spec for key, spec in specs.items() if key.startswith("web/")}
    assert set(of_layerfive) == {"web/raw/customer_journeys", "web/events/customer_journeys", "web/leftovers/layerfive"}
    assert {spec.group_name for spec in of_layerfive.values()} == {"web"}
    assert [dep.asset_key for dep in of_layerfive["web/events/customer_journeys"].deps] == [
        of_layerfive["web/raw/customer_journeys"].key
    ]


def test_what_names_a_translated_asset_follows_it(deployment: Deployment, specs: dict[str, dg.AssetSpec]) -> None:
    def upstream(key: str) -> set[str]:
        return {dep.asset_key.to_user_string() for dep in specs[key].deps}

    assert upstream("shop/events/sfmc/journey_history") == {"shop/raw/sfmc/journey_history"}
    assert {
        "shop/events/sfmc/journey_history",
        "events/apsis/email_events",
        "shop/dimensions/sfmc/journeys",
    } < upstream("tables/journey_events")
    assert (specs["tables/journey_events"].group_name, specs["tables/journey_daily"].group_name) == ("tables", "marts")
    assert specs["tables/journey_events"].automation_condition
    standing = [key for each in deployment.definitions.asset_checks or () for key in each.check_keys]
    assert {key.asset_key.to_user_string() for key in standing} <= set(specs)
    assert "shop/raw/sfmc/journey_history" in {key.asset_key.to_user_string() for key in standing}


def test_an_hour_loads_under_translated_keys(deployment: Deployment, runner: Runner) -> None:
    (assets,) = deployment.streams("sfmc")
    (hour,) = hours_ago(8, 1)
    key = key_of(assets.partitions, hour)
    loaded = runner.load(assets, [hour], pull=True, only_missing=True)
    assert loaded.succeeded, loaded.says
    assert runner.materialized(assets) == {key}
    found = checks(runner, assets, key)
    assert [name for name, check in found.items() if not check.passed] == []
    assert list(found) == list(claims_of(assets.stream))
    assert runner.remove_leftovers("sfmc").succeeded
    assert runner.sweep(assets).succeeded
    synced = runner.sync_warehouse()
    assert synced
    assert synced.succeeded, synced.says
