"""Events by weekday and hour, as a heat map."""

from __future__ import annotations

from journey_pipeline.report.part import Answered, Plot

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_PX = 320


def hours(answered: Answered, timezone: str) -> Plot | None:
    """Messages sent if there are any, or else all events; without events none."""
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
    return Plot(option, _PX, f"Most {noun} on {_WEEKDAYS[weekday]} from {hour:02}:00, {timezone}: {most:,}.")
