"""Many partitions of a stream whose answers are ordered: wanted, ready, landed, and made events of as they come.

It moves exports by the same code as the sensor. A load that was broken off goes on with the exports that it made. Not
here: single steps (`exports.py`), what is the same of streams that answer at once (`load.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain

from journey_pipeline.errors import (
    ExportFailed,
    ExportMovedOn,
    JourneyError,
    LakeError,
    NotSentError,
    TransientVendorError,
    VendorError,
)
from journey_pipeline.exports.export import ENDED, Export, Order, Reason, State
from journey_pipeline.exports.orders import merging
from journey_pipeline.exports.turns import next_asks, spent
from journey_pipeline.loading.exports import Arrivals, Exports
from journey_pipeline.loading.landing import current_watcher
from journey_pipeline.loading.load import Load, failed
from journey_pipeline.loading.partition import PartitionOutcome
from journey_pipeline.model import Window, selection
from journey_pipeline.transport import retry
from journey_pipeline.vendors.source import Stream

LONGEST_NAP_S = 1.0
_AGAIN = " asks for it again."
LONGEST_PAUSE = timedelta(minutes=15)  # what one waits for who wants to order now: a day's end passes meanwhile

log = logging.getLogger(__name__)

_UnderWay = dict[int, list[Window]]
"""The windows that are waited for, by the number of the export at the top."""


@dataclass(frozen=True)
class LoadOrdered(Load[Exports]):
    """Loads partitions whose answers are ordered, one after another as they are ready.

    It waits while anything moves within the time after which an export is overdue. Partitions that are not ready then
    get an error that says how far they are; without `waits`, at once.
    """

    nap: Callable[[float], None] = retry.wait

    def _outcomes(self) -> Iterator[PartitionOutcome]:
        wanted, errors = self._to_ask(self.windows)
        for window in sorted(set(self.windows).difference(wanted)):
            yield PartitionOutcome(window, error=errors[window]) if window in errors else self._finish(window)
        if not wanted:
            return
        try:
            exports = self.open()
        except JourneyError as error:
            yield from failed(wanted, error)
            return
        with exports:
            yield from self._all_through(exports, wanted)

    def _all_through(self, exports: Exports, windows: Sequence[Window]) -> Iterator[PartitionOutcome]:
        """The outcome of each window, even if the ledger or the account's definitions can't be read meanwhile."""
        left = set(windows)
        try:
            for outcome in self._through(exports, windows):
                left.discard(outcome.window)
                yield outcome
        except JourneyError as error:
            yield from failed(sorted(left), error)

    def _through(self, exports: Exports, windows: Sequence[Window]) -> Iterator[PartitionOutcome]:
        """Orders, polls and collects until every window has landed or can't, or nothing moves any more."""
        under_way: _UnderWay = {}
        yield from self._want(exports, windows, under_way)
        arrivals = Arrivals(self.lake, under_way)
        try:
            yield from self._until_landed(exports, under_way, arrivals)
        finally:
            arrivals.discard()

    def _until_landed(self, exports: Exports, under_way: _UnderWay, arrivals: Arrivals) -> Iterator[PartitionOutcome]:
        moved_at, ours = exports.queue.now(), frozenset(under_way)
        while under_way:
            exports.move_due(arrivals=arrivals)
            if exports.fault:
                yield from failed(sorted(chain.from_iterable(under_way.values())), exports.fault)
                return
            current_watcher().waits_for(_to_be_seen(exports, ours | under_way.keys()), exports.queue.now())
            _follow_merged(exports, under_way)
            yield from _not_sent(exports, under_way)
            yield from _not_today(exports, under_way)
            for root_id in list(under_way):
                if error := _what_stopped(exports, root_id):
                    yield from failed(under_way.pop(root_id), error)
            yield from self._collect_ready(exports, under_way, arrivals)
            yield from self._landed_elsewhere(exports, under_way)
            moved_at = max([moved_at, *_moved_at(exports, under_way)])
            if not self.waits or exports.queue.now() - moved_at >= exports.queue.policy.overdue_after:
                yield from _not_ready(exports, under_way)
                return
            if under_way:
                self.nap(LONGEST_NAP_S)

    def _want(self, exports: Exports, windows: Sequence[Window], under_way: _UnderWay) -> Iterator[PartitionOutcome]:
        """Finds the windows' exports, and orders those that have none; gives the outcome of what is too old for one."""
        now = exports.queue.now()
        fetchable = exports.queue.fetchable()
        ready = [found.root for found in fetchable if found.root.key == self.stream.key]
        unknown = []
        for window in windows:
            export = _under_way(exports, ready, self.stream, window)
            too_old = self.stream.is_expired(window, now)
            if too_old and (export is None or export.state is State.STOPPED):
                yield PartitionOutcome(window, error=self._landed.expiry(window, now))
            elif export and (too_old or not self.waits):
                under_way.setdefault(export.id, []).append(window)
            else:
                unknown.append(window)
        for root_id, window in exports.want(self.stream, unknown, again=self.waits):
            under_way.setdefault(root_id, []).append(window)

    def _collect_ready(self, exports: Exports, under_way: _UnderWay, arrivals: Arrivals) -> Iterator[PartitionOutcome]:
        ready = exports.queue.fetchable()
        for root_id in [found.root.id for found in ready if found.root.id in under_way]:
            try:
                has_landed = self._collect(exports, root_id, arrivals)
            except LakeError as error:  # of the disk: no other try of ours helps
                yield from failed(under_way.pop(root_id), error)
                continue
            if has_landed:
                yield from (self._finish(window) for window in under_way.pop(root_id))

    def _collect(self, exports: Exports, root_id: int, arrivals: Arrivals) -> bool:
        come = arrivals.landings.pop(root_id, None)
        collection = exports.queue.lease_to_fetch(root_id)
        if collection is None:
            if come:
                come.discard()
            return False
        try:
            exports.land(collection, come or exports.landing(self.lake, collection.root))
        except ExportMovedOn as moved:
            log.info("%s", moved)
            return False
        except VendorError as error:
            # The ledger knows whether it is fetched again, ordered again, or a person is needed.
            log.warning("%s", error)
            return False
        return True

    def _landed_elsewhere(self, exports: Exports, under_way: _UnderWay) -> Iterator[PartitionOutcome]:
        """Partitions that another process, such as a run that the sensor started, has landed meanwhile."""
        for root_id in list(under_way):
            if exports.queue.tree(root_id)[0].landed_at is not None:
                yield from (self._finish(window) for window in under_way.pop(root_id))


def _follow_merged(exports: Exports, under_way: _UnderWay) -> None:
    """Waits for the order that holds the windows of one that was merged into it."""
    for root_id in list(under_way):
        root = exports.queue.tree(root_id)[0]
        if root.reason is Reason.MERGED:
            for window in under_way.pop(root_id):
                found = exports.queue.current(root.key, window)
                under_way.setdefault(found.id if found else root_id, []).append(window)


def _under_way(exports: Exports, ready: Sequence[Export], stream: Stream, window: Window) -> Export | None:
    """The export that will bring a window: one that can be fetched rather than a newer one that is still made."""
    for export in ready:
        if export.window.start <= window.start and window.end <= export.window.end:
            return export
    newest = exports.queue.current(stream.key, window)
    return newest if newest and newest.state not in ENDED else None


def _moved_at(exports: Exports, root_ids: Iterable[int]) -> Iterator[datetime]:
    """When the vendor took exports on, and when they were ready."""
    for root_id in root_ids:
        for export in exports.queue.tree(root_id):
            yield from filter(None, (export.wanted_at, export.requested_at, export.ready_at))


def _to_be_seen(exports: Exports, root_ids: Iterable[int]) -> list[Export]:
    """The connection's exports under way, and those that this load waited for and that have landed.

    What is wanted is due when the vendor takes orders again.
    """
    landed = [export for root_id in root_ids for export in exports.queue.tree(root_id) if export.state in ENDED]
    queue = exports.queue
    opens_at, _ = spent(queue.ledger, queue.connection, queue.policy, queue.now())
    under_way = [
        replace(export, due_at=max(export.due_at, opens_at)) if export.state is State.WANTED else export
        for export in exports.queue.under_way()
    ]
    return [*under_way, *landed]


def _what_stopped(exports: Exports, root_id: int) -> JourneyError | None:
    root, *parts = exports.queue.tree(root_id)
    if stopped := [export for export in (root, *parts) if export.state is State.STOPPED]:
        why = (stopped[0].error or "it was stopped").rstrip(".")
        says = f"needs a person: {why}. `journey-pipeline exports` lists it; "
        return exports.troubles.get(root_id) or _error(ExportFailed, stopped[0], says, _AGAIN)
    is_given_up = root.state is State.REPLACED
    return _error(ExportFailed, root, "was given up meanwhile; ", _AGAIN) if is_given_up else None


def _not_sent(exports: Exports, under_way: _UnderWay) -> Iterator[PartitionOutcome]:
    """What could not even be ordered: who waits for it is told at once; the sensor tries it again."""
    for root_id in list(under_way):
        trouble, root = exports.troubles.get(root_id), exports.queue.tree(root_id)[0]
        is_unsent = isinstance(trouble, NotSentError) or (root.tries and root.last_status is None)
        if is_unsent and (root.state, root.reason) == (State.WANTED, Reason.REFUSED):
            yield from _not_ready(exports, {root_id: under_way.pop(root_id)})


def _not_today(exports: Exports, under_way: _UnderWay) -> Iterator[PartitionOutcome]:
    """What has to wait for the next day's request, where the vendor takes so many a day, longer than is waited here."""
    queue, now = exports.queue, exports.queue.now()
    if queue.policy.asks_per_day is None:
        return
    opens_at, by = spent(queue.ledger, queue.connection, queue.policy, now)
    if opens_at - now <= LONGEST_PAUSE:
        return
    for root_id in list(under_way):
        root = queue.tree(root_id)[0]
        if root.state is State.WANTED and root.reason is not Reason.UNANSWERED:
            used = f"today's request was used by export {by.id} for {by.window}" if by else "the queue is held"
            trouble = None if by else exports.troubles.get(root_id)
            yield from failed(under_way.pop(root_id), _spent(exports, root, str(trouble or used)))


def _spent(exports: Exports, export: Export, used: str) -> VendorError:
    """The message for an order that another day's request must be used for."""
    orders = next_orders(exports, exports.sources[export.key.stream].stream)
    held, at = next((held, at) for held, at in orders if held.start <= export.window.start < held.end)
    says = (
        f"waits: {used.rstrip('.')}. It may be sent at {at:%Y-%m-%d %H:%M} UTC, and will then hold {held}. It stays in "
        "the ledger: the sensor sends it, and so does "
    )
    return _error(TransientVendorError, export, says, " after that.")


def next_orders(exports: Exports, stream: Stream, windows: Sequence[Window] = ()) -> Iterator[tuple[Window, datetime]]:
    """What the next orders would hold if windows were wanted, and from when each may be sent. Changes nothing.

    As a rule: where the vendor has called without a file of late, orders are smaller.
    """
    queue, key = exports.queue, stream.key
    under_way = [export for export in queue.under_way() if export.key == key and not export.is_part]
    waiting: list[Export | Order] = [export for export in under_way if export.state is State.WANTED]
    for plan in exports.sources[key.stream].plans(windows):
        order = Order(key, plan.partitions[0].partition, plan.window, plan.request)
        if not any(_holds(export, order) for export in under_way):
            waiting.append(order)
    newest_first = sorted(waiting, key=lambda one: one.window.end, reverse=True)
    merged = list(merging(newest_first, queue.streams[key.stream]))
    merged.sort(key=lambda ones: min(waiting.index(one) for one in ones))
    times = next_asks(queue.ledger, queue.connection, queue.policy, queue.now(), len(merged))
    for ones, at in zip(merged, times, strict=True):
        yield Window(min(one.window.start for one in ones), ones[0].window.end), at


def _holds(export: Export, order: Order) -> bool:
    is_inside = export.window.start <= order.window.start and order.window.end <= export.window.end
    return is_inside and export.request == order.request


def _not_ready(exports: Exports, under_way: _UnderWay) -> Iterator[PartitionOutcome]:
    for root_id, windows in under_way.items():
        export = exports.queue.tree(root_id)[0]
        says = f"is not ready{f': {export.error}' if export.error else '.'} The sensor polls it and starts this load "
        pending = _error(TransientVendorError, export, f"{says}again; so does ", ": run it again later.")
        yield from failed(windows, exports.troubles.get(root_id) or pending)


def _error(kind: type[VendorError], export: Export, says: str, then: str) -> VendorError:
    """An error about an export, with the command that asks for it again."""
    command = f"`journey-pipeline backfill {selection(export.key, export.window)}`"
    return kind(f"{export} {says}{command}{then}", **export.key.naming(export.window), status=export.last_status)
