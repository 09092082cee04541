"""Whatever the vendor does and wherever a worker dies: nothing is lost, nothing lands twice or in part."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select

from journey_pipeline.errors import ExportMovedOn
from journey_pipeline.exports import ledger as kept
from journey_pipeline.exports import turns as listing
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.export import AT_VENDOR, ENDED, Edge, Export, Order, State
from journey_pipeline.exports.ledger import after
from journey_pipeline.exports.orders import give_up
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.model import Granularity, Window
from journey_pipeline_tests.examples import examples
from journey_pipeline_tests.exports.made_orders import NOW, order, queue, steps
from journey_pipeline_tests.exports.made_vendor import Crash, Made, Moment, Vendor, Worker

pytestmark = pytest.mark.slow(reason="histories of fifty steps")

POLICY = ExportPolicy(pending_limit=2)
CALLED = ExportPolicy(
    pending_limit=None,
    is_polled=False,
    hook_life=timedelta(days=2),
    quiet_around_midnight=timedelta(minutes=5),
    overdue_after=timedelta(hours=6),
)
# Most workers live, so that something comes about.
DEATHS = st.sampled_from([Moment.NEVER] * 8 + [moment for moment in Moment if moment is not Moment.NEVER])
ANSWERS = st.sampled_from(["taken on"] * 4 + ["slow", "lost answer", "server error", "wrong request"])
WISHES = st.tuples(st.just("want"), st.integers(0, 2), st.integers(1, 2), st.sampled_from("aab"), st.booleans())
ASKS = st.tuples(st.just("ask"), DEATHS, ANSWERS)
POLLS = st.tuples(st.just("poll"), DEATHS)
FETCHES = st.tuples(st.just("fetch"), DEATHS, st.sampled_from(["whole", "whole", "broken off", "slow"]))
SETTLES = st.tuples(st.just("settle"), st.integers(0, 9), st.sampled_from(["ready"] * 4 + ["failed", "gone"]))
DELETES = st.tuples(st.just("delete"), st.integers(0, 9))
GIVES_UP = st.tuples(st.just("give up"), st.integers(0, 9))
CALLS = st.tuples(st.just("call"), st.integers(0, 9))
HEARS = st.tuples(st.just("hear"), st.integers(0, 9))
ALL_GOES_WELL = st.just(("all goes well",))
MINUTES = st.tuples(st.just("wait"), st.sampled_from([1, 5, 5, 11, 11, 60, 13 * 60, 25 * 60]))
Walks = dict[int, Sequence[tuple[Edge, State, State, datetime]]]


class Exports(RuleBasedStateMachine):
    @initialize(limit=st.integers(1, 3), a_day=st.sampled_from([None, 1, 2]), calls=st.booleans())
    def open(self, limit: int, a_day: int | None, calls: bool) -> None:
        # In memory where there is such a folder: whether a disk keeps its word is not the question here.
        memory = Path("/dev/shm")  # noqa: S108 - the folder in it is our own
        self.folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.ledger = open_ledger(f"sqlite:///{Path(self.folder.name) / 'exports.db'}")
        # The vendor may take fewer than we think.
        policy = replace(CALLED, asks_per_day=1) if calls else replace(POLICY, asks_per_day=a_day)
        self.worker = Worker(self.ledger, Vendor(50 if calls else limit), policy)
        self.now: datetime = NOW
        self.wanted: list[Order] = []
        for day in range(2):
            self.somebody_wants(order(day, sections=["a"]), again=False)

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            try:
                self.let_all_end_well()
            finally:
                self.ledger.close()
                self.folder.cleanup()

    # One rule for all that can happen: of several, most examples would leave out those that all else depends on.
    @rule(
        step=st.one_of(
            *(
                WISHES,
                ASKS,
                ASKS,
                POLLS,
                POLLS,
                FETCHES,
                FETCHES,
                SETTLES,
                SETTLES,
                DELETES,
                CALLS,
                HEARS,
                GIVES_UP,
                MINUTES,
                MINUTES,
            ),
            ALL_GOES_WELL,
            ALL_GOES_WELL,
        )
    )
    def something_happens(self, step: tuple[Any, ...]) -> None:
        with suppress(Crash):
            match step:
                case ("want" | "give up", *_):
                    self.somebody_says(step)
                case ("ask", dies, answer):
                    self.worker.ask(self.now, dies, answer)
                case ("poll", dies):
                    self.worker.poll(self.now, dies)
                case ("fetch", dies, outcome):
                    for chance in self.worker.queue(self.now).fetchable():
                        assert self.worker.collect(chance.root.id, self.now, dies, outcome)
                case ("settle" | "delete" | "call", *_):
                    self.the_vendor_gets_on(*step)
                case ("hear", which) if self.worker.slow:
                    with suppress(ExportMovedOn):
                        self.worker.slow.pop(which % len(self.worker.slow))(self.now)
                case ("all goes well",):
                    self.files_get_ready()
                case ("wait", minutes):
                    self.now += timedelta(minutes=minutes)

    def somebody_says(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("want", day, days, section, again):
                self.somebody_wants(order(day, days=days, sections=[section]), again=again)
            case ("give up", which) if under_way := listing.listed(self.ledger):
                give_up(self.ledger, under_way[which % len(under_way)].id, at=self.now)

    def somebody_wants(self, wish: Order, *, again: bool) -> None:
        self.wanted.append(wish)
        found = self.worker.queue(self.now).want(wish, again=again)
        assert found.state not in ENDED
        assert found.window.start <= wish.window.start < wish.window.end <= found.window.end
        assert found.request == wish.request

    def the_vendor_gets_on(self, what: str, which: int, outcome: str = "gone") -> None:
        statuses = {"settle": {"pending"}, "delete": {"ready"}}.get(what, {"ready", "failed"})
        if self.worker.policy.is_polled and what == "call":
            statuses = {"ready"}
        found = [made_id for made_id, made in self.worker.vendor.exports.items() if made.status in statuses]
        if found and what == "call":
            self.worker.hear(found[which % len(found)], self.now)
        elif found:
            self.settle(self.worker.vendor.exports[found[which % len(found)]], outcome)

    def settle(self, made: Made, outcome: str) -> None:
        """Ends the vendor's work; one that calls takes no file for too large."""
        if self.worker.policy.is_polled:
            self.worker.vendor.settle(made, outcome)
        else:
            made.status = outcome

    @invariant()
    def all_is_well(self) -> None:
        with self.ledger.reading() as tx:
            exports = tx.find(select(kept.exports).order_by(kept.exports.c.id))
            walks = {export.id: steps(tx, export.id) for export in exports}
        roots = [export for export in exports if not export.is_part]
        if self.worker.policy.pending_limit:
            no_more_is_pending_than_may_be(exports, walks)
        self.no_day_has_more_exports_than_the_vendor_takes()
        everybody_went_along_the_edges(exports, walks)
        they_were_first_asked_for_in_their_order(roots, walks)
        nothing_is_on_its_way_twice(roots)
        for root in roots:
            self.it_landed_once_and_whole(root, [export for export in exports if export.root_id == root.id], walks)

    def no_day_has_more_exports_than_the_vendor_takes(self) -> None:
        days = Counter(made.day for made in self.worker.vendor.exports.values())
        assert max(days.values(), default=0) <= (self.worker.policy.asks_per_day or len(self.worker.vendor.exports))

    def it_landed_once_and_whole(self, root: Export, tree: list[Export], walks: Walks) -> None:
        if root.state is not State.REPLACED:  # a whole that came after all has replaced its parts
            tree = [export for export in tree if export.state is not State.REPLACED]
        assert len({export.state is State.LANDED for export in tree}) == 1
        if root.state is State.LANDED:
            assert all([edge for edge, *_ in walks[export.id]].count(Edge.LAND) == 1 for export in tree)
            assert any(covers(windows, root.window) for number, windows in self.worker.landings if number == root.id)

    def let_all_end_well(self) -> None:
        """The vendor recovers, people say again, workers live: then everything that was wanted lands."""
        self.worker.slow.clear()
        for wish in self.wanted:
            self.worker.queue(self.now).want(wish, again=True)
        rounds = 0
        while due_at := self.worker.queue(self.now).next_due_at():
            self.now = max(self.now, due_at)
            self.everybody_works()
            rounds += 1
            assert rounds < 100, listing.listed(self.ledger)
        # Each day by itself: a wish is cut where the vendor made no file of so many days.
        for key, day in {(wish.key, day) for wish in self.wanted for day in wish.window.partitions(Granularity.DAY)}:
            found = queue(self.ledger).current(key, day)
            assert found is not None
            assert found.state is State.LANDED

    def everybody_works(self) -> None:
        self.files_get_ready()
        for chance in self.worker.queue(self.now).fetchable():
            self.worker.collect(chance.root.id, self.now, Moment.NEVER, "whole")

    def files_get_ready(self) -> None:
        while self.worker.ask(self.now, Moment.NEVER, "taken on"):
            pass
        for made in self.worker.vendor.exports.values():
            if made.status == "pending":
                self.settle(made, "ready")
        self.now += timedelta(minutes=5)
        for made_id, made in self.worker.vendor.exports.items():
            if made.status == "ready" and not self.worker.policy.is_polled:
                self.worker.hear(made_id, self.now)
        while self.worker.poll(self.now, Moment.NEVER):
            pass


def no_more_is_pending_than_may_be(exports: list[Export], walks: Walks) -> None:
    # A late answer is good news even if another export has been asked for in its place meanwhile.
    heard_late = sum(step[:2] == (Edge.ANSWER, State.WANTED) for walk in walks.values() for step in walk)
    assert sum(export.state in AT_VENDOR for export in exports) <= POLICY.pending_limit + heard_late


def everybody_went_along_the_edges(exports: list[Export], walks: Walks) -> None:
    for export in exports:
        state = State.WANTED
        for edge, source, target, _ in walks[export.id]:
            assert source is state
            state = after(state, edge)
            assert target is state
        assert state is export.state


def they_were_first_asked_for_in_their_order(roots: list[Export], walks: Walks) -> None:
    # One that was merged has the place of the oldest, which may have been asked for before.
    firsts: dict[int, datetime] = {}
    for root in (root for root in roots if root.attempt):
        at = walks[root.id][0][3]
        firsts[root.position] = min(at, firsts.get(root.position, at))
    in_order = [firsts[position] for position in sorted(firsts)]
    assert in_order == sorted(in_order)


def nothing_is_on_its_way_twice(roots: list[Export]) -> None:
    under_way = [(str(root.window), str(root.request)) for root in roots if root.state not in ENDED]
    assert len(under_way) == len(set(under_way))


def covers(windows: tuple[Window, ...], whole: Window) -> bool:
    reached = whole.start
    for window in sorted(windows):
        if window.start > reached:
            return False
        reached = max(reached, window.end)
    return reached >= whole.end


TestExports: Any = Exports.TestCase
# Shrinking would take longer than reading a failure's steps.
TestExports.settings = settings(
    max_examples=examples(5),
    stateful_step_count=50,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
