"""Each command answers for each stream: with a result, or with one sentence that says why not."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest

from journey_pipeline.lake.landing import commit_attempt
from journey_pipeline.lake.manifest import Attempt
from journey_pipeline.model import Granularity, StreamKey, partition_window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.settings import CLOCK_OFFSET_VARIABLE
from journey_pipeline.transport.retry import NO_WAITING_VARIABLE
from journey_pipeline_tests.cli.terminal import Terminal
from journey_pipeline_tests.contract.streams import STREAMS as DECLARED
from journey_pipeline_tests.crash.commands import CommandServer, Ended
from journey_pipeline_tests.lake.made_landing import begin_attempt
from journey_pipeline_tests.projects import NOW

pytestmark = pytest.mark.slow(reason="a terminal with all vendors")

STREAMS = {
    name: [stream.key.stream for stream in DECLARED if stream.key.connection == name]
    for name in dict.fromkeys(stream.key.connection for stream in DECLARED)
}
SELECTORS = (*STREAMS, "apsis/email_events")
NOBODY = "nobody@example.org"
SPANS = {Granularity.HOUR: ("2026-11-18T05", "2026-11-18T06"), Granularity.DAY: ("2026-11-18", "2026-11-19")}
DOWN = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory, command_server: CommandServer) -> Iterator[Terminal]:
    with serve(World(rows_per_hour=20, contacts=20, steady=True), clock=SandboxClock(NOW)) as sandbox:
        yield Terminal.at(tmp_path_factory.mktemp("every"), command_server, sandbox, *STREAMS)


@pytest.mark.parametrize("selector", SELECTORS)
@pytest.mark.parametrize("command", ["normalize", "status", "backfill --plan"])
def test_a_command_answers_for_a_connection_and_for_each_of_its_streams(
    terminal: Terminal, command: str, selector: str
) -> None:
    answer = terminal(*command.split(), selector)
    assert answer.code == (1 if command == "status" else 0), answer.err
    answers_for(selector, answer)


def answers_for(selector: str, answer: Ended) -> None:
    """A command has told of the streams that were asked for, and of no other."""
    name, _, only = selector.partition("/")
    for stream in STREAMS[name]:
        assert (f"{name}/{stream}:" in answer.out or f"{name}/{stream} " in answer.out) == (only in {"", stream})


@pytest.mark.parametrize("selector", SELECTORS)
def test_reconcile_answers_and_tells_what_it_swept_and_which_manifests_it_mended(
    terminal: Terminal, selector: str
) -> None:
    name, _, only = selector.partition("/")
    key, window = StreamKey(name, name, only or STREAMS[name][0]), partition_window("2026-11-01")
    attempt = begin_attempt(terminal.lake, key, window, window.end)
    landed = Attempt(attempt=attempt.name, started_at=window.end, landed_at=window.end, package_version="0")
    commit_attempt(terminal.lake, key, window, landed)
    manifest = terminal.lake.landing_manifest(key, window.partition)
    before = manifest.read_bytes()
    manifest.unlink()
    (leftover := terminal.home / "tmp" / "left-behind").mkdir(parents=True)
    terminal.changes[CLOCK_OFFSET_VARIABLE] = str(2 * 86_400)
    answer = terminal("reconcile", selector)
    del terminal.changes[CLOCK_OFFSET_VARIABLE]
    assert answer.code == 0, answer.err
    answers_for(selector, answer)
    assert f"{manifest.parent.relative_to(terminal.home)}: the manifest lacked answers that had landed" in answer.err
    assert f"{name}: removed leftovers of unfinished loads: tmp/left-behind\n" in answer.err
    assert manifest.read_bytes() == before
    assert not leftover.exists()


@pytest.mark.parametrize("name", STREAMS)
def test_a_command_on_a_connection_answers_for_each(terminal: Terminal, name: str) -> None:
    assert terminal("doctor", name).code == 0
    assert [call.route for call in terminal.sandbox.calls.to() if call.route.endswith("_order")] == []
    assert "no export is under way" in terminal("exports", name).out
    asked = terminal("contact", NOBODY, "--connection", name)
    refused = f"Error: {name}: the vendor does not answer for a single person; connections whose vendor does: "
    if asked.code:
        assert (asked.code, asked.err) == (2, f"{refused}layerfive\n")
    assert (asked.code == 0) is (name == "layerfive")


def test_dev_names_a_port_that_is_taken_and_claims_no_address(terminal: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        answer = terminal("dev", "--port", str(other.getsockname()[1]))
    assert (answer.code, "UI http" in answer.err) == (2, False)
    assert "choose another `--port`" in answer.err


@pytest.mark.parametrize(
    "arguments",
    [
        *(f"{name} {{}}" for name in ("backfill", "status", "exports")),
        "contact x --connection {}",
    ],
)
def test_a_connection_that_nobody_configured_is_named_by_each_command(terminal: Terminal, arguments: str) -> None:
    answer = terminal(*arguments.format("nope").split())
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "Error: there is no connection 'nope'; configured are: apsis, insider, layerfive, sfmc\n"


@pytest.fixture(scope="module")
def vendors_are_down(terminal: Terminal) -> dict[str, str | None]:
    """Variables with which every vendor refuses the connection, and nobody waits for long."""
    definition = terminal.folder / "shop/defs/apsis/defs.yaml"
    definition.write_text(re.sub(r"overdue_after_hours: .*", "overdue_after_hours: 0.0003", definition.read_text()))
    urls = {name: DOWN for name in terminal.sandbox.environment() if name.endswith("URL")}
    return {**urls, NO_WAITING_VARIABLE: "1", "COLUMNS": "1000"}


@pytest.mark.parametrize("selector", [f"{name}/{stream}" for name, streams in STREAMS.items() for stream in streams])
def test_a_vendor_that_is_down_is_told_in_one_sentence_by_each_command_that_asks(
    terminal: Terminal, vendors_are_down: dict[str, str | None], selector: str
) -> None:
    name = selector.partition("/")[0]
    start, end = next(SPANS[stream.granularity] for stream in DECLARED if str(stream) == selector)
    loaded = terminal("backfill", selector, "--from", start, "--to", end, **vendors_are_down)
    assert loaded.code == 2, "no host answers at all, which is the fault of the connection"
    assert re.search(r"^2026-11-18\S* failed: .*Connection refused.*run it again later", loaded.err, re.MULTILINE)
    checked = terminal("doctor", name, **vendors_are_down)
    assert checked.code == 1
    (line,) = [line for line in checked.out.splitlines() if " fails " in line]
    assert "Connection refused" in line
    if name == "layerfive":
        asked = terminal("contact", NOBODY, "--connection", name, **vendors_are_down)
        assert asked.code == 2
        (line,) = [line for line in asked.err.splitlines() if line.startswith("Error: ")]
        assert "Connection refused" in line
