"""The programs of others that `make clients` installs, each in a folder of its own, and how a script runs with one.

Not here: which ones (`versions.txt`), what they are asked (`ask_*.py`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
# None of them reports its use to its makers.
SILENT = {"DO_NOT_TRACK": "1", "RETENTIONEERING_NO_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
VERSIONS = [
    line.strip() for line in (FOLDER / "versions.txt").read_text().splitlines() if line and not line.startswith("#")
]


def versions_of(program: str) -> list[str]:
    """The versions of a program that are promised and tested, as in `versions.txt`."""
    return [version for name, _, version in (line.partition("==") for line in VERSIONS) if name == program]


def need(is_there: object, lacking: str) -> None:
    """Skips a test whose program is not installed, or fails it in CI, where all have to be."""
    if is_there:
        return
    if os.environ.get("CI"):
        pytest.fail(lacking)
    pytest.skip(lacking)


def installed(program: str, version: str) -> Path:
    """Where one lies."""
    place = Path(sys.prefix) / "clients" / f"{program}-{version}"
    need(place.exists(), f"{program} {version} is not installed; `make clients` installs it")
    return place


def ask(script: str, question: Mapping[str, Any], path: Path | None = None) -> Any:
    """Runs a script of this folder with the packages in `path` before all others; question and answer are JSON."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "TZ": "UTC", **SILENT}
    done = subprocess.run(
        [sys.executable, str(FOLDER / script)],
        env=environment | ({"PYTHONPATH": str(path)} if path else {}),
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
