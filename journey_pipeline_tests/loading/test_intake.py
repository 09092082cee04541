"""Lists of people that are dropped in a folder: taken in whole, once each, or set aside with the reason."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from journey_pipeline.errors import ConfigError
from journey_pipeline.lake.landing import read_landing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.drop_folder import DropFolder, Fate, Taken
from journey_pipeline.loading.intake import Intake
from journey_pipeline.loading.partition import LoadSettings, make_events
from journey_pipeline.model import partition_window
from journey_pipeline.settings import utc_now
from journey_pipeline.vendors.insider.user_profiles.source import (
    ListLimits,
    ListSettings,
    UserProfiles,
    user_profiles_stream,
)
from journey_pipeline.warehouse.connection import WarehouseSettings
from journey_pipeline.warehouse.sync import sync
from journey_pipeline_tests.new_home import put_warehouse

START = datetime(2026, 1, 1, tzinfo=UTC)
ADA, BOB = "1712345678901a1b2c3d4e5.0f1e2d3c", "1712345678902a1b2c3d4e5.0f1e2d3c"
LIST = f"Profile ID,Email,City,Loyalty Tier\n{ADA},ada@example.com,London,gold\n{BOB},bob@example.com,,\n"
NAME = "insider-profiles__journey-5756__enter__2026-03-01_2026-03-07.csv"
CONTACTS = {"email": "Email", "c_loyalty_tier": "Loyalty Tier", "city": "City"}
EXPORTED = {"exported_at": "2026-03-08T10:02:00Z"}


class Lists(UserProfiles):
    """Lists of an account whose attributes are known without asking it."""

    contacts: Mapping[str, str] = CONTACTS

    def answers(self) -> dict[str, Any]:
        return {"contacts": dict(self.contacts)} if self.contacts else {}


def unreachable() -> Any:
    raise ConfigError("no account in this test")


@dataclass
class Folder:
    """A folder in which people drop lists, and the lake that they are taken into."""

    home: Path
    settings: ListSettings = field(default_factory=ListSettings)
    contacts: Mapping[str, str] = field(default_factory=lambda: CONTACTS)
    later: timedelta = timedelta(minutes=1)

    @property
    def inbox(self) -> DropFolder:
        return DropFolder(Lake(self.home).inbox("insider", "profiles"))

    def drop(self, content: str | bytes = LIST, name: str = NAME, beside: Any = EXPORTED) -> Path:
        self.inbox.make()
        path = self.inbox["incoming"] / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if beside is not None:
            document = beside if isinstance(beside, bytes) else json.dumps(beside).encode()
            path.with_name(f"{name}.json").write_bytes(document)
        return path

    def take(self) -> list[Taken]:
        stream = user_profiles_stream("insider", START, self.settings.aliases)
        source = Lists(stream, self.settings, unreachable, self.inbox.root, partner="acmeshop")
        source.contacts = self.contacts
        return Intake(Lake(self.home), source, self.inbox, LoadSettings(), lambda: utc_now() + self.later).run()

    def fates(self) -> list[Fate]:
        return [taken.fate for taken in self.take()]

    def files(self, folder: str) -> list[str]:
        return sorted(path.name for path in self.inbox[folder].iterdir())

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        sync(Lake(self.home), WarehouseSettings())
        with duckdb.connect(str(self.home / "warehouse.duckdb"), read_only=True) as session:
            return session.execute(sql).fetchall()

    def attributes(self) -> dict[tuple[str, str], str | None]:
        rows = self.query("select profile_key, attribute_id, value from core.profile_attributes where is_latest")
        return {(person, attribute): value for person, attribute, value in rows}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(put_warehouse(tmp_path))


def test_a_list_becomes_attributes_and_members_of_a_journey_and_no_event(folder: Folder) -> None:
    folder.drop()
    (taken,) = folder.take()
    assert (taken.fate, taken.rows, taken.window and taken.window.partition) == (Fate.LANDED, 2, "2026-03-08")
    assert folder.files("incoming") == folder.files("processing") == folder.files("quarantine") == []
    assert folder.files("done") == [NAME, f"{NAME}.json"]
    assert folder.attributes() == {
        (ADA, "email"): "ada@example.com",
        (ADA, "city"): "London",
        (ADA, "c_loyalty_tier"): "gold",
        (BOB, "email"): "bob@example.com",
        (BOB, "city"): None,
        (BOB, "c_loyalty_tier"): None,
    }
    members = folder.query(
        "select profile_key, journey_id, population, window_start, window_end, exported_at "
        "from core.journey_populations order by all"
    )
    window = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC))
    exported = datetime(2026, 3, 8, 10, 2, tzinfo=UTC)
    assert members == [(who, "5756", "enter", *window, exported) for who in (ADA, BOB)]
    assert folder.query("select count(*) from core.journey_events") == [(0,)]


def test_a_list_lands_byte_for_byte_with_what_is_known_of_it(folder: Folder) -> None:
    folder.drop(beside={**EXPORTED, "users": 2})
    folder.take()
    lake, key = Lake(folder.home), user_profiles_stream("insider", START).key
    landing = read_landing(lake, key, "2026-03-08")
    assert landing is not None
    (attempt,) = landing.attempts
    landed = lake.landing_dir(key, "2026-03-08") / attempt.attempt / attempt.files[0].name
    assert gzip.decompress(landed.read_bytes()).decode() == LIST
    assert attempt.request["file"] == NAME
    assert attempt.answers["about"]["users"] == 2


def test_a_list_whose_name_and_neighbour_tell_nothing_gives_attributes_alone(folder: Folder) -> None:
    folder.drop(name="mine.csv", beside=None)
    assert folder.fates() == [Fate.LANDED]
    assert len(folder.attributes()) == 6
    assert folder.query("select count(*) from core.journey_populations") == [(0,)]


def test_a_list_waits_until_it_is_no_longer_written_to(folder: Folder) -> None:
    folder.later = timedelta()
    folder.drop()
    (taken,) = folder.take()
    assert (taken.fate, taken.is_young) == (Fate.WAITS, True)
    assert folder.files("incoming") == [NAME, f"{NAME}.json"]
    folder.later = timedelta(minutes=1)
    assert folder.fates() == [Fate.LANDED]


def test_a_list_whose_neighbour_tells_its_hash_is_taken_at_once(folder: Folder) -> None:
    folder.later = timedelta()
    folder.drop(beside={**EXPORTED, "sha256": hashlib.sha256(LIST.encode()).hexdigest().upper()})
    assert folder.fates() == [Fate.LANDED]


@pytest.mark.parametrize("suffix", [".part", ".tmp", ".crdownload"])
def test_a_list_under_an_unfinished_name_is_left_alone(folder: Folder, suffix: str) -> None:
    folder.drop(name=NAME + suffix, beside=None)
    assert folder.fates() == [Fate.WAITS]
    assert folder.files("incoming") == [NAME + suffix]


def test_what_waits_is_told_with_the_time_since_when(folder: Folder) -> None:
    folder.drop(name="growing.csv.part", beside=None)
    folder.take()
    folder.later = timedelta(hours=1)
    (taken,) = folder.take()
    assert taken.since is not None
    assert taken.since < utc_now() + timedelta(minutes=2)


def test_the_same_content_is_one_under_whatever_name_and_packed_or_not(folder: Folder) -> None:
    folder.drop()
    folder.take()
    folder.drop(name="again.csv", beside=None)
    folder.drop(gzip.compress(LIST.encode()), name="packed.csv.gz", beside=None)
    assert folder.fates() == [Fate.KNOWN, Fate.KNOWN]
    assert folder.files("done") == ["again.csv", NAME, f"{NAME}.json", "packed.csv.gz"]
    assert folder.query("select count(*) from core.journey_populations") == [(2,)]


def test_the_same_people_of_another_journey_are_members_of_both(folder: Folder) -> None:
    folder.drop()
    folder.drop(name=NAME.replace("5756", "5801"))
    assert folder.fates() == [Fate.LANDED, Fate.LANDED]
    assert folder.query("select distinct journey_id from core.journey_populations order by 1") == [("5756",), ("5801",)]


def test_the_value_counts_that_was_exported_last_in_whatever_order_lists_come(folder: Folder) -> None:
    for day, tier in (("2026-03-09", "platinum"), ("2026-03-08", "gold"), ("2026-03-10", "silver")):
        told = {"exported_at": f"{day}T10:00:00Z"}
        folder.drop(f"Profile ID,Loyalty Tier\n{ADA},{tier}\n", name=f"{day}.csv", beside=told)
        folder.take()
    history = folder.query("select value from core.profile_attributes order by first_exported_at")
    assert [value for (value,) in history] == ["gold", "platinum", "silver"]


def test_lists_of_one_day_tell_of_different_people_and_the_later_one_of_the_same(folder: Folder) -> None:
    folder.drop(f"Profile ID,City\n{ADA},Rome\n", name="b.csv", beside={"exported_at": "2026-03-08T09:00:00Z"})
    folder.drop(f"Profile ID,City\n{ADA},Oslo\n", name="a.csv", beside={"exported_at": "2026-03-08T11:00:00Z"})
    folder.drop(f"Profile ID,City\n{BOB},Bern\n", name="c.csv", beside={"exported_at": "2026-03-08T10:00:00Z"})
    folder.take()
    assert folder.attributes() == {(ADA, "city"): "Oslo", (BOB, "city"): "Bern"}


def _text(encoding: str, separator: str = ",") -> bytes:
    return f"Profile ID{separator}City\n{ADA}{separator}İzmir\n".encode(encoding)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (_text("utf-8"), "utf-8"),
        (_text("utf-8-sig"), "utf-8"),
        (_text("utf-8", ";"), "utf-8"),
        (_text("utf-8", "\t"), "utf-8"),
        (_text("utf-16"), "utf-8"),
        (_text("utf-16", "\t").replace(b"\n\0", b"\r\0\n\0"), "utf-8"),
        (_text("windows-1254"), "windows-1254"),
        (gzip.compress(_text("utf-8")), "utf-8"),
    ],
    ids=["utf-8", "mark", "semicolon", "tab", "utf-16", "utf-16 with returns", "windows-1254", "gzip"],
)
def test_a_list_is_read_in_whatever_form_a_spreadsheet_saves_it(folder: Folder, content: bytes, encoding: str) -> None:
    folder.settings = ListSettings(encoding)
    folder.drop(content)
    assert folder.fates() == [Fate.LANDED]
    assert folder.attributes() == {(ADA, "city"): "İzmir"}


def test_columns_are_attributes_by_the_account_then_by_alias_then_by_their_own_name(folder: Folder) -> None:
    folder.settings = ListSettings(aliases={"Müşteri No": "iid", "Stadt": "city"})
    folder.drop(f"MÜŞTERI NO,LOYALTY TİER,stadt,Shoe Size\n{ADA},gold,Wien,42\n")
    assert folder.fates() == [Fate.LANDED]
    expected = {"c_loyalty_tier": "gold", "city": "Wien", "Shoe Size": "42"}
    assert folder.attributes() == {(ADA, name): value for name, value in expected.items()}


def test_people_without_a_key_are_told_apart_by_their_address(folder: Folder) -> None:
    folder.contacts = {}
    folder.drop("E-mail,City\nAda@Example.com,London\n,Paris\n")
    (taken,) = folder.take()
    assert folder.attributes()["ada@example.com", "City"] == "London"
    assert folder.query("select reason, raw from ops.rejects") == [("no identifier", ",Paris\n")]
    assert "1 records of 2026-03-08 could not be read" in taken.says


def test_masked_values_are_none_and_counted(folder: Folder) -> None:
    folder.drop(f"Profile ID,Email,Phone Number,City\n{ADA},a***@example.com,+44*****,*\n")
    (taken,) = folder.take()
    assert "2 values of 2026-03-08 are masked" in taken.says
    expected = {"email": None, "phone_number": None, "city": "*"}
    assert folder.attributes() == {(ADA, name): value for name, value in expected.items()}


def test_formulas_and_odd_rows_are_kept_as_they_are(folder: Folder) -> None:
    folder.drop(f'Profile ID,City\n{ADA},"=cmd|""x"""\n{BOB}\n\n{BOB},"two\nlines"\n')
    folder.take()
    assert folder.attributes() == {(ADA, "city"): '=cmd|"x"', (BOB, "city"): "two\nlines"}
    assert folder.query("select reason, raw from ops.rejects") == [("1 fields, 2 columns", f"{BOB}\n")]


def test_what_a_person_should_know_of_a_list_is_said(folder: Folder) -> None:
    many = [f"Attribute {number}" for number in range(25)]
    folder.drop(f"Profile ID,{','.join(many)}\n{ADA}{',' * 25}\n", beside={**EXPORTED, "users": 1834})
    (taken,) = folder.take()
    assert taken.fate is Fate.LANDED
    assert "it has 1 rows, and the panel counted 1,834 users" in taken.says
    assert "it has 25 attributes, and the panel exports 20 at most" in taken.says


REFUSED: dict[str, tuple[str | bytes, str, Any, str]] = {
    "no header": (f"{ADA},ada@example.com\n{BOB},bob@example.com\n", "a.csv", None, "its header is missing"),
    "no identifier": ("City\nLondon\n", "a.csv", None, "none of its 1 columns tells people apart"),
    "two of one header": (f"Profile ID,City,CITY\n{ADA},x,y\n", "a.csv", None, "columns 2 and 3 have the same name"),
    "empty": ("", "a.csv", None, "it is empty"),
    "unclosed quote": (f'Profile ID,City\n{ADA},"London\n', "a.csv", None, "a quote is unclosed"),
    "not UTF-8": (f"Profile ID,City\n{ADA},M".encode() + b"\xfcnchen\n", "a.csv", None, "byte 50 can't be decoded"),
    "cut gzip": (gzip.compress(LIST.encode())[:-9], "a.csv.gz", None, "no whole gzip"),
    "a bomb": (gzip.compress(b"Profile ID\n" + b"a" * 10_000_000), "a.csv.gz", None, "inflates to more than"),
    "an archive": (b"PK\x03\x04....", "a.csv", None, "an archive or a spreadsheet"),
    "an archive by name": (b"PK\x03\x04....", "a.xlsx", None, "an archive or a spreadsheet"),
    "no JSON beside": (LIST, "a.csv", b"{journey", "is no JSON"),
    "another hash": (LIST, "a.csv", {"sha256": "0" * 64}, "`sha256` in the .json file"),
    "another account": (LIST, "a.csv", {"partner": "other"}, "another account"),
    "no such population": (LIST, "a.csv", {"population": "ada"}, "`population` in the .json file"),
    "exported tomorrow": (LIST, "a.csv", {"exported_at": "2099-01-01"}, "still to come"),
    "exported before all": (LIST, "a.csv", {"exported_at": "2025-01-01"}, "before `start`"),
    "exported before all years": (LIST, "a.csv", {"exported_at": "0001-01-01T00:00+05"}, "`exported_at` is no time"),
    "a day without a next": (LIST, NAME.replace("2026-03-07", "9999-12-31"), None, "`window` is no time"),
    "a name of another form": (LIST, "insider-profiles__5756.csv", None, "rename it"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_list_is_set_aside_with_a_reason_that_names_no_person(folder: Folder, case: str) -> None:
    content, name, beside, why = REFUSED[case]
    folder.drop(content, name, beside)
    (taken,) = folder.take()
    assert taken.fate is Fate.REFUSED
    assert why in taken.says
    beside_it = [f"{name}.json"] if beside is not None else []
    assert folder.files("quarantine") == sorted([name, f"{name}.reason.txt", *beside_it])
    reason = (folder.inbox["quarantine"] / f"{name}.reason.txt").read_text()
    assert why in reason
    assert not any(told in reason for told in ("ada", "bob", "London", ADA, BOB))
    assert not (folder.home / "raw").exists()


def test_a_list_larger_than_the_limits_is_set_aside(folder: Folder) -> None:
    folder.settings = ListSettings(limits=ListLimits(rows=1))
    folder.drop()
    (taken,) = folder.take()
    assert (taken.fate, "more than 1 rows" in taken.says) == (Fate.REFUSED, True)
    folder.settings = ListSettings(limits=ListLimits(bytes=20))
    folder.drop(name="b.csv")
    (taken,) = folder.take()
    assert "20 are the limit" in taken.says


def test_what_is_no_file_of_its_own_is_left_where_it_is_and_told_once(folder: Folder) -> None:
    folder.inbox.make()
    incoming = folder.inbox["incoming"]
    (incoming / "a.csv").mkdir()
    (incoming / "b.csv").symlink_to(Path(__file__))
    os.mkfifo(incoming / "c.csv")
    (incoming / "d.txt").write_text("a note")
    assert folder.fates() == [Fate.IGNORED] * 4
    assert folder.take() == []
    assert folder.files("incoming") == ["a.csv", "b.csv", "c.csv", "d.txt"]


@pytest.mark.parametrize("name", [b"a\xff.csv", b"a\nb.csv", b"x" * 243 + b".csv"], ids=["no UTF-8", "a line", "long"])
def test_a_name_that_no_other_can_stand_beside_holds_up_none_of_the_others(folder: Folder, name: bytes) -> None:
    folder.drop(name="b.csv")
    (folder.inbox["incoming"] / os.fsdecode(name)).write_text(LIST)
    by_fate = {taken.fate: taken for taken in folder.take()}
    assert set(by_fate) == {Fate.IGNORED, Fate.LANDED}
    assert "rename it" in by_fate[Fate.IGNORED].says
    assert by_fate[Fate.IGNORED].name.isprintable()
    assert folder.files("incoming") == [os.fsdecode(name)]
    assert folder.take() == []


def test_only_their_owner_may_look_into_the_folders(folder: Folder) -> None:
    folder.inbox.make()
    modes = {name: (folder.inbox[name].stat().st_mode & 0o777) for name in ("incoming", "processing", "done")}
    assert set(modes.values()) == {0o700}


def test_what_landed_gives_the_same_again_without_the_dropped_file(folder: Folder) -> None:
    folder.drop()
    folder.drop(f"Profile ID,Phone Number\n{ADA},+44\n", name="b.csv")
    folder.take()
    lake, stream = Lake(folder.home), user_profiles_stream("insider", START)
    files = [place(stream.key, "2026-03-08") for place in (lake.attributes_file, lake.populations_file)]
    before = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()
    for path in folder.inbox["done"].iterdir():
        path.unlink()
    _, events = make_events(lake, stream, partition_window("2026-03-08"), LoadSettings())
    assert [file.read_bytes() for file in files] == before
    assert (events.landed, events.people, events.unaccounted, events.duplicates) == (3, 3, 0, 0)


def test_an_unforeseen_error_leaves_the_others_alone_and_names_no_person(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.drop(name="a.csv")
    folder.drop(name="b.csv")
    real = Lists.judge

    def judge(self: Lists, file: Path, name: str, *given: Any, **more: Any) -> Any:
        if name == "a.csv":
            raise ValueError(ADA)
        return real(self, file, name, *given, **more)

    monkeypatch.setattr(Lists, "judge", judge)
    failed, landed = folder.take()
    assert (failed.fate, landed.fate) == (Fate.FAILED, Fate.LANDED)
    assert "an unexpected ValueError in line" in failed.says
    assert ADA not in failed.says
    monkeypatch.undo()
    assert folder.fates() == [Fate.KNOWN]


class _Killed(BaseException):
    """Stands for the end of the process: no step of the disk succeeds after it."""


def _killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lets every change of the disk from a number on fail; gives those that were made."""
    made: list[str] = []
    for name in ("rename", "replace", "unlink", "mkdir"):
        real = getattr(os, name)

        def changed(*given: Any, _real: Any = real, _name: str = name, **more: Any) -> Any:
            if len(made) >= step:
                raise _Killed
            made.append(_name)
            return _real(*given, **more)

        monkeypatch.setattr(os, name, changed)
    return made


def test_an_intake_that_ends_at_any_step_is_taken_up_again(folder: Folder) -> None:
    folder.drop()
    folder.drop("City\nLondon\n", name="bad.csv", beside={"users": 1})
    step = 0
    while True:
        with pytest.MonkeyPatch.context() as patch:
            made = _killed_at(step, patch)
            with suppress(_Killed):
                folder.take()
        if len(made) < step:
            break
        step += 1
    assert step > 10
    assert folder.files("incoming") == folder.files("processing") == []
    assert folder.files("done") == [NAME, f"{NAME}.json"]
    assert folder.files("quarantine") == ["bad.csv", "bad.csv.json", "bad.csv.reason.txt"]
    landing = read_landing(Lake(folder.home), user_profiles_stream("insider", START).key, "2026-03-08")
    assert landing is not None
    assert len(landing.attempts) == 1
    assert len(folder.attributes()) == 6
