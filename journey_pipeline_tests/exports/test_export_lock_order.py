"""Who changes a connection's exports locks its queue before any of them: so no two wait for one another."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from cryptography.fernet import Fernet

from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline.exports.orders import bring_back_from_future, give_up
from journey_pipeline.settings import LINK_KEY_VARIABLE
from journey_pipeline_tests.exports.conftest import empty_database
from journey_pipeline_tests.exports.made_orders import DAY, NOW, wanted

CHANGES: dict[str, Callable[[Ledger], object]] = {
    "give up": lambda ledger: give_up(ledger, 1, at=NOW),
    "bring back": lambda ledger: bring_back_from_future(ledger, "apsis", at=NOW - DAY),
}


@pytest.mark.parametrize("change", CHANGES)
def test_who_has_the_queue_gets_its_exports_whoever_waits_for_it(
    postgres_url: str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LINK_KEY_VARIABLE, Fernet.generate_key().decode())
    empty_database(postgres_url)
    with open_ledger(postgres_url) as ledger, ThreadPoolExecutor(1) as threads:
        wanted(ledger)
        with ledger.writing() as tx:
            tx.lock_queue("apsis")
            other = threads.submit(CHANGES[change], ledger)
            until_one_waits(postgres_url)
            tx.get(1)
        assert other.result()


def until_one_waits(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        while not connection.execute("select 1 from pg_locks where not granted").fetchall():
            pass
