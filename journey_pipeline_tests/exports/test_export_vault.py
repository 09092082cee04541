"""Addresses of exports are secrets: encrypted in the ledger, by a key that lies elsewhere."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from journey_pipeline.errors import ConfigError, LedgerError
from journey_pipeline.exports import calls
from journey_pipeline.exports.calls import Call
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.export import Reason, State
from journey_pipeline.exports.turns import listed
from journey_pipeline.model import Judged
from journey_pipeline.settings import LINK_KEY_VARIABLE
from journey_pipeline_tests.exports.conftest import empty_database
from journey_pipeline_tests.exports.made_orders import (
    ADDRESS,
    DAY,
    HOUR,
    NOW,
    STEADY,
    claimed,
    delivered,
    export_of,
    made_ready,
    queue,
    requested,
    wanted,
)


@pytest.fixture(autouse=True)
def no_key_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LINK_KEY_VARIABLE, raising=False)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'exports.db'}"


def test_an_address_lies_nowhere_in_clear_and_is_read_again(url: str, tmp_path: Path) -> None:
    with open_ledger(url) as ledger:
        wanted(ledger)
        wanted(ledger, 1)
        requested(ledger)
        callback = claimed(ledger)
        delivered(queue(ledger, NOW + HOUR), callback.id, 1, ADDRESS)
        held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        with ledger.reading() as tx:
            sealed = tx._connection.scalar(text("select poll_address from journey_exports where id = 1"))
    assert b"s3cr3t" not in held
    assert ADDRESS not in str(sealed)
    with open_ledger(url) as again:
        assert [export.poll_address for export in listed(again)] == [ADDRESS, ADDRESS]


def test_an_address_is_forgotten_when_its_export_has_landed(url: str, tmp_path: Path) -> None:
    with open_ledger(url) as ledger:
        wanted(ledger)
        made_ready(ledger)
        with ledger.reading() as tx:
            sealed = str(tx._connection.scalar(text("select poll_address from journey_exports")))
        collection = queue(ledger, NOW + HOUR).lease_to_fetch(1)
        assert collection is not None
        queue(ledger, NOW + HOUR).landed(collection)
    assert sealed.encode() not in (tmp_path / "exports.db").read_bytes()


def test_the_key_is_made_beside_the_ledger_for_its_owner_alone(url: str, tmp_path: Path) -> None:
    open_ledger(url).close()
    file = tmp_path / "exports.key"
    assert file.stat().st_mode & 0o777 == 0o600
    key = file.read_text()
    open_ledger(url).close()
    assert file.read_text() == key
    assert {path.name for path in tmp_path.iterdir()} <= {
        "exports.db",
        "exports.key",
        "exports.db-wal",
        "exports.db-shm",
    }


def test_two_who_make_a_key_at_once_go_by_the_same(url: str) -> None:
    together = threading.Barrier(4)

    def write(day: int) -> None:
        together.wait()
        with open_ledger(url) as ledger:
            wanted(ledger, day)
            delivered(queue(ledger, NOW + HOUR), next(one.id for one in listed(ledger)), 0, f"{ADDRESS}&{day}")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(4)))
    with open_ledger(url) as ledger:
        assert not any(export.has_unreadable_address for export in listed(ledger))


def test_a_key_that_is_replaced_still_reads_what_it_encrypted(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    with open_ledger(url) as ledger:
        for day in range(3):
            wanted(ledger, day)
        requested(ledger)
    monkeypatch.setenv(LINK_KEY_VARIABLE, old)
    with open_ledger(url) as ledger:
        requested(ledger)
    monkeypatch.setenv(LINK_KEY_VARIABLE, f"{new}, {old}")
    with open_ledger(url) as ledger:
        requested(ledger)
        assert [export.poll_address for export in listed(ledger)] == [ADDRESS] * 3
    monkeypatch.setenv(LINK_KEY_VARIABLE, new)
    with open_ledger(url) as ledger:
        assert [export.has_unreadable_address for export in listed(ledger)] == [False, True, False]


@pytest.mark.parametrize("is_ready", [False, True])
def test_an_export_whose_address_can_not_be_decrypted_is_ordered_again_and_says_so(
    url: str, tmp_path: Path, *, is_ready: bool
) -> None:
    with open_ledger(url) as ledger:
        wanted(ledger)
        (made_ready if is_ready else requested)(ledger)
    (tmp_path / "exports.key").unlink()
    with open_ledger(url) as ledger:
        assert queue(ledger, NOW + HOUR).next_to_look() is None
        assert queue(ledger, NOW + HOUR).lease_to_fetch(1) is None
        export = export_of(ledger, 1)
        assert (export.state, export.reason, export.poll_address) == (State.WANTED, Reason.LOST, None)
        assert "can't be decrypted" in str(export.error)
        assert LINK_KEY_VARIABLE in str(export.error)
        assert claimed(ledger, at=NOW + DAY).attempt == 2


def test_a_link_that_lives_is_not_given_up_for_the_sake_of_a_key(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The receiver has the new key already, and the process that fetches has not."""
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    policy = replace(STEADY, hook_life=2 * DAY)
    monkeypatch.setenv(LINK_KEY_VARIABLE, f"{new},{old}")
    said = Judged(link=ADDRESS, path="/1", ends_at=NOW + DAY)
    with open_ledger(url) as ledger:
        wanted(ledger)
        asked = claimed(ledger, policy=policy)
        with ledger.writing() as tx:
            calls.take(tx, Call(asked.id, 1, NOW, "192.0.2.1", b"{}", NOW + DAY), said, at=NOW)
    monkeypatch.setenv(LINK_KEY_VARIABLE, old)
    with open_ledger(url) as ledger:
        assert queue(ledger, NOW + HOUR, policy=policy).lease_to_fetch(1) is None
        export = export_of(ledger, 1)
        assert (export.state, export.losses) == (State.STOPPED, 0)
        for words in (LINK_KEY_VARIABLE, "exports --link 1 --quarantined", "--again"):
            assert words in str(export.error)
    monkeypatch.setenv(LINK_KEY_VARIABLE, f"{new},{old}")
    with open_ledger(url) as ledger:
        with ledger.writing() as tx:
            kept = calls.kept_back(tx, export)
            assert kept is not None
            calls.release(tx, kept, said, at=NOW + HOUR)
        assert export_of(ledger, 1).poll_address == ADDRESS


@pytest.mark.parametrize("value", ["secret", "c2VjcmV0", f"{'A' * 43}=,x"])
def test_a_value_that_is_no_key_is_explained_and_not_shown(
    url: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LINK_KEY_VARIABLE, value)
    with pytest.raises(ConfigError, match=rf"{LINK_KEY_VARIABLE} holds no key.*openssl rand") as caught:
        open_ledger(url)
    assert value not in str(caught.value)


def test_a_key_file_that_was_damaged_is_named(url: str, tmp_path: Path) -> None:
    (tmp_path / "exports.key").write_text("")
    with pytest.raises(ConfigError, match=r"exports\.key holds no key"):
        open_ledger(url)
    (tmp_path / "exports.key").unlink()
    (tmp_path / "exports.key").mkdir()
    with pytest.raises(LedgerError, match=f"can't be read or made.*set {LINK_KEY_VARIABLE}"):
        open_ledger(url)


def test_a_ledger_in_postgresql_needs_the_variable_and_says_how_to_make_a_key(postgres_url: str) -> None:
    empty_database(postgres_url)
    with pytest.raises(ConfigError, match=f"{LINK_KEY_VARIABLE} is not set.*openssl rand.*earlier ledger"):
        open_ledger(postgres_url)
