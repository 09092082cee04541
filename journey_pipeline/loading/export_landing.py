"""An export that is ready, with all its parts, into the landing: all of it under one manifest, or nothing.

A look may take the file along: check and download are one request where a vendor's answer is the file itself. Not
here: getting it ready (`exports.py`), making events of it (`partition.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from journey_pipeline import __version__
from journey_pipeline.errors import (
    ContractError,
    ExportExpired,
    ExportFailed,
    JourneyError,
    TransientVendorError,
    VendorError,
)
from journey_pipeline.exports.export import Collection, Export
from journey_pipeline.exports.queue import Queue
from journey_pipeline.files import naming_disk_troubles
from journey_pipeline.lake.landing import AttemptFolder, begin_attempt, commit_attempt, mark_covered, name_attempt
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt, LandingManifest
from journey_pipeline.loading.exports import Exports, plan_of, ticket_of
from journey_pipeline.loading.progress import Progress, Silent
from journey_pipeline.loading.pull import StoppedError, landed_file
from journey_pipeline.model import Window, iso, partition_window
from journey_pipeline.vendors.source import Part

RENEWED_AFTER = timedelta(minutes=1)


@dataclass(slots=True)
class Download:
    """An export that is held while its file comes: who watches is told, and the lease kept.

    Attributes:
        queue: Where it is held.
        export: As it was taken up.
        progress: Receives the number of bytes.
        stopped: Asked between chunks; if true, the work ends with StoppedError.
    """

    queue: Queue
    export: Export
    progress: Progress
    stopped: Callable[[], bool]
    _renewed_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._renewed_at = self.queue.now()

    def received(self, count: int) -> None:
        """So many bytes came.

        Raises:
            StoppedError: If the work was told to stop.
            ExportMovedOn: If another process has taken the export over.
        """
        if self.stopped():
            raise StoppedError
        self.progress.received(count)
        now = self.queue.now()
        if now - self._renewed_at >= RENEWED_AFTER:
            self.queue.renew(self.export)
            self._renewed_at = now


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that came with the answer to a look and has not landed yet.

    Attributes:
        folder: The attempt that it is the only part of.
        part: The file.
    """

    folder: AttemptFolder
    part: Part


def look_and_take(
    lake: Lake, exports: Exports, export: Export, *, progress: Progress, stopped: Callable[[], bool]
) -> Arrival | None:
    """Polls an export, and saves its file if the vendor answers with it. The ledger has the result.

    The call may take long, so loads use it and ticks of the sensor do not.

    Args:
        lake: Where it will land.
        exports: Whose exports.
        export: As it was taken up to be looked at; it stands for itself, and its vendor's answers are downloads.
        progress: Receives the number of bytes.
        stopped: Asked between chunks; if true, the work ends with StoppedError.

    Returns:
        The file, to be landed with `ExportLanding` or discarded; None if it isn't ready, or is to be fetched by itself
        after a cut on the way or where the disk refused.

    Raises:
        ExportMovedOn: If another process has changed it meanwhile.
    """
    folder = name_attempt(lake, export.key, partition_window(export.partition), exports.queue.now())
    to = folder.part(0, exports.sources[export.key.stream].stream.recipe.extension)
    part = None
    try:
        part = exports.look(export, to=to, on_bytes=Download(exports.queue, export, progress, stopped).received)
    except OSError:  # of the disk: there was a file to write. Who fetches it next says what is wrong.
        exports.queue.ready(export, status=None)
    finally:
        if part is None:
            folder.discard()
    return Arrival(folder, part) if part else None


@dataclass(frozen=True, slots=True)
class ExportLanding:
    """One export that was taken up to be fetched, on its way into the lake.

    Attributes:
        lake: Where it lands.
        exports: Whose exports.
        collection: What was taken up.
        progress: Receives the number of bytes.
        stopped: Asked between chunks; if true, the work ends with StoppedError and leaves nothing.
        arrival: Its file, where a look has taken that along.
    """

    lake: Lake
    exports: Exports
    collection: Collection
    progress: Progress = field(default_factory=Silent)
    stopped: Callable[[], bool] = lambda: False
    arrival: Arrival | None = None

    def land(self) -> LandingManifest:
        """Fetches all files and lands them; the other partitions of the export's window are marked as covered.

        Raises:
            VendorError: If a file could not be had; the ledger knows what is to be done about it.
            LakeError: If the disk refuses.
            ExportMovedOn: If another process has taken the export over. What landed stays, and counts once.
        """
        queue, root_id = self.exports.queue, self.collection.root.id
        try:
            landing = self._land()
        except JourneyError as error:
            self.exports.troubles[root_id] = error
            wait_s = error.retry_after_s if isinstance(error, TransientVendorError) else None
            queue.not_fetched(self.collection, error=str(error), retry_after_s=wait_s)
            raise
        except BaseException:  # a stopped or interrupted process gives its lease back
            queue.release(self.collection.root)
            raise
        queue.landed(self.collection)
        self.exports.troubles.pop(root_id, None)
        return landing

    def _land(self) -> LandingManifest:
        root, now = self.collection.root, self.exports.queue.now
        key = root.key
        window = partition_window(root.partition)
        with naming_disk_troubles(f"landing {key} {root.partition}", self.lake.home):
            folder = self.arrival.folder if self.arrival else begin_attempt(self.lake, key, window, now())
            try:
                parts = [self.arrival.part] if self.arrival else self._fetch_all(folder)
                landing = commit_attempt(self.lake, key, window, self._attempt(folder, parts))
            except BaseException:
                folder.discard()
                raise
            mark_covered(self.lake, key, self._others(window), by=window, attempt=folder.name)
        return landing

    def _fetch_all(self, folder: AttemptFolder) -> list[Part]:
        download = Download(self.exports.queue, self.collection.root, self.progress, self.stopped)
        return [self._fetch(number, part, folder, download) for number, part in enumerate(self.collection.parts)]

    def _fetch(self, number: int, part: Export, folder: AttemptFolder, download: Download) -> Part:
        source = self.exports.sources[part.key.stream]
        to = folder.part(number, source.stream.recipe.extension)
        evidence = self._evidence(folder, number)
        try:
            got = source.fetch(ticket_of(part), plan_of(part), to, on_bytes=download.received, evidence=evidence)
        except VendorError as error:
            # Of what was broken on its way nothing is kept: then the file itself is.
            is_broken = isinstance(error, ContractError) or evidence.exists()
            if is_broken:
                self._name_evidence(error, evidence)
            self._note(part, error, is_broken=is_broken)
            raise
        evidence.unlink(missing_ok=True)
        return got

    def _note(self, part: Export, error: VendorError, *, is_broken: bool) -> None:
        """Writes down what an error says of the part that it came of; one that may pass says nothing."""
        queue, status, says = self.exports.queue, error.status, str(error)
        if isinstance(error, ExportExpired):
            queue.lost(part, status=status, error=says)
        elif isinstance(error, ExportFailed) or is_broken:
            queue.failed(part, status=status, error=says)
        elif not isinstance(error, TransientVendorError):
            queue.stopped(part, status=status, error=says)

    def _name_evidence(self, error: VendorError, evidence: Path) -> None:
        kept = self.lake.relative(evidence) if evidence.exists() else None
        if isinstance(error, ContractError):
            error.evidence = kept
        where = f"Start and end of the answer are kept in {kept}. " if kept else ""
        error.args = (f"{error} {where}Nothing landed; the export is ordered again.",)

    def _attempt(self, folder: AttemptFolder, parts: Sequence[Part]) -> Attempt:
        root, parts_of = self.collection.root, self.collection.parts
        return Attempt(
            attempt=folder.name,
            started_at=min((part.asked_at for part in self.collection.parts if part.asked_at), default=root.wanted_at),
            landed_at=self.exports.queue.now(),
            package_version=__version__,
            request={"orders": [dict(part.request) for part in self.collection.parts]},
            answers={**self.exports.sources[root.key.stream].answers(), "exports": [_life(part) for part in parts_of]},
            files=tuple(landed_file(part) for part in parts),
            covers=tuple(other.partition for other in self._others(partition_window(root.partition))),
        )

    def _others(self, first: Window) -> list[Window]:
        root = self.collection.root
        granularity = self.exports.sources[root.key.stream].stream.granularity
        return [window for window in root.window.partitions(granularity) if window != first]

    def _evidence(self, folder: AttemptFolder, number: int) -> Path:
        root = self.collection.root
        return self.lake.evidence_dir(root.key, root.partition) / f"{folder.name}-part-{number}.txt"


def _life(part: Export) -> dict[str, Any]:
    """The history of an export up to its fetch, for the manifest and the UI."""
    times = {"requested_at": part.requested_at, "ready_at": part.ready_at}
    return {
        "id": part.vendor_export_id,
        "window": str(part.window),
        "attempt": part.attempt,
        "polls": part.polls,
        **{name: iso(at) if at else None for name, at in times.items()},
    }
