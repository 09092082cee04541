"""An export that is ready, with all its parts, into the landing: all of it under one manifest, or nothing.

Not here: getting it ready (`advance.py`), making events of it (`partition.py`).
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
from journey_pipeline.exports import answers, claims
from journey_pipeline.exports.export import Collection, Export
from journey_pipeline.files import naming_disk_troubles
from journey_pipeline.lake.landing import AttemptFolder, begin_attempt, commit_attempt, mark_covered
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt, LandingManifest
from journey_pipeline.loading.exports import Exporting, ordered_of, wanted_of
from journey_pipeline.loading.progress import Progress, Silent
from journey_pipeline.loading.pull import StoppedError, landed_file
from journey_pipeline.model import Window, iso, partition_window
from journey_pipeline.vendors.source import Part

RENEWED_AFTER = timedelta(minutes=1)


@dataclass(slots=True)
class Receiving:
    """An export that is held while its file comes: who watches is told, and the lease kept.

    Attributes:
        exporting: Whose exports.
        export: As it was claimed.
        progress: Who is told of bytes.
        stopped: Asked between chunks; if true, the work ends with StoppedError.
    """

    exporting: Exporting
    export: Export
    progress: Progress
    stopped: Callable[[], bool]
    _renewed_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._renewed_at = self.exporting.now()

    def received(self, count: int) -> None:
        """So many bytes came.

        Raises:
            StoppedError: If the work was told to stop.
            ExportMovedOn: If somebody else has taken the export over.
        """
        if self.stopped():
            raise StoppedError
        self.progress.received(count)
        now = self.exporting.now()
        if now - self._renewed_at >= RENEWED_AFTER:
            claims.renew(self.exporting.ledger, self.export, self.exporting.policy, at=now)
            self._renewed_at = now


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that came with the answer to a poll and has not landed yet.

    Attributes:
        folder: The attempt that it is the only part of.
        part: The file.
    """

    folder: AttemptFolder
    part: Part


@dataclass(frozen=True, slots=True)
class Collecting:
    """One claimed export on its way into the lake.

    Attributes:
        lake: Where it lands.
        exporting: Whose exports.
        collection: What was claimed.
        progress: Who is told of bytes.
        stopped: Asked between chunks; if true, the work ends with StoppedError and leaves nothing.
        taken: Its file, where the poll has taken that along.
    """

    lake: Lake
    exporting: Exporting
    collection: Collection
    progress: Progress = field(default_factory=Silent)
    stopped: Callable[[], bool] = lambda: False
    taken: Taken | None = None

    def land(self) -> LandingManifest:
        """Fetches all files and lands them; the other partitions of the export's window are marked as covered.

        Raises:
            VendorError: If a file could not be had; the ledger knows what is to be done about it.
            LakeError: If the disk refuses.
            ExportMovedOn: If somebody else has taken the export over. What landed stays, and counts once.
        """
        ledger = self.exporting.ledger
        try:
            landing = self._land()
        except JourneyError as error:
            self.exporting.troubles[self.collection.root.id] = error
            wait_s = error.retry_after_s if isinstance(error, TransientVendorError) else None
            at, policy = self.exporting.now(), self.exporting.policy
            answers.not_fetched(ledger, self.collection, policy, at=at, error=str(error), retry_after_s=wait_s)
            raise
        except BaseException:  # whoever is stopped or interrupted keeps nobody waiting
            claims.release(ledger, self.collection.root)
            raise
        answers.landed(ledger, self.collection, at=self.exporting.now())
        self.exporting.troubles.pop(self.collection.root.id, None)
        return landing

    def _land(self) -> LandingManifest:
        root, now = self.collection.root, self.exporting.now
        key = root.key
        window = partition_window(root.partition)
        with naming_disk_troubles(f"landing {key} {root.partition}", self.lake.home):
            folder = self.taken.folder if self.taken else begin_attempt(self.lake, key, window, now())
            try:
                parts = [self.taken.part] if self.taken else self._fetch_all(folder)
                landing = commit_attempt(self.lake, key, window, self._attempt(folder, parts))
            except BaseException:
                folder.discard()
                raise
            mark_covered(self.lake, key, self._others(window), by=window, attempt=folder.name)
        return landing

    def _fetch_all(self, folder: AttemptFolder) -> list[Part]:
        receiving = Receiving(self.exporting, self.collection.root, self.progress, self.stopped)
        return [self._fetch(number, part, folder, receiving) for number, part in enumerate(self.collection.parts)]

    def _fetch(self, number: int, part: Export, folder: AttemptFolder, receiving: Receiving) -> Part:
        source = self.exporting.source_of(part)
        to = folder.part(number, source.stream.recipe.extension)
        evidence = self._evidence(folder, number)
        try:
            got = source.collect(ordered_of(part), wanted_of(part), to, on_bytes=receiving.received, evidence=evidence)
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
        ledger, policy, at = self.exporting.ledger, self.exporting.policy, self.exporting.now()
        if isinstance(error, ExportExpired):
            answers.expired(ledger, part, policy, at=at, status=error.status, error=str(error))
        elif isinstance(error, ExportFailed) or is_broken:
            answers.failed(ledger, part, policy, at=at, status=error.status, error=str(error))
        elif not isinstance(error, TransientVendorError):
            answers.stopped(ledger, part, at=at, status=error.status, error=str(error))

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
            landed_at=self.exporting.now(),
            package_version=__version__,
            request={"orders": [dict(part.request) for part in self.collection.parts]},
            answers={**self.exporting.source_of(root).answers(), "exports": [_life(part) for part in parts_of]},
            files=tuple(landed_file(part) for part in parts),
            covers=tuple(other.partition for other in self._others(partition_window(root.partition))),
        )

    def _others(self, first: Window) -> list[Window]:
        root = self.collection.root
        granularity = self.exporting.source_of(root).stream.granularity
        return [window for window in root.window.partitions(granularity) if window != first]

    def _evidence(self, folder: AttemptFolder, number: int) -> Path:
        root = self.collection.root
        return self.lake.evidence_dir(root.key, root.partition) / f"{folder.name}-part-{number}.txt"


def _life(part: Export) -> dict[str, Any]:
    """What became of an export until it was fetched, for whoever looks at the manifest or the UI."""
    times = {"requested_at": part.requested_at, "ready_at": part.ready_at}
    return {
        "id": part.vendor_export_id,
        "window": str(part.window),
        "attempt": part.attempt,
        "polls": part.polls,
        **{name: iso(at) if at else None for name, at in times.items()},
    }
