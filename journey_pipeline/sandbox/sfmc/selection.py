"""Which of the world's events a question gets: the filters, the silent rows, and what is visible yet.

Not here: reading the question (`query.py`), writing the answer (`prepared.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from journey_pipeline.sandbox.sfmc.query import HistoryQuery
from journey_pipeline.sandbox.sfmc.rows import mutates
from journey_pipeline.sandbox.world import Event, World
from journey_pipeline.sandbox.world.routes import Happening


def matching(world: World, query: HistoryQuery) -> Iterator[list[Event]]:
    """The events that fit a question, visible or not, in lists of a few thousand and in the answer's order."""
    if query.foreign or query.end_ms <= query.start_ms:
        return
    fits = _filter(query)
    for part in world.slices(query.start_ms, query.end_ms, newest_first=query.newest_first):
        yield [event for event in part if fits(event)]


def silent(happening: Happening) -> bool:
    """Whether the vendor leaves the row out since Winter '25: no activity name, and it went well (documented)."""
    return not happening.activity.name and happening.status == "Complete"


def _filter(query: HistoryQuery) -> Callable[[Event], bool]:
    wanted = dict(query.filters)
    contacts = wanted.get("contactKeys")
    passages = wanted.get("definitionInstanceIds")
    statuses = wanted.get("statuses")
    of_happening: dict[Happening, bool] = {}

    def fits(event: Event) -> bool:
        happening = event.happening
        known = of_happening.get(happening)
        if known is None:
            known = of_happening[happening] = _fits_happening(happening, query, wanted)
        return (
            known
            and (statuses is None or _status(event, query).lower() in statuses)
            and (contacts is None or event.contact_key in contacts)
            and (passages is None or event.passage_id in passages)
        )

    return fits


def _status(event: Event, query: HistoryQuery) -> str:
    status = event.happening.status
    return "Failed" if query.mutate and status == "Complete" and mutates(event) else status


def _fits_happening(happening: Happening, query: HistoryQuery, wanted: dict[str, frozenset[str]]) -> bool:
    if not query.silent_completes and silent(happening):
        return False
    values = {
        "activityTypes": happening.activity.type,
        "definitionIds": happening.version.definition_id,
        "activityIds": happening.activity.id,
        "tags": "",
    }
    return all(text.lower() in wanted[name] for name, text in values.items() if name in wanted)
