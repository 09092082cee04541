"""Secrets and persons are in no log line, message, metadata or manifest, however many things go wrong."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import pytest

from journey_pipeline.components.deployment import Deployment, load_deployment
from journey_pipeline.components.instance import open_instance
from journey_pipeline.components.runs import Runner
from journey_pipeline_tests.contract.pipeline import Pipeline
from journey_pipeline_tests.contract.project import configured, variables
from journey_pipeline_tests.contract.streams import every_stream
from journey_pipeline_tests.new_home import put_history

pytestmark = pytest.mark.slow(reason="each stream goes through Dagster five times")

TROUBLES = ("401", "503", "html_200")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = configured(tmp_path_factory.mktemp("shop"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield load_deployment(folder)


@pytest.fixture
def runner(pipeline: Pipeline, deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    put_history(pipeline.lake.home)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    for name, value in variables(pipeline).items():
        monkeypatch.setenv(name, value)
    with open_instance() as instance:
        yield Runner(deployment, instance)


def an_hour_passes(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the vendor and for us."""
    pipeline.pass_time(timedelta(hours=1))
    for name, value in variables(pipeline).items():
        monkeypatch.setenv(name, value)


def people(pipeline: Pipeline) -> set[str]:
    """Who the records are about, but for those whose name, such as 007, is in any text."""
    rows = pipeline.truth(*pipeline.stream.windows(3))
    named = {row[place] for row in rows for place in pipeline.stream.personal}
    return {name for name in named if "-" in name or "@" in name}


def private_in(said: str, pipeline: Pipeline) -> list[str]:
    """What is in a text and should not be: persons, as they are or in an address, and what opens the vendor's door."""
    names = people(pipeline)
    assert len(names) > 20
    spelt = "|".join(re.escape(spelling) for name in names for spelling in {name, quote(name, safe="")})
    secret = re.escape(pipeline.sandbox.environment()[pipeline.stream.secret_variable])
    patterns = (rf"(?<![\w.-])(?:{spelt})(?![\w-])", secret, pipeline.stream.token_pattern, r"Bearer [\w.~+/=-]{8,}")
    return [found.group() for pattern in patterns for found in re.finditer(pattern, said)]


def dagster_says(instance: dg.DagsterInstance) -> str:
    """Everything that the runs recorded: messages, metadata, configuration, tags."""
    runs = instance.get_runs()
    planned = [dg.serialize_value(run) for run in runs]
    recorded = [dg.serialize_value(record) for run in runs for record in instance.all_logs(run.run_id)]
    return "\n".join(planned + recorded)


def files_say(home: Path) -> str:
    """What lies in a home beside data, evidence and databases: manifests, reports, outputs of steps."""
    files = [path for path in home.rglob("*") if path.suffix in {".json", ".out", ".err", ".yaml"}]
    return "\n".join(path.read_text() for path in files)


@every_stream
def test_secrets_and_persons_are_in_no_log_line_message_metadata_or_manifest(
    pipeline: Pipeline, runner: Runner, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    (assets,) = runner.deployment.streams(str(pipeline.stream.key))
    windows = pipeline.stream.windows(3)
    messages = []
    for trouble in (*TROUBLES, pipeline.stream.cuts[0]):
        pipeline.fault(f"{pipeline.stream.answer}:{trouble}")
        outcome = runner.load(assets, windows[:1], pull=True, only_missing=True)
        assert not outcome.succeeded
        messages.append(outcome.says)
        pipeline.sandbox.faults.clear()
        an_hour_passes(pipeline, monkeypatch)
    assert runner.load(assets, windows, pull=True, only_missing=True).succeeded
    assert runner.sync_warehouse() is not None
    said = "\n".join([*messages, caplog.text, dagster_says(runner.instance), files_say(pipeline.lake.home)])
    for word in ("answered 401", "Attempt 1 failed", "landed_at", "sha256", "dagster/partition_row_count"):
        assert word in said
    assert private_in(said.replace("\\n", "\n"), pipeline) == []
    assert pipeline.warehouse() == pipeline.truth(*windows)
