"""What a command imports before it does anything: that is most of what a short one takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from journey_pipeline.cli.commands import cli

HEAVY = {
    "alembic",
    "dagster",
    "duckdb",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "requests",
    "rich",
    "sqlalchemy",
    "tenacity",
}
IMPORTED = """
import json, sys
from journey_pipeline.cli import main
for sys.argv[1:] in json.loads(sys.argv[1]):
    try:
        main.main()
    except SystemExit as end:
        assert end.code in {0, 1, 2}
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def imported(folder: Path, *commands: list[str]) -> set[str]:
    """The large packages that are imported by the end of commands, in one new process."""
    started = [sys.executable, "-c", IMPORTED, json.dumps(commands)]
    environment = os.environ | {"JOURNEY_PIPELINE_HOME": str(folder / "data")}
    ended = subprocess.run(started, capture_output=True, text=True, check=True, cwd=folder, env=environment)
    return set(json.loads(ended.stdout.splitlines()[-1])) & HEAVY


def test_help_imports_no_large_package(tmp_path: Path) -> None:
    assert imported(tmp_path, ["--help"], *([name, "--help"] for name in cli.commands)) == set()


@pytest.mark.parametrize(
    ("command", "needs"),
    [
        (["query", "select 1"], {"duckdb", "rich"}),
        (["exports"], {"rich", "sqlalchemy"}),
        (["status"], {"duckdb", "pydantic", "rich"}),
        (["proof"], {"duckdb", "pydantic", "rich"}),
        (["backfill", "nope"], {"duckdb", "pydantic"}),
        (["normalize", "sfmc/nope"], {"duckdb", "pydantic"}),
    ],
    ids=["query", "exports", "status", "proof", "an unknown connection", "an unknown stream"],
)
def test_a_short_command_imports_only_what_it_needs(tmp_path: Path, command: list[str], needs: set[str]) -> None:
    assert imported(tmp_path, command) == needs
