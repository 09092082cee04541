"""The graph of a version's steps: how far each stands from the start, and where a passage is over."""

from __future__ import annotations

import json
from typing import Any

import pytest

from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file
from journey_pipeline.warehouse.step_places import ends, ranked
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.warehouse.made_lake import SFMC, Event, MadeLake, dump, rows_of

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0)
FIVE, SIX = "2026-11-01T05", "2026-11-01T06"


@pytest.mark.parametrize(
    ("links", "ranks"),
    [
        ("ab ac bd cd", "a0 b1 c1 d2"),
        ("sx sa ab bx", "s0 a1 b2 x3"),
        ("ab bc cb cd", "a0 b1 c2 d3"),
        ("ab ba", "a0 b1"),
        ("aa", "a0"),
        ("sa ab bc ca cd sd", "s0 a1 b2 c3 d4"),
        ("ab ab xy", "a0 b1 x0 y1"),
    ],
)
def test_a_steps_rank_is_the_longest_way_to_it_and_a_loop_is_cut_where_it_closes(links: str, ranks: str) -> None:
    graph: dict[str, list[str]] = {}
    for step, following in links.split():
        graph.setdefault(step, []).append(following)
    assert ranked(graph) == {step: int(rank) for step, rank in ranks.split()}


def test_ten_thousand_steps_in_a_row_have_a_rank_each() -> None:
    graph = {str(number): [str(number + 1), str(number // 2)] for number in range(10_000)}
    assert max(ranked(graph).values()) == 10_000


def test_an_end_has_no_way_on_and_is_seen_through_steps_that_history_never_shows() -> None:
    ways: dict[str, list[str] | None] = {
        "end": [],
        "join": ["end"],
        "far": ["join"],
        "named": ["end"],
        "fork": ["end", "named"],
        "loop": ["loop"],
        "untold": None,
        "to_untold": ["untold"],
    }
    hidden = ["join", "far", "fork", "loop", "to_untold"]
    are = {step for step, is_end in ends(ways, hidden).items() if is_end}
    assert are == {"end", "join", "far"}
    assert ends(ways, hidden)["untold"] is None


def version(journey: str, **steps: str) -> list[dict[str, Any]]:
    """Listed steps of a version: by key the keys of the next ones, of which a capital one has a name."""
    return [
        {
            "activity_id": f"{journey}-{key}",
            "journey_id": journey,
            "activity_key": key.upper(),
            "activity_name": None if key == "join" else f"Step {key}",
            "activity_type": "WAIT" if key == "wait" else "EMAILV2",
            "outcomes": json.dumps([{"key": "o", "next": on.upper()} for on in ways.split()] or [{"key": "o"}]),
        }
        for key, ways in steps.items()
    ]


def happened(key: int, step: str, on: str | None = None, journey: str = "v1", **others: Any) -> Event:
    names: dict[str, Any] = {"activity_name": f"Step {step}", "journey_name": "Winter"} | others
    following = f"{journey}-{on}" if on else None
    return Event(key, row=key, journey=journey, activity=f"{journey}-{step}", following=following, **names)


STEPS = "select activity_id, step_rank, is_end, step_key, activity_type, listed_type from core.activities order by 1"
JOURNEYS = "select journey_id, journey_root_id, root_source, is_test from core.journeys order by 1"


@pytest.mark.slow(reason="a warehouse is made")
def test_steps_of_all_versions_have_a_place_and_a_key(made: MadeLake) -> None:
    made.put_dimension("activities", version("v1", start="mail wait", wait="mail", mail="join", join="done", done=""))
    listed = {"journey_root_id": "r1", "journey_name": "Winter", "version": 1}
    made.put_dimension("journeys", [{"journey_id": "v1", **listed, "properties": '{"executionMode": "production"}'}])
    mail = {"activity_type": "emailv2"}
    made.put(FIVE, [happened(1, "start"), happened(2, "mail", **mail)])
    # A version that the vendor no longer lists: by its name it is one of the same root, and so are its steps.
    made.put(SIX, [happened(3, "mail", "bye", "v0", **mail), happened(4, "bye", "mail", "v0")])
    sync(made.lake, SMALL)
    assert rows_of(warehouse_file(made.lake), JOURNEYS) == [("v0", "r1", "name", False), ("v1", "r1", "vendor", False)]
    assert rows_of(warehouse_file(made.lake), STEPS) == [
        ("v0-bye", 0, None, "v0-bye", None, None),
        ("v0-mail", 1, None, "MAIL", "emailv2", None),
        ("v1-done", 4, True, "DONE", None, "EMAILV2"),
        ("v1-join", 3, True, "JOIN", None, "EMAILV2"),
        ("v1-mail", 2, False, "MAIL", "emailv2", "EMAILV2"),
        ("v1-start", 0, False, "START", None, "EMAILV2"),
        ("v1-wait", 1, False, "WAIT", None, "WAIT"),
    ]
    made.remove(SIX)
    made.put("2026-11-01T07", [happened(5, "wait", "done")])
    sync(made.lake, SMALL)
    links = "select activity_id, is_listed from internal.step_links where next_activity_id = 'v1-done' order by 1"
    assert rows_of(warehouse_file(made.lake), links) == [("v1-join", True), ("v1-wait", False)]
    synced = dump(made.lake)
    rebuild(made.lake, SMALL)
    assert dump(made.lake) == synced


@pytest.mark.slow(reason="a warehouse is made")
def test_a_root_is_never_absent_and_a_name_of_two_roots_is_no_root(made: MadeLake) -> None:
    two = [{"journey_id": f"v{n}", "journey_root_id": f"r{n}", "journey_name": "Winter"} for n in (1, 2)]
    own = [{"journey_id": "e-1", "journey_name": "Winter"}]
    made.put_dimension("journeys", [*two, *own])
    made.put(FIVE, [Event(1, journey="v0", journey_name="Winter"), Event(2, journey="v9", journey_name=None, row=2)])
    sync(made.lake, SMALL)
    assert rows_of(warehouse_file(made.lake), JOURNEYS) == [
        ("e-1", "e-1", "self", False),
        ("v0", "v0", "self", False),
        ("v1", "r1", "vendor", False),
        ("v2", "r2", "vendor", False),
        ("v9", "v9", "self", False),
    ]


@pytest.mark.slow(reason="a warehouse is made")
def test_a_journey_that_runs_as_a_test_is_in_no_mart_as_long_as_it_is_listed_so(made: MadeLake) -> None:
    made.put(FIVE, [Event(1, journey="v1"), Event(2, journey="v2", row=2)], SFMC)
    daily = "select journey_id from marts.journey_daily order by 1"
    for mode, counted in (("Test", ["v2"]), ("PRODUCTION", ["v1", "v2"]), ("SimulationMode", ["v2"])):
        made.put_dimension("journeys", [{"journey_id": "v1", "properties": json.dumps({"executionMode": mode})}])
        sync(made.lake, SMALL)
        assert [journey for (journey,) in rows_of(warehouse_file(made.lake), daily)] == counted
    synced = dump(made.lake)
    rebuild(made.lake, SMALL)
    assert dump(made.lake) == synced
