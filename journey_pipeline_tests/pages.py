"""The README and the pages it names: their blocks of commands, and a clone of the project in which those run.

A block of commands that no test runs has a paragraph before it that says so, with the reason: "**Not run**: ...".
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = {
    name: (ROOT / name).read_text()
    for name in re.findall(r"\(([\w/-]+\.md)\)", README)
    if name not in {"docs/operations.md", "benchmarks/README.md"} and not name.startswith("docs/vendors/")
}
TEXT = "\n".join([README, *PAGES.values()])
SHELL = re.compile(r"([^\n]*)\n\n?^ *```sh\n(.*?)\n *```", re.MULTILINE | re.DOTALL)
FOUND = [(said, block.split("\n")) for said, block in SHELL.findall(TEXT)]
NOT_RUN = [block for said, block in FOUND if "**Not run**: " in said]
LINES = [line.strip() for said, block in FOUND if "**Not run**: " not in said for line in block]


def lines_with(*words: str) -> list[str]:
    """The lines of commands that have one of some words."""
    found = [line for line in LINES if any(word in line for word in words)]
    assert found, f"neither the README nor its pages have a line with {words}"
    return found


def make_clone(folder: Path) -> Path:
    """Makes a folder with the project's files, and the virtual environment that the tests run in."""
    # What is compiled comes along: each program that starts in the clone would compile it again.
    skipped = shutil.ignore_patterns(".venv", ".git", "data", ".*_cache", ".hypothesis", "*.egg-info")
    shutil.copytree(ROOT, folder, ignore=skipped)
    (folder / ".venv" / "bin").mkdir(parents=True)
    for program in Path(sys.executable).parent.iterdir():
        (folder / ".venv" / "bin" / program.name).symlink_to(program)
    for stamp in (".installed-to-run", ".installed"):
        (folder / ".venv" / stamp).touch()
    return folder


def in_clone(folder: Path) -> dict[str, str]:
    """The environment of somebody whose folder this is."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "COLUMNS": "160", "PYTHONPATH": str(folder)}


def run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs lines of commands up to the first that fails."""
    command, given = ["bash", "-ec", script], in_clone(folder) | environment
    return subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, check=False)
