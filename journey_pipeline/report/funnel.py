"""How far enrolments came, in the journey's order: a bar a step, and two where versions or variants are compared."""

from __future__ import annotations

from html import escape
from typing import Any

from journey_pipeline.report.part import Answered, Plot, label, names_axis

MOST_BARS = 60
ENTERED = "entered"
SHARES = (("went_on", "went on"), ("open_here", "are here"), ("ended_here", "ended here"))
COLOURS = {"went_on": "#4c78a8", "open_here": "#e3a33b", "ended_here": "#8a8f98"}
MOST_PAIRS = 40
_SIDES = {"one": "#8a8f98", "other": "#4c78a8"}
_BAR_PX, _PAIR_PX, _AXIS_PX = 26, 40, 70


def shown(funnel: Answered) -> list[dict[str, Any]]:
    """The entry and the steps that most came to, in the journey's order."""
    steps = list(funnel)
    most = sorted(steps, key=lambda step: (step["step"] != ENTERED, -step["reached"]))[:MOST_BARS]
    chosen = {step["step"] for step in most}
    return sorted((step for step in steps if step["step"] in chosen), key=lambda step: step["step"] != ENTERED)


def funnel(answered: Answered) -> Plot | None:
    """Bars by rank; without enrolments none."""
    steps = shown(answered)
    if not steps:
        return None
    entered = steps[0]["reached"]
    series: list[dict[str, Any]] = [
        {
            "type": "bar",
            "name": title,
            "stack": "reached",
            "barCategoryGap": "25%",
            "itemStyle": {"color": COLOURS[share]},
            "data": [step[share] for step in steps],
        }
        for share, title in SHARES
    ]
    # A bar of no length at the end of each carries the figures.
    ends = [{"value": 0, "label": {"formatter": _figures(step["reached"], entered)}} for step in steps]
    series.append({"type": "bar", "stack": "reached", "data": ends, "tooltip": {"show": False}, "silent": True})
    series[-1]["label"] = {"show": True, "position": "right"}
    left_out = len(answered.rows) - len(steps)
    more = f" {left_out} steps that fewer came to are in the table." if left_out else ""
    option = {
        "aria": {"enabled": True, "decal": {"show": True}},
        "legend": {"top": 0, "data": [title for _, title in SHARES]},
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}},
        "grid": {"left": 8, "right": 96, "top": 34, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "value", "minInterval": 1, "splitNumber": 4, "axisLabel": {"hideOverlap": True}},
        "yAxis": names_axis([step["name"] for step in steps]),
        "series": series,
    }
    counted = "1 step" if len(steps) == 2 else f"{len(steps) - 1} steps"  # noqa: PLR2004 - the entry and one
    return Plot(option, _AXIS_PX + _BAR_PX * len(steps), f"{entered:,} entered, {counted}.{more}")


def _figures(reached: int, entered: int) -> str:
    return f"{reached:,}  {reached / entered:.0%}"


def sides(answered: Answered) -> Plot | None:
    """Two bars for each of the steps that most came to: the percent of two versions or variants. Without two none."""
    rows = list(answered)
    if not rows:
        return None
    most = sorted(rows, key=lambda row: -row["reached_one"] - row["reached_other"])[:MOST_PAIRS]
    chosen = {row["step"] for row in most}
    rows = [row for row in rows if row["step"] in chosen]
    names = {side: label(rows[0][side]) for side in _SIDES}
    option = {
        "aria": {"enabled": True, "decal": {"show": True}},
        "legend": {"top": 0, "data": list(names.values())},
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}},
        "grid": {"left": 8, "right": 60, "top": 34, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "value", "axisLabel": {"formatter": "{value} %", "hideOverlap": True}, "splitNumber": 4},
        "yAxis": names_axis([row["name"] for row in rows]),
        "series": [
            {
                "type": "bar",
                "name": names[side],
                "itemStyle": {"color": colour},
                "label": {"show": True, "position": "right", "formatter": "{c} %"},
                "data": [row[f"percent_{side}"] for row in rows],
            }
            for side, colour in _SIDES.items()
        ],
    }
    return Plot(option, _AXIS_PX + _PAIR_PX * len(rows), f"{names['one']} beside {names['other']}, {len(rows)} steps.")


def thumbnail(answered: Answered, most: int = 8) -> str:
    """The first bars as an SVG of its own, without any script."""
    steps = shown(answered)[:most]
    entered = max((step["reached"] for step in steps), default=0) or 1
    lines = [
        f'<text x="150" y="{24 * at + 18}" text-anchor="end">{escape(label(step["name"])[:22])}</text>'
        f'<rect x="158" y="{24 * at + 5}" width="{240 * step["reached"] / entered:.1f}" height="17" fill="#4c78a8"/>'
        f'<text x="{162 + 240 * step["reached"] / entered:.1f}" y="{24 * at + 18}">{step["reached"]:,}</text>'
        for at, step in enumerate(steps)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="480" height="{24 * len(steps) + 8}" '
        f'font-family="sans-serif" font-size="12" fill="#666">{"".join(lines)}</svg>'
    )
