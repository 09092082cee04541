"""One connection's exports, moved as far as they are due: ordered, and looked at until they are ready, each on its own.

The sensor and the command line move exports by this same code. Not here: whose turn it is and what is remembered
(`exports/`), what a vendor's answer means (`vendors/`), fetching what is ready (`export_landing.py`), a backfill from
order to events (`export_backfill.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from journey_pipeline.errors import ContractError, ExportMovedOn, JourneyError, TransientVendorError, VendorError
from journey_pipeline.exports.export import Export, Order, SmallerOrder
from journey_pipeline.exports.queue import Queue
from journey_pipeline.exports.recovery import bring_back_from_future, end_leases_of_the_dead
from journey_pipeline.exports.states import State
from journey_pipeline.loading.plan import contiguous
from journey_pipeline.model import Window
from journey_pipeline.vendors.source import ExportSource, Look, Part, Plan, Stream, Ticket, Verdict

OK, TOO_MANY_REQUESTS = 200, 429
FAILURES_BEFORE_SPLIT = 2

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Exports:
    """One connection's queue of exports, and the streams whose vendor it is worked off with.

    Attributes:
        queue: What is under way.
        sources: Its streams, by name.
        most_pieces: An order that is in so many pieces of which none became a file does not fail for its size, and is
            not cut further. By then a month has gone down to days, and a day to hours.
        troubles: What went wrong last with an order or its parts since this was opened, by the number at its top. The
            ledger knows the same in words; whoever waits for the order is told with it.
    """

    queue: Queue
    sources: Mapping[str, ExportSource]
    most_pieces: int = 64
    troubles: dict[int, JourneyError] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives back what the ledger and the sources hold open."""
        for source in self.sources.values():
            source.close()
        self.queue.ledger.close()

    def want(self, stream: Stream, windows: Sequence[Window], *, again: bool = False) -> Iterator[tuple[int, Window]]:
        """Puts orders for windows into the queue, as few as the vendor's longest window allows.

        Args:
            stream: Which stream.
            windows: The partitions.
            again: Whether a person asks, so that what had stopped is ordered again.

        Yields:
            Each window, with the number of the export at the top that it is in.
        """
        for run in contiguous(windows, stream.partitions_per_answer):
            plan = self.sources[stream.key.stream].plan(Window(run[0].start, run[-1].end))
            order = Order(stream.key, run[0].partition, plan.window, plan.request)
            root_id = self.queue.want(order, again=again).id
            yield from ((root_id, window) for window in run)

    def move_due(
        self,
        *,
        is_over: Callable[[], bool] = lambda: False,
        may_order: Callable[[], bool] = lambda: True,
        look: Callable[[Export], object] | None = None,
    ) -> int:
        """Orders and looks at all that is due, as far as the vendor's limits allow; each export on its own.

        Args:
            is_over: Asked before each call to the vendor; if true, the rest is left for the next time.
            may_order: Asked before each order; if false, there is time for looks alone.
            look: Looks at one that was taken up; as `look` does if None.

        Returns:
            How many calls were made.
        """
        for orphan in end_leases_of_the_dead(self.queue):
            log.warning("%s was held by a process that was killed; going on with it", orphan)
        for late in bring_back_from_future(self.queue):
            log.warning("%s was last changed by a clock that is ahead of this one; its waits are over", late)
        calls = 0
        while not is_over():
            if not ((may_order() and self.order_next()) or self.look_next(look or self.look)):
                return calls
            calls += 1
        return calls

    def order_next(self) -> bool:
        """Orders the export whose turn it is, and writes down what the vendor answered; whether there was one."""
        export = self.queue.next_to_ask()
        if export is None:
            return False
        with _isolated(export, "ordering"):
            self._order(export)
        return True

    def look_next(self, look: Callable[[Export], object]) -> bool:
        """Looks at the export that has been due for longest; whether there was one."""
        export = self.queue.next_to_look()
        if export is None:
            return False
        try:
            with _isolated(export, "looking at"):
                look(export)
        except BaseException:  # an interrupted process gives its lease back
            self.queue.release(export)
            raise
        return True

    def look(
        self, export: Export, *, to: Path | None = None, on_bytes: Callable[[int], None] | None = None
    ) -> Part | None:
        """Asks how far an export is, and writes down what came back.

        Args:
            export: As it was taken up to be looked at.
            to: Where its file goes, if its vendor's answer is the file itself and it is to be taken along.
            on_bytes: Told the size of each piece that comes.

        Returns:
            The file, if it came.

        Raises:
            ExportMovedOn: If another process has changed it.
        """
        source = self.sources[export.key.stream]
        try:
            look = source.look(ticket_of(export), plan_of(export), to=to, on_bytes=on_bytes)
        except (TransientVendorError, ContractError) as error:
            self.troubles[export.root_id] = error
            if to and error.status == OK:  # it is there; the fetch finds out what is wrong with it
                self.queue.ready(export, status=OK)
            else:  # A page of some gateway says nothing of it either; one that stays so counts as lost in the end.
                wait_s, says = _wait_s(error), str(error)
                self.queue.pending(export, status=error.status, error=says, retry_after_s=wait_s, acknowledged=False)
        except JourneyError as error:
            self._stop(export, error)
        else:
            self.troubles.pop(export.root_id, None)
            self._note(export, look)
            return look.part
        return None

    def _order(self, export: Export) -> None:
        try:
            ticket = self.sources[export.key.stream].order(plan_of(export), export.name)
        except TransientVendorError as error:
            self.troubles[export.root_id] = error
            if error.status is None:
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
            self.queue.split(export, [SmallerOrder(piece.window, piece.request) for piece in pieces])
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


def plan_of(export: Export) -> Plan:
    """What was ordered, as the vendor's side takes it."""
    return Plan(export.window, export.request)


def ticket_of(export: Export) -> Ticket:
    """What the vendor answered to the order, as kept."""
    return Ticket(export.vendor_export_id, export.poll_address, export.generation)


def _wait_s(error: VendorError) -> float | None:
    return error.retry_after_s if isinstance(error, TransientVendorError) else None


@contextmanager
def _isolated(export: Export, doing: str) -> Iterator[None]:
    """Inside the block whatever goes wrong with one export is logged, and stops none of the others.

    Args:
        export: As it was leased. If it is not answered, its lease runs out: an order is then sent again as unanswered,
            and a pending export is polled again.
        doing: What is done with it, such as `looking at`.
    """
    try:
        yield
    except ExportMovedOn as moved:
        log.info("%s", moved)
    except Exception:
        log.exception("%s %s failed unexpectedly", doing, export)
