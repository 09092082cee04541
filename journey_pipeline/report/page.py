"""The HTML of a page: one file with its data, its style and its scripts, which asks no network for anything.

The data is JSON with `<` escaped, so that no name can end the script that holds it. Not here: what a page says
(`journey.py`, `index.py`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from journey_pipeline.report.part import Part

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says, from top to bottom.

    Attributes:
        head: Lines below the title.
        wrong: Lines about what is incomplete.
        figures: Name, value and a remark of each.
        foot: The last line.
    """

    title: str
    head: Sequence[str]
    wrong: Sequence[str]
    figures: Sequence[tuple[str, str, str]]
    parts: Sequence[Part]
    foot: str


def html(page: Page) -> str:
    """The page as one HTML file."""
    told = {
        "title": page.title,
        "head": page.head,
        "wrong": page.wrong,
        "figures": page.figures,
        "parts": [part.as_json() for part in page.parts],
        "foot": page.foot,
    }
    echarts = _text("echarts/echarts.js") if any(part.plot for part in page.parts) else ""
    script = _text("page.js")
    filled = {
        "{script_hashes}": " ".join(map(_hash, (echarts, script))),
        "{style}": _text("page.css"),
        "{data}": json.dumps(told, default=str, separators=(",", ":")).replace("<", "\\u003c"),
        "{echarts}": echarts,
        "{script}": script,
    }
    # In one pass: a name that looks like a place stays a name.
    return re.sub("|".join(map(re.escape, filled)), lambda place: filled[place[0]], _text("page.html"))


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
