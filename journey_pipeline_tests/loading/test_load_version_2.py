"""Version 2 of Insider's export, provisional: ordered, polled and called for by one id; its chunks are joined."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from journey_pipeline.errors import ConfigError, PermanentVendorError
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.policy import Backoff, ExportPolicy
from journey_pipeline.exports.queue import Queue
from journey_pipeline.exports.turns import listed
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.exports import Exports
from journey_pipeline.loading.load_ordered import LoadOrdered
from journey_pipeline.loading.partition import LoadSettings, PartitionOutcome
from journey_pipeline.model import Granularity, Window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.insider.account import attribute, profile_id
from journey_pipeline.sandbox.insider.second import WITHOUT_EVENTS
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.transport.retry import no_waiting
from journey_pipeline.vendors.insider.client import InsiderClient
from journey_pipeline.vendors.insider.user_events.second import Names, UserEventsV2
from journey_pipeline.vendors.insider.user_events.stream import Choice, UserEvents, user_events_stream
from journey_pipeline_tests.contract.hooks import HOOKS

pytestmark = pytest.mark.slow(reason="exports go all their way over HTTP")

TODAY = datetime(2026, 3, 8, tzinfo=UTC)
MORNING = TODAY + timedelta(minutes=10)
DAYS = Window(TODAY - timedelta(days=2), TODAY)
STREAM = user_events_stream("insider", TODAY - timedelta(days=40))
POLICY = ExportPolicy(
    pending_limit=None,
    asks_per_day=1,
    polling=Backoff(shortest=timedelta(seconds=30), longest=timedelta(hours=1)),
    overdue_after=timedelta(hours=6),
    lost_after=timedelta(hours=24),
    hook_life=timedelta(hours=48),
)


class Shop:
    """One home, and the vendor."""

    def __init__(self, sandbox: Sandbox, lake: Lake) -> None:
        self.sandbox, self.lake = sandbox, lake
        self.ledger = open_ledger(f"sqlite:///{lake.home}/exports.db")

    def switch(self, **options: Any) -> None:
        self.sandbox.options.change(json.dumps({"insider": options}).encode())

    def queue(self) -> Queue:
        longest = {STREAM.key.stream: STREAM.reach.longest}
        return Queue("insider", self.ledger, POLICY, self.sandbox.clock.now, longest)

    def load(self, *, version: int = 2, names: Names | None = None, polls: bool = True) -> list[PartitionOutcome]:
        queue = self.queue()
        if version == 1 or not polls:
            queue = replace(queue, policy=replace(POLICY, is_polled=False))

        def nap(_: float) -> None:
            now = queue.now()
            self.sandbox.clock.set(max(queue.next_due_at() or now, now + timedelta(minutes=1)))
            self.sandbox.insider.caller.settle()

        asked = InsiderClient("insider"), STREAM, Choice(check_receiver=False)
        one = UserEvents(*asked, now=queue.now) if version == 1 else UserEventsV2(*asked, names=names, now=queue.now)
        return list(
            LoadOrdered(
                lake=self.lake,
                stream=STREAM,
                windows=DAYS.partitions(Granularity.DAY),
                settings=LoadSettings(),
                open=lambda: Exports(queue, {STREAM.key.stream: one}),
                kept_since=None,
                nap=nap,
                now=queue.now,
            ).outcomes()
        )

    def rows(self, select: str, folder: str = "events") -> list[tuple[Any, ...]]:
        with duckdb.connect() as session:
            files = f"read_parquet('{self.lake.home}/{folder}/**/*.parquet')"
            return session.execute(f"select {select} from {files} order by all").fetchall()

    def export(self) -> Any:
        with self.ledger:
            (found,) = listed(self.ledger, with_ended=True)
        return found


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(World(rows_per_hour=4, contacts=60, steady=True), clock=SandboxClock.frozen(MORNING)) as sandbox:
        yield sandbox


@pytest.fixture
def shop(running: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    running.faults.clear()
    running.calls.clear()
    running.clock.freeze(MORNING)
    running.insider.forget()
    options = {"webhook_url": HOOKS.url, "call_after_s": 600, "v2_chunk_rows": 40}
    running.options.change(SandboxOptions(insider=options).model_dump_json().encode())
    HOOKS.home, HOOKS.clock = tmp_path, running.clock
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INSIDER_REQUESTS_PER_SECOND", "500")
    monkeypatch.setenv("INSIDER_ATTRIBUTES", "email,c_loyalty_tier")
    with no_waiting():
        yield Shop(running, Lake(tmp_path))


def arrived(outcomes: list[PartitionOutcome]) -> None:
    assert [outcome.error for outcome in outcomes if outcome.error] == []


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_chunks_of_people_and_events_give_what_version_1_gives(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, form: str, tmp_path: Path
) -> None:
    monkeypatch.setenv("INSIDER_FORMAT", form)
    outcomes = shop.load()
    arrived(outcomes)
    assert [one for one in outcomes[0].claims if not one.holds] == []
    assert outcomes[0].events
    assert outcomes[0].events.unknown_columns == ()
    assert outcomes[0].events.people == len(set(shop.rows("profile_key", "attributes")))
    (order,) = shop.sandbox.calls.to("order")
    assert order.path.endswith("/api/raw/v2/export")
    assert order.body["attributes"] == ["email", "custom.loyalty_tier"]
    files = shop.sandbox.calls.count("file")
    assert files > 3
    (attempt,) = [folder for folder in shop.lake.home.glob("raw/insider/user_events/2026-03-06/*") if folder.is_dir()]
    assert len(list(attempt.glob("part-*"))) == files
    second = shop.rows("event_key, contact_id, occurred_at, journey_id, action, vendor_action, properties")
    people = dict(shop.rows("profile_key, value", "attributes"))
    emails = dict(shop.rows("distinct contact_id, email"))
    missing = [contact for contact, email in emails.items() if email is None]
    assert missing == [contact for contact in emails if contact not in people]
    assert len(missing) == 1  # its events are there all the same
    assert profile_id(WITHOUT_EVENTS) in people
    tiers = {row[0]: row[1] for row in shop.rows("profile_key, value", "attributes") if row[1] and "@" not in row[1]}
    assert tiers[profile_id(WITHOUT_EVENTS)] == attribute(WITHOUT_EVENTS, "c_loyalty_tier", masked=False)
    first = Shop(shop.sandbox, Lake(tmp_path / "first"))
    HOOKS.home = first.lake.home
    shop.sandbox.insider.forget()
    shop.sandbox.clock.freeze(MORNING)
    arrived(first.load(version=1))
    assert first.rows("event_key, contact_id, occurred_at, journey_id, action, vendor_action, properties") == second


@pytest.mark.parametrize("by", ["poll", "call"])
def test_an_export_is_ready_by_a_poll_alone_and_by_a_call_alone(shop: Shop, by: str) -> None:
    shop.switch(call="no_call" if by == "poll" else "none")
    arrived(shop.load(polls=by == "poll"))
    assert shop.export().vendor_export_id == "exp_00000001"
    looks = shop.sandbox.calls.count("status") - shop.sandbox.calls.count("file")  # one for fresh links, before each
    assert (looks > 0) == (by == "poll")


def test_an_order_whose_answer_was_lost_lands_by_its_call(shop: Shop) -> None:
    shop.sandbox.faults.add("insider/order:order_then_reset@1")
    arrived(shop.load())
    assert shop.sandbox.calls.count("order") == 1
    assert shop.export().vendor_export_id is None


def test_an_unknown_state_is_pending(shop: Shop) -> None:
    shop.switch(v2_stage="napping", call="no_call")
    (outcome, *_) = shop.load()
    assert outcome.error is not None
    export = shop.export()
    assert (export.failures, export.losses, export.vendor_export_id) == (0, 0, "exp_00000001")


def test_a_failed_export_is_told_and_ordered_on_the_next_day(shop: Shop) -> None:
    shop.switch(v2_stage="failed", call="no_call")
    (outcome, *_) = shop.load()
    assert outcome.error is not None
    assert "the vendor made no file: the export is too large" in str(shop.export().error)
    assert shop.export().failures > 0


def test_files_are_csv_or_parquet(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIDER_FORMAT", "json")
    with pytest.raises(ConfigError, match="INSIDER_FORMAT must be parquet or csv"):
        shop.load()
    assert len(shop.sandbox.calls) == 0


def test_paths_and_fields_are_settings(shop: Shop) -> None:
    with pytest.raises(ConfigError, match="v2_names"):
        Names.of({"stauts": "state"})
    (outcome, *_) = shop.load(names=Names.of({"export_path": "/api/raw/v3/export"}))
    assert isinstance(outcome.error, PermanentVendorError)
    assert "/api/raw/v3/export" in str(outcome.error)
