"""Writes pages to files.

Not here: what is on them (`journey.py`, `index.py`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from journey_pipeline.files import naming_disk_troubles, write_bytes
from journey_pipeline.report.funnel import thumbnail
from journey_pipeline.report.index import ask_journeys, index_page
from journey_pipeline.report.journey import (
    STEPS,
    Journey,
    Span,
    check_published,
    find_journey,
    journey_page,
    known_journeys,
)
from journey_pipeline.report.page import Page, html
from journey_pipeline.warehouse.questions import Published

FOLDER = "reports"
_NAME_LETTERS = 40


@dataclass(frozen=True, slots=True)
class Written:
    """A journey's page.

    Attributes:
        thumbnail: Its funnel, as SVG.
    """

    file: Path
    thumbnail: str


def write_index(published: Published, span: Span, home: Path, out: Path | None = None) -> Path:
    """Writes the page of all journeys, and gives its place."""
    check_published(published, span)
    return _write(index_page(ask_journeys(published, span)), home / FOLDER / "index.html", out)


def write_journeys(
    published: Published, wanted: Sequence[str], span: Span, home: Path, out: Path | None = None
) -> list[Written]:
    """Writes a page for each journey that a person calls so; `out` is for a single one.

    Raises:
        ConfigError: If there is no such journey or time zone.
    """
    check_published(published, span)
    known = known_journeys(published)
    return [_write_journey(published, find_journey(known, name), span, home, out) for name in wanted]


def _write_journey(published: Published, journey: Journey, span: Span, home: Path, out: Path | None) -> Written:
    page = journey_page(published, journey, span)
    steps = next(part.answered for part in page.parts if part.title == STEPS)
    return Written(_write(page, home / FOLDER / _file_name(journey), out), thumbnail(steps))


def _write(page: Page, usual: Path, out: Path | None) -> Path:
    place = out or usual
    with naming_disk_troubles(f"writing {place.name}", place.parent, "--out" if out else None):
        write_bytes(place, html(page).encode())
    return place


def _file_name(journey: Journey) -> str:
    """Letters, digits and dashes of the name, and of the root id what makes it unique."""
    name = re.sub("[^a-z0-9]+", "-", journey.name.lower())[:_NAME_LETTERS].strip("-")
    root = hashlib.sha256(f"{journey.connection}/{journey.root}".encode()).hexdigest()[:8]
    return "-".join(filter(None, (journey.connection, name, f"{root}.html")))
