"""Two versions or two variants of a journey side by side: two bars a step, in percent of those that entered each."""

from __future__ import annotations

from journey_pipeline.report.part import Answered, Plot, label, names_axis

MOST_STEPS = 40
_COLOURS = {"one": "#8a8f98", "other": "#4c78a8"}
_STEP_PX, _AXIS_PX = 40, 70


def sides(answered: Answered) -> Plot | None:
    """Two bars for each of the steps that most came to, in the journey's order; without two sides none."""
    rows = list(answered)
    if not rows:
        return None
    most = sorted(rows, key=lambda row: -row["reached_one"] - row["reached_other"])[:MOST_STEPS]
    chosen = {row["step"] for row in most}
    rows = [row for row in rows if row["step"] in chosen]
    names = {side: label(rows[0][side]) for side in _COLOURS}
    option = {
        "aria": {"enabled": True, "decal": {"show": True}},
        "legend": {"top": 0, "data": list(names.values())},
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}},
        "grid": {"left": 8, "right": 60, "top": 34, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "value", "axisLabel": {"formatter": "{value} %"}, "splitNumber": 4},
        "yAxis": names_axis([row["name"] for row in rows]),
        "series": [
            {
                "type": "bar",
                "name": names[side],
                "itemStyle": {"color": colour},
                "label": {"show": True, "position": "right", "formatter": "{c} %"},
                "data": [row[f"percent_{side}"] for row in rows],
            }
            for side, colour in _COLOURS.items()
        ],
    }
    return Plot(option, _AXIS_PX + _STEP_PX * len(rows), f"{names['one']} beside {names['other']}, {len(rows)} steps.")
