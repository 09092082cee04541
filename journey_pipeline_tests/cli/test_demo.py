"""`demo`, as a newcomer runs it from an installed wheel, in a folder with nothing else: killed, interrupted, run to its
end. Then once more as the README has it, in a clone, with the queries after it.

All in one folder, since a demo that loads everything takes half a minute of a processor.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb
import psutil
import pytest

from journey_pipeline.components.instance import open_instance
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.export import AT_VENDOR, State
from journey_pipeline.exports.turns import listed
from journey_pipeline_tests.packages import installed_wheel
from journey_pipeline_tests.pages import PAGES, README, in_clone, lines_with, make_clone, run
from journey_pipeline_tests.warehouse.messages import assert_messages_are_as_in_the_model
from journey_pipeline_tests.warehouse.passages import assert_marts_are_as_in_the_model

HOURS = 6  # shows as much as a day's
COMMAND = [sys.executable, "-m", "journey_pipeline.cli.main", "demo", "--hours", str(HOURS)]

pytestmark = [
    pytest.mark.slow(reason="a demo is started five times"),
    pytest.mark.timeout(900),  # whatever else the machine does
]


@dataclass(frozen=True)
class Ended:
    """How a demo ended, and what was there then.

    Attributes:
        shown: What it had written.
        said: What it had written to stderr.
        code: Its exit code.
        left: Processes of its own that outlasted it.
        unfinished: Runs that Dagster takes for being under way.
        rows: Events in the published warehouse.
    """

    shown: str
    said: str
    code: int
    left: list[psutil.Process]
    unfinished: list[str]
    rows: int


@dataclass(frozen=True)
class Demos:
    """Demos one after the other in one home.

    Attributes:
        folder: Where the first four were started.
        clone: Of the project, with the home that they left.
    """

    folder: Path
    clone: Path
    killed: Ended
    interrupted: Ended
    finished: Ended
    again: Ended


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demos]:
    folder, clone = tmp_path_factory.mktemp("demo"), tmp_path_factory.mktemp("clone") / "journey_pipeline"
    wheel = installed_wheel(tmp_path_factory.mktemp("wheel"))
    demo = partial(run_demo, COMMAND, folder, wheel)
    with ExitStack() as started:
        killed = demo(started, ending=signal.SIGKILL, at=lambda: is_export_pending(folder))
        demo(started, ending=signal.SIGKILL, at=lambda: has_the_day_before_landed(folder))  # it has no events yet
        interrupted = demo(started, ending=signal.SIGINT, at=lambda: has_an_hour_landed(folder))
        finished = demo(started)
        (folder / "data").rename(make_clone(clone) / "data")
        (clone / "data/sandbox/journeys.duckdb").unlink()  # as good as one of an earlier layout
        (line,) = lines_with("make demo")
        again = run_demo(["bash", "-ec", f"{line} DEMO_ARGS='--hours {HOURS}'"], clone, clone, started)
        yield Demos(folder, clone, killed, interrupted, finished, again)


def run_demo(
    command: list[str],
    folder: Path,
    package: Path,
    started: ExitStack,
    *,
    ending: signal.Signals | None = None,
    at: Callable[[], bool] = lambda: True,
) -> Ended:
    """Runs a demo to its end, or ends it in the middle; none outlasts the tests."""
    environment = in_clone(folder) | {
        "PYTHONPATH": str(package),
        "JOURNEY_PIPELINE_LEDGER_URL": f"sqlite:///{folder / 'real.db'}",
    }
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)
    started.callback(process.communicate)
    started.callback(process.kill)
    family = []
    if ending:
        while process.poll() is None and not at():
            time.sleep(0.02)
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        process.send_signal(ending)
    shown, said = process.communicate()
    # What Dagster starts beside a run notices by itself, a little later, that the run's process is gone.
    _, left = psutil.wait_procs(family, timeout=30)
    return Ended(shown, said, process.returncode, left, unfinished_runs(folder), published_rows(folder))


def is_export_pending(folder: Path) -> bool:
    url = f"sqlite:///{folder / 'data/sandbox/exports.db'}"
    if not (folder / "data/sandbox/exports.db").exists():
        return False
    with open_ledger(url) as ledger:
        return any(export.state in AT_VENDOR for export in listed(ledger))


def has_the_day_before_landed(folder: Path) -> bool:
    return any((folder / "data/sandbox/raw/insider/user_events").glob("*/manifest.json"))


def has_an_hour_landed(folder: Path) -> bool:
    return any((folder / "data/sandbox/raw/sfmc/journey_history").glob("*/manifest.json"))


def published_rows(folder: Path) -> int:
    file = folder / "data/sandbox/journeys.duckdb"
    if not file.exists():
        return 0
    with duckdb.connect(str(file), read_only=True) as session:
        row = session.execute("select count(*) from core.journey_events").fetchone()
    assert row is not None
    return int(row[0])


def unfinished_runs(folder: Path) -> list[str]:
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("DAGSTER_HOME", raising=False)
        environment.setenv("JOURNEY_PIPELINE_HOME", str(folder / "data/sandbox"))
        with open_instance() as instance:
            return [run.run_id for run in instance.get_runs() if not run.is_finished]


def hours_loaded(shown: str) -> int:
    return int(re.findall(r"^sfmc/journey_history: (\d+) hours? loaded", shown, re.MULTILINE)[0])


def test_a_newcomer_sees_partitions_results_files_and_what_to_try(demos: Demos) -> None:
    shown = demos.finished.shown
    assert len(re.findall(r"^ *20\d\d-\d\d-\d\dT\d\d ", shown, re.MULTILINE)) == hours_loaded(shown) > 0
    for words in (
        "the vendor called with a link at",
        "insider/user_profiles: the list insider-profiles__journey-",
        "What each journey did",
        "journeys.duckdb",
        "What to try next",
    ):
        assert words in shown
    # At whatever time of the day the demo runs.
    assert re.search(r"insider/user_events: the answer with the next day brought [1-9]\d* late events of 20", shown)
    assert "make dev" not in shown  # there is no Makefile
    assert demos.finished.rows > 0
    assert not (demos.folder / "real.db").exists()
    assert (demos.clone / "data/sandbox/of-sandbox").exists()


def test_another_demo_loads_only_what_is_missing(demos: Demos) -> None:
    assert demos.again.code == 0, demos.again.said
    # The clock may have struck between the two.
    shown = demos.again.shown
    assert "all 6 hours already there" in shown or "1 hour loaded, 5 already there" in shown
    assert demos.again.rows >= demos.finished.rows  # although nothing had been published
    assert not (demos.clone / "real.db").exists()


def test_the_queries_after_the_demo(demos: Demos) -> None:
    shown = demos.again.shown
    assert "What each journey did" in shown
    assert "make dev" in shown
    (page,) = re.findall(r"(\S+\.html) +the busiest journey as a page", shown)
    assert (demos.clone / page).stat().st_size > 500_000
    (offered,) = re.findall(r"journey-pipeline (query .+)", README)
    assert offered in shown
    done = run("\n".join(lines_with("query")), demos.clone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "partition_key" in done.stdout
    questions = re.findall(r"```sql\n(.*?)```", PAGES["docs/analysts.md"], re.DOTALL)
    assert questions
    with duckdb.connect(demos.clone / "data/sandbox/journeys.duckdb", read_only=True) as warehouse:
        unanswered = [question for question in questions if not warehouse.sql(question).fetchall()]
    assert [question for question in unanswered if "ana@example.org" not in question] == []
    assert_marts_are_as_in_the_model(demos.clone / "data/sandbox/warehouse.duckdb")
    assert_messages_are_as_in_the_model(demos.clone / "data/sandbox/warehouse.duckdb")


def test_a_demo_that_is_killed_while_exports_are_pending_does_not_wait_for_them_the_next_time(demos: Demos) -> None:
    assert demos.killed.code == -signal.SIGKILL
    assert demos.killed.left == []
    shown = demos.finished.shown
    ordered = shown.index("apsis/email_events: 1 day loaded")
    assert shown.index("sfmc/journey_history: ") < ordered
    with open_ledger(f"sqlite:///{demos.clone / 'data/sandbox/exports.db'}") as ledger:
        states = {export.state for export in listed(ledger, with_ended=True)}
    assert states == {State.REPLACED, State.LANDED}
    assert demos.finished.unfinished == demos.again.unfinished == []


def test_a_demo_that_is_interrupted_leaves_nothing_running_and_nothing_broken(demos: Demos) -> None:
    assert demos.interrupted.code != 0
    assert demos.interrupted.left == []
    assert "6 hours loaded" not in demos.interrupted.shown
    assert demos.finished.code == 0, demos.finished.said
    assert "What each journey did" in demos.finished.shown
