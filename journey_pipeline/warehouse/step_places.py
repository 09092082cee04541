"""Where each step stands in the graph of its version: the longest way to it, and whether a passage ends there.

In Python, because SQL has no way to cut loops: following each way until none is new would never end in one. What it
costs grows with the number of links, not of events. Not here: the links (`sql/internal/step_links.sql`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import duckdb

from journey_pipeline.warehouse.loaded import columns_of

Graph = Mapping[str, Sequence[str]]
"""The steps that may follow each step."""


def compute_step_places(session: duckdb.DuckDBPyConnection) -> None:
    """Makes `temp.step_places` of `internal.step_links` and `internal.activities`."""
    links: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for connection, journey, step, following in session.execute(
        "select connection, journey_id, activity_id, next_activity_id from internal.step_links order by all"
    ).fetchall():
        links[connection, journey][step].append(following)
    ranks = [(*version, step, rank) for version, graph in links.items() for step, rank in ranked(graph).items()]
    ends = [(*version, step, is_end) for version, steps in _listed(session).items() for step, is_end in steps.items()]
    session.execute(
        f"""
        create or replace temp table step_places as
        from ({_rows(ranks, "step_rank", "bigint")}) as ranked
        full join ({_rows(ends, "is_end", "boolean")}) as listed using (connection, journey_id, activity_id)
        """,
        [*columns_of(ranks), *columns_of(ends)],
    )


def ranked(graph: Graph) -> dict[str, int]:
    """The longest way to each step of a graph from where it begins; a way back to a step on the way there is cut."""
    ranks: dict[str, int] = {}
    for step, ways in _forward(graph):
        rank = ranks.setdefault(step, 0)
        for following in ways:
            ranks[following] = max(ranks.get(following, 0), rank + 1)
    return ranks


def ends(ways: Mapping[str, Sequence[str] | None], hidden: Iterable[str]) -> dict[str, bool | None]:
    """Whether each listed step is an end: without a way on, or hidden with one way alone, to an end.

    Args:
        ways: The steps that follow each listed step; None where the list does not tell.
        hidden: Steps that never show in history when they go well.
    """
    unseen = set(hidden)

    def is_end(step: str) -> bool | None:
        passed = set[str]()
        while (on := ways.get(step)) and step in unseen and len(set(on)) == 1 and step not in passed:
            passed.add(step)
            step = on[0]
        return None if on is None and not passed else on is not None and not on

    return {step: is_end(step) for step in ways}


def _forward(graph: Graph) -> Iterator[tuple[str, Sequence[str]]]:
    """The steps in an order in which every kept way leads on, each with its kept ways."""
    led_to = {following for ways in graph.values() for following in ways}
    begun, done, kept = set[str](), dict[str, None](), dict[str, list[str]]()
    for start in [*sorted(graph.keys() - led_to), *sorted(graph)]:
        stack = [start] if start not in begun else []
        while stack:
            step = stack[-1]
            if step not in begun:
                begun.add(step)
                kept[step] = [way for way in sorted(graph.get(step, ())) if way in done or way not in begun]
                stack += [way for way in reversed(kept[step]) if way not in begun]
                continue
            stack.pop()
            done.setdefault(step)
    return ((step, kept[step]) for step in reversed(done))


def _listed(session: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], dict[str, bool | None]]:
    """Whether the listed steps of each version are ends."""
    ways: dict[tuple[str, str], dict[str, Sequence[str] | None]] = defaultdict(dict)
    hidden: dict[tuple[str, str], list[str]] = defaultdict(list)
    for connection, journey, step, is_hidden, on in session.execute(
        """
        select
            steps.connection,
            steps.journey_id,
            steps.activity_id,
            steps.activity_name is null and not contains(lower(coalesce(steps.activity_type, '')), 'wait'),
            case
                when steps.outcomes is not null
                    then coalesce(list(links.next_activity_id) filter (links.is_listed), [])
            end
        from internal.activities as steps
        left join internal.step_links as links using (connection, journey_id, activity_id)
        where steps.journey_id is not null
        group by steps.connection, steps.journey_id, steps.activity_id, steps.activity_name, steps.activity_type,
            steps.outcomes
        """
    ).fetchall():
        ways[connection, journey][step] = on
        if is_hidden:
            hidden[connection, journey].append(step)
    return {version: ends(steps, hidden[version]) for version, steps in ways.items()}


def _rows(rows: Sequence[tuple[object, ...]], last: str, kind: str) -> str:
    named = {"connection": "varchar", "journey_id": "varchar", "activity_id": "varchar", last: kind}
    if not rows:
        return f"select {', '.join(f'null::{kind} as {name}' for name, kind in named.items())} where false"
    return f"select {', '.join(f'unnest(?::{kind}[]) as {name}' for name, kind in named.items())}"
