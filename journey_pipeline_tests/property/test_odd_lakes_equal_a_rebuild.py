"""Whatever events hold, and however files come, repeat, break and heal: a sync leaves what a rebuild makes.

The tables are made in the smallest slices, and fewer rows are kept or sorted at once than there are.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from journey_pipeline.model import StreamKey
from journey_pipeline.warehouse import refresh, slices
from journey_pipeline.warehouse.connection import WarehouseSettings
from journey_pipeline.warehouse.equality import compare_with_lake
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.examples import examples
from journey_pipeline_tests.warehouse.made_lake import INSIDER, MIDNIGHT, SFMC, Event, dump, held_events
from journey_pipeline_tests.warehouse.made_twins import EMAILS, PROFILES, TwinLake

pytestmark = pytest.mark.slow(reason="a warehouse is made of each example, and synced again and again")

SECOND_ACCOUNT = StreamKey("sfmc", "sfmc_2", "journey_history")
LAYERFIVE = StreamKey("layerfive", "layerfive", "customer_journeys")
HOURS = ("2026-11-01T05", "2026-11-01T06", "2026-11-02T00")
DAYS = ("2026-11-01", "2026-11-02")
PLACES = [
    *((stream, hour) for stream in (SFMC, SECOND_ACCOUNT) for hour in HOURS),
    *((stream, day) for stream in (INSIDER, LAYERFIVE, PROFILES, EMAILS) for day in DAYS),
]
FIRST = "20261101T060000Z-aa"
# One letter in two normal forms, letters that change their length with their case, and what means something elsewhere.
ODD = [
    *(None, "", " ", "é", "e\u0301", "İ", "i\u0307", "ﬁ", "\u200b", "a\x00b", "NULL", "*", "'", '"', "\\", "a;b\nc"),
    "x" * 4_000,
]
PROPERTIES = [
    *(None, "{}", "{ }", "null", '"text"', "[1]", '{"a":1,"a":2}', '{"a":1,"b":2}', '{"b":2,"a":1}', '{"a": 1}'),
    *('{"a":-0.0}', '{"a":0.0}', '{"a":1e400}', '{"a":12345678901234567890123456789.0123456789}', '{"a":"\\u00e9"}'),
    *('{"correlation_id":"c-1"}', '{"correlation_id":1}', '{"correlation_id":{"x":1}}', '{"correlation_id":""}'),
    *('{"order_id":"o","revenue":"nan"}', '{"order_id":"o","revenue":"-0.0"}', '{"revenue":"99999999999999999999"}'),
]
INSTANTS = [
    *(MIDNIGHT + timedelta(hours=hours) for hours in (0, 5, 5, 6, 24, 200)),
    *(MIDNIGHT + timedelta(hours=5, seconds=seconds) for seconds in (0.000001, 60, 60.000001)),
    *(datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1)),  # one hour of a clock in Europe
    datetime(1990, 1, 1, tzinfo=UTC),
    datetime(2099, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]


@dataclass(frozen=True)
class Odd(Event):
    """An event with any other columns; the same key in two streams is two events."""

    others: dict[str, Any] = field(default_factory=dict)

    def columns(self, stream: StreamKey, partition: str) -> dict[str, Any]:
        key = uuid.uuid5(uuid.NAMESPACE_OID, f"{stream} {self.key}")
        return super().columns(stream, partition) | self.others | {"event_key": key}


def drawn(random: Random, attempt: str) -> list[Event]:
    """Rows of some keys, of one answer mostly."""

    def one_of(*usual: str | None) -> str | None:
        return random.choice([*usual * 8, *ODD])

    return [
        Odd(
            key,
            at=random.choice(INSTANTS),
            attempt=random.choice([attempt] * 4 + [FIRST]),
            part=random.randint(0, 1),
            contact=one_of("C-1", "C-2", "a@x.example") or "C-1",
            journey=one_of("J-1", "J-2", "M-1", None),
            journey_name=one_of("Welcome", "Winback"),
            activity=one_of("A-1", "A-2", "A-3"),
            activity_name=one_of("First", None),
            activity_type=random.choice([None, None, "exitcriteriaactivity"]),
            following=one_of("A-2", "A-3"),
            action=random.choice(["enter", "skip", "exit", "convert", "send", "send", "fail", "open", "click"]),
            is_test=random.choice([False, False, False, True, None]),
            received=random.choice([None, *INSTANTS[:6]]),
            others={
                "email": one_of("a@x.example", "A@x.example", None),
                "enrolment_id": random.choice([None, "p-1", "p-2"]),
                "message_id": random.choice([None, "M-1", "J-1"]),
                "channel": random.choice(["email", "email", "journey", "sms"]),
                "outcome": one_of("hard", "soft"),
                "reason": one_of("dropped"),
                "properties": random.choice(PROPERTIES),
            },
        )
        for key in random.sample(range(13), random.randint(0, 9))
    ]


class BreakableLake(TwinLake):
    """A lake with files that are cut for a while."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.whole: dict[Path, bytes] = {}

    def cut(self, path: Path, size: int) -> None:
        self.whole.setdefault(path, path.read_bytes())
        path.write_bytes(path.read_bytes()[:size])

    def heal(self) -> None:
        for path, content in self.whole.items():
            path.write_bytes(content)
        self.whole.clear()


def change(made: BreakableLake, random: Random, attempt: str) -> None:
    """Makes one change of a lake."""
    stream, partition = place = random.choice(PLACES)
    match random.choice(["put", "repeat", "repeat", "repeat", "remove", "break", "heal", "map"]):
        case "put":
            put(made, place, drawn(random, attempt), rejects=random.randint(0, 2))
        case "repeat":
            # An answer that holds what others of its stream do, less what was withdrawn, some of it told otherwise.
            others = [rows for other, rows in made.files.items() if other[0] == stream]
            held = [row for rows in random.sample(others, min(len(others), 2)) for row in rows if random.random() < 0.9]
            again = [replace(row, attempt=attempt) for row in held]
            put(made, place, [*again, *drawn(random, attempt)[: random.randint(0, 2)]])
        case "remove" if place in made.files:
            made.heal()
            made.remove(partition, stream)
        case "break" if place in made.files:
            file = random.choice([made.lake.events_file, made.lake.events_manifest])
            made.cut(file(stream, partition), random.randint(0, 400))
        case "heal":
            made.heal()
        case "map":
            made.lake.contacts_root.mkdir(exist_ok=True)
            addresses = random.choice(["C-1,b@x.example\n", "C-1,B@x.example\nC-2, b@x.example\nC-3,-\n"])
            (made.lake.contacts_root / "sfmc.csv").write_text(f"contact_id,email\n{addresses}")


def put(made: BreakableLake, place: tuple[StreamKey, str], rows: list[Event], rejects: int = 0) -> None:
    """Puts a file in place that has each key once."""
    made.heal()
    stream, partition = place
    once = {row.key: row for row in rows}.values()
    made.put(partition, [replace(row, row=number) for number, row in enumerate(once, 1)], stream, rejects)


@pytest.fixture(scope="module", autouse=True)
def _smallest_slices() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "_BYTES_OF_ROW", 100_000_000)
        patch.setattr(slices, "_ROWS_OF_UNIT", 1)
        patch.setattr(refresh, "_SPAN_ROWS", 3)
        yield


@pytest.mark.parametrize("seed", range(examples(2)))
def test_a_sync_of_an_odd_lake_leaves_what_a_rebuild_makes(seed: int, tmp_path: Path) -> None:
    random, made = Random(seed), BreakableLake(tmp_path / "home")
    for place in PLACES:
        put(made, place, drawn(random, FIRST))
    for number in range(5):
        limits = WarehouseSettings(
            memory="500MB",
            threads=random.randint(1, 2),
            batch_rows=random.choice([1, 3, 1_000]),
            remove=number % 2 == 0,
        )
        sync(made.lake, limits)
        for _ in range(random.randint(1, 5)):
            change(made, random, f"2026110{number + 2}T060000Z-aa")
    made.heal()
    limits = replace(limits, remove=True)
    assert not sync(made.lake, limits).broken
    assert held_events(made.lake) == made.winners()
    assert compare_with_lake(made.lake, limits).problems == []
    synced = dump(made.lake)
    rebuild(made.lake, limits)
    assert dump(made.lake) == synced
