"""A part of a page: a question with its SQL and its answer, as a table and perhaps as a plot.

Names of journeys and steps are untrusted text. They go into the page as JSON alone, and its script sets them as text.
Not here: the plots (`sankey.py`, `funnel.py`, `over_time.py`), the page (`page.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from journey_pipeline.sql import literal
from journey_pipeline.warehouse.questions import Published

TABLE_ROWS = 300
LABEL_LETTERS = 44
_SQL = Path(__file__).parent / "sql"
Option = Mapping[str, Any]
"""What ECharts draws: https://echarts.apache.org/en/option.html."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A question as it was asked, and its answer."""

    sql: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The rows, by name of column."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot.

    Attributes:
        height: In pixels.
        width: The least width in pixels; a narrower page scrolls it.
        says: What a person who does not see it is told.
    """

    option: Option
    height: int
    says: str
    width: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a page, with a heading."""

    title: str
    says: str
    answered: Answered
    plot: Plot | None = None
    most_rows: int = TABLE_ROWS

    def as_json(self) -> dict[str, Any]:
        """What the page's script needs of it."""
        plot = self.plot
        return {
            "title": self.title,
            "says": self.says,
            "sql": self.answered.sql,
            "columns": [name.replace("_", " ") for name in self.answered.columns],
            "rows": self.answered.rows[: self.most_rows],
            "all": len(self.answered.rows),
            "plot": plot and {"option": plot.option, "height": plot.height, "width": plot.width, "says": plot.says},
        }


def ask(published: Published, name: str, values: Mapping[str, str]) -> Answered:
    """Asks the question of a file in `sql/`, with values in place of its `{names}`.

    Its first line is a comment: `journey-pipeline query` would take it for an option.
    """
    _, _, sql = (_SQL / f"{name}.sql").read_text(encoding="utf-8").partition("\n")
    for value in values:
        sql = sql.replace(f"{{{value}}}", literal(values[value]))
    columns, rows = published.ask(sql)
    return Answered(sql, columns, rows)


def names_axis(names: Iterable[object], width_px: int = 240) -> dict[str, Any]:
    """The axis of a plot with a bar, or some, for each name, the first one on top."""
    return {
        "type": "category",
        "inverse": True,
        "data": [label(name) for name in names],
        "axisTick": {"show": False},
        "axisLabel": {"width": width_px, "overflow": "truncate", "interval": 0},
    }


def label(name: object) -> str:
    """A name for a plot: in one line, and cut where it is long. The tables have it as it is."""
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in str(name or "")).split())
    if len(text) > LABEL_LETTERS:
        text = text[: LABEL_LETTERS - 1] + "…"
    return text or "(no name)"
