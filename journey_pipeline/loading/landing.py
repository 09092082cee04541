"""One answer on its way into the lake, all of it under one manifest, or evidence and nothing else; and who watches it.

Also the download of a window from a vendor who answers at once, in as many parts as needed. Not here: what makes a
download complete (`transport/`, `vendors/`), how a manifest is written (`lake/landing.py`), answers that come later
(`exports.py`), many windows at a time (`load.py`), how progress is drawn (`cli/progress.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from journey_pipeline import __version__
from journey_pipeline.errors import (
    ContractError,
    DamagedAnswerError,
    PermanentVendorError,
    TransientVendorError,
    VendorError,
)
from journey_pipeline.exports.export import Export
from journey_pipeline.files import naming_disk_troubles
from journey_pipeline.lake.landing import AttemptFolder, commit_attempt, mark_covered, name_attempt
from journey_pipeline.lake.layout import Lake, selection_at
from journey_pipeline.lake.manifest import Attempt, LandedFile, LandingManifest
from journey_pipeline.model import StreamKey, Window
from journey_pipeline.settings import utc_now
from journey_pipeline.transport.response import Place
from journey_pipeline.vendors.source import Estimate, Look, Part, Plan, Source


class Progress:
    """A watcher, which shows nothing by itself. Several threads call it."""

    def planned(self, title: str, partitions: int) -> None:
        """Work on so many partitions begins."""

    def expected(self, rows: int) -> None:
        """A partition's estimate came."""

    def received(self, count: int) -> None:
        """Counts received bytes."""

    def waits_for(self, exports: Sequence[Export], now: datetime) -> None:
        """The exports of the connection that are under way, and those of this load that have landed, each time anew."""

    def done(self, partition: str, rows: int, error: str | None) -> None:
        """A partition is finished, or has failed."""


_watcher: ContextVar[Progress] = ContextVar("journey_pipeline_progress", default=Progress())  # noqa: B039 - it has no state


def current_watcher() -> Progress:
    """The watcher of this context."""
    return _watcher.get()


@contextmanager
def watched_by(progress: Progress) -> Iterator[None]:
    """Inside the block, work that starts tells this watcher."""
    token = _watcher.set(progress)
    try:
        yield
    finally:
        _watcher.reset(token)


_BELIEVED_DIFFERENCE = timedelta(days=1)  # between the vendor's clock and ours; beyond it, a `Date` is no clock's


KEPT_EACH = timedelta(minutes=1)


class StoppedError(Exception):
    """The work was told to stop; nothing is wrong."""


class Landing:
    """One answer on its way. Its files come inside its `with` block, which ends with `commit`.

    If the block ends with an error, what came is removed, and the start of an answer is kept that an error was blamed
    on. The attempt's folder is made with its first file.

    Args:
        at: When it was asked for; the attempt is named after it.
        covers: Other partitions that it holds, each of which had ended by then; None where that is not told.
        stopped: Asked between chunks; if true, the work ends with StoppedError.
        keep: Called once a minute, between chunks, such as to keep a lease.
    """

    def __init__(
        self,
        lake: Lake,
        key: StreamKey,
        window: Window,
        extension: str,
        *,
        at: datetime,
        covers: Sequence[Window] | None = None,
        now: Callable[[], datetime] = utc_now,
        progress: Progress | None = None,
        stopped: Callable[[], bool] = lambda: False,
        keep: Callable[[], None] = lambda: None,
    ) -> None:
        self.progress = progress or current_watcher()
        self.parts: list[Part] = []
        self._lake, self._key, self._window, self._extension = lake, key, window, extension
        self._at, self._covers, self._now = at, covers, now
        self._stopped, self._keep, self._kept_at = stopped, keep, now()
        self._is_blamed = False
        self._naming = naming_disk_troubles(f"landing {key} {window.partition}", lake.home)

    def __enter__(self) -> Self:
        self._naming.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error:
            self.discard()
        self._naming.__exit__(kind, error, trace)

    @cached_property
    def folder(self) -> AttemptFolder:
        """The attempt's folder."""
        return name_attempt(self._lake, self._key, self._window, self._at)

    @property
    def place(self) -> Place:
        """Where the next part goes."""
        return Place(self.folder.part(len(self.parts), self._extension), self.received, self.evidence)

    @property
    def evidence(self) -> Path:
        """Where the start of the next part is kept if something is wrong with its content."""
        folder = self._lake.evidence_dir(self._key, self._window.partition)
        return folder / f"{self.folder.name}-part-{len(self.parts)}.txt"

    def received(self, count: int) -> None:
        """Counts received bytes.

        Raises:
            StoppedError: If the work was told to stop.
        """
        if self._stopped():
            raise StoppedError
        self.progress.received(count)
        if self._now() - self._kept_at >= KEPT_EACH:
            self._keep()
            self._kept_at = self._now()

    def take(self, part: Part) -> Part:
        """Takes in a part that came whole; evidence of an earlier try goes."""
        self.evidence.unlink(missing_ok=True)
        self.parts.append(part)
        return part

    def take_from(self, ask: Callable[..., Look]) -> Look:
        """Looks whether the vendor has made the answer; one that comes with the file lands with it.

        Args:
            ask: Asks the vendor, and writes the file `to` a place if it comes.
        """
        look = ask(to=self.place)
        if look.part:
            self.take(look.part)
        return look

    def blame(self, error: VendorError, then: str) -> None:
        """Adds to an error where the start of the answer is kept, and what comes next."""
        kept = self._lake.relative(self.evidence) if self.evidence.exists() else None
        if isinstance(error, ContractError):
            error.evidence = kept
        where = f"Start and end of the answer are kept in {kept}. " if kept else ""
        error.args = (f"{error} {where}Nothing landed; {then}",)
        self._is_blamed = True

    def commit(self, *, files: Sequence[LandedFile] | None = None, **said: Any) -> LandingManifest:
        """Adds the answer to its partition, and marks the partitions that it covers.

        Args:
            files: The files, if they are not the parts.
            said: Further notes of the attempt, by the names of `Attempt`.
        """
        landed_at = self._now()
        told = {"started_at": self._at, "estimate_rows": _promised(self.parts), **said}
        attempt = Attempt(
            attempt=self.folder.name,
            landed_at=landed_at,
            dated=_dated(self.parts, landed_at),
            package_version=__version__,
            files=tuple([landed_file(part) for part in self.parts] if files is None else files),
            covers=None if self._covers is None else tuple(other.partition for other in self._covers),
            **told,
        )
        landing = commit_attempt(self._lake, self._key, self._window, attempt)
        mark_covered(self._lake, self._key, self._covers or (), by=self._window, attempt=attempt.attempt)
        return landing

    def discard(self) -> None:
        """Removes what came, and the evidence that no error was blamed on."""
        if "folder" not in vars(self):
            return  # where the disk refuses to name it, nothing came
        self.folder.discard()
        if not self._is_blamed:
            with suppress(OSError):
                self.evidence.unlink(missing_ok=True)


def landed_file(part: Part) -> LandedFile:
    """A downloaded part as the manifest names it."""
    return LandedFile(
        name=part.path.name,
        sha256=part.sha256,
        bytes=part.bytes,
        raw_bytes=part.raw_bytes,
        rows=part.rows,
        received_as=part.received_as,
        counted_at=dict(part.counted_at),
        columns=part.columns,
        window=str(part.window),
    )


def _dated(parts: Sequence[Part], landed_at: datetime) -> datetime | None:
    """The last time of the vendor's clock; None if it is implausible."""
    dates = (part.dated for part in parts if part.dated and abs(part.dated - landed_at) <= _BELIEVED_DIFFERENCE)
    return max(dates, default=None)


def _promised(parts: Sequence[Part]) -> int | None:
    """How many records the answer says it has, if it does. The last of several pages may speak of itself alone."""
    if not parts or (len(parts) > 1 and (parts[-1].promised_rows or 0) <= parts[-1].rows):
        return None
    return parts[-1].promised_rows


def pull(
    lake: Lake,
    source: Source,
    plan: Plan,
    *,
    asked_at: datetime | None = None,
    now: Callable[[], datetime] = utc_now,
    progress: Progress | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> LandingManifest:
    """Lands one complete answer of a vendor who answers at once, beside the answers that are there.

    Args:
        plan: What is asked for. Of the partitions that it is for, the answer lands under the first one. Those that had
            ended when it was asked for are marked as covered; the others are left as they are.
        asked_at: The instant that the windows were chosen at; the present if None. Retention is measured by it.

    Returns:
        The partition's manifest, with the new attempt last.

    Raises:
        ExportExpired: If the vendor no longer keeps the window; no request is sent.
        VendorError: If the vendor's answer stopped it; nothing has landed.
        LakeError: If the disk refuses, or what is in the landing already can't be read; nothing has landed.
    """
    stream, at = source.stream, asked_at or now()
    extension = stream.recipe.extension
    window, *others = plan.partitions or (plan.window,)
    if stream.is_expired(window, at):
        raise stream.expiry(window, at)
    ended = [other for other in others if other.end <= at]
    with Landing(
        lake, stream.key, window, extension, at=at, covers=ended, now=now, progress=progress, stopped=stopped
    ) as landing:
        estimate = source.estimate(plan.window)
        if estimate:
            landing.progress.expected(estimate.rows)
        _Download(source, landing).whole(plan, estimate)
        told: dict[str, Any] = {"request": dict(plan.request), "constants": source.constants}
        if estimate:
            told |= {"estimate_rows": estimate.rows, "answers": {"estimate": dict(estimate.answer)}}
        return landing.commit(**told)


@dataclass(frozen=True, slots=True)
class _Download:
    """The parts of one answer, as they come."""

    source: Source
    landing: Landing

    def whole(self, plan: Plan, estimate: Estimate | None) -> None:
        """Takes in what is planned as one answer, or as smaller ones where it is too large or is cut off each time.

        A half of what is cut off, however often at the same byte, may come whole. An outage is not helped by halving,
        and neither is a fault of form, which was no cut.
        """
        if estimate and self.source.too_large(estimate):
            self._in_pieces(plan, f"the vendor's limit is below {estimate.rows} rows")
            return
        before = len(self.landing.parts)
        try:
            self._pages(plan, estimate)
        except TransientVendorError as error:
            if error.status != 200 or isinstance(error, DamagedAnswerError):  # noqa: PLR2004
                raise
            if not self.source.smaller(plan):
                raise self._last(error) from error
            del self.landing.parts[before:]
            self._in_pieces(plan, "every download of it was cut off")

    def _in_pieces(self, plan: Plan, why: str) -> None:
        pieces, stream = self.source.smaller(plan), self.source.stream
        if not pieces:
            raise PermanentVendorError(
                f"{stream.key} {plan.window} can't be made smaller and {why}. Set filters in defs.yaml, such as one "
                "connection for each group of journeys.",
                **stream.key.naming(plan.window),
            )
        for piece in pieces:
            self.whole(piece, self.source.estimate(piece.window))

    def _pages(self, plan: Plan, estimate: Estimate | None) -> None:
        page = self._part(plan, estimate)
        while page.next_page:
            page = self._part(plan, estimate, after=page)

    def _part(self, plan: Plan, estimate: Estimate | None, after: Part | None = None) -> Part:
        try:
            part = self.source.download(plan, self.landing.place, estimate=estimate, after=after)
        except ContractError as error:
            self._blame(error)
            raise
        return self.landing.take(part)

    def _last(self, error: TransientVendorError) -> VendorError:
        """The error if the shortest window is cut each time. With evidence, asking again will hardly help."""
        if not self.landing.evidence.exists():
            return error
        broken = error.followed_by(
            "Every try gives the same, down to the shortest window: the vendor's file seems broken. Report it to the "
            "vendor.",
            ContractError,
        )
        self._blame(broken)
        return broken

    def _blame(self, error: VendorError) -> None:
        command = f"journey-pipeline backfill {selection_at(self.landing.folder.path)}"
        self.landing.blame(error, f"`{command}` asks for it again.")
