"""S22: the journey list."""

from __future__ import annotations

import re
from typing import Any

import pytest

from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline_tests.sandbox.cases import Case


def every_item(caller: Any, **parameters: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for page in range(1, 10):
        answer = caller.get("", **{"$page": str(page), **parameters}).json()
        assert answer["page"] == page
        if not answer["items"]:
            break
        items += answer["items"]
    assert len(items) == answer["count"]
    return items


def test_a_page_has_fifty_items_whatever_was_asked(sandbox: Sandbox, caller: Any) -> None:
    asked = {"$page": "1", "$pageSize": "500", "mostRecentVersionOnly": "false"}
    answer = caller.get("", **asked).json()
    assert len(answer["items"]) == 50 < answer["count"]
    assert (answer["pageSize"], answer["links"]) == (50, {})
    sandbox.options.sfmc.honour_page_size = True
    assert len(caller.get("", **asked).json()["items"]) == answer["count"]
    assert len(caller.get("", **asked | {"$pageSize": "7"}).json()["items"]) == 7


def test_all_versions_come_only_when_asked_for(sandbox: Sandbox, caller: Any) -> None:
    newest, every = every_item(caller), every_item(caller, mostRecentVersionOnly="false")
    assert len(newest) == len({item["key"] for item in newest}) == len(sandbox.world.catalog)
    assert len(every) == len({item["definitionId"] for item in every}) > len(newest)
    assert {item["definitionId"] for item in newest} < {item["definitionId"] for item in every}


def test_the_list_is_ordered_by_the_latest_change(caller: Any) -> None:
    dates = [item["modifiedDate"] for item in every_item(caller, mostRecentVersionOnly="false")]
    assert dates == sorted(dates, reverse=True)


def test_ids_keys_and_versions_hang_together(caller: Any) -> None:
    for item in every_item(caller, mostRecentVersionOnly="false"):
        assert (item["definitionId"] == item["id"]) is (item["version"] == 1)
        assert item["status"] in {"Published", "Unpublished"}
        assert item["executionMode"] == "Production"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d", item["createdDate"])
        assert (item["lastPublishedDate"] == "0001-01-01T00:00:00") is (item["status"] == "Unpublished")
        assert "activities" not in item
        assert "stats" not in item


def test_activities_come_with_extras_and_lead_to_each_other_by_key(sandbox: Sandbox, caller: Any, case: Case) -> None:
    for extras in ["activities", "outcome", "all"]:
        with case(extras=extras):
            known = {a.id for j in sandbox.world.catalog for v in j.versions for a in v.activities}
            for item in every_item(caller, extras=extras):
                steps = item["triggers"] + item["activities"]
                keys = {step["key"] for step in steps}
                assert {step["id"] for step in steps} <= known
                following = [outcome["next"] for step in steps for outcome in step["outcomes"] if "next" in outcome]
                assert set(following) == keys - {item["triggers"][0]["key"]}
                assert any("next" not in outcome for step in steps for outcome in step["outcomes"])
                assert all(step["type"] == step["key"].rpartition("-")[0] == step["type"].upper() for step in steps)


def test_stats_come_with_extras(caller: Any) -> None:
    assert "currentPopulation" in every_item(caller, extras="stats")[0]["stats"]


def test_the_list_can_be_filtered(caller: Any, case: Case) -> None:
    for name, field, value in [
        ("status", "status", "Unpublished"),
        ("key", "key", "journey-3"),
        ("versionNumber", "version", "2"),
        ("definitionType", "definitionType", "Multistep"),
    ]:
        with case(name=name, field=field, value=value):
            every = every_item(caller, mostRecentVersionOnly="false")
            expected = [item for item in every if str(item[field]) == value]
            assert expected
            assert every_item(caller, mostRecentVersionOnly="false", **{name: value}) == expected


def test_an_id_as_filter_gives_all_versions_and_a_text_looks_into_the_name(sandbox: Sandbox, caller: Any) -> None:
    journey = sandbox.world.catalog[0]
    assert {item["version"] for item in every_item(caller, id=journey.id)} == {1, 2}
    assert {item["name"] for item in every_item(caller, nameOrDescription="SOFT")} >= {journey.name}
    assert every_item(caller, definitionType="Transactional") == []


@pytest.mark.parametrize("by", ["id", "key"])
def test_a_journey_is_found_by_id_and_by_key(sandbox: Sandbox, caller: Any, by: str) -> None:
    journey = sandbox.world.catalog[0]
    path = f"/{journey.id}" if by == "id" else f"/key:{journey.key}"
    newest = caller.get(path, extras="activities").json()
    assert (newest["version"], newest["definitionId"]) == (2, journey.versions[1].definition_id)
    assert len(newest["activities"]) + 1 == len(journey.versions[1].activities)
    assert caller.get(path, versionNumber="1").json()["definitionId"] == journey.id


def test_the_versions_of_a_key_are_told_without_the_deleted_one(sandbox: Sandbox, caller: Any) -> None:
    journey = next(journey for journey in sandbox.world.catalog if len(journey.versions) == 3)
    every = caller.get(f"/status/key:{journey.key}", AllVersions="true").json()
    assert [item["versionNumber"] for item in every] == [1, 3]
    assert every[-1] == {"id": journey.versions[2].definition_id, "status": "Published", "versionNumber": 3}
    assert caller.get(f"/status/key:{journey.key}").json() == every[-1:]
    assert caller.get(f"/key:{journey.key}", versionNumber="2").status_code == 404


def test_an_unknown_journey_is_not_found(caller: Any, case: Case) -> None:
    for path in ["/key:nothing", "/231c882e-0000-0000-0000-000000000000", "/status/key:nothing"]:
        with case(path=path):
            answer = caller.get(path)
            assert (answer.status_code, answer.json()["errorcode"]) == (404, 30003)


def test_a_wrong_parameter_of_the_list_is_refused(caller: Any, case: Case) -> None:
    for wrong in [{"$page": "0"}, {"$pageSize": "many"}, {"mostRecentVersionOnly": "maybe"}]:
        with case(wrong=wrong):
            answer = caller.get("", **wrong)
            assert (answer.status_code, answer.json()["errorcode"]) == (400, 10005)
            assert next(iter(wrong)) in answer.json()["message"]
