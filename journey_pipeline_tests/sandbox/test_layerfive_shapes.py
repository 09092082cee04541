"""L1: all the shapes that an answer may have; each tells the same records."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline_tests.sandbox.cases import Case
from journey_pipeline_tests.sandbox.layerfive_caller import LayerFiveCaller, bag, day

pytestmark = pytest.mark.slow(reason="answers that look back ninety days")

DAY = "2026-11-20"
ARRAYS = ("data", "journeys", "customer_journeys", "journey_details", "items", "records")
NESTED = ("touchpoints", "events", "journey", "steps", "activities")


@pytest.fixture
def truth(sandbox: Sandbox) -> list[dict[str, Any]]:
    found = list(sandbox.layerfive.truth(day(DAY)))
    assert len(found) > 200
    return found


def test_the_records_can_stand_under_another_name(
    sandbox: Sandbox, layerfive: LayerFiveCaller, truth: list[dict[str, Any]], case: Case
) -> None:
    for name in ARRAYS:
        with case(name=name):
            sandbox.options.layerfive.array = name
            assert layerfive.document(event_date=DAY) == {"count": len(truth), name: truth}


def test_the_answer_can_be_the_array_itself(
    sandbox: Sandbox, layerfive: LayerFiveCaller, truth: list[dict[str, Any]]
) -> None:
    sandbox.options.layerfive.array = None
    assert layerfive.document(event_date=DAY) == truth


def test_another_array_of_objects_can_stand_before_it(
    sandbox: Sandbox, layerfive: LayerFiveCaller, truth: list[dict[str, Any]]
) -> None:
    sandbox.options.layerfive.second_array = "warnings"
    document = layerfive.document(event_date=DAY)
    assert list(document) == ["count", "warnings", "results"]
    assert (type(document["warnings"][0]), document["results"]) == (dict, truth)


def test_a_persons_touches_can_be_nested_in_one_object(
    sandbox: Sandbox, layerfive: LayerFiveCaller, truth: list[dict[str, Any]], case: Case
) -> None:
    for name in NESTED:
        with case(name=name):
            sandbox.options.layerfive.nested_under = name
            document = layerfive.document(event_date=DAY)
            persons = document["results"]
            assert document["count"] == len(truth)
            assert len({person["individual_id"] for person in persons}) == len(persons) < len(truth)
            assert all("individual_id" not in touch for person in persons for touch in person[name])
            flat = [
                {field: value for field, value in person.items() if field != name} | touch
                for person in persons
                for touch in person[name]
            ]
            assert bag(without(flat, "email")) == bag(without(truth, "email"))  # a person has one spelling of it


def without(records: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [{field: value for field, value in record.items() if field != name} for record in records]


def test_a_record_can_be_a_line(sandbox: Sandbox, layerfive: LayerFiveCaller, truth: list[dict[str, Any]]) -> None:
    sandbox.options.layerfive.ndjson = True
    answer = layerfive.get(event_date=DAY)
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line) for line in answer.content.splitlines()] == truth
    sandbox.options.layerfive.content_type = "application/json"
    assert layerfive.get(event_date=DAY).headers["Content-Type"] == "application/json"


def test_an_answer_can_begin_with_a_byte_order_mark(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    plain = layerfive.get(event_date=DAY).content
    sandbox.options.layerfive.bom = True
    assert layerfive.get(event_date=DAY).content == b"\xef\xbb\xbf" + plain


def test_an_answer_without_records_has_the_same_shape(sandbox: Sandbox, layerfive: LayerFiveCaller, case: Case) -> None:
    for shape in [{}, {"array": None}, {"ndjson": True}, {"nested_under": "events"}]:
        with case(shape=shape):
            for name, value in {"unknown_person": "empty", **shape}.items():
                setattr(sandbox.options.layerfive, name, value)
            content = layerfive.get(email="nobody@example.org").content
            expected = b"" if "ndjson" in shape else b"[]" if "array" in shape else b'{"count":0,"results":[]}'
            assert content.replace(b"\n", b"") == expected


def followed(layerfive: LayerFiveCaller) -> list[dict[str, Any]]:
    """All pages of an answer; the clock goes on between them."""
    document = layerfive.document(event_date=DAY)
    pages = [document]
    while document["next"]:
        layerfive.sandbox.clock.set(datetime(2026, 11, 20, 21, len(pages) % 60, tzinfo=UTC))
        url = document["next"]
        document = layerfive.document(url=url if url.startswith("http") else f"{layerfive.sandbox.url}{url}")
        pages.append(document)
    return pages


def test_next_links_lead_through_the_answer_as_it_was_when_it_was_asked_for(
    sandbox: Sandbox, layerfive: LayerFiveCaller, truth: list[dict[str, Any]], case: Case
) -> None:
    for link, count in product(["absolute", "relative"], ["answer", "page", "none"]):
        with case(link=link, count=count):
            sandbox.options.layerfive.page_size = 100
            sandbox.options.layerfive.next_link = link
            sandbox.options.layerfive.count = count
            pages = followed(layerfive)
            assert [record for page in pages for record in page["results"]] == truth
            sizes = [len(page["results"]) for page in pages]
            counts = {"answer": [len(truth)] * len(pages), "page": sizes, "none": [None] * len(pages)}
            assert [page.get("count") for page in pages] == counts[count]
            assert set(sizes[:-1]) == {100}
            assert pages[0]["next"].startswith("http" if link == "absolute" else "/layerfive/api/v1/")


def test_a_next_link_can_lead_to_its_own_page_or_to_another_host(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    sandbox.options.layerfive.page_size = 100
    sandbox.options.layerfive.next_link = "repeating"
    first = layerfive.document(event_date=DAY)
    assert layerfive.document(url=first["next"]) == first
    sandbox.options.layerfive.next_link = "foreign"
    assert layerfive.document(event_date=DAY)["next"].startswith("https://elsewhere.example/")


def test_a_page_that_is_not_there_is_404(sandbox: Sandbox, layerfive: LayerFiveCaller, case: Case) -> None:
    for page in ["-1", "100000", "two"]:
        with case(page=page):
            sandbox.options.layerfive.page_size = 100
            assert layerfive.get(event_date=DAY, page=page).status_code == 404


def test_fields_can_have_other_names_and_stand_inside_of_others(
    sandbox: Sandbox, layerfive: LayerFiveCaller, truth: list[dict[str, Any]]
) -> None:
    names = {"event_time": "hitTime", "individual_id": "person.key", "email": "person.email", "event_type": "Event"}
    sandbox.options.layerfive.field_names = names
    record = layerfive.records(event_date=DAY)[0]
    assert record["person"] == {"key": truth[0]["individual_id"], "email": truth[0]["email"]}
    assert (record["hitTime"], record["Event"]) == (truth[0]["event_time"], truth[0]["event_type"])
    assert not names.keys() & record.keys()
    sandbox.options.layerfive.nested_under = "steps"
    person = layerfive.records(event_date=DAY)[0]
    assert person["person"]["key"] == truth[0]["individual_id"]
    assert person["steps"][0]["hitTime"] == truth[0]["event_time"]


BERLIN = ZoneInfo("Europe/Berlin")
READERS: dict[str, Any] = {
    "iso": datetime.fromisoformat,
    "zoneless": lambda text: datetime.fromisoformat(text).replace(tzinfo=BERLIN),
    "space": lambda text: datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=BERLIN),
    "epoch_s": lambda number: datetime.fromtimestamp(number, UTC),
    "epoch_ms": lambda number: datetime.fromtimestamp(number / 1e3, UTC),
    "epoch_us": lambda number: datetime.fromtimestamp(number / 1e6, UTC),
    "date": lambda text: datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=BERLIN),
}


def test_times_can_be_written_in_many_ways(
    sandbox: Sandbox, layerfive: LayerFiveCaller, truth: list[dict[str, Any]], case: Case
) -> None:
    for time_format, read in READERS.items():
        with case(time_format=time_format):
            sandbox.options.layerfive.timezone = "Europe/Berlin"
            sandbox.options.layerfive.time_format = time_format
            unit_s = {"space": 1, "epoch_s": 1, "date": 86_400}.get(time_format, 0.001)
            told = {(one["session_id"], read(one["event_time"])) for one in layerfive.records(event_date=DAY)}
            for record in truth:
                at = datetime.fromisoformat(record["event_time"])
                late_s = [(at - seen).total_seconds() for session, seen in told if session == record["session_id"]]
                assert any(0 <= seconds < unit_s for seconds in late_s)


def test_an_answer_can_have_a_content_length(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    chunked = layerfive.get(event_date=DAY, headers=layerfive.headers(**{"Accept-Encoding": "identity"}))
    assert chunked.headers["Transfer-Encoding"] == "chunked"
    sandbox.options.layerfive.transfer = "content_length"
    promised = layerfive.get(event_date=DAY, headers=layerfive.headers(**{"Accept-Encoding": "identity"}))
    assert int(promised.headers["Content-Length"]) == len(chunked.content)
