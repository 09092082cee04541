"""A vendor who takes one order a day and calls back hours later: days of it, over real HTTP, on the vendor's clock."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
import requests

from journey_pipeline.components.figures import figures_result
from journey_pipeline.errors import ExportFailed, NotSentError, TransientVendorError
from journey_pipeline.exports import calls
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.export import Export, Reason, State, Verdict
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.exports.queue import Queue
from journey_pipeline.exports.turns import listed
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.checks import claims
from journey_pipeline.loading.claims import Claim, Severity, Tolerance
from journey_pipeline.loading.exports import Exports
from journey_pipeline.loading.load_ordered import LoadOrdered, next_orders
from journey_pipeline.loading.order_checks import order_claims
from journey_pipeline.loading.partition import LoadSettings, PartitionOutcome
from journey_pipeline.model import Granularity, Window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.insider.orders import read_order
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.transport.retry import no_waiting
from journey_pipeline.vendors.insider.analytics import AnalyticsClient
from journey_pipeline.vendors.insider.client import LIMITS, InsiderClient
from journey_pipeline.vendors.insider.user_events.stream import Choice, UserEvents, user_events_stream
from journey_pipeline.vendors.source import Plan, Ticket
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file
from journey_pipeline.warehouse.publish import publish
from journey_pipeline.warehouse.questions import counted_events
from journey_pipeline.warehouse.sync import sync
from journey_pipeline_tests.contract.hooks import HOOKS
from journey_pipeline_tests.exports.made_orders import delivered

pytestmark = pytest.mark.slow(reason="days of exports pass in each test")

TODAY = datetime(2026, 3, 8, tzinfo=UTC)
MORNING = TODAY + timedelta(minutes=10)
STREAM = user_events_stream("insider", TODAY - timedelta(days=40))
SMALL = WarehouseSettings(memory="500MB", threads=1)
LONGEST = {STREAM.key.stream: STREAM.reach.longest}
POLICY = ExportPolicy(
    pending_limit=None,
    is_polled=False,
    asks_per_day=1,
    quiet_around_midnight=timedelta(minutes=5),
    overdue_after=timedelta(hours=6),
    lost_after=timedelta(hours=24),
    hook_life=timedelta(hours=48),
)


def days(last: datetime, count: int) -> list[Window]:
    """So many days before a midnight."""
    return Window(last - timedelta(days=count), last).partitions(Granularity.DAY)


@dataclass
class Shop:
    """One home, and the vendor."""

    sandbox: Sandbox
    lake: Lake

    def switch(self, **options: Any) -> None:
        self.sandbox.options.change(json.dumps({"insider": options}).encode())

    def queue(self) -> Queue:
        ledger = open_ledger(f"sqlite:///{self.lake.home}/exports.db")
        return Queue("insider", ledger, POLICY, self.sandbox.clock.now, LONGEST)

    def load(self, *windows: Window) -> list[PartitionOutcome]:
        """Loads days as `backfill --again` does; what it waits for passes on the vendor's clock."""
        queue = self.queue()

        def nap(_: float) -> None:
            now = queue.now()
            self.sandbox.clock.set(max(queue.next_due_at() or now, now + timedelta(minutes=1)))
            self.sandbox.insider.caller.settle()

        source = UserEvents(InsiderClient("insider"), STREAM, Choice(check_receiver=False), now=queue.now)
        return list(
            LoadOrdered(
                lake=self.lake,
                stream=STREAM,
                windows=windows,
                settings=LoadSettings(),
                open=lambda: Exports(queue, {STREAM.key.stream: source}),
                kept_since=None,
                nap=nap,
                now=queue.now,
            ).outcomes()
        )

    def exports(self) -> list[Export]:
        queue = self.queue()
        with queue.ledger:
            return listed(queue.ledger, with_ended=True)

    def orders(self) -> list[tuple[str, int | None]]:
        """When orders were sent, and what they were answered."""
        return [(f"{call.at:%d %H:%M}", call.status) for call in self.sandbox.calls.to("order")]

    def events(self) -> Counter[tuple[Any, ...]]:
        """The events of all files, each key once."""
        with duckdb.connect() as session:
            files = f"read_parquet('{self.lake.events_root}/**/*.parquet')"
            return Counter(
                session.execute(
                    "select contact_id, epoch(occurred_at)::bigint, journey_id from "
                    f"(select distinct on (event_key) * from {files})"
                ).fetchall()
            )

    def truth(self, window: Window) -> Counter[tuple[Any, ...]]:
        whole = Window(window.start, window.end + timedelta(seconds=1))
        found = self.sandbox.insider.truth(whole, self.sandbox.clock.now())
        return Counter((one["iid"], one["at_s"], str(one["journey"])) for one in found)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    world = World(rows_per_hour=4, contacts=100, steady=True, late_share=0.1, late_h=40)
    with serve(world, clock=SandboxClock.frozen(MORNING)) as sandbox:
        yield sandbox


@pytest.fixture
def shop(running: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    running.faults.clear()
    running.calls.clear()
    running.clock.freeze(MORNING)
    running.insider.forget()
    options = {"webhook_url": HOOKS.url, "call_after_s": 3 * 3600}
    running.options.change(SandboxOptions(insider=options).model_dump_json().encode())
    HOOKS.home, HOOKS.clock = tmp_path, running.clock
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INSIDER_REQUESTS_PER_SECOND", "500")
    with no_waiting():
        yield Shop(running, Lake(tmp_path))


def arrived(outcomes: list[PartitionOutcome]) -> None:
    assert [outcome.error for outcome in outcomes if outcome.error] == []


def test_each_event_of_overlapping_days_counts_once_and_late_ones_are_healed(shop: Shop) -> None:
    arrived(shop.load(*days(TODAY, 3)))
    first = shop.events()
    assert first == shop.truth(Window(TODAY - timedelta(days=3), TODAY)) & first
    shop.sandbox.clock.set(MORNING + timedelta(days=1))
    asked_at = shop.sandbox.clock.now()
    outcomes = shop.load(*days(TODAY + timedelta(days=1), 3))
    arrived(outcomes)
    late = shop.events() - first
    shop.sandbox.clock.set(asked_at)
    whole = shop.truth(Window(TODAY - timedelta(days=2), TODAY + timedelta(days=1)))
    assert shop.events() == whole | first
    assert sum(seconds < TODAY.timestamp() for _, seconds, _ in late) > 0
    assert [status for _, status in shop.orders()] == [200, 200]


def test_a_second_order_of_the_day_says_at_once_by_what_it_is_used_and_waits_for_the_next_day(shop: Shop) -> None:
    arrived(shop.load(*days(TODAY, 1)))
    asked = len(shop.sandbox.calls)
    (outcome,) = shop.load(days(TODAY, 3)[0])
    assert isinstance(outcome.error, TransientVendorError)
    says = str(outcome.error)
    assert "today's request was used by export 1 for 2026-03-07T00:00:00Z/2026-03-08T00:00:00Z" in says
    assert "may be sent at 2026-03-09 00:05 UTC" in says
    assert len(shop.sandbox.calls) == asked
    shop.sandbox.clock.set(MORNING + timedelta(days=1))
    arrived(shop.load(*days(TODAY + timedelta(days=1), 1)))
    *_, landed = shop.exports()
    assert landed.state is State.LANDED
    assert landed.window == Window(TODAY - timedelta(days=3), TODAY + timedelta(days=1))
    assert shop.orders() == [("08 00:10", 200), ("09 00:10", 200)]


def test_it_is_told_in_advance_which_days_request_each_order_would_cost(shop: Shop) -> None:
    queue = shop.queue()
    source = UserEvents(InsiderClient("insider"), STREAM, Choice(check_receiver=False), now=queue.now)
    wanted = days(TODAY, 40)
    with Exports(queue, {STREAM.key.stream: source}) as exports:
        first, second = next_orders(exports, STREAM, wanted)
        assert [f"{at:%d %H:%M}" for _, at in (first, second)] == ["08 00:10", "09 00:05"]
        assert first[0].duration + second[0].duration == timedelta(days=40)
        list(exports.want(STREAM, wanted))
        assert exports.order_next()
        (asked,) = (one for one in queue.under_way() if one.state is not State.WANTED)
        assert asked.window == first[0]
        assert list(next_orders(exports, STREAM, wanted)) == [second]


@pytest.mark.parametrize("status", ["503", "429_blocked"])
def test_a_refusal_is_asked_again_on_the_same_day_unless_the_day_is_over(shop: Shop, status: str) -> None:
    shop.sandbox.faults.add(f"insider/order:{status}@1")
    outcomes = shop.load(*days(TODAY, 1))
    if status == "503":
        arrived(outcomes)
        assert [answer for _, answer in shop.orders()] == [503, 200]
    else:
        assert "may be sent at 2026-03-09 00:05 UTC" in str(outcomes[0].error)
        assert [answer for _, answer in shop.orders()] == [429]


@pytest.mark.parametrize("kind", ["504", "order_then_reset"])
def test_an_order_without_an_answer_uses_the_day_and_its_call_lands_all_the_same(shop: Shop, kind: str) -> None:
    shop.sandbox.faults.add(f"insider/order:{kind}@1")
    arrived(shop.load(*days(TODAY, 1)))
    # The simulated gateway makes none: without a call it is asked for again, and not before the next day.
    assert [moment for moment, _ in shop.orders()] == (["08 00:10", "09 00:05"] if kind == "504" else ["08 00:10"])


def test_without_a_call_an_export_is_overdue_then_lost_and_asked_for_again(shop: Shop) -> None:
    shop.switch(call="no_call")
    (outcome,) = shop.load(*days(TODAY, 1))
    assert "has not called" in str(outcome.error) or "is not ready" in str(outcome.error)
    (export,) = shop.exports()
    assert (export.state, export.reason, export.needs_a_person) == (State.PENDING, Reason.OVERDUE, True)
    shop.switch(call="none")
    shop.sandbox.clock.set(MORNING + timedelta(days=1, minutes=5))
    arrived(shop.load(*days(TODAY, 1)))
    assert [moment[:2] for moment, _ in shop.orders()] == ["08", "09"]


def test_a_late_call_for_a_merged_order_loses_nothing_because_the_newer_order_brings_its_events(shop: Shop) -> None:
    shop.switch(call="no_call")
    shop.load(*days(TODAY, 2))
    shop.switch(call="none")
    shop.sandbox.clock.set(MORNING + timedelta(days=1, hours=7))
    next_day = days(TODAY + timedelta(days=1), 1)
    queue = shop.queue()
    source = UserEvents(InsiderClient("insider"), STREAM, Choice(check_receiver=False), now=queue.now)
    with Exports(queue, {STREAM.key.stream: source}) as exports:
        exports.look_next()
        list(exports.want(STREAM, next_day))
        assert not exports.order_next()  # what was lost is waited for a little longer
        shop.sandbox.clock.set(queue.next_due_at() or queue.now())
        assert exports.order_next()
    merged, newer = shop.exports()
    assert (merged.state, merged.reason, newer.state) == (State.REPLACED, Reason.MERGED, State.PENDING)
    first, second = shop.sandbox.calls.to("order")
    made = read_order(json.dumps(first.body).encode(), shop.sandbox.options.insider, now=first.at)
    link = shop.sandbox.insider.link(made, shop.sandbox.url)
    assert requests.post(first.body["hook"], json={"url": link}, timeout=20).status_code == 200
    arrived(shop.load(*days(TODAY, 2), *next_day))
    assert shop.sandbox.calls.count("file") == 1
    shop.sandbox.clock.set(second.at)
    whole = shop.truth(newer.window)
    assert shop.events() == whole
    assert shop.truth(merged.window) <= whole


def test_what_could_not_even_be_ordered_is_told_at_once_and_stays_in_the_ledger(shop: Shop) -> None:
    shop.sandbox.faults.add("insider/columns:503@1-2")
    (outcome,) = shop.load(*days(TODAY, 1))
    assert isinstance(outcome.error, NotSentError)
    (export,) = shop.exports()
    assert (export.state, export.reason) == (State.WANTED, Reason.REFUSED)
    shop.sandbox.clock.move(timedelta(minutes=10))
    arrived(shop.load(*days(TODAY, 1)))


def test_nothing_is_asked_around_midnight(shop: Shop) -> None:
    shop.sandbox.clock.set(TODAY - timedelta(minutes=5))
    arrived(shop.load(days(TODAY, 3)[0]))
    assert [moment for moment, _ in shop.orders()] == ["08 00:05"]


def test_a_broken_file_is_fetched_again_while_its_link_lives_and_costs_no_day(shop: Shop) -> None:
    shop.sandbox.faults.add("insider/file:html_200@1-2")
    arrived(shop.load(*days(TODAY, 1)))
    assert len(shop.orders()) == 1
    assert len(shop.sandbox.calls.to("file")) == 3


def test_a_link_that_ends_first_costs_the_day_and_the_window_is_ordered_again(shop: Shop) -> None:
    shop.sandbox.faults.add("insider/file:503@1-4")
    shop.switch(link_life_s=10)
    shop.load(*days(TODAY, 1))
    first = shop.exports()[0]
    assert first.losses == 1 or first.reason is Reason.MERGED
    assert [moment for moment, _ in shop.orders()] == ["08 00:10", "09 00:05"]


@pytest.mark.parametrize("kind", ["twice", "another_path", "before_answer", "in_answer"])
def test_calls_in_any_number_and_at_any_time_land_once(shop: Shop, kind: str) -> None:
    shop.switch(call=kind)
    arrived(shop.load(*days(TODAY, 1)))
    assert set(shop.sandbox.insider.caller.answers) <= {200}
    assert len(shop.sandbox.calls.to("file")) == 1


def test_a_link_in_the_answer_that_breaks_a_rule_waits_in_quarantine(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSIDER_DOWNLOAD_HOSTS", "files.example")
    shop.switch(call="in_answer")
    shop.load(*days(TODAY, 1))
    queue = shop.queue()
    with queue.ledger, queue.ledger.reading() as tx:
        told = calls.newest(tx)[1]
    assert (told.verdict, told.needs_a_person) == (Verdict.QUARANTINED, True)
    assert "its scheme is http, not https" in str(told.says)
    assert shop.sandbox.calls.to("file") == []


def test_what_version_2_would_call_with_is_no_file(shop: Shop) -> None:
    shop.switch(call="no_call")
    queue = shop.queue()
    source = UserEvents(InsiderClient("insider"), STREAM, Choice(check_receiver=False), now=queue.now)
    with closing(source), pytest.raises(ExportFailed, match="no link"):
        source.fetch(Ticket(poll_address="v2:exp_1"), Plan(days(TODAY, 1)[0], {}), shop.lake.home / "file")


def test_a_vendor_that_calls_without_a_link_has_made_none(shop: Shop) -> None:
    shop.switch(call="no_url")
    (outcome,) = shop.load(*days(TODAY, 1))
    assert outcome.error is not None
    (export,) = shop.exports()
    assert (export.state, export.reason, export.failures) == (State.WANTED, Reason.FAILED, 1)


def claim(outcomes: list[PartitionOutcome], name: str) -> Claim:
    (found,) = {one.says: one for outcome in outcomes[:1] for one in outcome.claims if one.name == name}.values()
    return found


def test_an_answer_is_held_against_the_one_before(shop: Shop) -> None:
    first = shop.load(*days(TODAY, 3))
    assert claim(first, "rows_match_previous_export").says == "there is no earlier answer of the previous partition"
    shop.sandbox.clock.set(MORNING + timedelta(days=1))
    again = shop.load(*days(TODAY + timedelta(days=1), 3))
    for name in ("rows_match_previous_export", "earlier_answer_is_repeated"):
        assert claim(again, name).holds, claim(again, name)
    shop.sandbox.clock.set(MORNING + timedelta(days=2))
    shop.switch(rows="header")
    empty = shop.load(*days(TODAY + timedelta(days=2), 3))
    fell, lacking = claim(empty, "rows_match_previous_export"), claim(empty, "earlier_answer_is_repeated")
    assert (fell.holds, fell.severity, lacking.holds) == (False, Severity.WARN, False)
    assert "The answer has no row" in fell.says
    assert sum(shop.events().values()) > 0


def test_what_vanished_under_one_person_and_came_under_another_is_told_as_moved(shop: Shop) -> None:
    shop.load(*days(TODAY, 3))
    shop.sandbox.clock.set(MORNING + timedelta(days=1))
    shop.switch(merged_profiles=True)
    outcomes = shop.load(*days(TODAY + timedelta(days=1), 3))
    told = claim(outcomes, "earlier_answer_is_repeated")
    assert not told.holds
    assert int(told.facts["moved"]) > 0
    assert "are now told of another person" in told.says


def test_the_vendors_own_figures_are_held_against_the_events(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    span = Window(TODAY - timedelta(days=3), TODAY)
    shop.sandbox.clock.set(TODAY + timedelta(days=3, minutes=10))  # all that is late has come
    arrived(shop.load(*span.partitions(Granularity.DAY)))
    sync(shop.lake, SMALL)
    publish(shop.lake, SMALL)
    source = UserEvents(InsiderClient("insider"), STREAM, open_analytics=lambda: AnalyticsClient.of("insider", LIMITS))
    with closing(source):
        theirs = source.figures(span)
    assert theirs
    ours = counted_events(shop.lake, STREAM.key, span)
    assert {one: ours.get(one, 0) for one in theirs} == theirs  # the list leaves some journeys out
    same = figures_result(theirs, ours, Tolerance(), span)
    assert same.passed
    most = max(theirs, key=lambda one: theirs[one])
    apart = figures_result(theirs, {**ours, most: ours[most] - 7}, Tolerance(), span)
    assert (apart.passed, apart.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert f"journey {most.journey_id}" in str(apart.description)
    assert apart.metadata[f"{most.what}_difference"].value == -7
    monkeypatch.delenv("INSIDER_ANALYTICS_KEY")
    with closing(source):
        assert source.figures(span) is None


def test_codes_that_are_published_nowhere_are_counted_and_named(shop: Shop) -> None:
    shop.switch(unknown_codes=True)
    outcomes = shop.load(*days(TODAY, 3))
    known = claim(outcomes, "schema_is_known")
    assert known.holds
    assert "activity_type=xx, vendor_action=UNKNOWN_99" in known.says
    sync(shop.lake, SMALL)
    with duckdb.connect(str(warehouse_file(shop.lake)), read_only=True) as session:
        counted = session.execute("select unknown_codes from ops.partitions where attempts > 0").fetchall()
        events = "from core.journey_events where vendor_action = 'UNKNOWN_99' and channel = 'other'"
        ((kept,),) = session.execute(f"select count(*) {events} and properties ->> 'e_channel_code' = 'XX'").fetchall()
    assert counted == [(2 * kept,)]
    assert kept > 0


def test_events_are_inside_the_window_of_the_order_and_not_of_its_first_day_alone(shop: Shop) -> None:
    outcomes = shop.load(*days(TODAY, 3))
    inside = claim(outcomes, "events_are_inside_window")
    assert (inside.holds, inside.facts["outside"]) == (True, 0)
    assert "the partitions until 2026-03-07 that it covers" in inside.says
    (manifest,) = {outcome.events.partition: outcome.events for outcome in outcomes if outcome.events}.values()
    assert manifest.first_at
    assert manifest.last_at
    assert manifest.last_at - manifest.first_at > timedelta(days=2)


def test_enters_and_exits_take_turns_unless_many_of_one_kind_are_lost(shop: Shop) -> None:
    outcomes = shop.load(*days(TODAY, 3))
    turns = claim(outcomes, "enters_and_exits_alternate")
    assert turns.holds
    assert int(turns.facts["turns"]) > 100
    landing, events = outcomes[0].landing, outcomes[0].events
    assert landing
    assert events
    lost = events.model_copy(update={"out_of_turn": events.turns // 10})
    (told,) = [one for one in claims(STREAM, landing, lost, Tolerance()) if one.name == "enters_and_exits_alternate"]
    assert (told.holds, told.severity) == (False, Severity.WARN)
    assert "order a longer window" in told.says


@pytest.mark.parametrize(
    ("hours", "call_came", "severity"),
    [(1, True, Severity.WARN), (7, False, Severity.WARN), (21, False, Severity.ERROR)],
)
def test_a_call_that_does_not_come_is_told_louder_with_time(
    shop: Shop, hours: int, call_came: bool, severity: Severity
) -> None:
    shop.switch(call="no_call")
    queue = shop.queue()
    with queue.ledger:
        source = UserEvents(InsiderClient("insider"), STREAM, Choice(check_receiver=False), now=queue.now)
        exports = Exports(queue, {STREAM.key.stream: source})
        list(exports.want(STREAM, days(TODAY, 1)))
        assert exports.order_next()
        shop.sandbox.clock.move(timedelta(hours=hours))
        found = {one.name: one for one in order_claims(STREAM, queue)}
        assert (found["call_came"].holds, found["call_came"].severity) == (call_came, severity)
        assert found["link_was_fetched_in_time"].holds
        assert found["days_request_was_used"].holds
        delivered(queue, 1, 1, "https://example.com/link")
        shop.sandbox.clock.move(timedelta(hours=13))
        assert not {one.name: one for one in order_claims(STREAM, queue)}["link_was_fetched_in_time"].holds
        shop.sandbox.clock.set(MORNING + timedelta(days=2))
        assert not {one.name: one for one in order_claims(STREAM, queue)}["days_request_was_used"].holds
