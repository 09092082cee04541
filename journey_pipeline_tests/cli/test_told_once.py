"""What is the connection's fault is told once: a wrong secret, host, path or account, with one thing to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.cli.terminal import Terminal
from journey_pipeline_tests.crash.commands import CommandServer
from journey_pipeline_tests.projects import NOW

pytestmark = pytest.mark.slow(reason="commands that load")

NOWHERE = "http://127.0.0.1:1"
SPAN = ("--from", "2026-11-05", "--to", "2026-11-20")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve(World(rows_per_hour=5, contacts=20, steady=True), clock=SandboxClock(NOW)) as running:
        yield running


@pytest.fixture(scope="module")
def terminal(sandbox: Sandbox, command_server: CommandServer, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    folder = tmp_path_factory.mktemp("told_once")
    made = Terminal.at(folder, command_server, sandbox, "apsis", "insider", "layerfive", "sfmc")
    made.changes["JOURNEY_PIPELINE_NO_WAITING"] = "1"
    return made


@pytest.mark.parametrize(
    ("vendor", "wrong", "advice"),
    [
        ("sfmc", {"SFMC_CLIENT_SECRET": "not-it"}, "Check SFMC_CLIENT_ID, SFMC_CLIENT_SECRET and SFMC_ACCOUNT_ID."),
        ("sfmc", {"SFMC_REST_URL": NOWHERE}, "check the connection's URL and the network, or run it again later."),
        ("apsis", {"APSIS_CLIENT_SECRET": "not-it"}, "Check APSIS_CLIENT_ID and APSIS_CLIENT_SECRET."),
        ("insider", {"INSIDER_PARTNER_NAME": "another"}, "from which addresses the key may be used."),
    ],
    ids=["Salesforce's secret", "Salesforce's host", "the secret of APSIS", "Insider's account"],
)
def test_a_fault_of_the_connection_is_told_once_with_one_advice_and_exits_with_2(
    terminal: Terminal, tmp_path: Path, vendor: str, wrong: dict[str, str], advice: str
) -> None:
    ended = terminal.with_copy(tmp_path / "home")("backfill", vendor, *SPAN, **wrong)
    assert ended.code == 2
    told, warehouse = (ended.err + ended.out).splitlines()
    assert warehouse.startswith("warehouse: 0 partitions added")
    assert " failed: " in told
    assert told.endswith((f" {advice}", f" {advice} Nothing was ordered."))
    assert told.lower().count("check ") == 1
    assert not {"..", " .", ";."} & {told[at : at + 2] for at in range(len(told))}
