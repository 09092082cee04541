"""A backfill that is killed in the middle, and then runs again."""

from __future__ import annotations

from collections.abc import Callable

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


def the_warehouse_is_being_written(pipeline: Pipeline) -> bool:
    return (pipeline.lake.home / "warehouse.duckdb").exists()


@pytest.fixture
def command(pipeline: Pipeline, command_server: CommandServer, tmp_path_factory: pytest.TempPathFactory) -> Command:
    return Command(command_server, configured(tmp_path_factory.mktemp("shop")), pipeline)


@every_stream
def test_a_backfill_killed_while_a_body_is_on_its_way_and_run_again_gives_the_truth(
    pipeline: Pipeline, command: Command
) -> None:
    pipeline.fault(f"{pipeline.stream.answer}:slow_body=60")
    killed_then_run_again(pipeline, command, a_body_is_on_its_way)


@pytest.mark.parametrize("instant", [something_has_landed, the_warehouse_is_being_written], ids=lambda f: f.__name__)
@every_stream
def test_a_backfill_killed_later_on_and_run_again_gives_the_truth(
    pipeline: Pipeline, command: Command, instant: Callable[[Pipeline], bool]
) -> None:
    killed_then_run_again(pipeline, command, instant)


def killed_then_run_again(pipeline: Pipeline, command: Command, instant: Callable[[Pipeline], bool]) -> None:
    windows = pipeline.stream.windows(3)
    span = Window(windows[0].start, windows[-1].end)
    killed = command.backfill(span, kill_at=lambda _: instant(pipeline))
    assert killed.was_killed, killed.err
    pipeline.sandbox.faults.clear()
    ended = command.backfill(span)
    assert ended.code == 0, ended.err
    assert pipeline.events() == pipeline.truth(*windows)
    assert pipeline.warehouse() == pipeline.truth(*windows)
