"""Runs `journey-pipeline` in forked children, each the leader of a session of its own; spoken to by lines of JSON.

A request is `{"arguments": [...], "environment": {...}, "folder": path, "out": path, "err": path}`. The child answers
`{"pid": number}` once it leads its session, and the server `{"code": number}` once it has ended, negative for a signal.
A fork spares the seconds that a new interpreter takes to import Dagster; it is safe because nothing here starts a
thread. Not here: what is killed, and when (`kills.py`).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import journey_pipeline.cli.backfill
import journey_pipeline.cli.status  # noqa: F401 - what a command would import
from journey_pipeline.cli.main import main
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.components.instance import open_instance
from journey_pipeline.settings import HOME_VARIABLE


def warm_up() -> None:
    """Makes Dagster import what it imports late, such as its storages."""
    with tempfile.TemporaryDirectory() as home:
        os.environ[HOME_VARIABLE] = home
        with open_instance():
            load_deployment()
    threads = list(Path("/proc/self/task").iterdir())
    assert len(threads) == 1, "a thread would not survive a fork"


def serve() -> None:
    """Answers requests until there are no more."""
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _become_command(request)
        _, status = os.waitpid(child, 0)
        _answer(code=os.waitstatus_to_exitcode(status))


def _become_command(request: dict[str, Any]) -> NoReturn:
    """Ends as an interpreter ends: what `main` raises goes all the way up, and nothing is served here any more."""
    os.setsid()
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path.insert(0, request["folder"])
    sys.argv = ["journey-pipeline", *request["arguments"]]
    _answer(pid=os.getpid())
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    main()
    raise AssertionError("main always exits")


def _answer(**answer: int) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    warm_up()
    serve()
