"""A vendor of exports in plain Python, a worker who may die at every step, and the lake in which it lands files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import Connection, event

from journey_pipeline.errors import ExportMovedOn
from journey_pipeline.exports import calls
from journey_pipeline.exports.export import ENDED, Collection, Export, State, Verdict
from journey_pipeline.exports.ledger import Ledger
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.exports.queue import Queue
from journey_pipeline.model import Judged, Window
from journey_pipeline_tests.exports.made_orders import delivered, queue

SMALL_ENOUGH = timedelta(hours=12)


class Crash(Exception):  # noqa: N818 - it is no error, it is the plug being pulled
    """The worker's process is gone."""


class Moment(Enum):
    """Where a worker dies, if it does."""

    NEVER = "never"
    CLAIMING = "as it writes that it is about to act"
    ACTING = "before it has called the vendor or the lake"
    ACTED = "after it has called, before it writes what came back"
    NOTING = "as it writes what came back"


@contextmanager
def dying_at_commit(ledger: Ledger, *, dies: bool) -> Iterator[None]:
    """Whoever commits in here dies of it, and the commit doesn't happen."""

    def pull_the_plug(_: Connection) -> None:
        raise Crash

    if dies:
        event.listen(ledger._engine, "commit", pull_the_plug)
    try:
        yield
    finally:
        if dies:
            event.remove(ledger._engine, "commit", pull_the_plug)


@dataclass
class Made:
    """An export at the vendor's, and the number and attempt that it was asked for under."""

    window: Window
    name: tuple[int, int]
    day: date
    status: str = "pending"


@dataclass
class Vendor:
    """Knows only what it was asked for."""

    limit: int
    exports: dict[str, Made] = field(default_factory=dict)

    def order(self, window: Window, name: tuple[int, int], day: date) -> str | None:
        """A new export's id; None if too many are pending."""
        if sum(made.status == "pending" for made in self.exports.values()) >= self.limit:
            return None
        self.exports[made_id := f"ex-{len(self.exports)}"] = Made(window, name, day)
        return made_id

    def settle(self, made: Made, outcome: str) -> None:
        """Ends the work on an export; one that is too large can only fail."""
        made.status = "too large" if outcome == "ready" and made.window.duration > SMALL_ENOUGH else outcome


@dataclass
class Worker:
    """Takes one step at a time, as a poller does, and dies in the midst of it where it is told to.

    Attributes:
        landings: What the lake has: the order's number, and the windows of the files that landed together.
        slow: Answers that are still to be written, by a process that everybody takes for dead.
        nonces: Of the hooks, by the number and attempt that the vendor was asked under.
    """

    ledger: Ledger
    vendor: Vendor
    policy: ExportPolicy
    landings: list[tuple[int, tuple[Window, ...]]] = field(default_factory=list)
    slow: list[Any] = field(default_factory=list)
    nonces: dict[tuple[int, int], str] = field(default_factory=dict)

    def queue(self, at: datetime) -> Queue:
        """The queue at an instant."""
        return queue(self.ledger, at, policy=self.policy, streams={"profile_events": timedelta(days=31)})

    def ask(self, at: datetime, dies: Moment, outcome: str) -> bool:
        """Asks for the next one; the outcome: taken on, lost answer, server error, wrong request, or slow."""
        with dying_at_commit(self.ledger, dies=dies is Moment.CLAIMING):
            export = self.queue(at).next_to_ask()
        if export is None:
            return False
        self._die(dies, Moment.ACTING)
        is_made = outcome in {"taken on", "lost answer", "slow"}
        if export.hook:
            self.nonces[export.id, export.attempt] = export.hook
        made_id = self.vendor.order(export.window, (export.id, export.attempt), at.date()) if is_made else None
        self._die(dies, Moment.ACTED)
        with dying_at_commit(self.ledger, dies=dies is Moment.NOTING):
            self._note_asked(export, made_id, at, outcome)
        return True

    def _note_asked(self, export: Export, made_id: str | None, at: datetime, outcome: str) -> None:
        if outcome == "slow" and made_id:
            self.slow.append(lambda later: self.queue(later).asked(export, vendor_export_id=made_id))
        elif outcome == "lost answer":
            self.queue(at).unanswered(export, error="no answer")
        elif outcome == "wrong request":
            self.queue(at).stopped(export, status=400, error="wrong")
        elif made_id is None:
            full = outcome != "server error"
            self.queue(at).refused(export, status=429, error="no", holds_queue=full)
        else:
            self.queue(at).asked(export, vendor_export_id=made_id)

    def poll(self, at: datetime, dies: Moment) -> bool:
        """Polls the one that is due."""
        with dying_at_commit(self.ledger, dies=dies is Moment.CLAIMING):
            export = self.queue(at).next_to_look()
        if export is None:
            return False
        self._die(dies, Moment.ACTING)
        status = self.vendor.exports[str(export.vendor_export_id)].status
        self._die(dies, Moment.ACTED)
        with dying_at_commit(self.ledger, dies=dies is Moment.NOTING):
            self._note_polled(export, status, at)
        return True

    def _note_polled(self, export: Export, status: str, at: datetime) -> None:
        match status:
            case "pending":
                self.queue(at).pending(export, status=404, acknowledged=False)
            case "ready":
                self.queue(at).ready(export, status=200)
            case "failed":
                self.queue(at).failed(export, status=503, error="failed")
            case "gone":
                self.queue(at).lost(export, status=410, error="gone")
            case "too large":
                halves = [export.order(window, export.request) for window in export.window.halves()]
                self.queue(at).split(export, halves)

    def hear(self, made_id: str, at: datetime) -> None:
        """The vendor calls: a file is ready, or it made none. That counts unless its export has ended."""
        export_id, attempt = self.vendor.exports[made_id].name
        with self.ledger.reading() as tx:
            before = tx.get(export_id)
        if self.vendor.exports[made_id].status == "failed":
            self._called(export_id, attempt, "", at)
            return
        link = f"https://files.example/{made_id}"
        try:
            found = self._called(export_id, attempt, link, at)
        except ExportMovedOn:
            assert before.state in ENDED
            return
        if found is None:
            return  # it came before, or its hook is over
        assert before.state not in ENDED
        assert (found.state, _made_id(found)) == (State.READY, made_id)

    def _called(self, export_id: int, attempt: int, link: str, at: datetime) -> Export | None:
        """Calls on the hook of an attempt, or delivers without one."""
        if not self.policy.hook_life:
            return delivered(self.queue(at), export_id, attempt, link)
        with self.ledger.writing() as tx:
            hook = calls.find_hook(tx, self.nonces[export_id, attempt], at=at)
            if hook is None:
                return None
            assert (hook.export_id, hook.attempt) == (export_id, attempt)
            call = calls.Call(export_id, attempt, at, "192.0.2.1", link.encode(), hook.ends_at)
            said = Judged(link=link, path=link, ends_at=at + timedelta(days=1), notice="" if link else "too large")
            verdict = calls.take(tx, call, said, at=at)
            if verdict is Verdict.LATE:
                raise ExportMovedOn("late")
            return tx.get(export_id) if verdict is Verdict.DELIVERED else None

    def collect(self, root_id: int, at: datetime, dies: Moment, outcome: str) -> bool:
        """Fetches an order's files and lands them; the outcome: whole, broken off, or slow."""
        with dying_at_commit(self.ledger, dies=dies is Moment.CLAIMING):
            found = self.queue(at).lease_to_fetch(root_id)
        if found is None:
            return False
        self._die(dies, Moment.ACTING)
        gone = [part for part in found.parts if self.vendor.exports[_made_id(part)].status == "gone"]
        if not gone and outcome != "broken off":
            made = tuple(self.vendor.exports[_made_id(part)].window for part in found.parts)
            self.landings.append((found.root.id, made))
        self._die(dies, Moment.ACTED)
        with dying_at_commit(self.ledger, dies=dies is Moment.NOTING):
            self._note_collected(found, gone, at, outcome)
        return True

    def _note_collected(self, found: Collection, gone: list[Export], at: datetime, outcome: str) -> None:
        for part in gone:
            self.queue(at).lost(part, status=410, error="gone")
        if gone or outcome == "broken off":
            self.queue(at).not_fetched(found, error="broken off")
        elif outcome == "slow":
            self.slow.append(lambda later: self.queue(later).landed(found))
        else:
            done = self.queue(at).landed(found)
            assert done.state is State.LANDED

    @staticmethod
    def _die(dies: Moment, here: Moment) -> None:
        if dies is here:
            raise Crash


def _made_id(part: Export) -> str:
    return (part.poll_address or str(part.vendor_export_id)).rpartition("/")[2]
