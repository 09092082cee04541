"""What a command imports before it does anything: that is most of what a short one takes."""

from __future__ import annotations

import json
import subprocess
import sys

from journey_pipeline.cli.commands import cli

HEAVY = {"alembic", "dagster", "duckdb", "numpy", "pandas", "pyarrow", "pydantic", "requests", "sqlalchemy"}
IMPORTED = """
import json, sys
from journey_pipeline.cli import main
for sys.argv[1:] in json.loads(sys.argv[1]):
    try:
        main.main()
    except SystemExit as end:
        assert not end.code
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def imported(*commands: list[str]) -> set[str]:
    """The packages that are imported by the end of commands that succeed, in one new process."""
    started = [sys.executable, "-c", IMPORTED, json.dumps(commands)]
    ended = subprocess.run(started, capture_output=True, text=True, check=True)
    return set(json.loads(ended.stdout.splitlines()[-1]))


def test_help_imports_none_of_the_large_packages() -> None:
    helps = [["--help"], *([name, "--help"] for name in cli.commands)]
    assert imported(*helps) & HEAVY == set()
