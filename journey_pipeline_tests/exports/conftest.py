from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline.settings import LINK_KEY_VARIABLE

USER = "nobody"  # PostgreSQL refuses to run as root


def postgres_tool(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server of our own, reached through a socket in its own folder, so that no port can be taken."""
    initdb, pg_ctl = postgres_tool("initdb"), postgres_tool("pg_ctl")
    if initdb is None or pg_ctl is None:
        pytest.skip("PostgreSQL's server is not installed")
    # Not below pytest's folders, which the server's user may not enter; and short, as a socket's path has to be.
    with tempfile.TemporaryDirectory(prefix="jp-pg-", dir="/tmp", ignore_cleanup_errors=True) as folder:
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
            yield f"postgresql://ledger@/postgres?host={folder}"
        finally:
            run(pg_ctl, "--pgdata", data, "--mode", "immediate", "stop")


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'exports.db'}"
    url: str = request.getfixturevalue("postgres_url")
    empty_database(url)
    monkeypatch.setenv(LINK_KEY_VARIABLE, Fernet.generate_key().decode())
    return url


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with open_ledger(ledger_url) as opened:
        yield opened


def empty_database(url: str) -> None:
    import psycopg  # noqa: PLC0415 - only where PostgreSQL is

    with psycopg.connect(url) as connection:
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")
