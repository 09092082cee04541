"""`contact`: one person as the vendor tells them now, beside what the warehouse has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from journey_pipeline.model import Granularity, Window, floor
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.cli.conftest import Command
from journey_pipeline_tests.projects import make_project

TODAY = floor(datetime.now(UTC), Granularity.DAY)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve(World(touchpoints_per_day=60, contacts=60)) as running:
        # Midnight: a person who comes back while the tests run would not have been loaded.
        running.clock.freeze(TODAY)
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("contact"), "layerfive")


@pytest.fixture(scope="module")
def loaded(command: Command) -> str:
    """All that the vendor answers for, which is more than it tells of a person."""
    done = command("backfill", "layerfive", LAYERFIVE_REQUESTS_PER_SECOND="500")
    assert done.returncode == 0, done.stderr
    return done.stdout


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
    command: Command, loaded: str, busiest: str
) -> None:
    assert loaded
    done = command("contact", busiest.upper())
    assert done.returncode == 0, done.stdout + done.stderr
    both, told, known, _ = counted(done.stdout)
    assert both > 3
    assert (told, known) == (0, 0)


def test_what_only_one_side_has_is_marked_and_ends_with_one(
    command: Command, loaded: str, busiest: str, sandbox: Sandbox
) -> None:
    assert loaded
    sandbox.options.layerfive.taken_back_after_h = 1.0
    sandbox.options.layerfive.campaigns_renamed_at = TODAY - timedelta(days=1)
    try:
        done = command("contact", busiest)
    finally:
        sandbox.options.layerfive.taken_back_after_h = None
        sandbox.options.layerfive.campaigns_renamed_at = None
    assert done.returncode == 1
    _, told, known, _ = counted(done.stdout)
    assert told > 0
    assert known > told
    assert done.stdout.count("vendor only") == told
    assert done.stdout.count("warehouse only") == known


def test_what_happened_after_the_last_load_is_no_difference(
    command: Command, loaded: str, busiest: str, sandbox: Sandbox
) -> None:
    assert loaded
    later = datetime.now(UTC) + timedelta(days=20)
    sandbox.clock.freeze(later)
    try:
        offset = {"JOURNEY_PIPELINE_CLOCK_OFFSET_S": str((later - datetime.now(UTC)).total_seconds())}
        done = command("contact", busiest, **offset)
    finally:
        sandbox.clock.freeze(TODAY)
    *_, not_loaded = counted(done.stdout)
    assert not_loaded > 0
    assert done.stdout.count("not loaded") == not_loaded


def test_nobody_is_an_empty_timeline_and_no_address_is_in_any_message(
    command: Command, loaded: str, tmp_path: Path
) -> None:
    assert loaded
    done = command("contact", "nobody@example.org")
    assert done.returncode == 0
    assert counted(done.stdout) == [0, 0, 0, 0]
    refused = command("contact", "nobody@example.org", LAYERFIVE_API_KEY="wrong")
    assert refused.returncode == 1
    assert "LAYERFIVE_API_KEY" in refused.stderr
    assert "nobody" not in refused.stdout + refused.stderr
    empty = command("contact", "nobody@example.org", JOURNEY_PIPELINE_HOME=str(tmp_path))
    assert "nothing is published yet" in empty.stderr


def test_a_person_leaves_no_file_behind(command: Command, loaded: str, busiest: str, folder: Path) -> None:
    assert loaded
    before = {path for path in (folder / "home").rglob("*") if path.is_file()}
    command("contact", busiest)
    after = {path for path in (folder / "home").rglob("*") if path.is_file()}
    assert after == before
