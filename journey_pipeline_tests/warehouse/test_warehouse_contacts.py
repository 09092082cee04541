"""People of all vendors: their addresses, where these are from, and who is the same person."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from journey_pipeline.model import StreamKey
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.warehouse.made_lake import MIDNIGHT, SFMC, Event, MadeLake, dump, rows_of

pytestmark = pytest.mark.slow(reason="a warehouse is made in each test")

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0, remove=True)
FIVE, NEXT_DAY = "2026-11-01T05", "2026-11-02"
INSIDER = StreamKey("insider", "insider", "user_events")
CONTACTS = "select connection, contact_id, email, email_source, person_id from core.contacts order by all"


def person(of: str) -> str:
    return hashlib.md5(of.encode(), usedforsecurity=False).hexdigest()


def held(made: MadeLake) -> dict[tuple[str, str], tuple[str | None, str | None, str]]:
    return {row[:2]: row[2:] for row in rows_of(warehouse_file(made.lake), CONTACTS)}


def assert_as_rebuilt(made: MadeLake) -> None:
    synced = dump(made.lake)
    rebuild(made.lake, SMALL)
    assert dump(made.lake) == synced


def test_a_person_is_the_same_at_two_vendors_by_the_address_of_event_id_or_file(made: MadeLake) -> None:
    made.put(FIVE, [Event(1, contact="C-1"), Event(2, contact="C-2", row=2), Event(3, contact="Bo@X.example", row=3)])
    later = MIDNIGHT + timedelta(days=1, hours=1)
    told = [Event(4, contact="P-1", email="ana@x.example"), Event(5, contact="P-1", row=2)]
    made.put("2026-11-01", told, INSIDER)
    mapping = made.lake.contacts_root / "sfmc.csv"
    mapping.parent.mkdir()
    mapping.write_text('contact_id,email\nC-1,Ana@X.example\n"P-1",no@x.example\n')
    assert sync(made.lake, SMALL).broken == ()
    ana, bo = person("ana@x.example"), person("bo@x.example")
    assert held(made) == {
        ("insider", "P-1"): ("ana@x.example", "event", ana),
        ("sfmc", "Bo@X.example"): ("bo@x.example", "id", bo),
        ("sfmc", "C-1"): ("ana@x.example", "file", ana),
        ("sfmc", "C-2"): (None, None, person("sfmc|C-2")),
    }
    made.put(NEXT_DAY, [Event(6, contact="P-1", email="new@x.example", at=later)], INSIDER)
    mapping.write_text("email,contact_id\nbo@x.example,C-2\n")
    sync(made.lake, SMALL)
    now = held(made)
    assert (now["insider", "P-1"][0], now["sfmc", "C-1"][0], now["sfmc", "C-2"][2]) == ("new@x.example", None, bo)
    assert_as_rebuilt(made)
    made.remove(NEXT_DAY, INSIDER)
    mapping.unlink()
    sync(made.lake, SMALL)
    assert held(made)["insider", "P-1"][0] == "ana@x.example"
    assert_as_rebuilt(made)


@pytest.mark.parametrize("day", ["2026-10-31", NEXT_DAY])
def test_a_later_answer_changes_an_address_only_by_a_later_one(made: MadeLake, day: str) -> None:
    told = {"none": None, "same": "same@x.example", "new": "new@x.example"}  # by the answer of the other day
    first = {"none": "none@x.example", "same": "same@x.example", "new": "old@x.example"}
    known = [Event(row, contact=name, email=email, row=row) for row, (name, email) in enumerate(first.items(), 1)]
    made.put("2026-11-01", [*known, Event(4, contact="P-2", row=4)], INSIDER)
    sync(made.lake, SMALL)
    at = MIDNIGHT + timedelta(days=-1 if day < "2026-11" else 1, hours=1)
    coming = [Event(10 + row, contact=name, email=told[name], at=at, row=row) for row, name in enumerate(told, 1)]
    unknown = [
        Event(20 + row, contact=f"P-{name}", email=told[name], at=at, row=10 + row) for row, name in enumerate(told)
    ]
    made.put(day, [*coming, *unknown], INSIDER)
    sync(made.lake, SMALL)
    held_of = {contact: found[0] for (_, contact), found in held(made).items()}
    now = first | {"new": "new@x.example"} if day == NEXT_DAY else first
    assert held_of == now | {f"P-{name}": email for name, email in told.items()} | {"P-2": None}
    made.put(day, [replace(event, email=None) for event in coming], INSIDER)
    sync(made.lake, SMALL)
    assert {contact: found[0] for (_, contact), found in held(made).items()} == first | {"P-2": None}
    assert_as_rebuilt(made)


def test_an_address_that_many_people_share_makes_none_of_them_the_same(made: MadeLake) -> None:
    family = [Event(n, contact=f"P-{n}", email="family@x.example", row=n) for n in range(1, 6)]
    made.put("2026-11-01", [*family], INSIDER)
    sync(made.lake, SMALL)
    assert {row[2] for row in held(made).values()} == {person("family@x.example")}
    sixth = replace(family[0], key=6, contact="P-6", row=6)
    made.put("2026-11-01", [*family, sixth], INSIDER)
    sync(made.lake, SMALL)
    assert {row[2] for row in held(made).values()} == {person(f"insider|P-{n}") for n in range(1, 7)}
    assert_as_rebuilt(made)


def test_blanks_around_an_address_are_not_its_own_and_what_is_none_makes_nobody_the_same(made: MadeLake) -> None:
    made.put(FIVE, [Event(key, contact=f"C-{key}", row=key) for key in range(1, 6)])
    made.lake.contacts_root.mkdir()
    (made.lake.contacts_root / "sfmc.csv").write_text(
        'contact_id,email\r\n C-1 , Ana@X.example \r\n"C-2","ana@x.example"\r\nC-3,n/a\r\nC-4,n/a\r\nC-5," "\r\n'
    )
    assert sync(made.lake, SMALL).broken == ()
    ana = ("ana@x.example", "file", person("ana@x.example"))
    none = {("sfmc", f"C-{key}"): (None, None, person(f"sfmc|C-{key}")) for key in (3, 4, 5)}
    assert held(made) == {("sfmc", "C-1"): ana, ("sfmc", "C-2"): ana} | none


def test_a_file_of_addresses_whose_connection_has_no_events_is_told(
    made: MadeLake, caplog: pytest.LogCaptureFixture
) -> None:
    made.put(FIVE, [Event(1)])
    made.lake.contacts_root.mkdir()
    for name in ("sfmc", "sfcm"):
        (made.lake.contacts_root / f"{name}.csv").write_text("contact_id,email\nC-1,ana@x.example\n")
    sync(made.lake, SMALL)
    assert [record.getMessage() for record in caplog.records] == [
        "contacts/sfcm.csv is of no use yet: no connection of its name has events"
    ]


@pytest.mark.parametrize(
    "content", ["", "id,address\nC-1,a@x.example\n", "contact_id,email\nC-1,a@x.example\nC-1,b@x.example\n"]
)
def test_a_file_of_addresses_that_can_not_be_read_is_named_and_shows_no_address(made: MadeLake, content: str) -> None:
    made.put(FIVE, [Event(1, contact="C-1")], SFMC)
    made.lake.contacts_root.mkdir()
    (made.lake.contacts_root / "sfmc.csv").write_text(content)
    (broken,) = sync(made.lake, SMALL).broken
    assert str(broken).startswith("contacts/sfmc.csv: ")
    assert "write a header `contact_id,email`" in str(broken)
    assert "@" not in str(broken)
    assert held(made)["sfmc", "C-1"][0] is None
