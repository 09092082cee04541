"""`contact`: one person as the vendor tells them now, beside what the warehouse has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from journey_pipeline.model import Granularity, Window, floor
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.cli.terminal import Terminal
from journey_pipeline_tests.crash.commands import CommandServer
from journey_pipeline_tests.projects import NOW

pytestmark = pytest.mark.slow(reason="a terminal that loads months")

TODAY = floor(NOW, Granularity.DAY)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    # Midnight: a person who comes back while the tests run would not have been loaded.
    with serve(World(touchpoints_per_day=60, contacts=60), clock=SandboxClock.frozen(TODAY)) as running:
        yield running


@pytest.fixture(scope="module")
def terminal(sandbox: Sandbox, command_server: CommandServer, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    return Terminal.at(tmp_path_factory.mktemp("contact"), command_server, sandbox, "layerfive")


@pytest.fixture(scope="module")
def loaded(terminal: Terminal) -> str:
    """All that the vendor answers for, which is more than it tells of a person."""
    done = terminal("backfill", "layerfive")
    assert done.code == 0, done.err
    return done.out


@pytest.fixture(scope="module")
def busiest(sandbox: Sandbox) -> str:
    """The address of the person with the most events."""
    month = Window(TODAY - timedelta(days=60), TODAY)
    addresses = Counter(record["email"] for record in sandbox.layerfive.truth(month) if record.get("email"))
    ((address, _),) = addresses.most_common(1)
    return str(address)


def counted(shown: str) -> list[int]:
    found = re.search(
        r"(\d+) on both sides, (\d+) only at the vendor, (\d+) only in the warehouse, (\d+) from before", shown
    )
    assert found, shown
    return [int(figure) for figure in found.groups()]


def test_both_sides_agree_on_a_person_whatever_the_case_of_the_address(
    terminal: Terminal, loaded: str, busiest: str
) -> None:
    assert loaded
    done = terminal("contact", busiest.upper())
    assert done.code == 0, done.out + done.err
    both, told, known, _ = counted(done.out)
    assert both > 3
    assert (told, known) == (0, 0)


def test_what_only_one_side_has_is_marked_and_ends_with_one(
    terminal: Terminal, loaded: str, busiest: str, sandbox: Sandbox
) -> None:
    assert loaded
    sandbox.options.layerfive.taken_back_after_h = 1.0
    sandbox.options.layerfive.campaigns_renamed_at = TODAY - timedelta(days=1)
    try:
        done = terminal("contact", busiest)
    finally:
        sandbox.options.layerfive.taken_back_after_h = None
        sandbox.options.layerfive.campaigns_renamed_at = None
    assert done.code == 1
    _, told, known, _ = counted(done.out)
    assert told > 0
    assert known > told
    assert done.out.count("vendor only") == told
    assert done.out.count("warehouse only") == known


def test_what_happened_after_the_last_load_is_no_difference(
    terminal: Terminal, loaded: str, busiest: str, sandbox: Sandbox
) -> None:
    assert loaded
    sandbox.clock.freeze(TODAY + timedelta(days=20))
    try:
        done = terminal("contact", busiest)
    finally:
        sandbox.clock.freeze(TODAY)
    *_, not_loaded = counted(done.out)
    assert not_loaded > 0
    assert done.out.count("not loaded") == not_loaded


def test_nobody_is_an_empty_timeline_and_no_address_is_in_any_message(
    terminal: Terminal, loaded: str, tmp_path: Path
) -> None:
    assert loaded
    done = terminal("contact", "nobody@example.org")
    assert done.code == 0
    assert counted(done.out) == [0, 0, 0, 0]
    refused = terminal("contact", "nobody@example.org", LAYERFIVE_API_KEY="wrong")
    assert refused.code == 2
    assert "LAYERFIVE_API_KEY" in refused.err
    assert "nobody" not in refused.out + refused.err
    empty = terminal("contact", "nobody@example.org", JOURNEY_PIPELINE_HOME=str(tmp_path))
    assert (empty.code, "nothing is published yet" in empty.err) == (2, True)


def test_a_person_leaves_no_file_behind(terminal: Terminal, loaded: str, busiest: str) -> None:
    assert loaded
    before = {path for path in terminal.home.rglob("*") if path.is_file()}
    terminal("contact", busiest)
    after = {path for path in terminal.home.rglob("*") if path.is_file()}
    assert after == before
