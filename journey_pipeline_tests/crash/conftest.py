"""One server of commands for all seeds of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from journey_pipeline_tests.crash.commands import CommandServer


@pytest.fixture(scope="session")
def command_server() -> Iterator[CommandServer]:
    with CommandServer() as server:
        yield server
