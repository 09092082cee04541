"""A11: what the account has defined, with versions that change over time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from journey_pipeline_tests.sandbox.apsis_caller import DAY, LOYALTY, MAIN, ApsisCaller, events


def versions(apsis: ApsisCaller) -> dict[str, list[int]]:
    listed = apsis.items(f"/audience/sections/{MAIN}/events")
    return {item["discriminator"]: [version["id"] for version in item["versions"]] for item in listed}


def test_sections_hold_attributes_of_all_types_tags_event_types_and_topics(apsis: ApsisCaller) -> None:
    assert [item["discriminator"] for item in apsis.items("/audience/sections")] == [MAIN, LOYALTY]
    for section in (MAIN, LOYALTY):
        path = f"/audience/sections/{section}"
        attributes = apsis.items(f"{path}/attributes")
        assert {item["type"] for item in attributes} == {
            "string",
            "integer",
            "decimal",
            "boolean",
            "date",
            "date-time",
        }
        tags = apsis.items(f"{path}/tags")
        ids = [item["version_id"] for item in attributes + tags]
        assert len(set(ids)) == len(ids)
        assert apsis.items(f"{path}/topics")
        consent_list = apsis.items(f"{path}/consent-lists")[0]["discriminator"]
        assert apsis.items(f"{path}/consent-lists/{consent_list}/topics") == apsis.items(f"{path}/topics")
    assert apsis.items("/audience/segments/") == apsis.items("/audience/segments")


@pytest.mark.parametrize("path", ["/audience/sections/none/tags", "/emails/sections/none/activities"])
def test_an_unknown_section_is_not_found(apsis: ApsisCaller, path: str) -> None:
    assert apsis.get(path).status_code == 404


def test_event_types_get_new_versions_and_lose_the_oldest_from_the_list(apsis: ApsisCaller) -> None:
    before = versions(apsis)
    apsis.sandbox.clock.move(timedelta(days=28))
    apsis.login()
    after = versions(apsis)
    assert set(before) == set(after)
    changed = {name for name in before if before[name] != after[name]}
    assert len(changed) > 5
    assert {len(before[name]) for name in set(before) - changed} == {1}
    for name in changed:
        assert before[name][1:] == after[name][:-1]
    every = [version for listed in before.values() for version in listed]
    assert len(set(every)) == len(every)


def test_an_attribute_gets_a_new_version_under_another_name(apsis: ApsisCaller) -> None:
    def score() -> dict[str, Any]:
        listed = apsis.items(f"/audience/sections/{MAIN}/attributes")
        return next(item for item in listed if "score" in item["discriminator"])

    before = score()
    apsis.sandbox.clock.move(timedelta(days=28))
    apsis.login()
    after = score()
    assert before["discriminator"] == after["discriminator"]
    assert before["version_id"] != after["version_id"]
    assert before["name"] != after["name"]


def test_files_hold_some_ids_that_nobody_lists(apsis: ApsisCaller) -> None:
    profiles = apsis.profiles(window=DAY)
    types = {event["typeId"] for _, _, event in events(profiles)}
    known = {str(version) for listed in versions(apsis).values() for version in listed}
    assert len(types & known) > 15
    assert types - known
    held = {
        name
        for profile in profiles.values()
        for name in profile["sections"].get("1234", {"attributes": {}})["attributes"]
    }
    path = f"/audience/sections/{MAIN}"
    listed = {item["version_id"] for item in apsis.items(f"{path}/attributes") + apsis.items(f"{path}/tags")}
    assert listed < held


def test_an_activity_of_the_file_may_be_missing_from_the_list(apsis: ApsisCaller) -> None:
    for section in (MAIN, LOYALTY):
        listed = {item["id"]: item for item in apsis.items(f"/emails/sections/{section}/activities")}
        assert len(listed) > 3
        one = next(iter(listed))
        answer = apsis.get(f"/emails/section/{section}/activities/{one}")
        assert (answer.status_code, answer.json()) == (200, listed[one])
        in_files = {row["activity_id"] for row in apsis.emails(DAY, section)}
        assert in_files & set(listed)
        if section == LOYALTY:
            missing = in_files - set(listed)
            assert missing
            for activity in missing:
                assert apsis.get(f"/emails/section/{section}/activities/{activity}").status_code == 404


def test_an_activity_is_renamed_as_time_goes_by(apsis: ApsisCaller) -> None:
    before = {item["id"]: item["name"] for item in apsis.items(f"/emails/sections/{MAIN}/activities")}
    apsis.sandbox.clock.move(timedelta(days=28))
    apsis.login()
    after = {item["id"]: item["name"] for item in apsis.items(f"/emails/sections/{MAIN}/activities")}
    assert set(before) == set(after)
    assert 0 < sum(before[activity] != after[activity] for activity in before) < len(before)
