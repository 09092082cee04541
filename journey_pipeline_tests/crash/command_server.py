"""Runs a program in forked children, each the leader of a session of its own; spoken to by lines of JSON.

The program is `journey-pipeline` or `dg`, as the server's argument says. A request is `{"arguments": [...],
"environment": {...}, "folder": path, "out": path, "err": path}`. The child answers `{"pid": number}` once it leads its
session, and the server `{"code": number}` once it has ended, negative for a signal. A fork spares the seconds that a
new interpreter takes to import Dagster; it is safe because nothing here starts a thread. Not here: what is killed, and
when (`kills.py`).
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import journey_pipeline.cli
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.components.instance import open_instance
from journey_pipeline.settings import HOME_VARIABLE
from journey_pipeline_tests.crash import daemon

COMMANDS = [f"journey_pipeline.cli.{file.stem}" for file in Path(journey_pipeline.cli.__file__).parent.glob("*.py")]
# What a program is: the module that holds its `main`, and what its commands import when they run.
PROGRAMS = {
    "journey-pipeline": ("journey_pipeline.cli.main", COMMANDS),
    "dg": (
        "dagster_dg_cli.cli",
        [
            *(f"dagster_dg_cli.cli.{group}" for group in ("api", "check", "dev", "labs", "launch", "list", "plus")),
            *("dagster_dg_cli.cli.scaffold", "dagster_dg_cli.cli.utils", "dagster_dg_core.check"),
            *("dagster.components.list", "journey_pipeline.components", "jsonschema"),
        ],
    ),
}
LATE = (
    "dagster._core.execution.execute_in_process",
    "dagster._core.executor.in_process",
    "dagster._core.storage.local_compute_log_manager",
    "dagster.components.core.snapshot",
    "jinja2.nativetypes",
    "journey_pipeline.normalize.run",
    "pandas",  # pyarrow imports it, where it is installed, with the first array that is made of Python's objects
    "watchdog.observers.polling",
)


def warm_up(program: str) -> Callable[[], None]:
    """Imports what a program's commands import, and what Dagster imports late, such as its storages; its `main`."""
    main, used = PROGRAMS[program]
    for module in (*used, *LATE):
        importlib.import_module(module)
    with tempfile.TemporaryDirectory() as home:
        os.environ[HOME_VARIABLE] = home
        with open_instance():
            _ = load_deployment().definitions  # what Dagster keeps of each class that it looks into
    threads = list(Path("/proc/self/task").iterdir())
    assert len(threads) == 1, "a thread would not survive a fork"
    start: Callable[[], None] = importlib.import_module(main).main
    return start


def serve(program: str, main: Callable[[], None]) -> None:
    """Answers requests until there are no more."""
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _become_command(request, program, main)
        _, status = os.waitpid(child, 0)
        _answer(code=os.waitstatus_to_exitcode(status))


def _become_command(request: dict[str, Any], program: str, main: Callable[[], None]) -> NoReturn:
    """Ends as an interpreter ends, but for taking apart all that was imported: that takes a second of a forked one."""
    os.setsid()
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path.insert(0, request["folder"])
    sys.argv = [program, *request["arguments"]]
    _answer(pid=os.getpid())
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    code = _exit_code(main)
    threading._shutdown()
    atexit.unregister(gc.unfreeze)  # or the collection goes through all that was imported, too
    atexit._run_exitfuncs()
    gc.collect()  # what nobody closed says so
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _exit_code(main: Callable[[], None]) -> int:
    try:
        if sys.argv[1:2] == [daemon.COMMAND]:
            return daemon.main(*sys.argv[2:])
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except BaseException:  # noqa: BLE001 - an interpreter prints whatever comes
        traceback.print_exc()
        return 1
    raise AssertionError("main always exits")


def _answer(**answer: int) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    started = warm_up(sys.argv[1])
    gc.freeze()  # a collection in a child would copy all of it
    serve(sys.argv[1], started)
    os._exit(0)  # likewise
