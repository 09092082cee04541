"""The two manifests of a partition: what has landed, and what the events file made of it.

They are the lake's only truth: a file that no manifest names does not count. Not here: paths (`layout.py`), atomic
writes (`files.py`).
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from journey_pipeline.errors import LakeError, text_of
from journey_pipeline.files import naming_disk_troubles, refusal, sha256_of, write_bytes
from journey_pipeline.lake.layout import selection_at
from journey_pipeline.model import CLOCK_DIFFERENCE, StreamKey
from journey_pipeline.recipe import Twin

DAMAGED = "damaged: "
"""How the reason of an answer begins that is set aside for its bytes: it counts again once these are put back."""
WARNINGS = "warnings"
"""Under which an attempt's answers keep what was odd about a file when it was taken in."""


class Document(BaseModel):
    """A small JSON file of the lake: written whole or not at all, read tolerantly of fields that came later."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The document at a path, or None if there is none.

        Raises:
            LakeError: If it is there and can't be read or understood; says what heals it.
        """
        try:
            text = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except IsADirectoryError as error:
            raise LakeError(refusal(error, path)) from error
        except OSError as error:
            raise LakeError(
                f"{path} can't be read ({text_of(error)}). Let this user read it, or check the disk."
            ) from error
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the document"
            span = selection_at(path)
            raise LakeError(
                f"{path} is not a {cls.__name__}: {where}: {first['msg']}. It is damaged: "
                f"`journey-pipeline normalize {span}` makes it again, an events manifest from the landing, a landing "
                "manifest from the notes beside its files; so does pulling the partition again with "
                f"`journey-pipeline backfill {span} --again`."
            ) from error

    def write(self, path: Path) -> None:
        """Puts the document in place, whole or not at all.

        Raises:
            LakeError: If the disk refuses; says which file, and what to do.
        """
        with naming_disk_troubles(f"writing {path}", path):
            write_bytes(path, self.content)

    @property
    def content(self) -> bytes:
        """The document as it lies in the lake."""
        return self.model_dump_json(indent=1).encode() + b"\n"


class LandedFile(Document):
    """One file of an attempt, as it lies in the landing.

    Attributes:
        name: File name inside the attempt's folder.
        sha256: Of the bytes as they lie there.
        bytes: Size as it lies there.
        raw_bytes: Size after inflating.
        rows: Records counted while landing, the header not counted.
        received_as: How the vendor sent it, `gzip` or `identity`. Where it lies in the same way, these are its bytes.
        counted_at: What the connection said of where the records are, by which they were counted.
        columns: The header as the vendor sent it.
        window: The part of the partition's window that was asked for, as `start/end`.
    """

    name: str
    sha256: str
    bytes: int
    raw_bytes: int
    rows: int
    received_as: str
    counted_at: dict[str, str] = {}
    columns: tuple[str, ...] = ()
    window: str | None = None

    def damage_at(self, path: Path, *, by_content: bool) -> str:
        """How a file differs from this entry, with its path; empty if not. `by_content` hashes it."""
        try:
            size = path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return f"{path} is missing"
        if size != self.bytes:
            return f"{path} has {size} of {self.bytes} bytes, other content than landed"
        if not by_content:
            return ""
        return "" if sha256_of(path) == self.sha256 else f"{path} has other content than landed"


class Attempt(Document):
    """One complete answer for a partition.

    Attributes:
        attempt: The folder's name: a UTC time and a random suffix, so that names sort by time.
        started_at: When the first request was sent.
        landed_at: When the last file was complete.
        dated: What the vendor's clock said of the last file, as far as it can be believed; None in notes of earlier
            versions.
        request: What was asked, without secrets.
        constants: Columns that were not downloaded because the request made them constant, and their values.
        estimate_rows: What the vendor said the window holds, if it said so.
        answers: What else the vendor said, such as its raw estimate.
        files: The parts, in order.
        superseded: True once all of its events are known to be in a newer attempt.
        unreadable: Why it is set aside, if no events can be made of it; its files stay.
        covers: Other partitions that it holds too; None in notes of earlier versions.
    """

    attempt: str
    started_at: AwareDatetime
    landed_at: AwareDatetime
    dated: AwareDatetime | None = None
    package_version: str
    request: dict[str, Any] = {}
    constants: dict[str, str] = {}
    estimate_rows: int | None = None
    answers: dict[str, Any] = {}
    files: tuple[LandedFile, ...] = ()
    superseded: bool = False
    unreadable: str = ""
    covers: tuple[str, ...] | None = None

    @property
    def answered_by(self) -> datetime:
        """Up to when the answer may tell: by the later of the two clocks, and what they may differ."""
        return max(self.landed_at, self.dated or self.landed_at) + CLOCK_DIFFERENCE

    @property
    def rows(self) -> int:
        """How many records landed."""
        return sum(file.rows for file in self.files)

    def damage_in(self, folder: Path, *, by_content: bool) -> str:
        """How a file of it differs from what landed, in a partition's folder; empty if none does."""
        parts = ((file, folder / self.attempt / file.name) for file in self.files)
        return next(filter(None, (file.damage_at(path, by_content=by_content) for file, path in parts)), "")


class Note(Attempt):
    """A copy of an attempt's entry in the manifest, beside its files. A lost manifest is made again from these.

    Attributes:
        of: Stream and partition that it landed for; empty in notes of earlier versions.
    """

    of: str = ""


class LandingManifest(Document):
    """All attempts of one partition, oldest first. Answers add to it and never take away.

    Attributes:
        covered_by: The partition whose landing covers this one too; it counts where no attempt of its own can be read.
        covered_in: The attempts of that landing that hold this one; empty in manifests of earlier versions.
    """

    format: int = 1
    vendor: str
    connection: str
    stream: str
    partition: str
    window: str
    attempts: tuple[Attempt, ...] = ()
    covered_by: str | None = None
    covered_in: tuple[str, ...] = ()

    @property
    def key(self) -> StreamKey:
        """The stream it belongs to."""
        return StreamKey(self.vendor, self.connection, self.stream)

    @property
    def active(self) -> tuple[Attempt, ...]:
        """The attempts that events are made from, oldest first."""
        return tuple(attempt for attempt in self.attempts if not attempt.superseded and not attempt.unreadable)

    @property
    def candidates(self) -> tuple[Attempt, ...]:
        """The attempts that events are made from if they can be read, oldest first."""
        return tuple(attempt for attempt in self.attempts if not attempt.superseded)

    @property
    def set_aside(self) -> tuple[Attempt, ...]:
        """The attempts that can't be read, oldest first."""
        return tuple(attempt for attempt in self.attempts if attempt.unreadable)

    @property
    def lost_answer(self) -> str:
        """Why none of its answers can be read; empty if one can, or it has none."""
        if self.active or not self.set_aside:
            return ""
        return self.set_aside[-1].unreadable.removeprefix(DAMAGED)

    def holds(self, covered: LandingManifest) -> bool:
        """Whether an attempt that can be read holds another partition that says this landing covers it.

        One that was superseded does: all of its events are in a newer one.
        """
        readable = {one.attempt for one in self.attempts if not one.unreadable}
        return bool(readable.intersection(covered.covered_in) if covered.covered_in else readable)

    def newest_in(self, events: EventsManifest) -> Attempt:
        """The newest attempt that events were made of; the newest one at all if that is gone."""
        made_of = (one for one in self.attempts if one.attempt == events.attempts[-1])
        return next(made_of, self.attempts[-1])

    def answers_until(self, attempt: Attempt) -> list[dict[str, Any]]:
        """The vendor's answers beside the files of an attempt and of each earlier one, the newest first.

        What the vendor no longer says may be what a file needs: it is told by the one before.
        """
        known = self.attempts[: self.attempts.index(attempt) + 1]
        return [one.answers for one in reversed(known)]


class ParquetFile(Document):
    """A Parquet file as its manifest vouches for it."""

    sha256: str
    bytes: int
    rows: int


class EventsManifest(Document):
    """The manifest of one partition's events file and the files beside it, with the figures that prove completeness.

    Attributes:
        attempts: The landing attempts it was made from, oldest first.
        recipe: Digest of the SQL and the code tables it was made with.
        landed_at: When the newest of the attempts landed.
        attributes: What that one says of people themselves; None if it says nothing, or the stream never does.
        populations: Whom files of the partition name as people of a journey; None if none does.
        landed: Records in the files of those attempts.
        people: Records that tell of a person, and of no event.
        masked: Values of people that are hidden with `*`, and count as none.
        duplicates: Records whose key another record of the partition has;
            `landed = events + people + rejects + duplicates`.
        unaccounted: Records that were counted while landing and are in none of the three, or the other way round when
            negative; 0 unless something is wrong.
        kept_events: Events of attempts that can no longer be read, which were made of them earlier and are kept; they
            are in `events` and not in `landed`.
        kept_rejects: Rejects that are kept in the same way.
        unreadable_attempts: Attempts that are set aside, since they can't be read.
        withdrawn: Events that only an older attempt has, of those that the newest one should have too.
        conflicts: Keys that came with two different contents in the same attempt.
        rejects_of_newest: Rejects of the newest attempt alone.
        lacking: How many events have no value, by column that every event of the stream should have; a column that was
            not asked for is left out.
        received_early: Events that were received more than 5 minutes before they happened.
        longest_early_s: By how many seconds the worst of them was.
        one_contact: Whether all events are of one contact, though not for that alone was asked.
        rounded_ids: Events with an id that the file has as a floating-point number of 2^53 or more.
        outside_window: Events whose time is neither in the partition's window nor where its answers may reach.
        first_at: The least `occurred_at`, or None if there are no events.
        last_at: The greatest.
        respelled_columns: Known columns whose names differ in case or blanks around them, as the files name them.
        unknown_columns: Columns of the files that the recipe does not know; kept in `properties`.
        mappings: The field that each column is read from, where the reader finds that out; of each attempt that has it
            another way than the one before, oldest first.
        missing_columns: Columns that the recipe knows and neither files nor constants have.
        unknown_codes: How many events carry a vendor code that no table decodes, by `column=value`.
        turns: Enters and exits, where a person's take turns.
        out_of_turn: Those of them that follow one of their own kind.
        warnings: What was odd about the files of those attempts when they were taken in.
        estimate_rows: The estimate of the newest attempt.
        covers: Later partitions without answers of their own, which these answers hold too.
        landing_bytes: Size of the landed files of those attempts.
        twin: The stream in which marts count events that both report, if the recipe names one.
    """

    format: int = 1
    vendor: str
    connection: str
    stream: str
    partition: str
    window: str
    attempts: tuple[str, ...]
    recipe: str
    package_version: str
    landed_at: AwareDatetime
    events: ParquetFile
    rejects: ParquetFile | None = None
    attributes: ParquetFile | None = None
    populations: ParquetFile | None = None
    landed: int
    people: int = 0
    masked: int = 0
    duplicates: int = 0
    unaccounted: int = 0
    kept_events: int = 0
    kept_rejects: int = 0
    unreadable_attempts: int = 0
    withdrawn: int = 0
    conflicts: int = 0
    rejects_of_newest: int = 0
    lacking: dict[str, int] = {}
    received_early: int = 0
    longest_early_s: int = 0
    one_contact: bool = False
    rounded_ids: int = 0
    outside_window: int = 0
    first_at: AwareDatetime | None = None
    last_at: AwareDatetime | None = None
    respelled_columns: tuple[str, ...] = ()
    unknown_columns: tuple[str, ...] = ()
    mappings: tuple[dict[str, str], ...] = ()
    missing_columns: tuple[str, ...] = ()
    unknown_codes: dict[str, int] = {}
    turns: int = 0
    out_of_turn: int = 0
    warnings: tuple[str, ...] = ()
    estimate_rows: int | None = None
    covers: tuple[str, ...] = ()
    landing_bytes: int = 0
    twin: Twin | None = None

    @property
    def key(self) -> StreamKey:
        """The stream it belongs to."""
        return StreamKey(self.vendor, self.connection, self.stream)
