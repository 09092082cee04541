"""In whatever order and pieces files come and go: marts are as plain Python and a rebuild say."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from journey_pipeline.model import StreamKey
from journey_pipeline.warehouse import schema
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.examples import examples
from journey_pipeline_tests.warehouse.made_lake import INSIDER, MIDNIGHT, SFMC, Event, MadeLake, dump
from journey_pipeline_tests.warehouse.messages import assert_messages_are_as_in_the_model
from journey_pipeline_tests.warehouse.passages import assert_marts_are_as_in_the_model

pytestmark = pytest.mark.slow(reason="a warehouse is made of each example, and synced again and again")

SMALL = WarehouseSettings(memory="500MB", threads=1, batch_rows=6, remove=True)
PLACES = [
    (SFMC, "2026-11-01T05"),
    (SFMC, "2026-11-01T06"),
    (SFMC, "2026-11-08T05"),
    (INSIDER, "2026-11-01"),
    (INSIDER, "2026-11-02"),
]
ATTEMPTS = ["20261101T060000Z-aa", "20261103T000000Z-bb"]
# Equal instants, an enter at the edge of belonging to the one before, late ones, and some months later.
SECONDS = [0, 0, 0.001, 60, 60.001, 3600, 90_000, 7_000_000]
# Two marts of all that there is to an event: the one made as a whole sees where it landed, the one by days does not.
LANDINGS = """\
-- Landed files, and how many of their events are here.
-- Key: landing_file.
-- Made: as a whole.
--
-- landing_file: The landed file.
-- events: How many.
select
    landing_file,
    count(*) as events
from core.counted_events
group by all
"""
CONTENTS = """\
-- Contents of events.
-- Key: event_key.
-- Made: by occurred_on.
--
-- event_key: The event.
-- occurred_on: Its day.
-- content: All columns as one number.
select
    events.event_key,
    events.occurred_on,
    hash(events) as content
from core.journey_events as events
"""
ACTIONS = "enter enter skip exit convert send send fail suppress wait decide open open click deliver bounce".split()  # noqa: SIM905


@dataclass(frozen=True)
class Walked(Event):
    """An event of a passage; only Salesforce numbers them."""

    passage: str | None = None
    following: str | None = None
    kind: str | None = None
    why: str | None = None
    email: str | None = None

    def columns(self, stream: StreamKey, partition: str) -> dict[str, Any]:
        is_entry = self.action in {"enter", "exit", "skip"}
        return super().columns(stream, partition) | {
            "enrolment_id": self.passage if stream == SFMC else None,
            "email": self.email,
            "next_activity_id": self.following if stream == SFMC else None,
            "activity_type": self.kind,
            "reason": self.why,
            "channel": "journey" if is_entry else "email",
            "message_id": None if is_entry else self.activity,
        }


EVENTS = st.builds(
    Walked,
    key=st.integers(0, 30),
    at=st.sampled_from([MIDNIGHT + timedelta(seconds=seconds) for seconds in SECONDS]),
    attempt=st.sampled_from(ATTEMPTS),
    contact=st.sampled_from(["C-1", "C-1", "C-2"]),
    journey=st.sampled_from(["J-1", "J-1", "J-2", None]),
    activity=st.sampled_from(["A-1", "A-2", "A-3", "A-4", None]),
    action=st.sampled_from(ACTIONS),
    is_test=st.sampled_from([False, False, False, None, True]),
    passage=st.sampled_from(["p-1", "p-2", "p-3", "p-4", None]),  # one number may be of several people and versions
    following=st.sampled_from(["A-2", "A-4", None]),
    kind=st.sampled_from([None, None, None, "exitcriteriaactivity"]),
    why=st.sampled_from([None, None, "dropped"]),
    email=st.sampled_from([None, None, "a@x.example", "B@x.example"]),
)
ROWS = st.lists(EVENTS, max_size=9, unique_by=lambda walked: walked.key)
# The graph of each version: links between steps in any direction, loops among them; who lists none has no ends.
GRAPHS = st.dictionaries(
    st.sampled_from(["A-1", "A-2", "A-3", "A-4"]), st.lists(st.sampled_from(["A-1", "A-2", "A-3", "A-4"]), max_size=2)
)
CHANGES = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(PLACES), ROWS),
    st.tuples(st.just("repeat"), st.sampled_from(PLACES), st.sampled_from(PLACES), st.sampled_from(ATTEMPTS), ROWS),
    st.tuples(st.just("repeat"), st.sampled_from(PLACES), st.sampled_from(PLACES), st.sampled_from(ATTEMPTS), ROWS),
    st.tuples(st.just("put"), st.sampled_from(PLACES), ROWS),
    st.tuples(st.just("remove"), st.sampled_from(PLACES)),
    st.tuples(st.just("list steps"), st.sampled_from(["J-1", "J-2"]), GRAPHS),
    st.tuples(st.just("map"), st.sampled_from(["", "C-1,b@x.example\n", "C-1,c@x.example\nC-2,C@x.example\n"])),
    st.tuples(st.just("list"), st.sampled_from(["R-1", "J-1"]), st.sampled_from(["Welcome", "Winback"])),
)


def take(step: tuple[Any, ...], made: MadeLake) -> None:
    match step:
        case ("put", (stream, partition), rows):
            made.put(partition, rows, stream)
        case ("repeat", (stream, partition), other, attempt, rows):
            # An answer that holds what another one does, less what was withdrawn, as it was or as it is told now.
            again = {row.key: row for row in [*made.files.get(other, [])[1:], *rows[:2]]}
            made.put(partition, [replace(row, attempt=attempt) for row in again.values()], stream)
        case ("remove", (stream, partition)) if (stream, partition) in made.files:
            made.remove(partition, stream)
        case ("map", addresses):
            made.lake.contacts_root.mkdir(exist_ok=True)
            (made.lake.contacts_root / "sfmc.csv").write_text(f"contact_id,email\n{addresses}")
        case ("list", root, name):
            made.put_dimension(
                "journeys",
                [
                    {"journey_id": journey, "journey_root_id": root, "journey_name": name, "version": number}
                    for number, journey in enumerate(["J-1", "J-2"], 1)
                ],
            )
        case ("list steps", journey, graph):
            made.put_dimension(
                "activities",
                [
                    {
                        "activity_id": step,
                        "journey_id": journey,
                        "activity_key": f"key of {step}",
                        "activity_name": f"Step {step}",
                        "activity_type": "WAIT",
                        "outcomes": str([{"next": f"key of {other}"} for other in others] or [{}]).replace("'", '"'),
                    }
                    for step, others in graph.items()
                ],
            )


@pytest.fixture(scope="module", autouse=True)
def _marts_of_all_columns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    sql = tmp_path_factory.mktemp("marts") / "sql"
    shutil.copytree(schema.SQL, sql)
    (sql / "marts/landings.sql").write_text(LANDINGS)
    (sql / "marts/contents.sql").write_text(CONTENTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "SQL", sql)
        yield


# Shrinking would take longer than reading a failure's steps.
@settings(max_examples=examples(2), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(start=st.lists(CHANGES, min_size=3, max_size=6), rounds=st.lists(st.lists(CHANGES, min_size=1, max_size=2)))
def test_marts_of_passages_and_messages_are_as_the_model_and_a_rebuild_say(
    start: list[tuple[Any, ...]], rounds: list[list[tuple[Any, ...]]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = MadeLake(Path(folder))
        for number, changes in enumerate([start, *rounds[:3]]):
            for step in changes:
                take(step, made)
            assert not sync(made.lake, SMALL).broken, number
        assert_is_as_the_model_and_a_rebuild_say(made)


def assert_is_as_the_model_and_a_rebuild_say(made: MadeLake) -> None:
    assert_marts_are_as_in_the_model(warehouse_file(made.lake))
    assert_messages_are_as_in_the_model(warehouse_file(made.lake))
    synced = dump(made.lake)
    rebuild(made.lake, SMALL)
    assert dump(made.lake) == synced


def test_answers_that_repeat_supersede_equal_and_withdraw_others_leave_all_as_a_rebuild(tmp_path: Path) -> None:
    five, six, *_, day = PLACES
    early, late = ATTEMPTS
    sends = [Walked(key, attempt=early, contact=f"C-{key % 2}", row=key) for key in range(1, 7)]
    told_otherwise = [replace(sends[2], contact="C-9"), replace(sends[3], action="open")]
    made = MadeLake(tmp_path / "home")
    for step in (
        ("put", five, sends),
        ("repeat", six, five, late, []),
        ("repeat", six, six, late, told_otherwise),
        ("repeat", day, six, late, sends[:1]),
        ("repeat", six, six, early, []),
        ("remove", day),
        ("remove", six),
    ):
        take(step, made)
        assert not sync(made.lake, SMALL).broken
        assert_is_as_the_model_and_a_rebuild_say(made)
