"""One connection's exports, moved as far as they are due: ordered, looked at until they are ready, fetched and landed.

The sensor and the command line move exports by this same code. Not here: whose turn it is and what is remembered
(`exports/`), what a vendor's answer means (`vendors/`), a load from order to events (`load_ordered.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from journey_pipeline.errors import (
    ContractError,
    ExportExpired,
    ExportFailed,
    ExportMovedOn,
    JourneyError,
    NotSentError,
    TransientVendorError,
    VendorError,
)
from journey_pipeline.exports.calls import take_answer
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.export import Collection, Export, Order, State
from journey_pipeline.exports.inbox import Inbox
from journey_pipeline.exports.orders import bring_back_from_future, end_leases_of_the_dead
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.exports.queue import Queue
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import LandingManifest
from journey_pipeline.loading.landing import Landing
from journey_pipeline.model import Window, partition_window
from journey_pipeline.settings import home, ledger_url, utc_now
from journey_pipeline.vendors.judges import judge_of
from journey_pipeline.vendors.source import Look, Plan, Source, Stream, Ticket, Verdict

TOO_MANY_REQUESTS = 429
FAILURES_BEFORE_SPLIT = 2

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Exports:
    """One connection's queue of exports, and the streams whose vendor it is worked off with.

    Attributes:
        most_pieces: An order in so many pieces of which none became a file does not fail for its size, and is not cut
            further. By then a month has gone down to days, and a day to hours.
        troubles: The last error of an order or its parts since this was opened, by the number at its top. The ledger
            has it as text; a load that waits for the order reports it.
    """

    queue: Queue
    sources: Mapping[str, Source]
    most_pieces: int = 64
    troubles: dict[int, JourneyError] = field(default_factory=dict)

    @property
    def fault(self) -> JourneyError | None:
        """The connection's own, once one is met: nothing more is asked, and it is told once."""
        return next((error for error in self.troubles.values() if error.of_connection), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections of the ledger and of the sources."""
        for source in self.sources.values():
            source.close()
        self.queue.ledger.close()

    def want(self, stream: Stream, windows: Sequence[Window], *, again: bool = False) -> Iterator[tuple[int, Window]]:
        """Puts orders for windows into the queue, as few as the vendor's longest window allows.

        Args:
            again: Whether a person asks, so that what had stopped is ordered again.

        Yields:
            Each window, with the number of the export at the top that it is in.
        """
        for plan in self.sources[stream.key.stream].plans(windows):
            order = Order(stream.key, plan.partitions[0].partition, plan.window, plan.request)
            root_id = self.queue.want(order, again=again).id
            yield from ((root_id, window) for window in plan.partitions)

    def move_due(
        self,
        *,
        is_over: Callable[[], bool] = lambda: False,
        may_order: Callable[[], bool] = lambda: True,
        arrivals: Arrivals | None = None,
    ) -> int:
        """Orders and looks at all that is due, as far as the vendor's limits allow; gives the number of calls.

        Args:
            is_over: Asked before each call to the vendor; if true, the rest is left for the next time.
            may_order: Asked before each order; if false, there is time for looks alone.
            arrivals: Takes files in that come with the answer to a look; without it, looks take nothing along.
        """
        at = self.queue.now()
        self._take_calls_that_wait()
        for orphan in end_leases_of_the_dead(self.queue.ledger, self.queue.connection, at=at):
            log.warning("%s was held by a process that was killed; going on with it", orphan)
        for late in bring_back_from_future(self.queue.ledger, self.queue.connection, at=at):
            log.warning("%s was last changed by a clock that is ahead of this one; its waits are over", late)
        calls = 0
        while not is_over() and not self.fault:
            if not ((may_order() and self.order_next()) or self.look_next(arrivals)):
                return calls
            calls += 1
        return calls

    def _take_calls_that_wait(self) -> None:
        """Takes the calls that the receiver could not write to the ledger."""
        ledger = self.queue.ledger
        if self.queue.policy.hook_life:
            for verdict in Inbox(home(), ledger.vault).drain(ledger, judge_of, at=self.queue.now()):
                log.info("a call of the vendor that had waited for the ledger was taken: %s", verdict)

    def order_next(self) -> bool:
        """Orders the export whose turn it is, and writes down what the vendor answered; whether there was one."""
        export = self.queue.next_to_ask()
        if export is None:
            return False
        with _isolated(export, "ordering"):
            self._order(export)
        return True

    def look_next(self, arrivals: Arrivals | None = None) -> bool:
        """Looks at the export that has been due for longest; whether there was one."""
        export = self.queue.next_to_look()
        if export is None:
            return False
        try:
            with _isolated(export, "looking at"):
                if arrivals and export.id in arrivals.waited_for:
                    arrivals.add(export, self)
                else:
                    self.look(export)
        except BaseException:  # an interrupted process gives its lease back
            self.queue.release(export)
            raise
        return True

    def look(self, export: Export, landing: Landing | None = None) -> None:
        """Asks how far an export is, and writes down what came back.

        Args:
            landing: Takes the file in if it comes with the answer. None: a look must not take long.

        Raises:
            ExportMovedOn: If another process has changed it.
        """
        source = self.sources[export.key.stream]
        try:
            ask = partial(source.look, ticket_of(export), plan_of(export))
            look = landing.take_from(ask) if landing else ask(to=None)
        except VendorError as error:
            self.troubles[export.root_id] = error
            if not isinstance(error, TransientVendorError | ContractError) and not error.of_connection:
                self._stop(export, error)
                return
            # A page of some gateway says nothing of it either; one that stays so counts as lost in the end.
            wait_s, says = _wait_s(error), str(error)
            self.queue.pending(export, status=error.status, error=says, retry_after_s=wait_s, acknowledged=False)
        except JourneyError as error:
            self._stop(export, error)
        except OSError:
            if landing is None:
                raise
            self.queue.ready(export, status=None)  # there was a file to write: who fetches it next says what is wrong
        else:
            self.troubles.pop(export.root_id, None)
            self._note(export, look)
        finally:
            if landing and not landing.parts:
                landing.discard()

    def landing(self, lake: Lake, export: Export) -> Landing:
        """The landing of an export that is held, and whose lease is kept while its files come."""
        stream = self.sources[export.key.stream].stream
        first = partition_window(export.partition)
        return Landing(
            lake,
            export.key,
            first,
            stream.recipe.extension,
            at=self.queue.now(),
            covers=[window for window in export.window.partitions(stream.granularity) if window != first],
            now=self.queue.now,
            keep=partial(self.queue.renew, export),
        )

    def land(self, collection: Collection, landing: Landing) -> LandingManifest:
        """Fetches all files of an order and lands them: all of them, or none.

        Args:
            landing: Takes them in; it has the file already where a look took it along.

        Raises:
            VendorError: If a file could not be had; the ledger knows what comes next.
            LakeError: If the disk refuses.
            ExportMovedOn: If another process has taken the export over. What landed stays, and counts once.
        """
        root = collection.root
        try:
            landed = self._fetch(collection, landing)
        except JourneyError as error:
            self.troubles[root.id] = error
            wait_s = error.retry_after_s if isinstance(error, TransientVendorError) else None
            self.queue.not_fetched(collection, error=str(error), retry_after_s=wait_s)
            raise
        except BaseException:  # a stopped or interrupted process gives its lease back
            self.queue.release(root)
            raise
        self.queue.landed(collection)
        self.troubles.pop(root.id, None)
        return landed

    def _fetch(self, collection: Collection, landing: Landing) -> LandingManifest:
        root, parts = collection.root, collection.parts
        with landing:
            for part in parts[len(landing.parts) :]:
                self._fetch_part(part, landing)
            return landing.commit(
                started_at=min((part.asked_at for part in parts if part.asked_at), default=root.wanted_at),
                request={"orders": [dict(part.request) for part in parts]},
                answers={**self.sources[root.key.stream].answers(), "exports": [part.life() for part in parts]},
            )

    def _fetch_part(self, part: Export, landing: Landing) -> None:
        source = self.sources[part.key.stream]
        ticket, plan = ticket_of(part), plan_of(part)
        try:
            got = source.fetch(ticket, plan, landing.place)
            while got.next_page:
                landing.take(got)
                got = source.fetch(ticket, plan, landing.place, after=got)
        except VendorError as error:
            # Of what was broken on its way nothing is kept: then the file itself is.
            is_broken = isinstance(error, ContractError) or landing.evidence.exists()
            if is_broken:
                again = "fetched" if source.stream.links_live else "ordered"
                landing.blame(error, f"the export is {again} again.")
            self._note_unfetched(part, error, is_broken=is_broken)
            raise
        landing.take(got)

    def _note_unfetched(self, part: Export, error: VendorError, *, is_broken: bool) -> None:
        """Writes down what an error says of the part that it came of; one that may pass says nothing."""
        status, says = error.status, str(error)
        if isinstance(error, ExportExpired):
            self.queue.lost(part, status=status, error=says)
        elif is_broken and self.sources[part.key.stream].stream.links_live:
            return  # the file may come whole as long as its link lives, and there is no other
        elif isinstance(error, ExportFailed) or is_broken:
            self.queue.failed(part, status=status, error=says)
        elif not isinstance(error, TransientVendorError) and not error.of_connection:
            self.queue.stopped(part, status=status, error=says)

    def _order(self, export: Export) -> None:
        try:
            ticket = self.sources[export.key.stream].order(plan_of(export), export.hook or export.name)
        except TransientVendorError as error:
            self.troubles[export.root_id] = error
            if error.status is None and not isinstance(error, NotSentError):
                self.queue.unanswered(export, error=str(error))
            else:
                full, wait_s = error.status == TOO_MANY_REQUESTS, error.retry_after_s
                says = str(error)
                self.queue.refused(export, status=error.status, error=says, retry_after_s=wait_s, holds_queue=full)
        except JourneyError as error:
            self._stop(export, error)
        else:
            self.troubles.pop(export.root_id, None)
            self.queue.asked(
                export,
                vendor_export_id=ticket.export_id,
                poll_address=ticket.poll_address,
                generation=ticket.generation,
                status=ticket.status,
            )
            if ticket.called:
                take_answer(self.queue.ledger, export, ticket.called, judge_of, at=self.queue.now())

    def _note(self, export: Export, look: Look) -> None:
        """Writes down what a look found out."""
        status, wait_s = look.status, look.retry_after_s
        match look.verdict:
            case Verdict.PENDING | Verdict.UNACKNOWLEDGED:
                acknowledged = look.verdict is Verdict.PENDING
                self.queue.pending(export, status=status, retry_after_s=wait_s, acknowledged=acknowledged)
            case Verdict.READY:
                self.queue.ready(export, status=status)
            case Verdict.GONE:
                self.queue.lost(export, status=status, error=look.says)
            case Verdict.FAILED if export.failures + 1 < FAILURES_BEFORE_SPLIT or self._size_is_not_why(export):
                self.queue.failed(export, status=status, error=look.says, retry_after_s=wait_s)
            case Verdict.FAILED | Verdict.TOO_LARGE:
                self._make_smaller(export, look)

    def _make_smaller(self, export: Export, look: Look) -> None:
        """Orders the same in smaller pieces; a vendor who failed again and again may have had too much to do."""
        if pieces := self.sources[export.key.stream].smaller(plan_of(export)):
            self.queue.split(export, [export.order(piece.window, piece.request) for piece in pieces])
        elif look.verdict is Verdict.FAILED:
            wait_s = look.retry_after_s
            self.queue.failed(export, status=look.status, error=look.says, retry_after_s=wait_s)
        else:
            says = f"{look.says}, and it can't be ordered in smaller pieces. Ask the vendor."
            self.queue.stopped(export, status=look.status, error=says)

    def _size_is_not_why(self, export: Export) -> bool:
        """Whether the order is in many pieces already, and the vendor has made a file of none."""
        pieces = self.queue.tree(export.root_id)
        return len(pieces) >= self.most_pieces and not any(piece.state is State.READY for piece in pieces)

    def _stop(self, export: Export, error: JourneyError) -> None:
        """Notes that an export waits for a person: asking or looking again would give the same."""
        self.troubles[export.root_id] = error
        status = error.status if isinstance(error, VendorError) else None
        self.queue.stopped(export, status=status, error=str(error))


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The files that came with the answers to looks, and have not landed yet.

    Attributes:
        waited_for: The exports whose files are taken along, by number.
        landings: The files, by the number of their export.
    """

    lake: Lake
    waited_for: Container[int]
    landings: dict[int, Landing] = field(default_factory=dict)

    def add(self, export: Export, exports: Exports) -> None:
        """Looks at an export and takes its file along, if that came with the answer."""
        landing = exports.landing(self.lake, export)
        try:
            exports.look(export, landing)
        except BaseException:  # such as that another process has taken the export over
            landing.discard()
            raise
        if landing.parts:
            self.landings[export.id] = landing

    def discard(self) -> None:
        """Removes the files that have not landed."""
        for landing in self.landings.values():
            landing.discard()


def open_exports(connection: str, sources: Mapping[str, Source], policy: ExportPolicy) -> Exports:
    """The queue of a connection over the ledger, with its sources by name."""
    longest = {name: source.stream.reach.longest for name, source in sources.items()}
    return Exports(Queue(connection, open_ledger(ledger_url()), policy, utc_now, longest), sources)


def plan_of(export: Export) -> Plan:
    """The plan of an export, as its source takes it."""
    return Plan(export.window, export.request)


def ticket_of(export: Export) -> Ticket:
    """The vendor's answer to the order, as the ledger keeps it."""
    return Ticket(export.vendor_export_id, export.poll_address, export.generation)


def _wait_s(error: VendorError) -> float | None:
    return error.retry_after_s if isinstance(error, TransientVendorError) else None


@contextmanager
def _isolated(export: Export, doing: str) -> Iterator[None]:
    """Inside the block a failure of one export is logged, and stops no other export.

    An export without an answer is taken up again once its lease has run out.
    """
    try:
        yield
    except ExportMovedOn as moved:
        log.info("%s", moved)
    except Exception:
        log.exception("%s %s failed unexpectedly", doing, export)
