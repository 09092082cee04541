"""The page of all journeys.

Not here: one journey (`journey.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from journey_pipeline import __version__
from journey_pipeline.report.journey import Span
from journey_pipeline.report.page import Page
from journey_pipeline.report.part import Answered, Part, Plot, ask, names_axis
from journey_pipeline.warehouse.questions import Published

MOST_BARS = 25
_BAR_PX, _AXIS_PX = 26, 40


def ask_journeys(published: Published, span: Span) -> Answered:
    """All journeys that were entered, with their figures, the busiest first."""
    return ask(published, "journeys", span.values)


def index_page(answered: Answered) -> Page:
    """All journeys, the busiest first."""
    rows = list(answered)
    entered = sum(row["entered"] for row in rows)
    connections = sorted({row["connection"] for row in rows})
    return Page(
        title="Journeys",
        head=[f"{len(rows):,} journeys. Connections: {', '.join(connections) or 'none'}."],
        wrong=[],
        figures=[
            ("Entered", f"{entered:,}", ""),
            ("Open", f"{sum(row['open'] for row in rows):,}", ""),
            ("Finished", _told(rows, "finished"), ""),
            ("Failed", _told(rows, "failed"), ""),
        ],
        parts=[Part("All journeys", "Enrolments over all versions.", answered, _bars(answered))],
        foot=f"Made by journey_pipeline {__version__}. `journey-pipeline report CONNECTION/ROOT` makes one of them.",
    )


def _told(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """The sum of a figure over the journeys whose vendor tells it; a dash if none does."""
    told = [row[name] for row in rows if row[name] is not None]
    return f"{sum(told):,}" if told else "-"


def _bars(answered: Answered) -> Plot | None:
    busiest = [row for row in answered if row["entered"]][:MOST_BARS]
    if not busiest:
        return None
    option = {
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}},
        "grid": {"left": 8, "right": 70, "top": 8, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "value", "minInterval": 1, "splitNumber": 4, "axisLabel": {"hideOverlap": True}},
        "yAxis": names_axis([f"{row['name']} ({row['connection']})" for row in busiest], width_px=280),
        "series": [
            {
                "type": "bar",
                "name": "entered",
                "itemStyle": {"color": "#4c78a8"},
                "label": {"show": True, "position": "right"},
                "data": [row["entered"] for row in busiest],
            }
        ],
    }
    return Plot(option, _AXIS_PX + _BAR_PX * len(busiest), f"The {len(busiest)} with the most entries.")
