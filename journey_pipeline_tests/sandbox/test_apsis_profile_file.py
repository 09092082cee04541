"""A7, A8: what the file of a profile export holds, and how it is written."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from contextlib import closing
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import psutil
import pytest

from journey_pipeline.model import Window
from journey_pipeline.sandbox.apsis.orders import read_profile_order
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.sandbox.world.people import person
from journey_pipeline.sandbox.world.profiles import export_key
from journey_pipeline_tests.sandbox.apsis_caller import DAY, EMAIL, EXPORTS, LOYALTY, MAIN, NOON, ApsisCaller, events
from journey_pipeline_tests.sandbox.cases import Case

pytestmark = pytest.mark.slow(reason="whole files are made")

MINUTES = Window(NOON.start, NOON.start + timedelta(minutes=10))


@pytest.fixture(scope="module")
def day(world: World) -> dict[str, Any]:
    """The profiles of a whole day, as they are by default."""
    with serve(world, clock=SandboxClock.frozen(DAY.end + timedelta(hours=20))) as sandbox:
        return ApsisCaller(sandbox).profiles(window=DAY)


def repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object with the names that it holds more than once under `twice`."""
    counted = Counter(name for name, _ in pairs)
    twice = sorted(name for name, count in counted.items() if count > 1)
    return dict(pairs) | ({"twice": twice} if twice else {})


def test_the_file_is_one_object_on_one_line(apsis: ApsisCaller) -> None:
    text = apsis.raw_profiles().decode()
    assert "\n" not in text
    assert set(json.loads(text)) == {"profiles"}


def test_all_profiles_are_there_whether_anything_happened_or_not_and_some_are_empty(apsis: ApsisCaller) -> None:
    profiles = apsis.profiles(window=MINUTES)
    assert {export_key(number) for number in range(apsis.sandbox.world.contacts)} < set(profiles)
    assert sum(not profile["sections"] for profile in profiles.values()) > 10
    contents = [section for profile in profiles.values() for section in profile["sections"].values()]
    quiet = sum(not section["events"] for section in contents)
    assert 0 < quiet < len(contents)


def test_a_section_holds_what_was_asked_for(apsis: ApsisCaller) -> None:
    sent = "com.apsis1.events.email-sent"
    asked = [
        apsis.section_order(MAIN, [EMAIL], tag_discriminators=[], event_discriminators=[]),
        apsis.section_order(LOYALTY, [], event_discriminators=[sent]),
    ]
    body = apsis.everything(DAY) | {"sections": asked}
    profiles = apsis.profiles(body)
    main = profiles[export_key(4)]["sections"]["1234"]
    assert main == {"attributes": {"88": {"value": person(4).email}}}
    loyal = [profile["sections"]["1301"] for profile in profiles.values() if "1301" in profile["sections"]]
    held = {version: value for section in loyal for version, value in section["attributes"].items()}
    assert held == {"7731": {"value": None}, "7732": {"value": None}, "7733": {"value": None}}
    assert {event["typeId"] for section in loyal for event in section["events"]} == {"5037"}


def test_values_have_the_type_of_their_attribute(apsis: ApsisCaller) -> None:
    profiles = apsis.profiles(window=MINUTES)
    main = profiles[export_key(2)]["sections"]["1234"]["attributes"]
    types = {item["version_id"]: item["type"] for item in apsis.items(f"/audience/sections/{MAIN}/attributes")}
    found = {types[version]: type(held["value"]) for version, held in main.items() if version in types}
    expected = {"string": str, "integer": int, "decimal": float, "boolean": bool, "date": str, "date-time": str}
    assert {kind: python for kind, python in found.items() if kind != "string"} == {
        kind: python for kind, python in expected.items() if kind != "string"
    }
    assert main["491874"] == {"value": None}


def test_attributes_and_tags_change_from_week_to_week(apsis: ApsisCaller) -> None:
    before = apsis.profiles(window=MINUTES)
    apsis.wait(7 * 86_400)
    apsis.login()
    after = apsis.profiles(window=MINUTES)
    mains = [(before[key]["sections"]["1234"], after[key]["sections"]["1234"]) for key in map(export_key, range(100))]
    assert all(one["attributes"]["491910"] != other["attributes"]["491910"] for one, other in mains)
    assert any(("7733" in one["attributes"]) != ("7733" in other["attributes"]) for one, other in mains)
    assert all(one["attributes"]["88"] == other["attributes"]["88"] for one, other in mains)


def test_events_have_the_documented_fields_and_lie_inside_the_window(apsis: ApsisCaller) -> None:
    start, end = (round(at.timestamp() * 1000) for at in (NOON.start, NOON.end))
    found = list(events(apsis.profiles()))
    assert len(found) > 500
    for _, _, event in found:
        assert list(event) == ["correlationId", "sourceEventTime", "typeId", "createdAt", "data"]
        assert start <= event["createdAt"] < end
        assert event["sourceEventTime"] < event["createdAt"]


def test_bounds_may_test_the_sources_time_instead(apsis: ApsisCaller) -> None:
    start, end = (round(at.timestamp() * 1000) for at in (NOON.start, NOON.end))
    apsis.options.window_time = "source"
    found = [event for _, _, event in events(apsis.profiles())]
    assert all(start <= event["sourceEventTime"] < end for event in found if event["sourceEventTime"] > 10**9)
    assert any(event["createdAt"] >= end for event in found)


def test_correlation_ids_repeat_where_the_source_sent_again(day: dict[str, Any]) -> None:
    same: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for _, section, event in events(day):
        same[section, event["typeId"], event["correlationId"]].append(event)
    repeats = [copies for copies in same.values() if len(copies) > 1]
    assert 0 < len(repeats) < len(same) / 50
    for copies in repeats:
        assert len({event["createdAt"] for event in copies}) == len(copies)
        assert len({json.dumps(event | {"createdAt": 0}) for event in copies}) == 1


def test_some_events_have_no_time_of_their_own_or_one_in_1970(day: dict[str, Any]) -> None:
    assert {event["sourceEventTime"] for _, _, event in events(day) if event["sourceEventTime"] < 10**10} == {
        0,
        3_600_000,
    }


def test_events_of_all_kinds_happen_with_the_same_names_in_data(apsis: ApsisCaller, day: dict[str, Any]) -> None:
    kinds = {
        str(version["id"]): item["discriminator"].rpartition(".")[2]
        for item in apsis.items(f"/audience/sections/{MAIN}/events")
        for version in item["versions"]
    }
    found: dict[str, dict[str, Any]] = {}
    for _, _, event in events(day):
        found.setdefault(kinds.get(event["typeId"], ""), event["data"])
    assert set(kinds.values()) <= set(found)
    assert {"activityId", "automationId", "automationName", "splitId"} <= set(found["email-sent"])
    assert {"linkId", "link", "device"} <= set(found["email-click"])
    assert isinstance(found["email-bounce"]["bounceCode"], int)
    assert {"automationId", "nodeId", "nodeName"} <= set(found["ma-entered"])
    assert "flowId" in found["sms-sent"]
    assert found["order-placed"]["nested"] == {"a": [1, 2], "é": {}}


def test_pretty_and_one_line_hold_the_same(apsis: ApsisCaller) -> None:
    apsis.options.hostile = True
    plain = apsis.raw_profiles()
    apsis.rewind()
    apsis.options.layout = "pretty"
    pretty = apsis.raw_profiles()
    assert pretty.startswith(b'{\n  "profiles": {\n    "xk-')
    assert json.loads(pretty) == json.loads(plain)


def test_metadata_can_stand_on_either_side_and_attributes_can_hold_history(apsis: ApsisCaller, case: Case) -> None:
    for layout, where in product(["one_line", "pretty"], ["before", "after"]):
        with case(layout=layout, where=where):
            apsis.options.layout, apsis.options.metadata, apsis.options.history = layout, where, True
            document = json.loads(apsis.raw_profiles(window=MINUTES))
            assert list(document) == (["metadata", "profiles"] if where == "before" else ["profiles", "metadata"])
            held = document["profiles"][export_key(4)]["sections"]["1234"]["attributes"]
            assert held["88"]["history"][-1]["value"] == held["88"]["value"]
            assert held["7732"] == {"value": None}


def test_ids_can_be_numbers_and_times_text(apsis: ApsisCaller) -> None:
    apsis.options.type_ids, apsis.options.times = "number", "text"
    for _, _, event in events(apsis.profiles()):
        assert isinstance(event["typeId"], int)
        assert isinstance(event["createdAt"], str)
        assert isinstance(event["sourceEventTime"], str)


def test_duplicate_keys_have_the_right_one_last(apsis: ApsisCaller, day: dict[str, Any]) -> None:
    apsis.options.duplicate_keys = True
    text = apsis.raw_profiles(window=DAY)
    assert json.loads(text)["profiles"] == day
    marked = json.loads(text, object_pairs_hook=repeated)["profiles"]
    assert marked["twice"] == sorted(map(export_key, range(0, 2_000, 50)))
    section = marked[export_key(0)]["sections"]["1234"]
    assert "88" in section["attributes"]["twice"]
    assert section["events"][0]["twice"] == ["typeId"]


def test_hostile_profiles_and_events_are_whole_json_and_stand_as_the_truth_says(apsis: ApsisCaller) -> None:
    apsis.options.hostile = True
    text = apsis.raw_profiles(window=DAY)
    truth = {
        (record["profile"], record["data"])
        for record in apsis.sandbox.apsis.profile_truth(DAY, apsis.began_at)
        if not record["profile"][3:].isalnum()
    }
    profiles = json.loads(text)["profiles"]
    keys = {'xk-"quoted"', "xk-\\", "xk-{[,:]}", "xk-å🚚", "xk-ö🚚 שלום", "xk-a\0b", "xk-tab\tand\nline"}
    assert keys == {key for key, _ in truth} < set(profiles)
    assert all(f'"data":{data}}}'.encode() in text for _, data in truth)
    marks = ("\\u0000", "\\ud83d", "🚚", '\\"', "1E-7", "9223372036854775807", "[[[[", '"profiles":{', "null")
    assert [mark for mark in marks if not any(mark in data for _, data in truth)] == []
    assert max(len(data) for _, data in truth) > 1_000_000
    ids = [event.get("correlationId") for key, _, event in events(profiles) if key in keys]
    assert {type(one) for one in ids} == {str, int, type(None)}
    assert "" in ids


@pytest.mark.slow(reason="a big file is made")
def test_one_profile_can_have_two_hundred_thousand_events(apsis: ApsisCaller) -> None:
    apsis.options.bulk_profiles, apsis.options.bulk_events = 1, 200_000
    asked = apsis.section_order(MAIN, [EMAIL], event_discriminators=["com.apsis1.events.page-viewed"])
    profiles = apsis.profiles(apsis.everything(DAY) | {"sections": [asked]})
    counts = Counter(key for key, _, _ in events(profiles))
    assert counts.most_common(1) == [(export_key(2_000), 200_000)]


def test_made_up_events_of_parts_of_a_day_are_those_of_the_day(apsis: ApsisCaller) -> None:
    apsis.options.bulk_profiles, apsis.options.bulk_events, apsis.options.hostile = 3, 50, True
    middle = DAY.start + timedelta(hours=7)
    asked_at = apsis.sandbox.clock.now()
    parts = [Window(DAY.start, middle), Window(middle, DAY.end)]
    truth = apsis.sandbox.apsis.profile_truth

    def made_up(window: Window) -> Counter[tuple[str, str]]:
        kept = (record for record in truth(window, asked_at) if not str(record["correlation_id"]).startswith("c-"))
        return Counter((record["profile"], str(record["correlation_id"])) for record in kept)

    of_the_day = made_up(DAY)
    assert sum((made_up(part) for part in parts), Counter()) == of_the_day
    assert len(of_the_day) > 150


def test_profiles_without_an_order_of_events_have_none(apsis: ApsisCaller) -> None:
    asked = {"sections": [{"section_discriminator": MAIN, "attribute_discriminators": [EMAIL]}]}
    assert apsis.post(EXPORTS, asked).status_code == 202
    profiles = apsis.profiles(asked)
    assert set(profiles[export_key(1)]["sections"]["1234"]) == {"attributes"}


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_whoever_orders_what_was_prepared_gets_that_file(apsis: ApsisCaller, tmp_path: Path, encoding: str) -> None:
    body = apsis.everything(MINUTES)
    kept = tmp_path / "kept.gz"
    made = apsis.sandbox.apsis.prepare(read_profile_order(json.dumps(body).encode()), kept)
    apsis.options.bulk_profiles = 10  # made now, it would be another file
    with closing(apsis.get(apsis.ordered(body), stream=True, encoding=encoding)) as answer:
        sent = answer.raw.read(decode_content=False)
    assert sent == (kept.read_bytes() if encoding == "gzip" else gzip.decompress(kept.read_bytes()))
    assert len(gzip.decompress(kept.read_bytes())) == made.raw_bytes


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_memory_stays_flat_while_a_large_file_is_made_and_sent(apsis: ApsisCaller, encoding: str) -> None:
    apsis.options.bulk_profiles, apsis.options.bulk_events = 300, 600
    asked = apsis.section_order(MAIN, [EMAIL], event_discriminators=["com.apsis1.events.page-viewed"])
    url = apsis.ordered(apsis.everything(DAY) | {"sections": [asked]})
    process = psutil.Process()
    before, most, received = process.memory_info().rss, 0, 0
    with closing(apsis.get(url, stream=True, encoding=encoding)) as answer:
        while chunk := answer.raw.read(1 << 20, decode_content=True):
            received += len(chunk)
            most = max(most, process.memory_info().rss)
    assert received > 70_000_000
    assert most - before < 40_000_000
