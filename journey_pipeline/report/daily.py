"""Enrolments by day of entry, as lines."""

from __future__ import annotations

from datetime import timedelta

from journey_pipeline.report.part import Answered, Plot

# Dashes and marks tell the lines apart without colour.
_LINES = {
    "entered": ("#4c78a8", "solid", "circle"),
    "finished": ("#3a9d6e", "dashed", "rect"),
    "open": ("#c98a1b", "dotted", "triangle"),
    "failed": ("#d1495b", "solid", "diamond"),
    "converted": ("#8f6bc1", "dashed", "roundRect"),
}
_PX = 300


def daily(answered: Answered) -> Plot | None:
    """A line for those that entered, and for each way in which they ended; a day without entries is 0."""
    by_day = {row["day"]: row for row in answered}
    if not by_day:
        return None
    first = min(by_day)
    days = [first + timedelta(days=n) for n in range((max(by_day) - first).days + 1)]
    drawn = [name for name in _LINES if name == "entered" or any(row[name] for row in by_day.values())]
    option = {
        "legend": {"top": 0},
        "tooltip": {"trigger": "axis"},
        "grid": {"left": 8, "right": 24, "top": 40, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "category", "data": [str(day) for day in days], "axisLabel": {"hideOverlap": True}},
        "yAxis": {"type": "value", "minInterval": 1},
        "series": [_line(name, [by_day[day][name] if day in by_day else 0 for day in days]) for name in drawn],
    }
    counted = "1 day" if len(by_day) == 1 else f"{len(by_day)} days"
    return Plot(option, _PX, f"{counted} with entries, {first} to {days[-1]}.")


def _line(name: str, values: list[int]) -> dict[str, object]:
    colour, dash, mark = _LINES[name]
    return {
        "type": "line",
        "name": name,
        "data": values,
        "symbol": mark,
        "symbolSize": 7,
        "itemStyle": {"color": colour},
        "lineStyle": {"color": colour, "type": dash, "width": 2},
    }
