"""Where the ledger lies: who may read it, what a wrong URL gets, and that its version is minded."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from journey_pipeline import settings
from journey_pipeline.errors import ConfigError, LedgerError
from journey_pipeline.exports import turns as listing
from journey_pipeline.exports.database import is_there, open_ledger
from journey_pipeline.exports.export import Edge
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline_tests.exports.made_orders import NOW, claimed, export_of, steps, wanted


def test_it_lies_in_the_home_unless_a_url_says_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(settings.LEDGER_VARIABLE, raising=False)
    monkeypatch.setenv(settings.HOME_VARIABLE, str(tmp_path / "home"))
    with open_ledger(settings.ledger_url()) as ledger:
        wanted(ledger)
    assert (tmp_path / "home" / "exports.db").is_file()
    monkeypatch.setenv(settings.LEDGER_VARIABLE, "postgresql://ledger@db.example/exports")
    assert settings.ledger_url() == "postgresql://ledger@db.example/exports"


def test_its_files_are_their_owners_alone(tmp_path: Path) -> None:
    with open_ledger(f"sqlite:///{tmp_path / 'exports.db'}") as ledger:
        wanted(ledger)
        files = list(tmp_path.iterdir())
        assert {path.name for path in files} >= {"exports.db", "exports.db-wal"}
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_what_was_written_is_there_when_it_is_opened_again(ledger: Ledger, ledger_url: str) -> None:
    wanted(ledger, at_risk="a \x1f line\nbreak", ids=[1, None, "é"])
    export = claimed(ledger)
    ledger.close()
    with open_ledger(ledger_url) as again:
        assert export_of(again, export.id) == export


@pytest.mark.parametrize(
    "url",
    [
        "",
        "exports.db",
        "mysql://u:pa55word@h/db",
        "sqlite://",
        "postgresql://u:pa55word@h",
        "duckdb:///x",
        "://",
        "sqlite",
    ],
)
def test_a_url_of_no_use_is_explained_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match="JOURNEY_PIPELINE_LEDGER_URL") as caught:
        open_ledger(url)
    assert "sqlite:///path/to/exports.db" in str(caught.value)
    assert "pa55word" not in str(caught.value)


def test_a_server_that_is_not_there_is_explained_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.LINK_KEY_VARIABLE, Fernet.generate_key().decode())
    with pytest.raises(LedgerError, match=r"opening the ledger of exports at postgresql.* failed") as caught:
        open_ledger(f"postgresql://u:pa55word@/exports?host={tmp_path}")
    assert "pa55word" not in str(caught.value)


def test_a_file_that_is_no_database_is_explained(tmp_path: Path) -> None:
    (tmp_path / "exports.db").write_bytes(b"something else entirely " * 100)
    with pytest.raises(LedgerError, match="file is not a database"):
        open_ledger(f"sqlite:///{tmp_path / 'exports.db'}")


def test_a_folder_that_is_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(LedgerError, match="opening the ledger"):
        open_ledger(f"sqlite:///{tmp_path / 'home' / 'exports.db'}")


def test_people_can_list_while_somebody_writes(ledger: Ledger, ledger_url: str) -> None:
    export = wanted(ledger)
    with open_ledger(ledger_url) as reader, ledger.writing() as tx:
        tx.lock_queue("apsis")
        assert listing.listed(reader) == [export]


def test_a_transaction_that_breaks_leaves_nothing_behind(ledger: Ledger) -> None:
    before = wanted(ledger)

    def ask_and_break() -> None:
        with ledger.writing() as tx:
            tx.move(before, Edge.ASK, at=NOW)
            raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError, match="power"):
        ask_and_break()
    assert export_of(ledger, before.id) == before
    with ledger.reading() as tx:
        assert steps(tx, before.id) == []


def test_looking_whether_there_is_a_ledger_makes_none(empty_url: str) -> None:
    assert not is_there(empty_url)
    assert not is_there(empty_url)
    with open_ledger(empty_url):
        assert is_there(empty_url)
    assert is_there(empty_url)


def test_a_ledger_waits_for_others_no_longer_than_it_is_told(empty_url: str) -> None:
    with open_ledger(empty_url) as holder, open_ledger(empty_url, waits_s=0.1) as hasty:
        wanted(holder)
        with holder.writing() as tx:
            assert tx.get(1).id == 1
            with pytest.raises(LedgerError, match="writing to the ledger of exports failed"), hasty.writing() as other:
                other.get(1)
        with hasty.writing() as other:
            assert other.get(1).id == 1
