"""A backfill that is killed at one stage after the other, and then runs to its end.

Not here: kills while the warehouse is written, which is the same for all streams (`crash/`, `warehouse/`).
"""

from __future__ import annotations

import pytest

from journey_pipeline.model import Window
from journey_pipeline_tests.contract.pipeline import Pipeline
from journey_pipeline_tests.contract.project import Command, configured
from journey_pipeline_tests.contract.streams import every_stream
from journey_pipeline_tests.crash.commands import CommandServer

pytestmark = pytest.mark.slow(reason="backfills are killed and run again")


def a_body_is_on_its_way(pipeline: Pipeline) -> bool:
    return len(pipeline.calls(pipeline.stream.answer)) > 0 and pipeline.landed() != []


def something_has_landed(pipeline: Pipeline) -> bool:
    return any((pipeline.lake.home / "raw").rglob("manifest.json"))


@pytest.fixture
def command(pipeline: Pipeline, command_server: CommandServer, tmp_path_factory: pytest.TempPathFactory) -> Command:
    return Command(command_server, configured(tmp_path_factory.mktemp("shop")), pipeline)


@every_stream
def test_a_backfill_killed_at_each_stage_of_its_work_and_run_again_gives_the_truth(
    pipeline: Pipeline, command: Command
) -> None:
    windows = pipeline.stream.windows(2)
    span = Window(windows[0].start, windows[-1].end)
    pipeline.fault(f"{pipeline.stream.answer}:slow_body=60")
    for instant in (a_body_is_on_its_way, something_has_landed):
        killed = command.backfill(span, kill_at=lambda _, instant=instant: instant(pipeline))
        assert killed.was_killed, f"{instant.__name__}: {killed.err}"
        pipeline.sandbox.faults.clear()
    ended = command.backfill(span)
    assert ended.code == 0, ended.err
    assert pipeline.events() == pipeline.truth(*windows)
    assert pipeline.warehouse() == pipeline.truth(*windows)
