"""What holds for the whole suite: its order, a test that hangs is ended and named, and signals are as on a terminal.

`pytest-timeout` ends what hangs in Python, once a test. What hangs in a library, or again while the first hang is
cleaned up, is ended here with its process; the other tests go on in another one.
"""

from __future__ import annotations

import atexit
import faulthandler
import gc
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings

from journey_pipeline_tests.crash.commands import CommandServer
from journey_pipeline_tests.examples import examples

TEARDOWN_LIMIT_S = 120
MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes folders of its own there
ROOM = 8 << 30
# The groups and modules that take longest, the longest first.
LONGEST = (
    *("test_demo.py", "test_operations_page.py", "test_benchmarks.py", "test_warehouse_sync.py"),
    *("test_contract_faults.py", "test_every_stream.py", "test_crash_backfill.py", "clients", "readme"),
    "test_load_ordered.py",
    *("test_verdicts.py", "test_contract_crash.py", "test_earlier_home.py", "test_warehouse_crash.py"),
)
_stderr = os.dup(2)  # before pytest captures it


def pytest_configure() -> None:
    """Takes interrupts although what started the tests ignores them, as a shell has its background jobs do.

    Children inherit what is ignored, and Dagster treats SIGTERM as it finds SIGINT: neither would end any of them.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) is signal.SIG_IGN:
            signal.signal(ending, signal.SIG_DFL)
    # Tests wait for the disk tens of thousands of times, and lose nothing by a power cut.
    if MEMORY.is_dir() and min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) > ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    # How long an example takes says how busy the machine is, and nothing of the property.
    settings.register_profile(
        "suite",
        settings.default,
        max_examples=examples(100),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("suite")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Names a test of bytes by the parameter: two workers must find the same names, and gzip's bytes hold the time."""
    return argname if isinstance(val, bytes) else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Refuses a test that is called slow without a reason."""
    if any(not mark.kwargs.get("reason") for mark in item.iter_markers("slow")):
        raise pytest.UsageError(f"{item.nodeid}: say why it is slow, pytest.mark.slow(reason=...)")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lets every worker begin with what is slow, the longest first, and end with what is quick.

    xdist cuts the list into one piece for each worker. A worker that is done takes half of the longest rest. In the
    order of the folders one worker had most of the slow modules, and the others nothing left to take from it while its
    last ones ran. A long module that begins near the end would run alone. A module stays together, and so do modules
    of one `xdist_group`: their tests share what they load.
    """
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        mark = item.get_closest_marker("xdist_group")
        groups.setdefault(mark.args[0] if mark else item.nodeid.partition("::")[0], []).append(item)
    slow = [name for name, tests in groups.items() if any(test.get_closest_marker("slow") for test in tests)]
    slow.sort(key=lambda name: next((place for place, long in enumerate(LONGEST) if long in name), len(LONGEST)))
    quick = [test for name, tests in groups.items() if name not in slow for test in tests]
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ordered: list[pytest.Item] = []
    for number in range(workers):
        ordered += [test for name in slow[number::workers] for test in groups[name]]
        room = max(len(items) * (number + 1) // workers - len(ordered), 0)
        ordered += quick[:room]
        del quick[:room]
    items[:] = [*ordered, *quick]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[object]:
    """Lets the garbage collector pass over what all modules import: looking through it took a tenth of the tests.

    In the end the interpreter is to take it apart all the same: extensions call what is left a leak.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
        atexit.register(gc.unfreeze)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Bounds the cleaning up: pytest's own limits no longer hold after a test that failed."""
    faulthandler.dump_traceback_later(TEARDOWN_LIMIT_S, exit=True, file=_stderr)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope="session")
def command_server() -> Iterator[CommandServer]:
    """One server of commands for all tests of a process."""
    with CommandServer() as server:
        yield server


@pytest.fixture(scope="session")
def dg_server() -> Iterator[CommandServer]:
    """The same for Dagster's command."""
    with CommandServer("dg") as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def _no_instance_of_an_earlier_module() -> Iterator[None]:
    """Lets a module begin as a process does, without a current instance of Dagster.

    Dagster keeps the storage of the instance that was entered last for the whole process, and puts back the one before
    when it is left. Instances that are not left in the order of a stack leave it the storage of one that is gone, and
    the next project to be loaded fails.
    """
    if "dagster" not in sys.modules:
        yield
        return
    from dagster._core.storage.defs_state.base import set_defs_state_storage  # noqa: PLC0415 - few modules need Dagster

    with set_defs_state_storage(None):
        yield
