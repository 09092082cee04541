"""A terminal in a project of its own, against the sandbox; the tests of a module share it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.cli.terminal import Terminal
from journey_pipeline_tests.crash.commands import CommandServer
from journey_pipeline_tests.projects import NOW


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve(World(rows_per_hour=60, contacts=100, steady=True), clock=SandboxClock(NOW)) as running:
        yield running


@pytest.fixture(scope="module")
def terminal(sandbox: Sandbox, command_server: CommandServer, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """Somebody who installed the package, and has a connection to Salesforce."""
    return Terminal.at(tmp_path_factory.mktemp("terminal"), command_server, sandbox, "sfmc")
