from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from journey_pipeline.transport import retry


def test_a_switched_off_wait_is_recorded_and_moves_the_clock() -> None:
    before_s, started_s = retry.monotonic_s(), time.monotonic()
    with retry.no_waiting() as waits:
        retry.wait(1000)
        retry.wait(0)
        retry.wait(-5)
        retry.wait(7, for_rate=True)
    assert (waits, waits.rate_limited) == ([1000], [7])
    assert retry.monotonic_s() - before_s >= 1007
    assert time.monotonic() - started_s < 500


def test_the_clock_does_not_go_back_when_waiting_is_switched_on_again() -> None:
    with retry.no_waiting():
        retry.wait(100)
        inside_s = retry.monotonic_s()
    assert retry.monotonic_s() >= inside_s


def test_waits_of_other_threads_are_recorded() -> None:
    with retry.no_waiting() as waits, ThreadPoolExecutor(8) as pool:
        list(pool.map(retry.wait, range(1, 17)))
    assert sorted(waits) == list(range(1, 17))


def test_switches_can_lie_within_each_other() -> None:
    with retry.no_waiting() as outer:
        with retry.no_waiting() as inner:
            retry.wait(5)
        retry.wait(6)
    assert (inner, outer) == ([5], [5, 6])


def test_a_child_process_is_told_by_a_variable() -> None:
    program = (
        "import os\n"
        "from journey_pipeline.transport import retry\n"
        "os.environ['JOURNEY_PIPELINE_NO_WAITING'] = '1'\n"
        "before = retry.monotonic_s()\n"
        "retry.wait(100000)\n"
        "print(retry.monotonic_s() - before >= 100000)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "True\n"


def test_a_wait_is_slept_when_nothing_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(retry.NO_WAITING_VARIABLE, "0")
    started_s = time.monotonic()
    retry.wait(0.05)
    assert time.monotonic() - started_s >= 0.05
