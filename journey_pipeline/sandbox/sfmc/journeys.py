"""The journey list: its pages, single journeys by id or key, and the versions of a key.

Dates come without a zone and page sizes are ignored, both as observed. Not here: the history (`history.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import JSONResponse, Response

from journey_pipeline.sandbox.gate import Exchange
from journey_pipeline.sandbox.sfmc.envelope import BAD_VALUE, NOT_FOUND, RefusedError
from journey_pipeline.sandbox.sfmc.options import SfmcOptions
from journey_pipeline.sandbox.sfmc.tokens import Token
from journey_pipeline.sandbox.world import Activity, Journey, Version, World
from journey_pipeline.sandbox.world.catalog import guid

_PAGE_SIZE, _MOST_PAGE_SIZE = 50, 500
_NEVER = "0001-01-01T00:00:00"


class JourneyList:
    """The journeys of the world as the vendor lists them."""

    def __init__(self, world: World, options: SfmcOptions) -> None:
        self._world, self._options = world, options

    def page(self, exchange: Exchange, token: Token) -> Response:
        """Answers a page of the list, the latest modified first."""
        asked = exchange.request.query_params
        number = _positive(asked, "$page", 1)
        size = _positive(asked, "$pageSize", _PAGE_SIZE)
        size = min(size, _MOST_PAGE_SIZE) if self._options.honour_page_size else _PAGE_SIZE
        every = (
            _flag(asked, "mostRecentVersionOnly", default=True) is False or "id" in asked or "versionNumber" in asked
        )
        found = [pair for pair in self._listed(token, newest_only=not every) if _fits(pair, asked)]
        found.sort(key=lambda pair: pair[1].modified_at, reverse="asc" not in asked.get("$orderBy", "").lower())
        items = [_item(*pair, extras=asked.get("extras", "")) for pair in found[(number - 1) * size : number * size]]
        return JSONResponse({"count": len(found), "page": number, "pageSize": size, "links": {}, "items": items})

    def one(self, exchange: Exchange, token: Token) -> Response:
        """Answers one version of a journey, by id or `key:`; the newest unless `versionNumber` says another."""
        asked = exchange.request.query_params
        wanted = exchange.request.path_params["journey"]
        pairs = [pair for pair in self._listed(token) if _named(pair[0], wanted)]
        if "versionNumber" in asked:
            pairs = [pair for pair in pairs if str(pair[1].number) == asked["versionNumber"]]
        if not pairs:
            raise RefusedError(404, NOT_FOUND, "There is no such journey.")
        return JSONResponse(_item(*pairs[-1], extras=asked.get("extras", "all")))

    def status(self, exchange: Exchange, token: Token) -> Response:
        """Answers id, status and number of a key's versions, the newest alone without `AllVersions=true`."""
        wanted = exchange.request.path_params["journey"]
        pairs = [pair for pair in self._listed(token) if _named(pair[0], wanted)]
        if not pairs:
            raise RefusedError(404, NOT_FOUND, "There is no such journey.")
        if not _flag(exchange.request.query_params, "AllVersions", default=False):
            pairs = pairs[-1:]
        listed = [
            {"id": version.definition_id, "status": version.status, "versionNumber": version.number}
            for _, version in pairs
        ]
        return JSONResponse(listed)

    def _listed(self, token: Token, *, newest_only: bool = False) -> Iterator[tuple[Journey, Version]]:
        if token.account_id != self._options.account_id:
            return
        for journey in self._world.catalog:
            versions = [version for version in journey.versions if version.listed]
            for version in versions[-1:] if newest_only else versions:
                yield journey, version


def _named(journey: Journey, wanted: str) -> bool:
    kind, _, key = wanted.partition(":")
    return journey.key == key if kind == "key" else journey.id == wanted.lower()


def _fits(pair: tuple[Journey, Version], asked: Mapping[str, str]) -> bool:
    journey, version = pair
    values = {
        "id": journey.id,
        "key": journey.key,
        "status": version.status,
        "versionNumber": str(version.number),
        "definitionType": "Multistep",
        "tag": "",
    }
    text = asked.get("nameOrDescription", "").lower()
    return text in f"{journey.name}\n{_description(journey)}".lower() and all(
        asked[name].lower() == value.lower() for name, value in values.items() if name in asked
    )


def _description(journey: Journey) -> str:
    return f"Entries by {journey.entry_source}"


def _item(journey: Journey, version: Version, *, extras: str) -> dict[str, Any]:
    wanted = {extra.strip().lower() for extra in extras.split(",")}
    published = version.status == "Published"
    item: dict[str, Any] = {
        "id": journey.id,
        "key": journey.key,
        "name": journey.name,
        "description": _description(journey),
        "version": version.number,
        "definitionId": version.definition_id,
        "definitionType": "Multistep",
        "channel": "",
        "status": version.status,
        "entryMode": "MultipleEntries",
        "executionMode": "Production",
        "categoryId": 4711,
        "scheduledStatus": "Draft",
        "createdDate": _date(version.modified_at - timedelta(days=1)),
        "modifiedDate": _date(version.modified_at),
        "lastPublishedDate": _date(version.modified_at) if published else _NEVER,
    }
    if wanted & {"stats", "all"}:
        item["stats"] = {"currentPopulation": 0, "cumulativePopulation": 0, "metGoal": 0, "metExitCriteria": 0}
    if wanted & {"activities", "outcome", "all"}:
        entry, *rest = version.activities
        item["triggers"] = [_activity(entry)]
        item["activities"] = [_activity(activity) for activity in rest]
    return item


def _activity(activity: Activity) -> dict[str, Any]:
    outcomes = []
    for number, following in enumerate(activity.next_keys, start=1):
        outcome: dict[str, Any] = {"key": guid(activity.id, number)}
        if following is not None:
            outcome["next"] = following
        outcomes.append(outcome)
    kind = activity.key.rpartition("-")[0]
    return {"id": activity.id, "key": activity.key, "name": activity.name, "type": kind, "outcomes": outcomes}


def _date(at: datetime) -> str:
    """Without a zone, and without the zero at the end of the fraction."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 10_000:02d}"


def _positive(asked: Mapping[str, str], name: str, default: int) -> int:
    text = asked.get(name, str(default))
    if not text.isdecimal() or not int(text):
        raise RefusedError(400, BAD_VALUE, f"{name} must be a number from 1")
    return int(text)


def _flag(asked: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = asked.get(name, str(default)).lower()
    if text not in {"true", "false"}:
        raise RefusedError(400, BAD_VALUE, f"{name} must be true or false")
    return text == "true"
