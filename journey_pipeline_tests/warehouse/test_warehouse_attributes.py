from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from journey_pipeline.model import StreamKey
from journey_pipeline.vendors.apsis.email_events.stream import EMAIL_EVENTS
from journey_pipeline.vendors.apsis.profile_events.stream import PROFILE_EVENTS
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.vendors.made_apsis import LANDED_AT, event, export, landed, profile
from journey_pipeline_tests.warehouse.made_attributes import (
    Export,
    Told,
    held_history,
    history,
    put_export,
)
from journey_pipeline_tests.warehouse.made_lake import Event, MadeLake, dump, events, rows_of

pytestmark = pytest.mark.slow(reason="a warehouse is made in each test")

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0)
REMOVING = replace(SMALL, remove=True)
APSIS = StreamKey("apsis", "apsis", "profile_events")
EMAILS = StreamKey("apsis", "apsis", "email_events")
MONDAY, TUESDAY, WEDNESDAY = "2026-11-02", "2026-11-03", "2026-11-04"
NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)
LATER, LATEST = NOON + timedelta(days=1), NOON + timedelta(days=2)


def put(made: MadeLake, partition: str, landed_at: datetime, *rows: Told, stream: StreamKey = APSIS) -> Export:
    put_export(made, partition, landed_at, *rows, stream=stream)
    return Export(landed_at, stream, partition, rows)


def values(made: MadeLake, attribute: str = "1") -> list[tuple[Any, ...]]:
    """The periods of the one person there is: value, first and last export, whether latest."""
    return rows_of(
        warehouse_file(made.lake),
        "select value, first_exported_at, last_exported_at, is_latest from core.profile_attributes "
        f"where attribute_id = '{attribute}' order by first_exported_at",
    )


def agrees(made: MadeLake, *exports: Export) -> bool:
    """Syncs; whether sync, rebuild and plain Python agree."""
    sync(made.lake, REMOVING)
    held, synced = held_history(made.lake), dump(made.lake)
    rebuild(made.lake, REMOVING)
    return held == history(exports) and dump(made.lake) == synced


def test_a_value_that_stays_is_one_period_and_a_changed_one_begins_the_next(made: MadeLake) -> None:
    told = [
        put(made, MONDAY, NOON, Told("xk", "1", "red")),
        put(made, TUESDAY, LATER, Told("xk", "1", "red")),
        put(made, WEDNESDAY, LATEST, Told("xk", "1", "blue")),
    ]
    assert agrees(made, *told)
    assert values(made) == [("red", NOON, LATER, False), ("blue", LATEST, LATEST, True)]


def test_exports_count_in_the_order_in_which_they_landed_not_in_that_of_their_days(made: MadeLake) -> None:
    told = [put(made, TUESDAY, NOON, Told("xk", "1", "red")), put(made, MONDAY, LATER, Told("xk", "1", "blue"))]
    assert agrees(made, *told)
    assert values(made) == [("red", NOON, NOON, False), ("blue", LATER, LATER, True)]


def test_a_tag_that_is_gone_is_false_from_the_next_export_of_the_person_on(made: MadeLake) -> None:
    tag, name = Told("xk", "7", is_tag=True), Told("xk", "1", "Ann", is_tag=False)
    other = Told("somebody else", "7", is_tag=True)
    told = [
        put(made, MONDAY, NOON, tag, name),
        put(made, TUESDAY, LATER, other),  # says nothing of the first one
        put(made, WEDNESDAY, LATEST, name, other),
    ]
    assert agrees(made, *told)
    mine = "select value, is_tag, first_exported_at, is_latest from core.profile_attributes where profile_key = 'xk'"
    assert rows_of(warehouse_file(made.lake), f"{mine} and attribute_id = '7' order by 3") == [
        ("true", True, NOON, False),
        ("false", True, LATEST, True),
    ]


def test_a_tag_that_comes_back_is_true_again(made: MadeLake) -> None:
    name, tag = Told("xk", "1", "Ann"), Told("xk", "7", is_tag=True)
    told = [put(made, MONDAY, NOON, name, tag), put(made, TUESDAY, LATER, name)]
    assert agrees(made, *told, put(made, WEDNESDAY, LATEST, name, tag))
    assert [(value, is_latest) for value, _, _, is_latest in values(made, "7")] == [
        ("true", False),
        ("false", False),
        ("true", True),
    ]


def test_an_attribute_that_is_no_longer_exported_has_no_value_any_more(made: MadeLake) -> None:
    other = Told("xk", "2", "x")
    told = [put(made, MONDAY, NOON, Told("xk", "1", "red"), other), put(made, TUESDAY, LATER, other)]
    assert agrees(made, *told)
    assert values(made) == [("red", NOON, NOON, False), (None, LATER, LATER, True)]


def test_what_is_left_empty_is_false_of_a_tag_that_anybody_has_ever_had(made: MadeLake) -> None:
    empty = [Told("a@example.org", name, None, section=None) for name in ("7", "1")]
    told = [
        put(made, MONDAY, NOON, *empty, stream=EMAILS),
        put(made, TUESDAY, LATER, Told("b@example.org", "7", is_tag=True, section=None), stream=EMAILS),
    ]
    assert agrees(made, *told)
    assert values(made, "7") == [("false", NOON, NOON, True), ("true", LATER, LATER, True)]
    assert values(made, "1") == [(None, NOON, NOON, True)]


def test_an_export_that_names_no_section_says_nothing_of_what_it_leaves_out(made: MadeLake) -> None:
    told = [
        put(made, MONDAY, NOON, Told("a@example.org", "7", is_tag=True, section=None), stream=EMAILS),
        put(made, TUESDAY, LATER, Told("a@example.org", "1", "red", section=None), stream=EMAILS),
    ]
    assert agrees(made, *told)
    assert values(made, "7") == [("true", NOON, NOON, True)]


def test_sections_and_streams_are_people_of_their_own(made: MadeLake) -> None:
    told = [
        put(made, MONDAY, NOON, Told("xk", "1", "red"), Told("xk", "1", "green", section="99")),
        put(made, MONDAY, LATER, Told("xk", "1", "blue", section=None), stream=EMAILS),
    ]
    assert agrees(made, *told)
    found = rows_of(
        warehouse_file(made.lake), "select section_id, value, is_latest from core.profile_attributes order by all"
    )
    assert found == [("1234", "red", True), ("99", "green", True), (None, "blue", True)]


def test_another_export_of_a_day_takes_the_place_of_the_earlier_one(made: MadeLake) -> None:
    put(made, MONDAY, NOON, Told("xk", "1", "red"), Told("gone", "1", "red"))
    tuesday = put(made, TUESDAY, LATER, Told("xk", "1", "red"))
    sync(made.lake, SMALL)
    monday = put(made, MONDAY, LATEST, Told("xk", "1", "blue"))
    assert agrees(made, monday, tuesday)
    assert values(made) == [("red", LATER, LATER, False), ("blue", LATEST, LATEST, True)]


def test_a_day_that_is_gone_takes_its_attributes_along(made: MadeLake) -> None:
    monday = put(made, MONDAY, NOON, Told("xk", "1", "red"))
    put(made, TUESDAY, LATER, Told("xk", "1", "blue"))
    sync(made.lake, SMALL)
    made.remove(TUESDAY, APSIS)
    assert agrees(made, monday)


def test_the_latest_value_is_one_row_per_person_and_attribute(made: MadeLake) -> None:
    for number, partition in enumerate((MONDAY, TUESDAY, WEDNESDAY)):
        put(made, partition, NOON + timedelta(days=number), *(Told(f"xk-{who}", "1", str(number)) for who in range(3)))
    sync(made.lake, SMALL)
    latest = "select profile_key, value from core.profile_attributes where is_latest order by 1"
    assert rows_of(warehouse_file(made.lake), latest) == [(f"xk-{who}", "2") for who in range(3)]


@pytest.mark.parametrize(("before", "after"), [("9", "10"), ("10", "9")])
def test_of_an_attribute_with_a_new_version_the_newest_value_alone_is_the_latest(
    made: MadeLake, before: str, after: str
) -> None:
    def told(version: str, *values: str | None) -> list[Told]:
        score, vip, mood = values
        return [
            Told("xk", f"1{version}", score, is_tag=False, discriminator="score"),
            *([Told("xk", f"2{version}", vip, is_tag=True, discriminator="vip")] if vip else []),
            Told("a@example.org", f"1{version}", score, is_tag=False, section=None),
            Told("xk", f"3{version}", mood, is_tag=False, discriminator="mood"),
        ]

    def latest() -> list[tuple[Any, ...]]:
        sync(made.lake, SMALL)
        synced = dump(made.lake)
        rebuild(made.lake, SMALL)
        assert dump(made.lake) == synced
        columns = "profile_key, attribute, if(value is null, null, attribute_id) as version, value"
        sql = f"select {columns} from core.profile_attributes where is_latest order by all"
        return rows_of(warehouse_file(made.lake), sql)

    put(made, MONDAY, NOON, *told(before, "12", "true", "sad"))
    put(made, TUESDAY, LATER, *told(after, "13", "true", None))
    assert latest() == [
        ("a@example.org", "score", f"1{after}", "13"),
        ("xk", "mood", None, None),
        ("xk", "score", f"1{after}", "13"),
        ("xk", "vip", f"2{after}", "true"),
    ]
    put(made, WEDNESDAY, LATEST, *told(after, "13", None, None))
    assert latest()[-1] == ("xk", "vip", f"2{after}", "false")


def test_the_name_of_an_attribute_and_its_vendor_are_in_every_row(made: MadeLake) -> None:
    put(made, MONDAY, NOON, Told("xk", "1", "red"), Told("xk", "2", "x"))
    put(made, TUESDAY, LATER, Told("xk", "2", "x"))
    sync(made.lake, SMALL)
    named = "select distinct vendor, connection, attribute_name from core.profile_attributes order by 3"
    assert rows_of(warehouse_file(made.lake), named) == [
        ("apsis", "apsis", "name of 1"),
        ("apsis", "apsis", "name of 2"),
    ]


def test_a_sync_without_new_attributes_leaves_the_history_alone(made: MadeLake) -> None:
    told = put(made, MONDAY, NOON, Told("xk", "1", "red"))
    sync(made.lake, SMALL)
    made.put(TUESDAY, [Event(1)], APSIS)
    assert agrees(made, told)


def settled(made: MadeLake) -> list[str]:
    found = rows_of(warehouse_file(made.lake), "select partition_key from internal.settled_exports order by 1")
    return [partition for (partition,) in found]


def test_exports_that_have_settled_are_not_folded_again_unless_one_of_them_changes(made: MadeLake) -> None:
    told = {
        day: put(made, f"2026-11-{day:02}", NOON + timedelta(days=day), Told("xk", "1", str(day // 3)), Told("xk", "2"))
        for day in range(1, 8)
    }
    assert agrees(made, *told.values())
    assert settled(made) == ["2026-11-01", "2026-11-02", "2026-11-03", "2026-11-04"]
    for day in range(8, 11):
        told[day] = put(made, f"2026-11-{day:02}", NOON + timedelta(days=day), Told("xk", "1", str(day // 3)))
        assert agrees(made, *told.values())
    assert settled(made)[-1] == "2026-11-07"
    told[2] = put(made, "2026-11-02", NOON + timedelta(days=2), Told("xk", "1", "another"))
    assert agrees(made, *told.values())
    told[3] = put(made, "2026-11-03", NOON + timedelta(days=11), Told("xk", "1", "again"))
    assert agrees(made, *told.values())
    assert [value for value, *_ in values(made)] == ["0", "another", "1", "2", "3", "again"]


def test_a_history_that_settled_goes_with_its_exports(made: MadeLake) -> None:
    put(made, MONDAY, NOON, Told("xk", "1", "red"))
    tuesday = put(made, TUESDAY, NOON + timedelta(days=9), Told("xk", "1", "blue"))
    sync(made.lake, SMALL)
    assert settled(made) == [MONDAY]
    made.remove(MONDAY, APSIS)
    assert agrees(made, tuesday)
    assert settled(made) == []
    made.remove(TUESDAY, APSIS)
    assert agrees(made)


@pytest.mark.parametrize("damage", ["cut off", "of other columns", "missing"])
def test_a_damaged_attributes_file_is_named_and_what_was_loaded_of_its_partition_stays(
    made: MadeLake, damage: str
) -> None:
    first = put(made, MONDAY, NOON, Told("xk", "1", "red"))
    sync(made.lake, SMALL)
    put(made, MONDAY, LATER, Told("xk", "1", "blue"))
    file = made.lake.attributes_file(APSIS, MONDAY)
    if damage == "cut off":
        file.write_bytes(file.read_bytes()[:-5])
    elif damage == "missing":
        file.unlink()
    else:
        events_file = made.lake.events_file(APSIS, MONDAY)
        file.write_bytes(events_file.read_bytes())
        stated = made.put(MONDAY, [], APSIS).events
        made.put(MONDAY, [], APSIS, attributes=stated, landed_at=LATER)
    made.put(TUESDAY, events([5]), APSIS)
    report = sync(made.lake, SMALL)
    assert report.added == 1
    (broken,) = report.broken
    assert f"apsis/profile_events/{MONDAY}" in broken.path
    assert "journey-pipeline normalize" in str(broken)
    assert held_history(made.lake) == history([first])


def test_what_apsis_exports_say_of_people_is_loaded_as_it_was_normalized(made: MadeLake) -> None:
    home = made.lake.home
    told = profile([event()], a88="A@example.org", a491874=None, a7731=None, a999="x")
    landed(home, PROFILE_EVENTS, export({"xk": told}))
    header = "address,type,server_time,gender (version_id: 491874),VIP (version_id: 7731)"
    record = "b@example.org,SENT,1795075201000,female,TAG"
    landed(home, EMAIL_EVENTS, f"{header}\n{record}\n".encode())
    assert sync(made.lake, SMALL).broken == ()
    shown = "profile_key, section_id, attribute_id, attribute, attribute_name, value, is_tag, is_latest"
    gender, vip = "usercreated.attributes.gender-a1", "usercreated.tags.vip-2"
    found = rows_of(warehouse_file(made.lake), f"select {shown} from core.profile_attributes order by all")
    assert found == [
        ("b@example.org", None, "491874", gender, "gender", "female", False, True),
        ("b@example.org", None, "7731", vip, "VIP", "true", True, True),
        ("xk", "1234", "491874", gender, "gender", None, False, True),
        ("xk", "1234", "7731", vip, "VIP", "true", True, True),
        ("xk", "1234", "88", "com.apsis1.attributes.email", "Email", "A@example.org", False, True),
        ("xk", "1234", "999", "unknown:999", None, "x", False, True),
    ]
    times = "select distinct first_exported_at, last_exported_at from core.profile_attributes"
    assert rows_of(warehouse_file(made.lake), times) == [(LANDED_AT, LANDED_AT)]
