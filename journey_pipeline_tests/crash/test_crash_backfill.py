"""A backfill that is killed at random instants, several times, and then runs to its end.

`make crash N=500` runs more seeds than CI does, `make crash SEED=123` repeats one of them.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from journey_pipeline.errors import ConfigError
from journey_pipeline.model import Granularity, Window, floor, partition_window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.settings import CLOCK_OFFSET_VARIABLE, utc_now
from journey_pipeline.vendors.sfmc.journey_history.stream import RETENTION
from journey_pipeline_tests.crash.backfills import Backfills, tell
from journey_pipeline_tests.crash.commands import CommandServer, FreshInterpreter
from journey_pipeline_tests.crash.kills import HANDS, planned
from journey_pipeline_tests.crash.proofs import prove
from journey_pipeline_tests.projects import NOW, make_project

pytestmark = [
    pytest.mark.slow(reason="backfills are killed again and again"),
    pytest.mark.timeout(900),  # a hung command is noticed long before
]

HOUR = timedelta(hours=1)
FRESH_EVERY = 12  # of so many seeds one starts new interpreters: one with few kills, as each takes long
MOST_TRIES = 15
SEEDS = HANDS
# Five of them at a time: a backfill of a few hours meets several.
FAULTS = (
    "download:503~0.2",
    "download:reset~0.2",
    "download:cut_gzip~0.2",
    "download:gzip_no_trailer~0.15",
    "download:gzip_bad_crc~0.2",
    "download:cut_record~0.2",
    "download:cut_record=reset~0.15",
    "download:csv_then_error~0.15",
    "download:json_200~0.15",
    "estimate:503~0.2",
    "estimate:429~0.2",
    "*:reset~0.1",
    "*:502~0.1",
    "*:expire_token_now~0.1",
    "token:500~0.2",
    "journeys:503~0.2",
)
EARLY = ("start", "dagster's instance", "a run of dagster", "downloads", "events")


def seeds(share: int = 1) -> list[int]:
    """The seeds of one test: the one asked for, or as many as asked for, or a share of them."""
    if one := os.environ.get("CRASH_SEED"):
        return [int(one)]
    return list(range(int(os.environ.get("CRASH_SEEDS") or SEEDS) // share))


@contextmanager
def backfills_of(
    seed: int, folder: Path, server: CommandServer, *, hours: int = 4, expiring: bool = False
) -> Iterator[Backfills]:
    """A seed's deployment; where its hours are to expire, they are the oldest that the vendor still keeps."""
    tell(f"to repeat this seed: make crash SEED={seed}")
    # The present is twenty past, so that no hour expires but where a test lets time pass.
    first = floor(NOW, Granularity.HOUR) - (RETENTION - HOUR if expiring else timedelta(days=3))
    world = World(seed=seed, rows_per_hour=40, contacts=100, steady=True)
    with serve(world, clock=SandboxClock(NOW)) as sandbox:
        yield Backfills(
            sandbox=sandbox,
            starter=server,
            folder=make_project(folder, "sfmc", start=first),  # `status` has little else to look at
            span=Window(first, first + hours * HOUR),
            clock_offset=NOW - datetime.now(UTC),
        )


@pytest.mark.parametrize("seed", seeds())
def test_a_backfill_killed_again_and_again_ends_with_the_whole_truth(
    seed: int, tmp_path: Path, command_server: CommandServer
) -> None:
    with backfills_of(seed, tmp_path, command_server) as backfills:
        backfills.starter = FreshInterpreter() if seed % FRESH_EVERY == HANDS - 1 else command_server
        for kill in planned(seed, random.Random(seed)):
            backfills.run(kill)
        assert backfills.run().code == 0
        backfills.starter = command_server
        prove(backfills, backfills.hours)


@pytest.mark.parametrize("seed", seeds(share=4))
def test_a_backfill_killed_while_the_vendor_fails_ends_with_the_whole_truth(
    seed: int, tmp_path: Path, command_server: CommandServer
) -> None:
    dice = random.Random(seed)
    with backfills_of(seed, tmp_path, command_server) as backfills:
        for rule in dice.sample(FAULTS, 5):
            tell(str(backfills.sandbox.faults.add(rule)))
        for kill in planned(seed, dice):
            backfills.run(kill)
        codes = [backfills.run().code]
        while codes[-1] and len(codes) < MOST_TRIES:
            codes.append(backfills.run().code)
        assert codes[-1] == 0
        backfills.sandbox.faults.clear()
        prove(backfills, backfills.hours)


@pytest.mark.parametrize("seed", seeds(share=4))
def test_of_hours_that_expire_during_a_backfill_none_that_landed_is_lost_and_the_others_are_named(
    seed: int, tmp_path: Path, command_server: CommandServer
) -> None:
    dice = random.Random(seed)
    with backfills_of(seed, tmp_path, command_server, hours=6, expiring=True) as backfills:
        for kill in planned(seed, dice, EARLY, hands=2):
            backfills.run(kill)
            backfills.move_clocks(dice.randint(1, 2) * HOUR)
        landed = backfills.landed()
        oldest = backfills.now() - RETENTION
        ended = backfills.run()
        # The kill may have met an answer that was whole and not yet in the manifest.
        mended = [line for line in ended.err.splitlines() if "the manifest lacked the whole answer" in line]
        landed_after_all = named("\n".join(mended))
        there = [
            hour
            for hour in backfills.hours
            if hour.partition in landed or hour in landed_after_all or hour.start >= oldest
        ]
        lost = [hour for hour in backfills.hours if hour not in there]
        others = [line for line in ended.err.splitlines() if line not in mended]
        assert named("\n".join(others)) == lost, ended.err
        assert ended.code == (1 if lost else 0)
        prove(backfills, there)


def named(text: str) -> list[Window]:
    """The hours that a text names, alone or as `… to …`, which means both ends and what lies between."""
    hour = r"\d{4}-\d\d-\d\dT\d\d\b"
    spans = re.findall(rf"({hour})(?: to ({hour}))?", text)
    return [
        part
        for first, last in spans
        for part in Window(partition_window(first).start, partition_window(last or first).end).partitions(
            Granularity.HOUR
        )
    ]


def test_a_clock_offset_that_is_no_number_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CLOCK_OFFSET_VARIABLE, "an hour")
    with pytest.raises(ConfigError, match=f"{CLOCK_OFFSET_VARIABLE} is 'an hour': set it to seconds"):
        utc_now()
