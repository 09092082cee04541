"""The flow from step to step."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from journey_pipeline.report.part import Answered, Plot, label

MOST_LINKS = 60
_ENDS = ("converted", "exited", "failed", "finished", "open")
_GREY = "#8a8f98"
_LAYER_PX, _NODE_PX, _LEAST_PX = 150, 46, 260


def sankey(moves: Answered) -> Plot | None:
    """The most frequent moves, from the entry to the steps and ends; without moves none.

    A sankey has no loops: of a loop the rarest move is left out.
    """
    drawn = _without_loops(sorted(moves, key=lambda row: -row["moves"])[:MOST_LINKS])
    if not drawn:
        return None
    names = _labels({row[f"{side}_step"]: row[f"{side}_name"] for row in drawn for side in ("from", "to")})
    depths = _depths(drawn)
    widest = max(list(depths.values()).count(depth) for depth in depths.values())
    end = {"depth": max(depths.values()), "itemStyle": {"color": _GREY, "borderColor": _GREY}}
    series = {
        "type": "sankey",
        "left": 8,
        "right": 130,
        "top": 12,
        "bottom": 12,
        "nodeGap": 18,
        "nodeAlign": "left",
        "draggable": False,
        "emphasis": {"focus": "adjacency"},
        "lineStyle": {"color": "source", "opacity": 0.35},
        "label": {"width": _LAYER_PX - 24, "overflow": "truncate", "fontSize": 12, "textBorderWidth": 0},
        "data": [{"name": name, **(end if step in _ENDS else {})} for step, name in names.items()],
        "links": [
            {"source": names[row["from_step"]], "target": names[row["to_step"]], "value": row["moves"]} for row in drawn
        ],
    }
    left_out = len(moves.rows) - len(drawn)
    says = f"{len(drawn)} moves between {len(names)} steps and ends."
    if left_out:
        says += f" {left_out} more, of loops or less frequent, are in the table."
    height = max(_LEAST_PX, _NODE_PX * widest)
    return Plot({"series": [series], "tooltip": {}}, height, says, _LAYER_PX * (max(depths.values()) + 1))


def _labels(names: dict[str, str]) -> dict[str, str]:
    """A label for each step; ECharts tells steps apart by it, so a label that comes again is numbered."""
    labels, seen = {}, Counter[str]()
    for step, name in names.items():
        shown = label(name)
        seen[shown] += 1
        labels[step] = shown if seen[shown] == 1 else f"{shown} ({seen[shown]})"
    return labels


def _without_loops(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    following: defaultdict[str, set[str]] = defaultdict(set)
    kept = []
    for row in rows:
        source, target = row["from_step"], row["to_step"]
        if source not in _reached(target, following):
            following[source].add(target)
            kept.append(row)
    return kept


def _reached(start: str, following: dict[str, set[str]]) -> set[str]:
    seen, rest = {start}, [start]
    while rest:
        new = following.get(rest.pop(), set()) - seen
        seen |= new
        rest += new
    return seen


def _depths(rows: list[dict[str, Any]]) -> dict[str, int]:
    """The longest way to each step."""
    depths = dict.fromkeys((row[side] for row in rows for side in ("from_step", "to_step")), 0)
    for _ in depths:
        deeper = {row["to_step"]: depths[row["from_step"]] + 1 for row in rows}
        for row in rows:
            deeper[row["to_step"]] = max(deeper[row["to_step"]], depths[row["from_step"]] + 1)
        if all(depths[step] == depth for step, depth in deeper.items()):
            break
        depths |= deeper
    return depths
