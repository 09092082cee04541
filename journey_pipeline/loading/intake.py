"""Takes in files that people drop in a folder: whole ones alone, each once, into the lake or aside with the reason.

A file goes from the folder incoming to processing, and on to done or quarantine, each time by a rename. What lies in
processing was claimed by an intake that ended early, and the next one goes on with it. Not here: which files may be
taken up (`drop_folder.py`), what a file must be (`vendors/`), the way of its records into attributes (`partition.py`).
"""

from __future__ import annotations

import hashlib
import os
import stat
import traceback
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from journey_pipeline.errors import ContractError, JourneyError, LakeError
from journey_pipeline.files import LandingFile, exclusive, flush_dir, naming_disk_troubles, sha256_of, write_bytes
from journey_pipeline.lake.landing import lacks_attempts, last_answers, read_landing, restore_landing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import WARNINGS, LandingManifest
from journey_pipeline.loading.drop_folder import (
    BESIDE,
    DropFolder,
    Fate,
    Seen,
    Taken,
    beside_it,
    free_place,
    is_list,
    is_unchanged,
    read_document,
    shown_name,
    why_not_claimed,
)
from journey_pipeline.loading.landing import Landing
from journey_pipeline.loading.partition import LoadSettings, make_events
from journey_pipeline.model import Window, floor, is_partition, iso, partition_window
from journey_pipeline.settings import utc_now
from journey_pipeline.vendors.dropped import DroppedFile, DropSource
from journey_pipeline.vendors.source import Part

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Intake:
    """Takes in what lies in a folder.

    Attributes:
        now: The clock; files' times are compared with it.
    """

    lake: Lake
    source: DropSource
    folder: DropFolder
    settings: LoadSettings
    now: Callable[[], datetime] = utc_now

    def run(self) -> list[Taken]:
        """Takes in all that is whole, and says what was done with each file.

        Raises:
            LakeError: If the disk refuses the folders.
        """
        with naming_disk_troubles(f"taking in files of {self.source.stream.key}", self.folder.root):
            self.folder.make()
            with exclusive(self.folder[".lock"]):
                self._finish_moves()
                not_taken = list(self._claim_all())
                return [*not_taken, *map(self._take, self.folder.claimed)]

    def due(self) -> list[str]:
        """What an intake would take up now; nothing is changed by asking."""
        if not self.folder["processing"].is_dir():
            self.folder.make()
        there = self.folder.waiting
        held = {path.name for path in there}
        whole = [path for path in there if why_not_claimed(path, held) is None and self._is_whole(path)]
        return [f"{path.name} {path.stat().st_ctime_ns}" for path in [*whole, *self.folder.claimed]]

    def waiting(self) -> list[Taken]:
        """What an earlier intake saw and did not claim."""
        seen = Seen.read(self.folder[".seen.json"])
        return [
            Taken(name, Fate.WAITS, "it is not taken in yet", since=datetime.fromisoformat(since))
            for name, since in seen.known.items()
            if os.path.lexists(self.folder["incoming"] / name)
        ]

    def _claim_all(self) -> Iterator[Taken]:
        seen = Seen.read(self.folder[".seen.json"])
        there = self.folder.waiting
        held = {path.name for path in there}
        for path in there:
            if not os.path.lexists(path):  # claimed with its list, or taken away by a person
                continue
            found = why_not_claimed(path, held)
            if found is None and not self._is_whole(path):
                found = Taken(path.name, Fate.WAITS, "it is still being written", is_young=True)
            if found is None and (self.folder["processing"] / path.name).exists():
                found = Taken(path.name, Fate.WAITS, "an earlier file of its name is not finished")
            if found is None:
                self._claim(path)
                continue
            is_new = found.name not in seen.known
            since = datetime.fromisoformat(seen.known.setdefault(found.name, iso(self.now())))
            if found.says and (is_new or found.fate is Fate.WAITS):  # what is ignored is told once
                yield replace(found, since=since)
        seen.keep({shown_name(path) for path in self.folder.waiting})

    def _finish_moves(self) -> None:
        """Moves documents after the lists that an intake moved before it ended early."""
        for document in self.folder["processing"].glob(f"*{BESIDE}"):
            of = document.name.removesuffix(BESIDE)
            if not any((self.folder[folder] / of).exists() for folder in ("incoming", "processing")):
                document.rename(free_place(self.folder["done"], document.name))

    def _is_whole(self, path: Path) -> bool:
        """Whether nothing changed it for a while, or the document beside it says so."""
        if is_unchanged(path, self.now()):
            beside = beside_it(path)
            return beside is None or is_unchanged(beside, self.now())
        digest = self.source.digest_beside(read_document(beside_it(path)))
        return digest is not None and digest == sha256_of(path)

    def _claim(self, path: Path) -> None:
        """The document first: in `processing/` no list lies without its own."""
        for one in (beside_it(path), path):
            if one is not None:
                one.rename(self.folder["processing"] / one.name)
        flush_dir(self.folder["processing"])

    def _take(self, path: Path) -> Taken:
        try:
            try:
                found = self._judge(path)
            except ContractError as error:
                return self._refuse(path, str(error))
            return self._land(path, found)
        except JourneyError as error:
            return _failed(path, str(error))
        except Exception as error:  # noqa: BLE001 - one odd file must not hold up the others
            where = traceback.extract_tb(error.__traceback__)[-1]  # its text may hold anything
            unforeseen = f"an unexpected {type(error).__name__} in line {where.lineno} of {Path(where.filename).name}"
            return _failed(path, f"{unforeseen}: please report it.")

    def _judge(self, path: Path) -> DroppedFile:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise ContractError("it is no regular file")
        if not is_list(path):
            raise ContractError("it is an archive or a spreadsheet: export or save it as CSV")
        return self.source.judge(
            path,
            path.name,
            read_document(beside_it(path)),
            dated=datetime.fromtimestamp(path.stat().st_mtime, UTC),
            answers=self._answers,
            now=self.now(),
        )

    def _land(self, path: Path, found: DroppedFile) -> Taken:
        window = self._holding(found)
        fate = Fate.KNOWN if window else Fate.LANDED
        window = window or self._put(path, found)
        _, events = make_events(self.lake, self.source.stream, window, self.settings, always=False)
        said = [*found.warnings]
        if fate is Fate.LANDED and events.rejects:
            said.append(f"{events.rejects.rows:,} records of {window.partition} could not be read, see ops.rejects")
        if fate is Fate.LANDED and events.masked:
            said.append(f"{events.masked:,} values of {window.partition} are masked, and count as none")
        self._move(path, "done")
        return Taken(path.name, fate, "; ".join(said), window, found.rows)

    @cached_property
    def _answers(self) -> Mapping[str, Any]:
        return self.source.answers() or last_answers(self.lake, self.source.stream.key)

    def _holding(self, found: DroppedFile) -> Window | None:
        """The partition in which the same content has landed, if it was told no less of it."""
        for window, landing in self._landings():
            for attempt in landing.attempts:
                known = attempt.request
                if (
                    not attempt.unreadable
                    and known.get("content_sha256") == found.content_sha256
                    and found.about.items() <= known.get("about", {}).items()
                ):
                    return window
        return None

    def _landings(self) -> Iterator[tuple[Window, LandingManifest]]:
        """What has landed, with whole answers that a killed process could not add to their manifest any more."""
        key = self.source.stream.key
        for folder in sorted(self.lake.landing_dir(key, "any").parent.glob("*")):
            if not is_partition(folder.name):
                continue
            window = partition_window(folder.name)
            if lacks_attempts(self.lake, key, folder.name):
                restore_landing(self.lake, key, window)
            if landing := read_landing(self.lake, key, folder.name):
                yield window, landing

    def _put(self, path: Path, found: DroppedFile) -> Window:
        """Lands a file under the day of its export, byte for byte, as all landed text lies: as gzip."""
        stream = self.source.stream
        start = floor(found.exported_at, stream.granularity)
        window = Window(start, start + stream.granularity.duration)
        at = self.now()
        with Landing(self.lake, stream.key, window, stream.recipe.extension, at=at, now=self.now) as landing:
            place = landing.place.file
            with LandingFile(place) as file:
                digest = _pack(path, file, is_gzip=found.is_gzip)
            if not found.is_gzip and digest != found.content_sha256:
                raise LakeError(f"{path.name} changed while it was read.")
            landing.take(
                Part(
                    path=place,
                    window=window,
                    sha256=file.sha256,
                    bytes=file.bytes,
                    raw_bytes=found.raw_bytes,
                    rows=found.rows,
                    columns=found.columns,
                    received_as="gzip" if found.is_gzip else "identity",
                )
            )
            request = {"file": path.name, "content_sha256": found.content_sha256, "about": dict(found.about)}
            landing.commit(request=request, answers={**self._answers, **found.answers, WARNINGS: found.warnings})
        return window

    def _refuse(self, path: Path, why: str) -> Taken:
        to = free_place(self.folder["quarantine"], path.name)
        says = f"{why}. Drop it again once that is mended."
        write_bytes(to.with_name(f"{to.name}.reason.txt"), f"{iso(self.now())} {says}\n".encode())
        self._move(path, "quarantine", to.name)
        return Taken(path.name, Fate.REFUSED, says)

    def _move(self, path: Path, folder: str, name: str = "") -> None:
        """The document beside it last: a file without its own would mean something else."""
        to = self.folder[folder] / name if name else free_place(self.folder[folder], path.name)
        beside = beside_it(path)
        path.rename(to)
        if beside is not None:
            beside.rename(to.with_name(f"{to.name}{BESIDE}"))
        flush_dir(self.folder[folder])
        flush_dir(path.parent)


def _failed(path: Path, why: str) -> Taken:
    return Taken(path.name, Fate.FAILED, f"{why} It stays in processing/, and the next intake goes on with it.")


def _pack(path: Path, to: LandingFile, *, is_gzip: bool) -> str:
    """Writes a file as gzip; returns the SHA-256 of what was read."""
    digest = hashlib.sha256()
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            to.write(chunk if is_gzip else packer.compress(chunk))
    if not is_gzip:
        to.write(packer.flush())
    return digest.hexdigest()
