"""How complete each day is, as a strip for each stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from journey_pipeline.report.part import Answered, Plot

MOST_DAYS = 92
_ROW_PX, _AXIS_PX = 40, 90


def days(answered: Answered) -> Plot | None:
    """The last days of all streams of the connection; without any none. A day that is not whole shows its hours."""
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
