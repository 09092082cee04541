"""Deltas that overlap, in any order, in ranges, again, broken off or taken away: the warehouse has each event once."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from journey_pipeline.lake.landing import read_landing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.claims import Severity
from journey_pipeline.loading.landing import Progress, watched_by
from journey_pipeline.loading.load import LoadAtOnce
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline.model import Granularity, Window
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.vendors.layerfive.client import LayerFiveClient
from journey_pipeline.vendors.layerfive.customer_journeys.stream import CustomerJourneys, customer_journeys_stream
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file
from journey_pipeline.warehouse.equality import compare_with_lake
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.examples import examples
from journey_pipeline_tests.reading import opened

pytestmark = pytest.mark.slow(reason="a warehouse is made of each example")

FIRST = datetime(2026, 3, 28, tzinfo=UTC)  # the month ends within the days, and so does the summer time of the server
DAYS = Window(FIRST, FIRST + timedelta(days=6)).partitions(Granularity.DAY)
OVERLAP = timedelta(days=1)
STREAM = customer_journeys_stream("layerfive", FIRST)
SMALL = WarehouseSettings(memory="500MB", threads=1, remove=True)
ALL_THAT_LANDED = datetime.min.replace(tzinfo=UTC)
IDENTITY = ("event_type", "campaign", "page_url", "session_id", "order_id", "revenue", "channel", "device")
Records = Counter[tuple[str, ...]]


class BrokenOffError(Exception):
    """The process that loads is gone."""


class BreaksOff(Progress):
    """Kills the load once so many bytes have come."""

    def __init__(self, after_bytes: int) -> None:
        self.left = after_bytes

    def received(self, count: int) -> None:
        """Counts down."""
        self.left -= count
        if self.left < 0:
            raise BrokenOffError


@dataclass
class Feed:
    """A client of the vendor, and what a perfect one would have by now."""

    sandbox: Sandbox
    lake: Lake
    now: datetime
    answers: dict[Window, list[Records]] = field(default_factory=dict)

    def load(self, days: list[Window], *, again: bool, watcher: Progress | None = None) -> None:
        """Asks for days: of those that are wanted, one answer from the first on."""
        self.sandbox.clock.freeze(self.now)
        kept = [] if again else [day for day in days if self.has_landed(day)]
        wanted = [day for day in days if day not in kept]
        work = LoadAtOnce(
            lake=self.lake,
            stream=STREAM,
            windows=days,
            settings=LoadSettings(),
            open=lambda: CustomerJourneys(LayerFiveClient("layerfive"), STREAM),
            kept_since=None if again else ALL_THAT_LANDED,
            now=lambda: self.now,
        )
        with watched_by(watcher or Progress()):
            outcomes = list(work.outcomes())
        failed = [outcome for outcome in outcomes if outcome.error]
        if watcher:
            assert all(isinstance(outcome.error, BrokenOffError) for outcome in failed)
        if failed:
            assert watcher, failed[0].error
            return
        claims = [claim for outcome in outcomes for claim in outcome.claims if claim.name == "no_row_is_lost"]
        assert claims
        # What the vendor took back is kept and told as a warning; a row that is lost is an error.
        assert [claim.says for claim in claims if not claim.holds and claim.severity is Severity.ERROR] == []
        if wanted:
            self.answers.setdefault(wanted[0], []).append(self.answer(wanted[0]))

    def has_landed(self, day: Window) -> bool:
        landing = read_landing(self.lake, STREAM.key, day.partition)
        if landing is None:
            return False
        return bool(landing.attempts or read_landing(self.lake, STREAM.key, landing.covered_by or ""))

    def answer(self, day: Window) -> Records:
        return Counter(told(record) for record in self.sandbox.layerfive.truth(Window(day.start - OVERLAP, day.end)))

    def take_away(self, day: Window) -> None:
        """Removes what landed for a day, and the events made of it."""
        shutil.rmtree(self.lake.landing_dir(STREAM.key, day.partition), ignore_errors=True)
        for path in (
            self.lake.events_file(STREAM.key, day.partition),
            self.lake.events_manifest(STREAM.key, day.partition),
            self.lake.rejects_file(STREAM.key, day.partition),
        ):
            path.unlink(missing_ok=True)
        self.answers.pop(day, None)

    @property
    def truth(self) -> Records:
        """The union of all answers; of identical records as many as the answer that had most."""
        union: Records = Counter()
        for answers in self.answers.values():
            for answer in answers:
                union |= answer
        return union


def told(record: dict[str, Any]) -> tuple[str, ...]:
    at = datetime.fromisoformat(record["event_time"]).isoformat(timespec="milliseconds")
    return (record["individual_id"], at, *(_text(record.get(name)) for name in IDENTITY))


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def in_warehouse(lake: Lake) -> Records:
    properties = {"event_type": "vendor_action", "campaign": "journey_name"}
    columns = [properties.get(name, f"properties ->> '{name}'") for name in IDENTITY]
    with opened(warehouse_file(lake)) as session:
        rows = session.execute(
            f"select contact_id, occurred_at, {', '.join(columns)} from core.journey_events"
        ).fetchall()
    return Counter(
        (contact, at.isoformat(timespec="milliseconds"), *map(_text, others)) for contact, at, *others in rows
    )


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve(World(touchpoints_per_day=40, contacts=60)) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment().items():
            patch.setenv(name, value)
        patch.setenv("LAYERFIVE_REQUESTS_PER_SECOND", "1000")
        yield running


SOME_DAY = st.sampled_from(DAYS)
STEPS = st.one_of(
    st.tuples(st.just("day"), SOME_DAY),
    st.tuples(st.just("day"), SOME_DAY),
    st.tuples(st.just("range"), SOME_DAY, SOME_DAY),
    st.tuples(st.just("again"), SOME_DAY),
    st.tuples(st.just("again, whole range"), SOME_DAY, SOME_DAY),
    st.tuples(st.just("broken off"), SOME_DAY, st.integers(0, 3_000)),
    st.tuples(st.just("taken away"), SOME_DAY),
    st.tuples(st.just("later"), st.sampled_from([1, 20, 60])),
    st.tuples(st.just("sync")),
)
CHANGES = st.fixed_dictionaries(
    {
        "revenue_corrected_after_h": st.sampled_from([None, 30.0]),
        "taken_back_after_h": st.sampled_from([None, 100.0]),
        "email_known_after_h": st.sampled_from([None, 50.0]),
        "history_from": st.sampled_from(["asking", "known"]),
    }
)


def between(one: Window, other: Window) -> list[Window]:
    first, last = sorted((one, other))
    return [day for day in DAYS if first <= day <= last]


def take(step: tuple[Any, ...], feed: Feed) -> None:
    event(step[0])
    match step:
        case ("day", day):
            feed.load([day], again=False)
        case ("range", one, other):
            feed.load(between(one, other), again=False)
        case ("again", day):
            feed.load([day], again=True)
        case ("again, whole range", one, other):
            feed.load(between(one, other), again=True)
        case ("broken off", day, after_bytes):
            feed.load([day], again=True, watcher=BreaksOff(after_bytes))
        case ("taken away", day):
            feed.take_away(day)
        case ("later", days) if feed.now + timedelta(days=days) < FIRST + STREAM.retention:
            feed.now += timedelta(days=days)
        case ("sync",):
            sync(feed.lake, SMALL)


# Shrinking would take longer than reading a failure's steps.
@settings(
    max_examples=examples(2),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEPS, min_size=2, max_size=8), changes=CHANGES)
def test_the_warehouse_has_each_event_of_all_answers_once_whatever_happened(
    steps: list[tuple[Any, ...]], changes: dict[str, Any], sandbox: Sandbox
) -> None:
    for name, value in changes.items():
        setattr(sandbox.options.layerfive, name, value)
    with tempfile.TemporaryDirectory() as folder:
        feed = Feed(sandbox, Lake(Path(folder)), now=DAYS[-1].end + timedelta(hours=2))
        feed.load(DAYS[:1], again=False)
        for step in steps:
            take(step, feed)
        sync(feed.lake, SMALL)
        assert in_warehouse(feed.lake) == feed.truth
        assert compare_with_lake(feed.lake, SMALL).problems == []
        rebuild(feed.lake, SMALL)
        assert in_warehouse(feed.lake) == feed.truth


@pytest.fixture
def feed(sandbox: Sandbox, tmp_path: Path) -> Callable[[datetime], Feed]:
    for name in ("revenue_corrected_after_h", "taken_back_after_h", "email_known_after_h"):
        setattr(sandbox.options.layerfive, name, None)
    sandbox.options.layerfive.history_from = "asking"
    return lambda now: Feed(sandbox, Lake(tmp_path), now=now)


def test_a_day_asked_again_sixty_days_later_reaches_less_far_back_and_loses_nothing(
    feed: Callable[[datetime], Feed],
) -> None:
    client = feed(DAYS[0].end + timedelta(hours=2))
    client.load(DAYS[:1], again=True)
    early = client.truth
    client.now += timedelta(days=60)
    client.load(DAYS[:1], again=True)
    assert early - client.answer(DAYS[0]), "the second answer was to lack something of the first"
    sync(client.lake, SMALL)
    assert in_warehouse(client.lake) == client.truth
    assert not early - client.truth


def test_taking_a_day_away_takes_only_what_no_other_day_has(feed: Callable[[datetime], Feed]) -> None:
    client = feed(DAYS[1].end + timedelta(hours=2))
    client.load(DAYS[:1], again=True)
    client.load(DAYS[1:2], again=True)
    sync(client.lake, SMALL)
    both = in_warehouse(client.lake)
    client.take_away(DAYS[0])
    sync(client.lake, SMALL)
    assert in_warehouse(client.lake) == client.truth
    assert both - client.truth, "something was to be in the first day's answer alone"
    assert client.truth


def test_daily_runs_have_what_the_vendor_says_that_a_daily_client_can_have(feed: Callable[[datetime], Feed]) -> None:
    client = feed(FIRST)
    for day in DAYS:
        client.now = day.end + timedelta(hours=2)
        client.load([day], again=False)
    sync(client.lake, SMALL)
    asked = Window(DAYS[0].start, DAYS[-1].end)
    can_have = Counter(told(record) for record in client.sandbox.layerfive.known_events(asked))
    assert in_warehouse(client.lake) >= can_have
