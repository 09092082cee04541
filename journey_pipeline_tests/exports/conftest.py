from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import psycopg
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.ledger import Ledger, metadata, schema
from journey_pipeline.settings import LINK_KEY_VARIABLE

USER = "nobody"  # PostgreSQL refuses to run as root
DATABASE = "ledger"  # of the tests that share one
KEY = Fernet.generate_key().decode()


def postgres_tool(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server of our own, reached through a socket in its own folder, so that no port can be taken."""
    initdb, pg_ctl = postgres_tool("initdb"), postgres_tool("pg_ctl")
    if initdb is None or pg_ctl is None:
        pytest.skip("PostgreSQL's server is not installed")
    # Not below pytest's folders, which the server's user may not enter; and short, as a socket's path has to be. Beside
    # them, as they may lie in memory: a server that is stopped at once leaves thousands of files of emptied tables.
    place = os.environ.get("PYTEST_DEBUG_TEMPROOT", "/tmp")  # noqa: S108 - mkdtemp makes a folder of its own there
    with tempfile.TemporaryDirectory(prefix="jp-pg-", dir=place, ignore_cleanup_errors=True) as folder:
        user = USER if os.geteuid() == 0 else None
        if user:
            shutil.chown(folder, user)

        def run(*command: str) -> None:
            subprocess.run(command, cwd=folder, user=user, extra_groups=[] if user else None, check=True, timeout=120)

        data = f"{folder}/data"
        run(initdb, "--pgdata", data, "--auth", "trust", "--username", "ledger", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        run(pg_ctl, "--pgdata", data, "--log", f"{folder}/log", "--options", options, "--wait", "start")
        try:
            url = f"postgresql://ledger@/postgres?host={folder}"
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f"create database {DATABASE}")
            yield url
        finally:
            run(pg_ctl, "--pgdata", data, "--mode", "immediate", "stop")


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The kind of the database."""
    if request.param == "postgresql":
        monkeypatch.setenv(LINK_KEY_VARIABLE, KEY)
    return str(request.param)


@pytest.fixture
def empty_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without a ledger."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'exports.db'}"
    url: str = request.getfixturevalue("postgres_url")
    empty_database(url)
    return url


@pytest.fixture(scope="session")
def open_once() -> Iterator[Callable[[str], Ledger]]:
    """Opens a ledger that stays open: SQLAlchemy compiles its statements anew for each that is opened."""
    with ExitStack() as stack:
        yield cache(lambda url: stack.enter_context(open_ledger(url)))


@pytest.fixture(scope="session")
def ledger_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ledger")


@pytest.fixture
def ledger_url(kind: str, request: pytest.FixtureRequest, ledger_folder: Path) -> str:
    """Where `ledger` lies."""
    if kind == "sqlite":
        return f"sqlite:///{ledger_folder / 'exports.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url.replace("/postgres?", f"/{DATABASE}?")


@pytest.fixture
def ledger(ledger_url: str, open_once: Callable[[str], Ledger]) -> Ledger:
    """A ledger without an export."""
    opened = open_once(ledger_url)
    names = [table.name for table in metadata.sorted_tables if table is not schema]
    with opened.writing() as tx:
        if ledger_url.startswith("postgresql"):
            tx._connection.execute(text(f"truncate {', '.join(names)} restart identity"))
        else:
            for name in (*reversed(names), "sqlite_sequence"):
                tx._connection.execute(text(f"delete from {name}"))
    return opened


def empty_database(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")
