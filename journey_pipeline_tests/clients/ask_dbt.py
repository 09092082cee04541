"""What dbt makes of a project that reads a published file: a script, run with its packages in the project's folder."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from importlib.metadata import version

from dbt.cli.main import dbtRunner

question = json.load(sys.stdin)
os.chdir(question["folder"])


def done(*arguments: str) -> dict[str, str]:
    """The status of each node of a command, by its name."""
    result = dbtRunner().invoke([*arguments, "--profiles-dir", "."])
    if result.exception:
        raise result.exception
    return {one.node.name: str(one.status) for one in result.result or ()}


with contextlib.redirect_stdout(sys.stderr):  # where dbt tells what it does
    done("deps")
    answer = {
        "version": version("dbt-duckdb"),
        "built": done("build", "--warn-error"),
        "fresh": done("source", "freshness"),
    }
json.dump(answer, sys.stdout)
