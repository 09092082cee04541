"""Answers written to disk once and served many times: gzip files in a folder that is bounded in bytes.

An answer stays right until the next late row becomes visible or the oldest one expires, and knows until when. Not here:
which rows it has (`selection.py`), how it is sent (`history.py`, `sandbox/wire.py`).
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from isal import isal_zlib

from journey_pipeline.sandbox.bodies import PackedFile
from journey_pipeline.sandbox.sfmc.envelope import RefusedError
from journey_pipeline.sandbox.sfmc.query import HistoryQuery
from journey_pipeline.sandbox.sfmc.rows import line_writer
from journey_pipeline.sandbox.sfmc.selection import matching
from journey_pipeline.sandbox.world import Event, World
from journey_pipeline.sandbox.world.world import instant

_BOM = b"\xef\xbb\xbf"
_MOST_ANSWERS = 10_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """One answer on disk.

    Attributes:
        path: A single gzip member.
        rows: Records, the header not counted.
        packed_bytes: Size of the file.
        raw_bytes: Size after unpacking.
        right_from: It is what the vendor says from this instant,
        right_until: up to this one.
    """

    path: Path
    rows: int
    packed_bytes: int
    raw_bytes: int
    right_from: datetime
    right_until: datetime


class PreparedAnswers:
    """The answers of one world; thread-safe, and calls that ask for the same answer wait for one writing.

    Args:
        folder: Where the files lie; must exist.
        most_bytes: Of all files together; the ones that were not asked for longest go first.
    """

    def __init__(self, world: World, folder: Path, *, most_bytes: int = 4 << 30) -> None:
        self._world, self._folder, self._most_bytes = world, folder, most_bytes
        self._answers: OrderedDict[HistoryQuery, Prepared] = OrderedDict()
        self._writing: dict[HistoryQuery, threading.Lock] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        # Kept from answer to answer: a short hour has hardly more rows than there are kinds of lines.
        self._line_writer = lru_cache(maxsize=16)(line_writer)

    def close(self) -> None:
        """Stops writing. Calls that wait for an answer get a `RefusedError`."""
        self._closed.set()

    @property
    def total_bytes(self) -> int:
        """Size of all files."""
        with self._lock:
            return sum(answer.packed_bytes for answer in self._answers.values())

    def get(self, query: HistoryQuery, *, now: datetime, retention: timedelta) -> Prepared:
        """The answer to a question at an instant; written if there is none that is still right."""
        return self.open(query, now=now, retention=retention, opened=False)[0]

    def open(
        self, query: HistoryQuery, *, now: datetime, retention: timedelta, opened: bool = True
    ) -> tuple[Prepared, PackedFile | None]:
        """As `get`, with the file open for reading, so that it stays there when the folder is swept."""
        with self._lock:
            writing = self._writing.setdefault(query, threading.Lock())
        with writing:
            with self._lock:
                answer = self._answers.get(query)
            if answer is None or not answer.right_from <= now < answer.right_until:
                answer = self._written(query, now, retention)
            file = answer.path.open("rb") if opened else None
            with self._lock:
                self._keep(query, answer)
        return answer, None if file is None else PackedFile(file, answer.packed_bytes, answer.raw_bytes)

    def _written(self, query: HistoryQuery, now: datetime, retention: timedelta) -> Prepared:
        path = self._folder / f"{uuid.uuid4().hex}.csv.gz"
        selected = _Selected(self._world, query, now, self._closed)
        raw_bytes = 0
        pack = isal_zlib.compressobj(level=1, wbits=31)
        try:
            with path.open("wb") as file:
                for data in self._lines(selected, query):
                    raw_bytes += len(data)
                    file.write(pack.compress(data))
                file.write(pack.flush())
            right_from, right_until = selected.right(retention)
            return Prepared(path, selected.rows, path.stat().st_size, raw_bytes, right_from, right_until)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def _lines(self, selected: _Selected, query: HistoryQuery) -> Iterator[bytes]:
        """The answer's bytes, some thousand lines at a time. The last one is held back: its line end may be cut."""
        write = self._line_writer(
            query.columns,
            delimiter=query.delimiter,
            line_end=query.line_end,
            extra=query.extra_column is not None,
            mutate=query.mutate,
            odd_messages=query.odd_messages,
        )
        header = [*query.columns, query.extra_column] if query.extra_column else query.columns
        held = (_BOM if query.bom else b"") + (query.delimiter.join(header) + query.line_end).encode()
        for events in selected:
            yield held
            held = "".join(map(write, events)).encode()
        if not selected.rows and query.empty_body:
            return
        yield held if query.final_newline else held.removesuffix(query.line_end.encode())

    def _keep(self, query: HistoryQuery, answer: Prepared) -> None:
        before = self._answers.pop(query, None)
        if before is not None and before.path != answer.path:
            before.path.unlink(missing_ok=True)
        self._answers[query] = answer
        total = sum(kept.packed_bytes for kept in self._answers.values())
        while len(self._answers) > 1 and (total > self._most_bytes or len(self._answers) > _MOST_ANSWERS):
            swept, oldest = self._answers.popitem(last=False)
            self._writing.pop(swept, None)
            total -= oldest.packed_bytes
            oldest.path.unlink(missing_ok=True)


class _Selected:
    """The visible events of a question, and between which instants they are just these."""

    def __init__(self, world: World, query: HistoryQuery, now: datetime, closed: threading.Event) -> None:
        self._world, self._query, self._now, self._closed = world, query, now, closed
        self.rows = 0
        self._newest_visible: int | None = None
        self._next_visible: int | None = None
        self._oldest: int | None = None

    def __iter__(self) -> Iterator[list[Event]]:
        now_ms = (self._now - instant(0)) // timedelta(milliseconds=1)
        for part in matching(self._world, self._query):
            if self._closed.is_set():
                raise RefusedError(503, 0, "The sandbox is being stopped.")
            visible = [event for event in part if event.visible_ms <= now_ms]
            if len(visible) < len(part):
                later = min(event.visible_ms for event in part if event.visible_ms > now_ms)
                self._next_visible = min(later, self._next_visible or later)
            if visible:
                self.rows += len(visible)
                newest, oldest = max(event.visible_ms for event in visible), visible[0].occurred_ms
                self._newest_visible = max(newest, self._newest_visible or newest)
                self._oldest = min(oldest, visible[-1].occurred_ms, self._oldest or oldest)
                yield visible

    def right(self, retention: timedelta) -> tuple[datetime, datetime]:
        """The instants between which the answer stays as it is; to be asked after the last event."""
        right_from = self._now if self._newest_visible is None else instant(self._newest_visible)
        ends = [instant(self._next_visible)] if self._next_visible is not None else []
        if self._oldest is not None:
            # A row of exactly this age is still there.
            ends.append(instant(self._oldest) + retention + timedelta(microseconds=1))
        return right_from, min(ends, default=self._now + timedelta(days=1))
