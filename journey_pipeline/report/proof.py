"""The page and the CSV for an auditor: each partition from the vendor's estimate to the warehouse, and totals.

Not here: where the figures come from (`cli/proof.py`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields

from journey_pipeline import __version__
from journey_pipeline.report.page import Page
from journey_pipeline.report.part import Answered, Part

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
MOST_ROWS = 2_000
SOUND = frozenset({"complete", "empty"})


@dataclass(frozen=True, slots=True)
class Line:
    """A partition's figures. Those that another partition's answer covers have figures there alone.

    Attributes:
        state: As `status` counts it: complete, landed, missing, expired or empty.
        covered_by: The partition whose answer holds this one.
        estimate: The vendor's own figure; None where it gives none.
        landed: Records in the answers that events were made of.
        kept: Events and rejects of answers that can no longer be read, which are kept.
        people: Records that tell of a person, and of no event.
        repeated: Records whose key another record of the partition has.
        difference: Landed and kept records that are none of events, people, rejected or repeated.
        in_warehouse: Events in the published warehouse that came from this partition.
        from_others: Events in the published warehouse that an overlapping partition brought, too.
        says: What is missing or disagrees.
        hours_left: How long a missing partition can still be had; None if it is not missing, or gone.
        checksums: SHA-256 of each landed file.
    """

    stream: str
    partition: str
    state: str
    covered_by: str | None = None
    estimate: int | None = None
    landed: int = 0
    kept: int = 0
    events: int = 0
    people: int = 0
    rejected: int = 0
    repeated: int = 0
    difference: int = 0
    in_warehouse: int = 0
    from_others: int = 0
    says: str = ""
    hours_left: float | None = None
    landed_at: str = ""
    checksums: str = ""

    @property
    def is_sound(self) -> bool:
        """Whether nothing of it is missing or disagrees."""
        return self.state in SOUND and not self.says and not self.difference


@dataclass(frozen=True, slots=True)
class Proof:
    """What an auditor gets.

    Attributes:
        disagreements: Totals that should agree and don't, as sentences.
        limits: What is not guaranteed: the stream, and a sentence.
        made_at: When, UTC.
    """

    lines: Sequence[Line]
    disagreements: Sequence[str]
    limits: Sequence[tuple[str, str]]
    made_at: str

    @property
    def holds(self) -> bool:
        """Whether nothing is missing and all totals agree."""
        return not self.disagreements and all(line.is_sound for line in self.lines)


_FIGURES = ("landed", "kept", "events", "people", "rejected", "repeated", "difference", "in_warehouse", "from_others")
_ADDS_UP = (
    "landed + kept = events + people + rejected + repeated + difference, and difference is 0. "
    "events = in warehouse + from others."
)


def proof_page(proof: Proof) -> Page:
    """The page."""
    unsound = [line for line in proof.lines if not line.is_sound]
    landed = [line for line in proof.lines if line.state in SOUND]
    events = sum(line.in_warehouse for line in proof.lines)
    parts = [
        Part("Totals", f"By stream. {_ADDS_UP}", _totals(proof.lines)),
        Part("Missing or in disagreement", "None." if not unsound else "By partition.", _table(unsound)),
        Part(
            "What is not guaranteed",
            "The figures above compare what the vendor said with what is here. They say nothing of what it never told.",
            Answered("", ("stream", "limit"), list(proof.limits)),
        ),
        Part(
            "All partitions",
            f"Each with the checksums of its files. {_ADDS_UP}",
            _table(proof.lines),
            most_rows=MOST_ROWS,
        ),
    ]
    return Page(
        title="Proof of completeness",
        head=[
            f"{len(proof.lines):,} partitions, made {proof.made_at} UTC.",
            "Nothing is missing, and all totals agree." if proof.holds else "",
        ],
        wrong=[
            *proof.disagreements,
            *([_counted(len(unsound))] if unsound else []),
        ],
        figures=[
            ("Complete", f"{len(landed):,}", f"of {len(proof.lines):,} partitions"),
            ("Missing", f"{len(proof.lines) - len(landed):,}", "or without events"),
            ("Landed", f"{sum(line.landed for line in proof.lines):,}", "records"),
            ("In the warehouse", f"{events:,}", "events"),
        ],
        parts=parts,
        foot=f"Made by journey_pipeline {__version__}. `journey-pipeline proof` makes it again.",
    )


def _counted(unsound: int) -> str:
    return (
        "1 partition is missing or disagrees." if unsound == 1 else f"{unsound:,} partitions are missing or disagree."
    )


def _totals(lines: Iterable[Line]) -> Answered:
    by_stream: dict[str, list[Line]] = {}
    for line in lines:
        by_stream.setdefault(line.stream, []).append(line)
    rows = [
        (
            stream,
            len(of_it),
            sum(line.state in SOUND for line in of_it),
            *(sum(getattr(line, figure) for line in of_it) for figure in _FIGURES),
        )
        for stream, of_it in by_stream.items()
    ]
    return Answered("", ("stream", "partitions", "complete", *_FIGURES), rows)


def _table(lines: Iterable[Line]) -> Answered:
    return Answered("", tuple(field.name for field in fields(Line)), [astuple(line) for line in lines])


def proof_csv(proof: Proof) -> str:
    """One line a partition. A text that a spreadsheet would take for a formula has an apostrophe before it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    table = _table(proof.lines)
    writer.writerow(table.columns)
    writer.writerows([_harmless(value) for value in row] for row in table.rows)
    return text.getvalue()


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
