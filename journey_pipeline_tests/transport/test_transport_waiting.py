from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from journey_pipeline.transport import waiting


def test_a_switched_off_wait_is_recorded_and_moves_the_clock() -> None:
    before_s, started_s = waiting.monotonic_s(), time.monotonic()
    with waiting.no_waiting() as waits:
        waiting.wait(1000)
        waiting.wait(0)
        waiting.wait(-5)
        waiting.wait(7, for_rate=True)
    assert (waits, waits.rate_limited) == ([1000], [7])
    assert waiting.monotonic_s() - before_s >= 1007
    assert time.monotonic() - started_s < 500


def test_the_clock_does_not_go_back_when_waiting_is_switched_on_again() -> None:
    with waiting.no_waiting():
        waiting.wait(100)
        inside_s = waiting.monotonic_s()
    assert waiting.monotonic_s() >= inside_s


def test_waits_of_other_threads_are_recorded() -> None:
    with waiting.no_waiting() as waits, ThreadPoolExecutor(8) as pool:
        list(pool.map(waiting.wait, range(1, 17)))
    assert sorted(waits) == list(range(1, 17))


def test_switches_can_lie_within_each_other() -> None:
    with waiting.no_waiting() as outer:
        with waiting.no_waiting() as inner:
            waiting.wait(5)
        waiting.wait(6)
    assert (inner, outer) == ([5], [5, 6])


def test_a_child_process_is_told_by_a_variable() -> None:
    program = (
        "import os\n"
        "from journey_pipeline.transport import waiting\n"
        "os.environ['JOURNEY_PIPELINE_NO_WAITING'] = '1'\n"
        "before = waiting.monotonic_s()\n"
        "waiting.wait(100000)\n"
        "print(waiting.monotonic_s() - before >= 100000)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "True\n"


def test_a_wait_is_slept_when_nothing_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(waiting.NO_WAITING_VARIABLE, "0")
    started_s = time.monotonic()
    waiting.wait(0.05)
    assert time.monotonic() - started_s >= 0.05
