"""A backfill of exports against the simulated vendor: its clock is the only one, and naps move it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.export import Export
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.exports.queue import Queue
from journey_pipeline.exports.turns import listed
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import LandingManifest
from journey_pipeline.loading.exports import Exports
from journey_pipeline.loading.load_ordered import LoadOrdered
from journey_pipeline.loading.partition import LoadSettings, PartitionOutcome
from journey_pipeline.model import Granularity, Window
from journey_pipeline.sandbox.calls import Call
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.transport.retry import Limits, Timeouts
from journey_pipeline.vendors.apsis.client import ApsisClient
from journey_pipeline.vendors.apsis.email_events.stream import EmailEvents, email_events_stream
from journey_pipeline.vendors.apsis.orders import Account
from journey_pipeline.vendors.apsis.profile_events.stream import ProfileEvents, profile_events_stream
from journey_pipeline.vendors.source import Source
from journey_pipeline_tests.exports.made_orders import steps

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = Window(datetime(2026, 11, 18, tzinfo=UTC), datetime(2026, 11, 19, tzinfo=UTC))
PROFILES, EMAILS = profile_events_stream("apsis", START), email_events_stream("apsis", START)
# A test waits for days where somebody at a terminal waits for hours.
PATIENT = ExportPolicy(overdue_after=timedelta(days=10))


def days(first: Window, count: int) -> list[Window]:
    """Days in a row."""
    return Window(first.start, first.start + timedelta(days=count)).partitions(Granularity.DAY)


@dataclass
class Backfills:
    """Backfills of one connection in one home.

    Attributes:
        sandbox: The vendor.
        lake: The home.
        policy: Limits and waits.
        timeouts: How long to wait for an answer.
        most_pieces: Of an order of which nothing comes.
        stride: How far a nap goes; to what is due next if None, which would outlast what somebody else holds.
        on_nap: Told of each nap; may raise, as an interrupt does.
    """

    sandbox: Sandbox
    lake: Lake
    policy: ExportPolicy = PATIENT
    timeouts: Timeouts = field(default_factory=Timeouts)
    most_pieces: int = 64
    stride: timedelta | None = None
    on_nap: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.ledger = open_ledger(f"sqlite:///{self.lake.home / 'exports.db'}")

    @property
    def queue(self) -> Queue:
        """The queue by the vendor's clock."""
        streams = {stream.key.stream: timedelta(days=31) for stream in (PROFILES, EMAILS)}
        return Queue("apsis", self.ledger, self.policy, self.sandbox.clock.now, streams)

    def exports_opened(self) -> Exports:
        client = ApsisClient("apsis", timeouts=self.timeouts, limits=Limits(requests_per_s=1e9, concurrency=8))
        account = Account(client)
        sources: dict[str, Source] = {
            PROFILES.key.stream: ProfileEvents(account, PROFILES),
            EMAILS.key.stream: EmailEvents(account, EMAILS),
        }
        return Exports(self.queue, sources, most_pieces=self.most_pieces)

    def backfill(self, *windows: Window, stream: str = "profile_events", **given: Any) -> LoadOrdered:
        return LoadOrdered(
            lake=self.lake,
            stream=PROFILES if stream == PROFILES.key.stream else EMAILS,
            windows=windows,
            settings=LoadSettings(),
            open=self.exports_opened,
            nap=self._nap,
            now=self.sandbox.clock.now,
            **given,
        )

    def load(self, *windows: Window, **given: Any) -> list[PartitionOutcome]:
        """Outcomes by time; every window has exactly one."""
        outcomes = sorted(self.backfill(*windows, **given).outcomes(), key=lambda outcome: outcome.window)
        assert [outcome.window for outcome in outcomes] == sorted(windows)
        return outcomes

    def arrive(self, *windows: Window, **given: Any) -> list[PartitionOutcome]:
        outcomes = self.load(*windows, **given)
        assert [outcome.error for outcome in outcomes] == [None] * len(windows)
        return outcomes

    def calls(self, route: str) -> list[Call]:
        return self.sandbox.calls.to(route)

    def exports(self) -> list[Export]:
        return listed(self.ledger, with_ended=True)

    def states(self) -> list[str]:
        return [str(export.state) for export in self.exports()]

    def edges(self, export_id: int) -> list[str]:
        """What an export went through."""
        with self.ledger.reading() as tx:
            return [str(edge) for edge, *_ in steps(tx, export_id)]

    def manifest(self, window: Window = DAY, stream: str = "profile_events") -> LandingManifest:
        key = (PROFILES if stream == "profile_events" else EMAILS).key
        found = LandingManifest.read(self.lake.landing_manifest(key, window.partition))
        assert found
        return found

    def events(self) -> list[tuple[str, str, str]]:
        """Section, type and correlation id of the events of all files, each key once, sorted."""
        files = f"{self.lake.events_root}/apsis/profile_events/*.parquet"
        with duckdb.connect() as session:
            return session.execute(
                """
                select distinct on (event_key)
                  properties ->> '$.section_id', properties ->> '$.type_id', properties ->> '$.correlation_id'
                from read_parquet(?)
                """,
                [files],
            ).fetchall()

    def check_truth(self, *windows: Window, asked_at: datetime | None = None) -> None:
        """The events of all files are those of the vendor."""
        whole = Window(windows[0].start, windows[-1].end)
        truth = self.sandbox.apsis.profile_truth(whole, asked_at or self.sandbox.clock.now())
        expected = {(record["section"], str(record["type_id"]), record["correlation_id"]) for record in truth}
        found = self.events()
        assert len(found) == len(set(found)) > 0
        assert set(found) == expected

    def _nap(self, _: float) -> None:
        self.on_nap()
        clock = self.sandbox.clock
        if self.stride:
            clock.move(self.stride)
            return
        due_at = self.queue.next_due_at()
        clock.set(max(due_at or clock.now(), clock.now() + timedelta(seconds=1)))
