from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from journey_pipeline.model import StreamKey
from journey_pipeline.vendors.apsis.email_events.stream import EMAIL_EVENTS
from journey_pipeline.vendors.apsis.profile_events.stream import PROFILE_EVENTS
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.new_home import put_warehouse
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
MONDAY, TUESDAY, WEDNESDAY = "2026-11-02", "2026-11-03", "2026-11-04"
NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)
LATER, LATEST = NOON + timedelta(days=1), NOON + timedelta(days=2)


Exported = tuple[str, datetime, tuple[Told, ...], str]


def exported(partition: str, landed_at: datetime, *rows: Told, stream: str = "profile_events") -> Exported:
    """An export of a day; without rows one of events alone."""
    return partition, landed_at, rows, stream


@dataclass(frozen=True)
class Case:
    """Exports of a connection of its own, and their history.

    Attributes:
        held: By attribute its periods: value, first and last export, whether latest.
        then: Exports that came after a sync.
        gone: Days that were taken away after it.
    """

    exports: list[Exported]
    held: dict[str, list[tuple[Any, ...]]]
    then: list[Exported] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def told(self, connection: str) -> list[Export]:
        """What there is in the end, for the model."""
        last = {
            (partition, stream): Export(at, StreamKey("apsis", connection, stream), partition, rows)
            for partition, at, rows, stream in [*self.exports, *self.then]
            if partition not in self.gone
        }
        return list(last.values())


EMAIL_STREAM = "email_events"
TAG, NAME, OTHER = Told("xk", "7", is_tag=True), Told("xk", "1", "Ann", is_tag=False), Told("xk", "2", "x")
OF_ANOTHER = Told("somebody else", "7", is_tag=True)
EMPTY = [Told("a@example.org", name, None, section=None) for name in ("7", "1")]
CASES = {
    "a value that stays is one period and a changed one begins the next": Case(
        [
            exported(MONDAY, NOON, Told("xk", "1", "red")),
            exported(TUESDAY, LATER, Told("xk", "1", "red")),
            exported(WEDNESDAY, LATEST, Told("xk", "1", "blue")),
        ],
        {"1": [("red", NOON, LATER, False), ("blue", LATEST, LATEST, True)]},
    ),
    "exports count in the order in which they landed, not in that of their days": Case(
        [exported(TUESDAY, NOON, Told("xk", "1", "red")), exported(MONDAY, LATER, Told("xk", "1", "blue"))],
        {"1": [("red", NOON, NOON, False), ("blue", LATER, LATER, True)]},
    ),
    "a tag that is gone is false from the next export of the person on": Case(
        [
            exported(MONDAY, NOON, TAG, NAME),
            exported(TUESDAY, LATER, OF_ANOTHER),  # says nothing of the first one
            exported(WEDNESDAY, LATEST, NAME, OF_ANOTHER),
        ],
        {"7": [("true", NOON, NOON, False), ("true", LATER, LATEST, True), ("false", LATEST, LATEST, True)]},
    ),
    "a tag that comes back is true again": Case(
        [exported(MONDAY, NOON, NAME, TAG), exported(TUESDAY, LATER, NAME), exported(WEDNESDAY, LATEST, NAME, TAG)],
        {"7": [("true", NOON, NOON, False), ("false", LATER, LATER, False), ("true", LATEST, LATEST, True)]},
    ),
    "an attribute that is no longer exported has no value any more": Case(
        [exported(MONDAY, NOON, Told("xk", "1", "red"), OTHER), exported(TUESDAY, LATER, OTHER)],
        {"1": [("red", NOON, NOON, False), (None, LATER, LATER, True)]},
    ),
    "what is left empty is false of a tag that anybody has ever had": Case(
        [
            exported(MONDAY, NOON, *EMPTY, stream=EMAIL_STREAM),
            exported(TUESDAY, LATER, Told("b@example.org", "7", is_tag=True, section=None), stream=EMAIL_STREAM),
        ],
        {"7": [("false", NOON, NOON, True), ("true", LATER, LATER, True)], "1": [(None, NOON, NOON, True)]},
    ),
    "an export that names no section says nothing of what it leaves out": Case(
        [
            exported(MONDAY, NOON, Told("a@example.org", "7", is_tag=True, section=None), stream=EMAIL_STREAM),
            exported(TUESDAY, LATER, Told("a@example.org", "1", "red", section=None), stream=EMAIL_STREAM),
        ],
        {"7": [("true", NOON, NOON, True)]},
    ),
    "sections and streams are people of their own": Case(
        [
            exported(MONDAY, NOON, Told("xk", "1", "red"), Told("xk", "1", "green", section="99")),
            exported(MONDAY, LATER, Told("xk", "1", "blue", section=None), stream=EMAIL_STREAM),
        ],
        {"1": [("red", NOON, NOON, True), ("green", NOON, NOON, True), ("blue", LATER, LATER, True)]},
    ),
    "another export of a day takes the place of the earlier one": Case(
        [
            exported(MONDAY, NOON, Told("xk", "1", "red"), Told("gone", "1", "red")),
            exported(TUESDAY, LATER, Told("xk", "1", "red")),
        ],
        {"1": [("red", LATER, LATER, False), ("blue", LATEST, LATEST, True)]},
        then=[exported(MONDAY, LATEST, Told("xk", "1", "blue"))],
    ),
    "a day that is gone takes its attributes along": Case(
        [exported(MONDAY, NOON, Told("xk", "1", "red")), exported(TUESDAY, LATER, Told("xk", "1", "blue"))],
        {"1": [("red", NOON, NOON, True)]},
        gone=[TUESDAY],
    ),
    "the latest value is one row per person and attribute": Case(
        [
            exported(day, at, *(Told(f"xk-{who}", "1", value) for who in range(3)))
            for day, at, value in ((MONDAY, NOON, "0"), (TUESDAY, LATER, "1"), (WEDNESDAY, LATEST, "2"))
        ],
        {
            "1": [("0", NOON, NOON, False)] * 3 + [("1", LATER, LATER, False)] * 3 + [("2", LATEST, LATEST, True)] * 3,
        },
    ),
    "a sync without new attributes leaves the history alone": Case(
        [exported(MONDAY, NOON, Told("xk", "1", "red"))],
        {"1": [("red", NOON, NOON, True)]},
        then=[exported(TUESDAY, LATER)],
    ),
}
VERSIONS = [("9", "10"), ("10", "9")]


def of_version(version: str, *values: str | None) -> tuple[Told, ...]:
    score, vip, mood = values
    return (
        Told("xk", f"1{version}", score, is_tag=False, discriminator="score"),
        *([Told("xk", f"2{version}", vip, is_tag=True, discriminator="vip")] if vip else []),
        Told("a@example.org", f"1{version}", score, is_tag=False, section=None),
        Told("xk", f"3{version}", mood, is_tag=False, discriminator="mood"),
    )


def put(made: MadeLake, partition: str, landed_at: datetime, *rows: Told, stream: StreamKey = APSIS) -> Export:
    if rows:
        put_export(made, partition, landed_at, *rows, stream=stream)
    else:
        made.put(partition, [Event(1)], stream)
    return Export(landed_at, stream, partition, rows)


def put_all(made: MadeLake, connection: str, exports: list[Exported]) -> None:
    for partition, landed_at, rows, stream in exports:
        put(made, partition, landed_at, *rows, stream=StreamKey("apsis", connection, stream))


@dataclass(frozen=True)
class Histories:
    """A warehouse in which each case has a connection, and its tables as syncs and as a rebuild made them."""

    made: MadeLake
    synced: dict[str, list[tuple[object, ...]]]
    rebuilt: dict[str, list[tuple[object, ...]]]

    def latest(self, connection: str) -> list[tuple[Any, ...]]:
        columns = "profile_key, attribute, if(value is null, null, attribute_id) as version, value"
        which = f"is_latest and connection = '{connection}'"
        sql = f"select {columns} from core.profile_attributes where {which} order by all"
        return rows_of(warehouse_file(self.made.lake), sql)


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Histories:
    made = MadeLake(put_warehouse(tmp_path_factory.mktemp("attributes") / "home"))
    for number, case in enumerate(CASES.values()):
        put_all(made, f"apsis_{number}", case.exports)
    for before, after in VERSIONS:
        two = [
            exported(MONDAY, NOON, *of_version(before, "12", "true", "sad")),
            exported(TUESDAY, LATER, *of_version(after, "13", "true", None)),
        ]
        put_all(made, f"apsis_two_{after}", two)
        put_all(made, f"apsis_three_{after}", two)
    sync(made.lake, REMOVING)
    for _, after in VERSIONS:
        put_all(made, f"apsis_three_{after}", [exported(WEDNESDAY, LATEST, *of_version(after, "13", None, None))])
    for is_without_attributes in (False, True):
        for number, case in enumerate(CASES.values()):
            put_all(made, f"apsis_{number}", [one for one in case.then if bool(one[2]) is not is_without_attributes])
            for partition in case.gone if is_without_attributes else ():
                made.remove(partition, StreamKey("apsis", f"apsis_{number}", "profile_events"))
        sync(made.lake, REMOVING)
    synced = dump(made.lake)
    rebuild(made.lake, REMOVING)
    return Histories(made, synced, dump(made.lake))


@pytest.mark.parametrize("says", CASES)
def test_of_the_history_of_values(histories: Histories, says: str) -> None:
    case, connection = CASES[says], f"apsis_{list(CASES).index(says)}"
    assert held_history(histories.made.lake, connection) == history(case.told(connection))
    for attribute, expected in case.held.items():
        assert values(histories.made, attribute, connection) == expected


def test_the_history_is_the_same_after_syncs_and_after_a_rebuild(histories: Histories) -> None:
    assert histories.synced == histories.rebuilt


def test_the_name_of_an_attribute_and_its_vendor_are_in_every_row(histories: Histories) -> None:
    wrong = "vendor is distinct from 'apsis' or attribute_name is distinct from 'name of ' || attribute_id"
    sql = f"select count(*) filter ({wrong}), count(*) > 0 from core.profile_attributes"
    assert rows_of(warehouse_file(histories.made.lake), sql) == [(0, True)]


@pytest.mark.parametrize(("before", "after"), VERSIONS)
def test_of_an_attribute_with_a_new_version_the_newest_value_alone_is_the_latest(
    histories: Histories, before: str, after: str
) -> None:
    latest = [
        ("a@example.org", "score", f"1{after}", "13"),
        ("xk", "mood", None, None),
        ("xk", "score", f"1{after}", "13"),
        ("xk", "vip", f"2{after}", "true"),
    ]
    assert before != after
    assert histories.latest(f"apsis_two_{after}") == latest
    assert histories.latest(f"apsis_three_{after}") == [*latest[:-1], ("xk", "vip", f"2{after}", "false")]


def values(made: MadeLake, attribute: str = "1", connection: str = "apsis") -> list[tuple[Any, ...]]:
    """The periods of an attribute: value, first and last export, whether latest."""
    return rows_of(
        warehouse_file(made.lake),
        "select value, first_exported_at, last_exported_at, is_latest from core.profile_attributes "
        f"where attribute_id = '{attribute}' and connection = '{connection}' order by first_exported_at, section_id, 1",
    )


def is_as_told(made: MadeLake, *exports: Export) -> bool:
    """Syncs; whether the history is what plain Python says."""
    sync(made.lake, REMOVING)
    return held_history(made.lake) == history(exports)


def is_as_rebuilt(made: MadeLake) -> bool:
    synced = dump(made.lake)
    rebuild(made.lake, REMOVING)
    return dump(made.lake) == synced


def settled(made: MadeLake) -> list[str]:
    found = rows_of(warehouse_file(made.lake), "select partition_key from internal.settled_exports order by 1")
    return [partition for (partition,) in found]


def test_exports_that_have_settled_are_not_folded_again_unless_one_of_them_changes(made: MadeLake) -> None:
    told = {
        day: put(made, f"2026-11-{day:02}", NOON + timedelta(days=day), Told("xk", "1", str(day // 3)), Told("xk", "2"))
        for day in range(1, 8)
    }
    assert is_as_told(made, *told.values())
    assert settled(made) == ["2026-11-01", "2026-11-02", "2026-11-03", "2026-11-04"]
    for day in range(8, 11):
        told[day] = put(made, f"2026-11-{day:02}", NOON + timedelta(days=day), Told("xk", "1", str(day // 3)))
        assert is_as_told(made, *told.values())
    assert settled(made)[-1] == "2026-11-07"
    told[2] = put(made, "2026-11-02", NOON + timedelta(days=2), Told("xk", "1", "another"))
    assert is_as_told(made, *told.values())
    told[3] = put(made, "2026-11-03", NOON + timedelta(days=11), Told("xk", "1", "again"))
    assert is_as_told(made, *told.values())
    assert [value for value, *_ in values(made)] == ["0", "another", "1", "2", "3", "again"]
    assert is_as_rebuilt(made)


def test_a_history_that_settled_goes_with_its_exports(made: MadeLake) -> None:
    put(made, MONDAY, NOON, Told("xk", "1", "red"))
    tuesday = put(made, TUESDAY, NOON + timedelta(days=9), Told("xk", "1", "blue"))
    sync(made.lake, SMALL)
    assert settled(made) == [MONDAY]
    made.remove(MONDAY, APSIS)
    assert is_as_told(made, tuesday)
    assert settled(made) == []
    made.remove(TUESDAY, APSIS)
    assert is_as_told(made)
    assert is_as_rebuilt(made)


def damage(made: MadeLake, stream: StreamKey, how: str) -> None:
    file = made.lake.attributes_file(stream, MONDAY)
    if how == "cut_off":
        file.write_bytes(file.read_bytes()[:-5])
    elif how == "missing":
        file.unlink()
    else:
        file.write_bytes(made.lake.events_file(stream, MONDAY).read_bytes())
        stated = made.put(MONDAY, [], stream).events
        made.put(MONDAY, [], stream, attributes=stated, landed_at=LATER)


def test_a_damaged_attributes_file_is_named_and_what_was_loaded_of_its_partition_stays(made: MadeLake) -> None:
    damages = ("cut_off", "of_other_columns", "missing")
    streams = {name: StreamKey("apsis", name, "profile_events") for name in damages}
    first = {name: put(made, MONDAY, NOON, Told("xk", "1", "red"), stream=streams[name]) for name in damages}
    sync(made.lake, SMALL)
    for name in damages:
        put(made, MONDAY, LATER, Told("xk", "1", "blue"), stream=streams[name])
        damage(made, streams[name], name)
    made.put(TUESDAY, events([5]), streams["missing"])
    report = sync(made.lake, SMALL)
    assert report.added == 1
    assert len(report.broken) == len(damages)
    for name in damages:
        (broken,) = [broken for broken in report.broken if f"{name}/profile_events/{MONDAY}" in broken.path]
        assert "journey-pipeline normalize" in str(broken)
        assert held_history(made.lake, name) == history([first[name]])


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
