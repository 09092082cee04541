"""Compares the lake with the loaded files: new, changed, missing and broken partitions.

A manifest that is byte for byte the loaded one vouches for what is loaded; only other partitions' files are read. It
is read itself only if its number, time or size differs from when it was read last.
Not here: what their rows must look like (`file_checks.py`), bringing them in (`merge.py`).
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from journey_pipeline.errors import LakeError, WarehouseError, text_of
from journey_pipeline.files import Signature, is_settled, present_ns, signature, signature_of, told_signature, written
from journey_pipeline.lake.layout import Lake, selection_at
from journey_pipeline.lake.manifest import EventsManifest, LandingManifest, ParquetFile
from journey_pipeline.model import StreamKey, is_partition
from journey_pipeline.warehouse.loaded import EVENTS, MANIFEST, NOTHING, FileKey, Loaded, LoadedFile, LoadedStream


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """A file of the lake that could not be used.

    Attributes:
        path: Below the home.
        problem: What is wrong, without any row's values.
        heal: What to do about it; of a partition's file empty.
        is_passing: Whether the next sync has it, because it was being replaced.
    """

    path: str
    problem: str
    heal: str = ""
    is_passing: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.heal or self._make_again}"

    @property
    def partition(self) -> str:
        """Whose file it is, as `connection/stream/partition`."""
        return Path(self.path).with_suffix("").as_posix().partition("/")[2]

    @property
    def _make_again(self) -> str:
        span = selection_at(Path(self.path))
        return (
            f"run `journey-pipeline normalize {span}`, or pull it again with `journey-pipeline backfill {span} --again`"
        )


@dataclass(frozen=True, eq=False, slots=True)
class FoundFile:
    """A partition of the lake whose manifest can be read. Equal only to itself, so that it can be a key.

    Attributes:
        rejects_path: Its rejects file, if the manifest names one.
        attributes_path: Its attributes file, if the manifest names one.
        populations_path: Its populations file, if the manifest names one.
        manifest_text: The same as it lies in the lake, so that what is stored depends on no version of the package.
        manifest_signature: Of its file; empty if that was written so lately that it tells nothing.
    """

    key: FileKey
    path: Path
    rejects_path: Path
    attributes_path: Path
    populations_path: Path
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
            self.populations_path: self.manifest.populations,
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
        copies: Copied folders, which hold another stream's files. They are not loaded.
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


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of `events/`, as one look found them.

    Attributes:
        begun_ns: When the look began.
        streams: The files' signatures, as `written` has them, by connection and stream, and by name.
    """

    begun_ns: int
    streams: Mapping[tuple[str, str], Mapping[str, str]]

    @classmethod
    def take(cls, lake: Lake) -> Listing:
        """Looks: a `stat` of each file."""
        begun_ns = present_ns()
        streams = {
            (connection.name, stream.name): _signatures(stream)
            for connection in _entries(lake.events_root)
            for stream in _entries(connection)
        }
        return cls(begun_ns, streams)

    def changed_since(self, lake: Lake) -> set[FileKey]:
        """The partitions of which a file came, went or was replaced since the look."""
        now = Listing.take(lake).streams
        changed = set()
        for stream in self.streams.keys() | now.keys():
            before, after = self.streams.get(stream, {}), now.get(stream, {})
            names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
            changed |= {FileKey(*stream, name.removesuffix(MANIFEST).removesuffix(EVENTS)) for name in names}
        return changed


def take_inventory(lake: Lake, loaded: Loaded, listing: Listing) -> Inventory:
    """Compares the lake with what is loaded.

    Args:
        listing: The files of the lake. Those that are there since then count at the next look.

    Raises:
        WarehouseError: If files are loaded and the events folder is not there at all: rather a disk that is not
            mounted than a wish to remove everything.
    """
    if loaded.streams and not lake.events_root.is_dir():
        raise WarehouseError(
            f"{lake.events_root} is missing, and {len(loaded)} of its partitions are loaded. Nothing was removed. "
            "Mount it, or point JOURNEY_PIPELINE_HOME to the lake."
        )
    inventory, differing, there = Inventory(), list[_Place](), Counter[tuple[str, str]]()
    lost: dict[FileKey, str] = {}
    for stream, files in listing.streams.items():
        known_here = loaded.streams.get(stream, NOTHING)
        there[stream], places = _look(lake, stream, listing, known_here)
        differing += places
        for name, size in known_here.events.items():
            if files.get(name, "").rpartition("-")[2] != size:
                lost[FileKey(*stream, name.removesuffix(EVENTS))] = size
    inventory.unchanged = there.total()
    known = loaded.look_up([place.key for place in differing]) if differing else {}
    there.update((key.connection, key.stream) for key in known)
    for stream, held in loaded.streams.items():
        if there[stream] < len(held.events):
            inventory.removed += _gone(lake, loaded, stream)
    inventory.removed.sort()
    for place in sorted(differing):
        try:
            _compare(lake, place, known.get(place.key), inventory)
        except (LakeError, OSError) as error:
            inventory.note_broken(BrokenFile(lake.relative(place.path), text_of(error)))
    _note_cut_off(lake, inventory, lost)
    if not (loaded.streams or inventory.unchanged or inventory.added or inventory.broken):
        _note_unmade(lake, inventory)
    return inventory


def _look(lake: Lake, stream: tuple[str, str], listing: Listing, known: LoadedStream) -> tuple[int, list[_Place]]:
    """How many manifests of a stream are told to be the loaded ones, and all others."""
    unchanged, differing = 0, []
    for name, found in listing.streams[stream].items():
        if not name.endswith(MANIFEST):
            continue
        if known.manifests.get(name) == found:
            unchanged += 1
        elif is_partition(partition := name.removesuffix(MANIFEST)):
            path = lake.events_root.joinpath(*stream, name)
            is_old = found and is_settled(told_signature(found), listing.begun_ns)
            differing.append(_Place(FileKey(*stream, partition), path, found if is_old else ""))
    return unchanged, differing


def _gone(lake: Lake, loaded: Loaded, stream: tuple[str, str]) -> list[FileKey]:
    """The loaded partitions of a stream without a manifest."""
    entries = _entries(lake.events_root.joinpath(*stream))
    there = {entry.name.removesuffix(MANIFEST) for entry in entries if entry.name.endswith(MANIFEST)}
    return [FileKey(*stream, partition) for partition in loaded.partitions(*stream) - there]


def _note_cut_off(lake: Lake, inventory: Inventory, suspects: Mapping[FileKey, str]) -> None:
    """Takes events files as broken that were loaded, and are not there in their size; without those looked at already.

    Of one that was written just now the manifest may follow.
    """
    begun_ns = present_ns()
    looked_at = {*inventory.removed, *(found.key for found in [*inventory.fresh, *inventory.restated])}
    for key, size in sorted(suspects.items()):
        if key in looked_at:
            continue
        file = events_path(lake, key)
        found = signature(file)
        if found is None:
            inventory.note_broken(BrokenFile(lake.relative(file), "its manifest names it, and it is missing"))
        elif found[2] != int(size) and is_settled(found, begun_ns):
            inventory.note_broken(BrokenFile(lake.relative(file), f"it has {found[2]} bytes, its manifest says {size}"))


def _note_unmade(lake: Lake, inventory: Inventory) -> None:
    """Names the connections of which partitions have landed, where no events of any are there or loaded."""
    for connection in _entries(lake.home / "raw"):
        if any(_holds_events(stream) for stream in _entries(connection)):
            heal = f"run `journey-pipeline normalize {connection.name}`"
            nothing = "there are none although partitions have landed, so the warehouse is empty"
            inventory.note_broken(BrokenFile(f"events/{connection.name}", nothing, heal))


def _holds_events(stream: os.DirEntry[str]) -> bool:
    """Whether events are made of what landed here: a vendor's list of journeys is landed without a request."""
    for partition in _entries(stream):
        with suppress(LakeError):  # `status` names it
            manifest = LandingManifest.read(Path(partition.path, "manifest.json"))
            if manifest and manifest.attempts:
                return bool(manifest.attempts[-1].request)
    return False


def _signatures(folder: os.DirEntry[str]) -> dict[str, str]:
    """The files of a folder. Tens of thousands of tuples instead of texts would keep the garbage collector busy."""
    found = {}
    for entry in _entries(folder):
        try:
            found[entry.name] = written(signature_of(entry.stat()))
        except OSError:  # it is looked at once more, by its path
            found[entry.name] = ""
    return found


def _entries(folder: Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


class _Place(NamedTuple):
    """A manifest: of which partition, where it lies, and its signature if that tells something."""

    key: FileKey
    path: Path
    signature: str


def _compare(lake: Lake, place: _Place, loaded: LoadedFile | None, inventory: Inventory) -> None:
    path = place.path
    text = path.read_bytes()
    digest = hashlib.sha256(text).hexdigest()
    if loaded and loaded.manifest_sha256 == digest and loaded.events_sha256:
        inventory.unchanged += 1
        if place.signature != loaded.manifest_signature:
            inventory.touched[place.key] = place.signature
        return
    manifest = EventsManifest.read(path)
    if manifest is None or path.read_bytes() != text:
        raise LakeError("the manifest was replaced during the read; the next sync loads it")
    if loaded is None and (manifest.connection, manifest.stream) != (place.key.connection, place.key.stream):
        inventory.copies.add(path.parent)
        return
    if FileKey(manifest.connection, manifest.stream, manifest.partition) != place.key:
        raise LakeError("the manifest belongs to another partition")
    found = FoundFile(
        place.key,
        path.with_suffix(".parquet"),
        lake.rejects_file(manifest.key, manifest.partition),
        lake.attributes_file(manifest.key, manifest.partition),
        lake.populations_file(manifest.key, manifest.partition),
        manifest,
        text.decode(),
        digest,
        place.signature,
    )
    for file, stated in found.files.items():
        inventory.seen[file] = signature(file)
        if problem := mismatch(file, stated):
            inventory.break_off(found, BrokenFile(lake.relative(file), problem))
            return
    if loaded is None:
        inventory.added.append(found)
    elif loaded.events_sha256 == manifest.events.sha256:
        inventory.restated.append(found)
    else:
        inventory.replaced.append(found)


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
    return "" if digest == stated.sha256 else "its content differs from its manifest (sha256)"
