"""Plots over time: enrolments by day of entry, events by weekday and hour, and how complete each day is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from journey_pipeline.report.part import Answered, Plot

# Dashes and marks tell the lines apart without colour.
_LINES = {
    "entered": ("#4c78a8", "solid", "circle"),
    "finished": ("#3a9d6e", "dashed", "rect"),
    "open": ("#c98a1b", "dotted", "triangle"),
    "failed": ("#d1495b", "solid", "diamond"),
    "converted": ("#8f6bc1", "dashed", "roundRect"),
}
_DAILY_PX = 300
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOURS_PX = 320
MOST_DAYS = 92
_ROW_PX, _AXIS_PX = 40, 90


def daily(answered: Answered) -> Plot | None:
    """Lines by day of entry: those that entered, and each way in which they ended. A day without entries is 0.

    A way that the vendor does not tell has no line.
    """
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
    return Plot(option, _DAILY_PX, f"{counted} with entries, {first} to {days[-1]}.")


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


def hours(answered: Answered, timezone: str) -> Plot | None:
    """Events by weekday and hour, as a heat map: messages sent if there are any. Without events none."""
    rows = list(answered)
    what = "sent" if any(row["sent"] for row in rows) else "events"
    cells = [[row["hour"], row["weekday"] - 1, row[what]] for row in rows if row[what]]
    if not cells:
        return None
    hour, weekday, most = max(cells, key=lambda cell: cell[2])
    noun = "messages" if what == "sent" else "events"
    option = {
        "tooltip": {},
        "grid": {"left": 8, "right": 8, "top": 8, "bottom": 52, "containLabel": True},
        "xAxis": {"type": "category", "data": [f"{n:02}" for n in range(24)], "splitArea": {"show": True}},
        "yAxis": {"type": "category", "inverse": True, "data": list(_WEEKDAYS), "splitArea": {"show": True}},
        "visualMap": {
            "min": 0,
            "max": most,
            "calculable": False,
            "orient": "horizontal",
            "left": "center",
            "bottom": 0,
            "text": [f"{most:,} {noun}", "0"],
            "inRange": {"color": ["#dbe9f6", "#4c78a8", "#16325c"]},
        },
        "series": [
            {
                "type": "heatmap",
                "name": noun,
                "data": cells,
                "label": {"show": True, "fontSize": 10},
                "labelLayout": {"hideOverlap": True},
            }
        ],
    }
    return Plot(option, _HOURS_PX, f"Most {noun} on {_WEEKDAYS[weekday]} from {hour:02}:00, {timezone}: {most:,}.")


def days(answered: Answered) -> Plot | None:
    """How complete the last days are, as a strip for each stream; without any none.

    A day that is not whole shows its hours.
    """
    rows = list(answered)
    if not rows:
        return None
    streams = sorted({row["stream"] for row in rows})
    known = sorted({row["day"] for row in rows})[-MOST_DAYS:]
    drawn = [row for row in rows if row["day"] in known]
    partly = sum(row["hours_landed"] < row["hours_expected"] for row in rows)
    option = {
        "tooltip": {},
        "grid": {"left": 8, "right": 8, "top": 8, "bottom": 44, "containLabel": True},
        "xAxis": {"type": "category", "data": [str(day) for day in known], "axisLabel": {"hideOverlap": True}},
        "yAxis": {"type": "category", "inverse": True, "data": streams, "axisLabel": {"width": 150}},
        "visualMap": {
            "type": "piecewise",
            "orient": "horizontal",
            "left": "center",
            "bottom": 0,
            "pieces": [
                {"value": 2, "label": "whole", "color": "#3a9d6e"},
                {"value": 1, "label": "some hours", "color": "#e3a33b"},
                {"value": 0, "label": "nothing", "color": "#d1495b"},
            ],
        },
        "series": [
            {
                "type": "heatmap",
                "name": "completeness",
                "data": [_cell(row, known.index(row["day"]), streams.index(row["stream"])) for row in drawn],
            }
        ],
    }
    counted = "1 day is not whole." if partly == 1 else f"{partly} days are not whole."
    last = f" The last {len(known)} days are drawn." if len(known) == MOST_DAYS else ""
    return Plot(option, _AXIS_PX + _ROW_PX * len(streams), f"{counted if partly else 'All days are whole.'}{last}")


def _cell(row: Mapping[str, Any], column: int, line: int) -> dict[str, Any]:
    hours, expected = row["hours_landed"], row["hours_expected"]
    state = 2 if hours >= expected else 1 if hours else 0
    return {
        "value": [column, line, state],
        "label": {"show": hours < expected, "formatter": f"{hours}/{expected}", "color": "#000"},
        "itemStyle": {"borderWidth": 1, "borderColor": "rgba(128,128,128,0.4)"},
    }
