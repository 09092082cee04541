from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from journey_pipeline.errors import ConfigError, ContractError
from journey_pipeline.vendors.layerfive.customer_journeys.mapping import NAMES, Detection, MappingSettings
from journey_pipeline_tests.vendors.made_journeys import AT, MadeJourneys, answer, one, record, typed

CONTRACT = {
    "occurred_at": "event_time, event_timestamp, timestamp, occurred_at, event_datetime, created_at, visit_time, "
    "date_time, time, event_date, date",
    "contact_id": "individual_id, person_id, customer_id, profile_id, contact_id, user_id, l5_id, visitor_id, email",
    "email": "email, email_address, customer_email",
    "vendor_action": "event_type, event_name, event, action, activity_type, touchpoint_type, type",
    "journey_id": "campaign_id",
    "journey_name": "campaign, campaign_name, utm_campaign",
    "activity_id": "ad_id, creative_id, touchpoint_id",
    "activity_name": "ad_name, page_title, landing_page, page_url",
    "channel": "channel, channel_name, marketing_channel, medium, source",
    "event_id": "event_id, touchpoint_id, hit_id, id",
}
CASES = [(column, names.split(", ")[at:]) for column, names in CONTRACT.items() for at in range(len(names.split(", ")))]


def detected(*records: dict[str, Any], **settings: Any) -> dict[str, str]:
    return {column: field.name for column, field in Detection(MappingSettings(**settings), records).fields.items()}


@pytest.mark.parametrize(("column", "names"), CASES, ids=lambda value: value if isinstance(value, str) else value[0])
def test_of_the_names_that_are_there_the_first_of_the_contracts_list_is_taken(column: str, names: list[str]) -> None:
    assert detected({name: f"value of {name}" for name in reversed(names)})[column] == names[0]


def test_the_names_are_those_of_the_contract() -> None:
    assert {column: ", ".join(names) for column, names in NAMES.items()} == CONTRACT


@pytest.mark.parametrize("name", ["Event_Time", "eventTime", "EVENT-TIME", "event time", "_eventtime"])
def test_case_and_separators_of_a_name_do_not_matter(tmp_path: Path, name: str) -> None:
    assert one(tmp_path, "occurred_at_source", {"individual_id": "p", name: AT}) == (name,)


@pytest.mark.parametrize("nothing", [None, "", {"nested": 1}, [1]])
def test_a_name_that_only_ever_holds_nothing_or_further_values_is_passed_over(nothing: Any) -> None:
    assert detected({"event_time": nothing, "date": "2026-11-19"})["occurred_at"] == "date"


def test_a_field_is_found_in_any_of_the_first_thousand_records(tmp_path: Path) -> None:
    records = [record(other=number) for number in range(999)] + [record(campaign="Autumn")]
    assert typed(tmp_path, *records).events("count(journey_name)") == [(1,)]


def test_a_field_that_comes_later_than_the_first_thousand_records_stays_a_property(tmp_path: Path) -> None:
    made = typed(tmp_path, *[record(n=number) for number in range(1000)], record(campaign="Autumn"))
    assert made.events("count(journey_name), count(properties->>'campaign')") == [(0, 1)]


def test_the_first_thousand_records_of_later_pages_are_as_good(tmp_path: Path) -> None:
    made = MadeJourneys(tmp_path).land(answer(record(a=1)), answer({"user_id": "u", "timestamp": AT}))
    made.normalize()
    assert made.events("contact_id, occurred_at_source") == [("p-81", "event_time"), ("u", "timestamp")]


def test_a_declared_field_wins_over_one_that_is_found(tmp_path: Path) -> None:
    entry = record(hit={"at": "2026-11-18T00:00:00Z"}, who="w-1", event_type="view", kind="click")
    fields = {"occurred_at": "hit.at", "contact_id": "who", "vendor_action": "kind"}
    columns = "occurred_at::varchar, occurred_at_source, contact_id, vendor_action, properties->>'individual_id'"
    assert one(tmp_path, columns, entry, fields=fields) == ("2026-11-18 00:00:00+00", "hit.at", "w-1", "click", "p-81")


def test_a_name_with_a_dot_in_it_is_found_before_a_path(tmp_path: Path) -> None:
    entry = {"person.key": "plain", "person": {"key": "deep"}, "event_time": AT}
    assert one(tmp_path, "contact_id", entry, fields={"contact_id": "person.key"}) == ("plain",)


@pytest.mark.parametrize("column", list(CONTRACT))
@pytest.mark.parametrize("path", ["no_such", "no.such"])
def test_a_declared_field_that_never_appears_breaks_the_contract(tmp_path: Path, column: str, path: str) -> None:
    made = MadeJourneys(tmp_path, MappingSettings(fields={column: path})).land(answer(record()))
    with pytest.raises(ContractError, match=path):
        made.normalize()


def test_a_declared_field_that_is_always_null_has_appeared(tmp_path: Path) -> None:
    assert one(tmp_path, "journey_id", record(cid=None), fields={"journey_id": "cid"}) == (None,)


def test_a_declared_field_may_first_appear_after_a_thousand_records(tmp_path: Path) -> None:
    records = [*[record(n=number) for number in range(1000)], record(c={"id": "late"})]
    made = typed(tmp_path, *records, fields={"journey_id": "c.id"})
    assert made.events("max(journey_id)") == [("late",)]


def test_an_answer_without_records_needs_no_fields(tmp_path: Path) -> None:
    made = typed(tmp_path, fields={"occurred_at": "no_such"})
    assert made.events() == []


def test_what_cannot_be_mapped_is_told_by_names_with_counts_and_an_example_but_never_by_values(tmp_path: Path) -> None:
    entry = {"When": "SECRET-1", "who": {"key": "SECRET-2"}, "ana@example.org": 1, "note": None}
    made = MadeJourneys(tmp_path).land(answer(entry, {"When": "SECRET-3"}))
    with pytest.raises(ContractError) as caught:
        made.normalize()
    text = str(caught.value)
    assert "none of its fields stands for occurred_at or contact_id" in text
    assert "When (2), who (1), who.key (1), note (0), and 1 more names" in text
    assert "`fields: {occurred_at: When, contact_id: who.key}`" in text
    assert "SECRET" not in text
    assert "ana@" not in text
    assert made.rejects() == []


def test_the_example_that_is_told_can_be_written_as_it_is(tmp_path: Path) -> None:
    made = MadeJourneys(tmp_path).land(answer({"hit_moment": AT, "person": {"key": "k"}}))
    with pytest.raises(ContractError) as caught:
        made.normalize()
    example = str(caught.value).partition("`fields: {")[2].partition("}`")[0]
    fields = dict(pair.split(": ") for pair in example.split(", "))
    made.settings = MappingSettings(fields=fields)
    made.normalize()
    assert made.events("contact_id, occurred_at_source") == [("k", "hit_moment")]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"status": "ok", "total": 3}', "status, total"),
        (b'{"a": [{"x": 1}], "b": [{"x": 1}]}', "a, b"),
        (b'{"results": [1, 2]}', "results"),
        (b"[1, 2]", "no objects"),
    ],
)
def test_an_answer_without_an_array_of_records_lands_and_is_told_by_its_names(
    tmp_path: Path, body: bytes, told: str
) -> None:
    made = MadeJourneys(tmp_path).land(body)
    with pytest.raises(ContractError, match=told):
        made.normalize()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"fields": {"ocurred_at": "x"}}, "ocurred_at is no column"),
        ({"fields": {"occurred_at": ""}}, "'' is none"),
        ({"fields": {"occurred_at": "a..b"}}, "'a..b' is none"),
        ({"volatile": (".",)}, "'.' is none"),
        ({"timezone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"timezone": "../etc"}, "timezone"),
    ],
)
def test_wrong_settings_are_refused_with_what_to_write(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        MappingSettings(**settings)


def test_what_decides_how_a_file_is_read_decides_the_version_of_the_reader() -> None:
    settings = [
        MappingSettings(),
        MappingSettings(fields={"email": "mail"}),
        MappingSettings(volatile=("score",)),
        MappingSettings(event_id_is_unique=True),
    ]
    assert len({one.digest for one in settings}) == len(settings)
    assert MappingSettings(fields={"email": "a", "channel": "b"}).digest == (
        MappingSettings(fields=json.loads('{"channel": "b", "email": "a"}')).digest
    )


def test_fields_that_nobody_knows_are_told_and_those_that_are_declared_known_are_not(tmp_path: Path) -> None:
    made = MadeJourneys(tmp_path, MappingSettings(known_fields=("score",), volatile=("seen.at",)))
    entry = record(Score=1, surprise=1, Größe=1, seen={"at": 1}, device="d")
    made.land(answer(entry | {"ana@example.org": 1, "0170123456": 1}))
    manifest = made.normalize()
    assert manifest.unknown_columns == ("(a name that is no word)", "Größe", "surprise")
    assert "journey_id" in manifest.missing_columns
    assert "event_id" not in manifest.missing_columns
