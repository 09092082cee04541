from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from journey_pipeline.vendors.layerfive.customer_journeys.mapping import MappingSettings
from journey_pipeline_tests.vendors.made_journeys import AT, MadeJourneys, answer, record, typed

ENTRY = record(event_type="click", campaign="Autumn", revenue=89.9, items=[{"sku": "a", "size": None}])


def key(home: Path, entry: Any, **settings: Any) -> Any:
    ((found,),) = typed(home, entry, **settings).events("event_key")
    return found


def two(tmp_path: Path, one: Any, other: Any, **settings: Any) -> int:
    """How many events two records are, met in two answers."""
    return len({key(tmp_path / "1", one, **settings), key(tmp_path / "2", other, **settings)})


@pytest.mark.parametrize(
    "other",
    [
        dict(reversed(ENTRY.items())),
        ENTRY | {"order_id": None},
        ENTRY | {"items": [{"size": None, "sku": "a"}]},
        ENTRY | {"items": [{"sku": "a"}]},
        ENTRY | {"known_since": "2026-11-18T21:04:11Z"},
        ENTRY | {"Individual_Since": 5},
        ENTRY | {"email": "ana@example.org"},
        ENTRY | {"customer_email": "Ana@Example.org"},
    ],
)
def test_order_nulls_addresses_and_volatile_fields_are_no_part_of_an_events_identity(
    tmp_path: Path, other: Any
) -> None:
    assert two(tmp_path, ENTRY, other) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"individual_id": "p-82"},
        {"event_time": "2026-11-19T08:15:31Z"},
        {"event_type": "open"},
        {"campaign": "autumn"},
        {"revenue": 90},
        {"revenue": "89.9"},
        {"items": [{"sku": "b"}]},
        {"items": []},
        {"note": ""},
        {"note": "null"},
    ],
)
def test_records_that_differ_in_anything_else_are_two_events(tmp_path: Path, change: dict[str, Any]) -> None:
    assert two(tmp_path, ENTRY, ENTRY | change) == 2


def test_fields_declared_volatile_are_no_part_of_it_either_inside_objects_too(tmp_path: Path) -> None:
    changed = ENTRY | {"score": 2, "seen": {"at": 2, "by": "x"}}
    entry = ENTRY | {"score": 1, "seen": {"at": 1, "by": "x"}}
    assert two(tmp_path / "a", entry, changed, volatile=("Score", "seen.at")) == 1
    assert two(tmp_path / "b", entry, changed, volatile=("score",)) == 2
    assert two(tmp_path / "c", entry, changed | {"seen": {"at": 1, "by": "y"}}, volatile=("score", "seen.at")) == 2


def test_a_declared_address_is_no_part_of_it(tmp_path: Path) -> None:
    fields = {"email": "person.mail"}
    entry = ENTRY | {"person": {"mail": "a@example.org", "tier": 1}}
    assert two(tmp_path / "a", entry, ENTRY | {"person": {"mail": "b@example.org", "tier": 1}}, fields=fields) == 1
    assert two(tmp_path / "b", entry, ENTRY | {"person": {"mail": "a@example.org", "tier": 2}}, fields=fields) == 2


def test_identical_records_of_one_answer_are_as_many_events_and_the_same_ones_the_next_time(tmp_path: Path) -> None:
    made = MadeJourneys(tmp_path).land(answer(ENTRY, ENTRY, ENTRY))
    made.normalize()
    keys = set(made.events("event_key"))
    assert len(keys) == 3
    made.land(answer(ENTRY, ENTRY)).normalize()
    assert set(made.events("event_key")) == keys


def test_identical_records_on_two_pages_of_one_answer_are_repeats_too(tmp_path: Path) -> None:
    made = MadeJourneys(tmp_path).land(answer(ENTRY, ENTRY), answer(ENTRY))
    made.normalize()
    assert made.events("count(distinct event_key)") == [(3,)]


def test_an_event_id_is_the_key_only_if_it_is_said_to_be_unique(tmp_path: Path) -> None:
    entry, corrected = ENTRY | {"event_id": "e-1"}, ENTRY | {"event_id": "e-1", "revenue": 80}
    assert two(tmp_path / "a", entry, corrected) == 2
    assert two(tmp_path / "b", entry, corrected, event_id_is_unique=True) == 1
    assert two(tmp_path / "c", entry, entry | {"event_id": "e-2"}, event_id_is_unique=True) == 2


def test_with_unique_ids_the_latest_record_wins_and_records_without_one_go_by_content(tmp_path: Path) -> None:
    made = MadeJourneys(tmp_path, MappingSettings(event_id_is_unique=True))
    made.land(answer(ENTRY | {"id": 7, "revenue": 1}, ENTRY, ENTRY))
    made.land(answer(ENTRY | {"id": 7, "revenue": 2})).normalize()
    assert sorted(made.events("properties->>'id', properties->>'revenue'"), key=str) == [
        ("7", "2"),
        (None, "89.9"),
        (None, "89.9"),
    ]


def test_the_same_events_have_the_same_keys_in_every_shape_of_an_answer(tmp_path: Path) -> None:
    person = {"individual_id": "p-81", "email": "Ana@example.org", "known_since": "x"}
    touches = [{"event_time": AT, "event_type": "view", "n": n} for n in range(3)]
    flat = [person | touch for touch in touches]
    bodies = {
        "default": answer(*flat),
        "next": answer(*flat, next=None),
        "array": json.dumps(flat).encode(),
        "indented": json.dumps({"meta": {"a": [1]}, "data": flat}, indent=2).encode(),
        "only array": json.dumps({"people": flat}).encode(),
        "lines": b"\n".join(json.dumps(entry).encode() for entry in flat),
        "mark": b"\xef\xbb\xbf" + answer(*flat),
        **{
            name: json.dumps({"results": [person | {name: touches[:2]}, person | {name: touches[2:]}]}).encode()
            for name in ("touchpoints", "events", "journey", "steps", "activities")
        },
    }
    keys = {}
    for number, (name, body) in enumerate(bodies.items()):
        made = MadeJourneys(tmp_path / str(number)).land(body)
        assert made.normalize().unaccounted == 0, name
        keys[name] = frozenset(made.events("event_key"))
    assert len(set(keys.values())) == 1, keys
    assert len(keys["default"]) == 3


def test_a_person_without_touches_is_no_event_and_what_is_no_touch_is_a_reject(tmp_path: Path) -> None:
    touch = {"event_time": AT, "id": 1}
    people = [
        {"individual_id": "a", "id": 9, "touchpoints": [touch, "no touch", touch | {"id": 2}]},
        {"individual_id": "b", "touchpoints": []},
        {"individual_id": "c", "touchpoints": None},
        {"individual_id": "d", "event_time": AT},
        {"individual_id": "e"},
    ]
    made = MadeJourneys(tmp_path).land(answer(*people))
    manifest = made.normalize()
    assert (manifest.landed, manifest.unaccounted) == (5, 0)
    found = made.events("""contact_id, landing_row, properties->>'id', properties->>'$."person.id"'""")
    assert found == [("a", 1, "1", "9"), ("a", 3, "2", "9"), ("d", 4, None, None)]
    assert made.rejects("reason, contact_id, landing_row, raw") == [
        ("not a JSON object", None, 2, '"no touch"'),
        ("no time", "e", 5, '{"individual_id": "e"}'),
    ]
