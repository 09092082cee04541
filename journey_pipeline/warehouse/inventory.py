"""What is in the lake against what is loaded: which partitions are new, changed, gone or broken.

A manifest that is byte for byte the loaded one vouches for what is loaded; only other partitions' files are read. It
is read itself only if its number, time or size differs from when it was read last.
Not here: what their rows must look like (`intake.py`), bringing them in (`merge.py`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from journey_pipeline.errors import LakeError, WarehouseError, text_of
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest, ParquetFile
from journey_pipeline.lake.signature import Signature, is_settled, present_ns, signature, signature_of
from journey_pipeline.model import StreamKey, is_partition

HEAL = "run `journey-pipeline normalize` for the partition, or pull it again with `journey-pipeline backfill --again`"


@dataclass(frozen=True, order=True, slots=True)
class FileKey:
    """Names a partition's events file, and the rows that came from it."""

    connection: str
    stream: str
    partition: str


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """A file of the lake that could not be used.

    Attributes:
        path: Below the home.
        problem: What is wrong, without any row's values.
        heal: What to do about it.
    """

    path: str
    problem: str
    heal: str = HEAL

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.heal}"


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """A row of `internal.files`, as far as comparing needs it."""

    manifest_sha256: str
    manifest_signature: str
    events_sha256: str
    events_bytes: int
    events: int
    loaded: int


@dataclass(frozen=True, eq=False, slots=True)
class FoundFile:
    """A partition of the lake whose manifest can be read. Equal only to itself, so that it can be a key.

    Attributes:
        key: Which partition.
        path: Its events file.
        rejects_path: Its rejects file, if the manifest names one.
        attributes_path: Its attributes file, likewise.
        manifest: What its manifest says.
        manifest_text: The same as it lies in the lake, so that what is stored depends on no version of the package.
        manifest_sha256: Of that text.
        manifest_signature: Of its file; empty if that was written so lately that it tells nothing.
    """

    key: FileKey
    path: Path
    rejects_path: Path
    attributes_path: Path
    manifest: EventsManifest
    manifest_text: str
    manifest_sha256: str
    manifest_signature: str

    @property
    def files(self) -> dict[Path, ParquetFile]:
        """The files that the manifest vouches for."""
        stated = {
            self.path: self.manifest.events,
            self.rejects_path: self.manifest.rejects,
            self.attributes_path: self.manifest.attributes,
        }
        return {path: file for path, file in stated.items() if file}


@dataclass(slots=True)
class Inventory:
    """How lake and warehouse differ.

    Attributes:
        added: In the lake, not loaded.
        replaced: Loaded with other events.
        restated: Loaded with the same events; the rest of the manifest differs.
        removed: Loaded, no longer in the lake.
        unchanged: How many are loaded as they are.
        touched: Of those, the ones whose manifest had to be read to know it, and its signature now.
        broken: What can't be used; if it was loaded, it stays as it was.
        copies: Folders that hold another stream's files, of which nothing is loaded: somebody copied them.
        seen: The files that were found as vouched for, and which ones exactly that was.
    """

    added: list[FoundFile] = field(default_factory=list)
    replaced: list[FoundFile] = field(default_factory=list)
    restated: list[FoundFile] = field(default_factory=list)
    removed: list[FileKey] = field(default_factory=list)
    unchanged: int = 0
    touched: dict[FileKey, str] = field(default_factory=dict)
    broken: list[BrokenFile] = field(default_factory=list)
    copies: set[Path] = field(default_factory=set)
    seen: dict[Path, Signature | None] = field(default_factory=dict)

    @property
    def fresh(self) -> list[FoundFile]:
        """The files whose rows have to be read."""
        return self.added + self.replaced

    def break_off(self, found: FoundFile, broken: BrokenFile) -> None:
        """Takes a file out: what is loaded of it stays, and it may be replaced while others are read."""
        for path in found.files:
            self.seen.pop(path, None)
        for group in (self.added, self.replaced, self.restated):
            if found in group:
                group.remove(found)
        self.note_broken(broken)

    def note_broken(self, broken: BrokenFile) -> None:
        """Adds a file to the broken ones, once."""
        if broken.path not in {other.path for other in self.broken}:
            self.broken.append(broken)

    def replaced_since(self) -> set[Path]:
        """The files that are others now than when they were looked at."""
        return {file for file, was in self.seen.items() if signature(file) != was}


def loaded_files(session: duckdb.DuckDBPyConnection) -> dict[FileKey, LoadedFile]:
    """What is loaded, by partition."""
    rows = session.execute(
        "select connection, stream, partition_key, manifest_sha256, manifest_signature, events_sha256, "
        "coalesce((manifest ->> '$.events.bytes')::bigint, 0), events, loaded from internal.files"
    ).fetchall()
    return {FileKey(*row[:3]): LoadedFile(*row[3:]) for row in rows}


def take_inventory(lake: Lake, loaded: dict[FileKey, LoadedFile]) -> Inventory:
    """Compares the lake with what is loaded.

    Raises:
        WarehouseError: If files are loaded and the events folder is not there at all: rather a disk that is not
            mounted than a wish to remove everything.
    """
    if loaded and not lake.events_root.is_dir():
        raise WarehouseError(
            f"{lake.events_root} is not there, but {len(loaded)} partitions of it are loaded; nothing was removed. "
            "Mount it, or point JOURNEY_PIPELINE_HOME to the lake."
        )
    inventory, now_ns = Inventory(), present_ns()
    seen = set()
    for key, entry, events in _manifests(lake):
        seen.add(key)
        try:
            found = signature_of(entry.stat())
            known = loaded.get(key)
            if known and known.events_sha256 and known.manifest_signature == _written(found):
                inventory.unchanged += 1
            else:
                place = _Place(Path(entry.path), key, _written(found) if is_settled(found, now_ns) else "")
                if not _is_unchanged(lake, place, known, inventory):
                    continue
            if known and (damage := _cut_off(events, known, now_ns)):
                inventory.note_broken(BrokenFile(lake.relative(Path(entry.path).with_suffix(".parquet")), damage))
        except (LakeError, OSError) as error:
            inventory.note_broken(BrokenFile(lake.relative(Path(entry.path)), text_of(error)))
    inventory.removed = sorted(loaded.keys() - seen)
    return inventory


def _manifests(lake: Lake) -> Iterator[tuple[FileKey, os.DirEntry[str], os.DirEntry[str] | None]]:
    """All manifests of events, each with the file of its events if that is there, sorted by partition."""
    for connection in _entries(lake.events_root):
        for stream in _entries(connection):
            entries = {entry.name: entry for entry in _entries(stream)}
            for name, entry in entries.items():
                partition = name.removesuffix(".json")
                if partition != name and is_partition(partition):
                    yield FileKey(connection.name, stream.name, partition), entry, entries.get(f"{partition}.parquet")


def _cut_off(events: os.DirEntry[str] | None, known: LoadedFile, now_ns: int) -> str:
    """In which way a loaded file is not there in its size; of one that was written just now the manifest may follow."""
    if events is None:
        return "it is not there, and a manifest names it"
    found = signature_of(events.stat())
    if found[2] == known.events_bytes or not is_settled(found, now_ns):
        return ""
    return f"it has {found[2]} bytes, its manifest says {known.events_bytes}"


def _entries(folder: Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _written(found: Signature) -> str:
    return "-".join(map(str, found))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a manifest lies, and its signature."""

    path: Path
    key: FileKey
    signature: str


def _is_unchanged(lake: Lake, place: _Place, loaded: LoadedFile | None, inventory: Inventory) -> bool:
    """Whether a partition is loaded as its manifest says; if not, it is noted in which way."""
    path = place.path
    text = path.read_bytes()
    digest = hashlib.sha256(text).hexdigest()
    if loaded and loaded.manifest_sha256 == digest and loaded.events_sha256:
        inventory.unchanged += 1
        if place.signature != loaded.manifest_signature:
            inventory.touched[place.key] = place.signature
        return True
    manifest = EventsManifest.read(path)
    if manifest is None or path.read_bytes() != text:
        raise LakeError("the manifest was replaced while it was read; the next sync takes it")
    if loaded is None and (manifest.connection, manifest.stream) != (place.key.connection, place.key.stream):
        inventory.copies.add(path.parent)
        return False
    if FileKey(manifest.connection, manifest.stream, manifest.partition) != place.key:
        raise LakeError("the manifest is of another partition than its place says")
    found = FoundFile(
        place.key,
        path.with_suffix(".parquet"),
        lake.rejects_file(manifest.key, manifest.partition),
        lake.attributes_file(manifest.key, manifest.partition),
        manifest,
        text.decode(),
        digest,
        place.signature,
    )
    for file, stated in found.files.items():
        inventory.seen[file] = signature(file)
        if problem := mismatch(file, stated):
            inventory.break_off(found, BrokenFile(lake.relative(file), problem))
            return False
    if loaded is None:
        inventory.added.append(found)
    elif loaded.events_sha256 == manifest.events.sha256:
        inventory.restated.append(found)
    else:
        inventory.replaced.append(found)
    return False


def events_path(lake: Lake, key: FileKey) -> Path:
    """The events file of a partition."""
    # The vendor's name is no part of where a file lies.
    return lake.events_file(StreamKey("", key.connection, key.stream), key.partition)


def mismatch(file: Path, stated: ParquetFile) -> str:
    """In which way a file is not what its manifest says; empty if it is."""
    try:
        size = file.stat().st_size
        if size != stated.bytes:
            return f"it has {size} bytes, its manifest says {stated.bytes}: cut off, or being replaced just now"
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        return f"it can't be read ({text_of(error)}), and a manifest names it"
    return "" if digest == stated.sha256 else "its content is not what its manifest vouches for (sha256)"
