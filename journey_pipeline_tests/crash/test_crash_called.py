"""A vendor who calls back, while receiver, daemon and backfill are killed in turn: no day asks twice, nothing is lost.

`make crash N=500` runs more seeds than CI does, `make crash SEED=123` repeats one of them.
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from journey_pipeline.lake.layout import Lake
from journey_pipeline.model import Granularity, Window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.settings import CLOCK_OFFSET_VARIABLE
from journey_pipeline.warehouse.equality import compare_with_lake
from journey_pipeline_tests.crash import daemon
from journey_pipeline_tests.crash.backfills import tell
from journey_pipeline_tests.crash.commands import CommandServer, Ended, Instant, Request
from journey_pipeline_tests.crash.proofs import every_manifest_tells_the_truth
from journey_pipeline_tests.crash.test_crash_backfill import seeds
from journey_pipeline_tests.projects import NOW, make_project

pytestmark = [
    pytest.mark.slow(reason="a receiver, a daemon and backfills are killed"),
    pytest.mark.timeout(900),  # a hung command is noticed long before
]

DAY = timedelta(days=1)
SPAN = Window(datetime(2026, 11, 16, tzinfo=UTC), datetime(2026, 11, 19, tzinfo=UTC))
CALL_AFTER_S = 0.3
LATEST_KILL_S = 1.5  # after the order was sent: by then the file may have landed
MOST_DAYS = 6
# What never comes is waited for some seconds.
SOON = "check_receiver: true\n  overdue_after_hours: 0.002\n  lost_after_hours: 0.004"


@dataclass
class Shop:
    """One home, its vendor, and a receiver that is there while no one has killed it."""

    sandbox: Sandbox
    server: CommandServer
    folder: Path
    port: int
    receiver: subprocess.Popen[bytes] | None = None
    offset: timedelta = field(default_factory=lambda: NOW - datetime.now(UTC))

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "COLUMNS": "300",
            "JOURNEY_PIPELINE_HOME": str(self.home),
            "JOURNEY_PIPELINE_NO_WAITING": "1",
            "INSIDER_REQUESTS_PER_SECOND": "500",
            CLOCK_OFFSET_VARIABLE: str(self.offset.total_seconds()),
            **self.sandbox.environment(),
            "INSIDER_WEBHOOK_URL": f"http://127.0.0.1:{self.port}/hooks",
        }

    def receive(self) -> None:
        """Starts the receiver, if it is not there, and waits until it answers."""
        if self.receiver is None:
            command = [sys.executable, "-m", "journey_pipeline.cli.main", "receiver", "--port", str(self.port)]
            with (self.folder / "receiver.err").open("ab") as said:
                self.receiver = subprocess.Popen(command, cwd=self.folder, env=self.environment, stderr=said)
            while self.receiver.poll() is None and not self.is_heard():
                pass

    def is_heard(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
                return "fingerprint" in json.load(answer)
        except OSError:
            return False

    def kill_receiver(self) -> None:
        if self.receiver:
            self.receiver.kill()
            self.receiver.wait()
            self.receiver = None

    def day_passes(self) -> None:
        """For all: a receiver that lived would go by the old day."""
        self.kill_receiver()
        self.sandbox.clock.move(DAY)
        self.offset += DAY

    def run(self, *arguments: str, kill_at: Instant | None = None) -> Ended:
        ended = self.server.run(Request(arguments, self.environment, self.folder), kill_at)
        tell(f"{arguments[0]} ended with {ended.code} after {ended.seconds:.1f} s: {ended.err[-500:]}")
        return ended

    def backfill(self, window: Window, kill_at: Instant | None = None) -> Ended:
        span = ("--from", f"{window.start:%Y-%m-%d}", "--to", f"{window.end:%Y-%m-%d}")
        return self.run("backfill", "insider", *span, kill_at=kill_at)

    def is_killed(self, who: str, day: Window, after_s: float) -> None:
        """Lets a day be ordered, and kills one of the three some seconds after that."""
        tell(f"{who} is killed after {after_s:.2f} s")
        self.receive()
        if who == "daemon":  # it goes on with what another process ordered that is no more
            self.backfill(day, self.after_order(0.0))
            self.run(daemon.COMMAND, "insider", kill_at=lambda seconds: seconds >= after_s)
            return
        is_time = self.after_order(after_s)

        def is_receivers_time(seconds: float) -> bool:
            if is_time(seconds):
                self.kill_receiver()
            return False

        self.backfill(day, is_time if who == "backfill" else is_receivers_time)

    def after_order(self, after_s: float) -> Instant:
        """So many seconds after the vendor got another order."""
        before, sent_s = self.sandbox.calls.count("order"), None

        def is_time(seconds: float) -> bool:
            nonlocal sent_s
            if sent_s is None and self.sandbox.calls.count("order") > before:
                sent_s = seconds
            return sent_s is not None and seconds >= sent_s + after_s

        return is_time


@pytest.fixture
def shop(tmp_path: Path, command_server: CommandServer) -> Iterator[Shop]:
    folder = make_project(tmp_path, "insider", start=SPAN.start)
    (definition,) = folder.rglob("defs/insider/defs.yaml")
    definition.write_text(definition.read_text().replace("check_receiver: false", SOON))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = SandboxOptions(insider={"call_after_s": CALL_AFTER_S})
    world = World(rows_per_hour=10, contacts=50, steady=True)
    with serve(world, clock=SandboxClock(NOW), options=options) as sandbox:
        opened = Shop(sandbox, command_server, folder, port)
        try:
            yield opened
        finally:
            opened.kill_receiver()


@pytest.mark.parametrize("seed", seeds(share=4))
def test_whoever_is_killed_each_event_comes_once_and_no_day_is_asked_twice(seed: int, shop: Shop) -> None:
    tell(f"to repeat this seed: make crash SEED={seed}")
    dice = random.Random(seed)
    turns = dice.sample(["receiver", "daemon", "backfill"], 3)
    for who, day in zip(turns, SPAN.partitions(Granularity.DAY), strict=True):
        shop.is_killed(who, day, dice.uniform(0, LATEST_KILL_S))
        shop.day_passes()
    codes: list[int] = []
    while 0 not in codes and len(codes) < MOST_DAYS:
        shop.receive()
        codes.append(shop.backfill(SPAN).code)
        if codes[-1]:
            shop.day_passes()
    assert codes[-1] == 0
    orders = shop.sandbox.calls.to("order")
    assert {call.status for call in orders} == {200}  # a second one of a day would be refused
    assert len({call.at.date() for call in orders}) == len(orders)
    every_manifest_tells_the_truth(shop.home)
    assert compare_with_lake(Lake(shop.home)).problems == []
    with duckdb.connect(str(shop.home / "journeys.duckdb"), read_only=True) as session:
        found = session.execute("select contact_id, epoch(occurred_at)::bigint from core.journey_events").fetchall()
    whole = Window(SPAN.start, SPAN.end + timedelta(seconds=1))
    truth = shop.sandbox.insider.truth(whole, shop.sandbox.clock.now())
    assert sorted(found) == sorted((one["iid"], one["at_s"]) for one in truth)
