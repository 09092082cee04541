"""Complete partitions of a stream, remembered as long as their files stay the same.

Missing, expired and damaged partitions are looked at each time. A memo covers a month, so that a look at the last weeks
reads little. A lost, damaged or outdated memo costs time and nothing else. Not here: the finding (`plan.py`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from journey_pipeline import __version__
from journey_pipeline import lake as lake_package
from journey_pipeline import normalize as normalize_package
from journey_pipeline.errors import LakeError
from journey_pipeline.files import Signature, is_settled, present_ns, signature_of, write_bytes
from journey_pipeline.lake.landing import read_holder
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline.model import Window
from journey_pipeline.vendors.source import Stream

_ANY = "\0"
_MONTH = len("2026-11")
_CODE = tuple(Path(file).parent for file in (__file__, lake_package.__file__, normalize_package.__file__))


class Entry(NamedTuple):
    """A partition that has landed, as it was found before it was looked at.

    Attributes:
        holder: The partition that holds its answers: itself, or the one that covers it.
        parts: The landed files that count, below the holder's landing.
        files: A digest of which files lay there; empty if one is so new that another one may follow and look the same.
        judged: By which settings no error was found in it; empty if it was not judged, or there was one.
    """

    holder: str
    parts: tuple[str, ...]
    files: str
    judged: str = ""


UNSEEN = Entry("", (), "")


@dataclass(slots=True)
class Memo:
    """The remembered states of a stream's partitions.

    Attributes:
        of: Of which code, recipe and vendor it is.
    """

    lake: Lake
    stream: Stream
    of: str
    _months: dict[str, dict[str, Entry]] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)

    @classmethod
    def open(cls, lake: Lake, stream: Stream) -> Memo:
        """The memo as it was kept; an empty one if it can't be used."""
        made_by = digest_of(*_CODE)
        return cls(lake, stream, f"2 {__version__} {made_by} {stream.recipe.digest} {stream.key.vendor}")

    def recall(self, windows: Iterable[Window]) -> dict[Window, Entry]:
        """The partitions that were found complete and whose files are the same; of others nothing is known any more."""
        places = _Places.of(self.lake, self.stream)
        known = {}
        for window in windows:
            partition = window.partition
            remembered = self._month(partition)
            entry = remembered.get(partition)
            if entry and entry.files == _digest(places.sign(partition, entry.holder, entry.parts)):
                known[window] = entry
            elif entry:
                del remembered[partition]
                self._changed.add(partition[:_MONTH])
        return known

    def look(self, windows: Iterable[Window]) -> dict[Window, Entry]:
        """The entries to keep for partitions if they prove complete; none for partitions that have not landed."""
        begun_ns = present_ns()  # before any file is looked at, which a later present would make look older
        places, found = _Places.of(self.lake, self.stream), {}
        for window in windows:
            with suppress(LakeError):  # the survey says so
                if holder := read_holder(self.lake, self.stream.key, window.partition):
                    parts = tuple(f"{one.attempt}/{file.name}" for one in holder.active for file in one.files)
                    signed = places.sign(window.partition, holder.partition, parts)
                    is_old = all(one is None or is_settled(one, begun_ns) for one in signed)
                    found[window] = Entry(holder.partition, parts, _digest(signed) if is_old else "")
        return found

    def keep(self, complete: Mapping[Window, Entry]) -> None:
        """Remembers partitions that were found complete, for the next time, where the disk allows."""
        for window, entry in complete.items():
            partition = window.partition
            remembered = self._month(partition)
            if entry.files and remembered.get(partition) != entry:
                remembered[partition] = entry
                self._changed.add(partition[:_MONTH])
        for month in self._changed:
            with suppress(OSError):  # the next look then takes longer
                content = {"of": self.of, "complete": self._months[month]}
                write_bytes(self.lake.survey_memo(self.stream.key, month), json.dumps(content).encode())

    def _month(self, partition: str) -> dict[str, Entry]:
        month = partition[:_MONTH]
        if month not in self._months:
            self._months[month] = {}
            with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                content = json.loads(self.lake.survey_memo(self.stream.key, month).read_bytes())
                if content["of"] == self.of:
                    self._months[month] = {
                        partition: Entry(str(holder), tuple(map(str, parts)), str(files), str(judged))
                        for partition, (holder, parts, files, judged) in content["complete"].items()
                    }
        return self._months[month]


@cache
def digest_of(*folders: Path) -> str:
    """A digest of the modules in some folders: what they find may be other than what they found before a change."""
    modules = sorted(module for folder in folders for module in folder.glob("*.py"))
    return hashlib.sha256(b"".join(hashlib.sha256(module.read_bytes()).digest() for module in modules)).hexdigest()[:16]


def judged_by(stream: Stream, settings: LoadSettings) -> str:
    """A digest of the settings that decide which claims hold, whichever class they are of."""
    deciding = settings.tolerance.model_dump(), stream.reach, stream.claims
    return hashlib.sha256(repr(deciding).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _Places:
    """Prefixes and suffixes of a partition's paths. Making each path anew takes longer.

    Attributes:
        always: Around the manifest of its landing, that of its events, and their file.
        beside: Around what may lie beside that, and the names that do: most partitions have nothing there.
    """

    landing: tuple[str, str]
    always: tuple[tuple[str, str], ...]
    beside: tuple[tuple[tuple[str, str], frozenset[str]], ...]

    @classmethod
    def of(cls, lake: Lake, stream: Stream) -> _Places:
        """Those of a stream, now."""
        key = stream.key
        always = (lake.landing_manifest(key, _ANY), lake.events_manifest(key, _ANY), lake.events_file(key, _ANY))
        beside = (lake.rejects_file(key, _ANY), lake.attributes_file(key, _ANY), lake.populations_file(key, _ANY))
        return cls(
            _around(lake.landing_dir(key, _ANY)),
            tuple(map(_around, always)),
            tuple((_around(place), partitions_in(place.parent)) for place in beside),
        )

    def sign(self, partition: str, holder: str, parts: Iterable[str]) -> list[Signature | None]:
        """The signatures of a partition's files now."""
        signed = [_sign(holder.join(around)) for around in self.always]
        signed += [_sign(holder.join(around)) if holder in there else None for around, there in self.beside]
        if partition != holder:
            signed.append(_sign(partition.join(self.always[0])))
        folder = holder.join(self.landing)
        return signed + [_sign(f"{folder}/{part}") for part in parts]


def _around(path: Path) -> tuple[str, str]:
    before, _, after = str(path).partition(_ANY)
    return before, after


def partitions_in(folder: Path) -> frozenset[str]:
    """The partitions that have a file or a folder there, by names alone."""
    with suppress(FileNotFoundError, NotADirectoryError):
        return frozenset(file.stem for file in folder.iterdir())
    return frozenset()


def _sign(path: str) -> Signature | None:
    try:
        return signature_of(os.stat(path))  # noqa: PTH116 - a `Path` takes four times as long
    except OSError:
        return None


def _digest(signed: list[Signature | None]) -> str:
    return hashlib.sha256(repr(signed).encode()).hexdigest()[:32]
