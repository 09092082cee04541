"""The folders that dropped files go through, and which files may be taken up.

Not here: what is done with them (`intake.py`).
"""

from __future__ import annotations

import enum
import json
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from journey_pipeline.files import write_bytes
from journey_pipeline.model import Window

SETTLED_AFTER = timedelta(seconds=10)
TOLD_AFTER = timedelta(minutes=10)

LISTS = (".csv", ".csv.gz")
_UNFINISHED = (".part", ".tmp", ".crdownload")
_PACKED = (".zip", ".7z", ".rar", ".tar", ".tgz", ".gz", ".xls", ".xlsx")
BESIDE = ".json"
_LONGEST_BESIDE = 1 << 16
_LONGEST_NAME = 200  # bytes: others stand beside it, with longer names
_OWNER = 0o700


class Fate(enum.Enum):
    """What was done with a file."""

    LANDED = "landed"
    KNOWN = "already had"
    REFUSED = "refused"
    FAILED = "failed"  # for a reason that is not the file's: it is taken up again
    WAITS = "waits"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Taken:
    """A file, and what was done with it.

    Attributes:
        says: Why, or what a person should know of it.
        window: The partition that holds it, if one does.
        rows: How many records landed.
        since: When it was first seen, if it waits.
        is_young: Whether it waits for no more than that it stays as it is.
    """

    name: str
    fate: Fate
    says: str = ""
    window: Window | None = None
    rows: int = 0
    since: datetime | None = None
    is_young: bool = False


@dataclass(frozen=True, slots=True)
class DropFolder:
    """The folders that files go through."""

    root: Path

    def __getitem__(self, name: str) -> Path:
        return self.root / name

    def make(self) -> None:
        """Makes the folders; only their owner may look into them."""
        for folder in (self.root, *map(self.__getitem__, ("incoming", "processing", "done", "quarantine"))):
            folder.mkdir(mode=_OWNER, parents=True, exist_ok=True)
            folder.chmod(_OWNER)

    @property
    def waiting(self) -> list[Path]:
        """All that lies in `incoming/`, but hidden files."""
        if not self["incoming"].is_dir():
            return []
        return sorted(path for path in self["incoming"].iterdir() if not path.name.startswith("."))

    @property
    def claimed(self) -> list[Path]:
        """The files that an intake has claimed, without those beside them."""
        return sorted(path for path in self["processing"].iterdir() if is_list(path) or is_packed(path))


def why_not_claimed(path: Path, held: set[str]) -> Taken | None:
    """Why a file is not to be claimed; None if it may be."""
    if len(os.fsencode(path.name)) > _LONGEST_NAME or not path.name.isprintable():
        says = f"rename it: its name has more than {_LONGEST_NAME} bytes, or a letter that can't be shown"
        return Taken(shown_name(path), Fate.IGNORED, says)
    if not stat.S_ISREG(path.lstat().st_mode):
        return Taken(path.name, Fate.IGNORED, "it is no regular file")
    name = path.name.lower()
    if name.endswith(_UNFINISHED):
        return Taken(path.name, Fate.WAITS, "its name says that it is not whole yet")
    if name.endswith(BESIDE):
        return Taken(path.name, Fate.WAITS, "" if path.name[: -len(BESIDE)] in held else "no list lies beside it")
    if is_list(path) or is_packed(path):
        return None
    return Taken(path.name, Fate.IGNORED, f"its name ends in none of {', '.join(LISTS)}")


def shown_name(path: Path) -> str:
    """The name of a file as any terminal and log takes it."""
    return "".join(letter if letter.isprintable() else "?" for letter in path.name)


def is_list(path: Path) -> bool:
    """Whether a file is one that can be read, by its name."""
    return path.name.lower().endswith(LISTS)


def is_packed(path: Path) -> bool:
    """Whether a file is an archive or a spreadsheet, by its name; it is refused."""
    return path.name.lower().endswith(_PACKED)


def beside_it(path: Path) -> Path | None:
    """The document beside a file, if there is one."""
    found = path.with_name(f"{path.name}{BESIDE}")
    return found if found.is_file() and not found.is_symlink() else None


def read_document(path: Path | None) -> bytes | None:
    """Its content, of a large one the start; None if there is no document."""
    if path is None:
        return None
    with path.open("rb") as file:
        return file.read(_LONGEST_BESIDE)


def is_unchanged(path: Path, now: datetime) -> bool:
    """Whether nothing changed a file for a while. No program can set the time that tells it."""
    return datetime.fromtimestamp(path.stat().st_ctime, UTC) <= now - SETTLED_AFTER


def free_place(folder: Path, name: str) -> Path:
    """A place in a folder under a name, or under the name with a number if it is taken."""
    stem, dot, suffixes = name.partition(".")
    number = 1
    place = folder / name
    while place.exists():
        number += 1
        place = folder / f"{stem}~{number}{dot}{suffixes}"
    return place


@dataclass(frozen=True, slots=True)
class Seen:
    """Since when files lie in `incoming/` that were not claimed.

    Attributes:
        known: By name, when it was first seen.
    """

    file: Path
    known: dict[str, str]

    @classmethod
    def read(cls, file: Path) -> Seen:
        """What an earlier intake saw."""
        try:
            known = json.loads(file.read_bytes())
        except (FileNotFoundError, ValueError):
            known = {}
        return cls(file, known if isinstance(known, dict) else {})

    def keep(self, there: set[str]) -> None:
        """Forgets files that are gone."""
        kept = {name: since for name, since in self.known.items() if name in there}
        if kept or self.file.exists():
            write_bytes(self.file, json.dumps(kept).encode())
