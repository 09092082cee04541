"""A look at a connection for a person who sets it up: which field of a live answer each column is read from.

It shows no values. Not here: the route (`client.py`), how fields are found (`customer_journeys/mapping.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from journey_pipeline.errors import ContractError
from journey_pipeline.files import temporary_folder
from journey_pipeline.transport.response import Place
from journey_pipeline.vendors.layerfive.client import STREAM, LayerFiveClient
from journey_pipeline.vendors.layerfive.customer_journeys.answers import JourneyInspector
from journey_pipeline.vendors.layerfive.customer_journeys.mapping import MappingSettings
from journey_pipeline.vendors.layerfive.customer_journeys.reader import no_array, unmappable


class _EnoughError(Exception):
    """The first records are there: the rest of the answer need not be read."""

    def __init__(self, seen: JourneyInspector) -> None:
        super().__init__()
        self.seen = seen


class _Glance(JourneyInspector):
    """Breaks the download off once it has seen the first records."""

    def take(self, records: Sequence[bytes]) -> None:
        super().take(records)
        if self.head.is_full:
            raise _EnoughError(self)


def check(client: LayerFiveClient, settings: MappingSettings) -> dict[str, str]:
    """The columns found in the last day's first records. The request is broken off once they are there.

    Raises:
        ContractError: If the answer can't be mapped; it names the fields that there are.
        VendorError: As for any request.
    """
    seen = _first_records(client, settings)
    if seen.no_records:
        raise _located(no_array(seen.no_records, settings))
    if not seen.head.records:
        return {"answer": "no records in the last 24 hours, so that no field could be seen"}
    detection = seen.head.detection(settings)
    if detection.lacking:
        raise _located(unmappable(detection))
    told = {"answer": f"{detection.records} events looked at"}
    for name, place in settings.places.items():
        doubt = ", which none of them has" if name == "events" and not seen.head.holds(place) else ""
        told[name] = f"at {place} (declared){doubt}"
    for column, field in detection.fields.items():
        doubt = ", which none of them has" if detection.never_seen(column) else ""
        told[column] = f"from {field.name}{' (declared)' if field.is_declared else ''}{doubt}"
    if detection.missing:
        told["missing"] = ", ".join(detection.missing)
    return told


def _first_records(client: LayerFiveClient, settings: MappingSettings) -> JourneyInspector:
    with temporary_folder("journey-layerfive-") as folder:
        to = Place(folder / "recent.json.gz")
        try:
            seen: JourneyInspector = client.recent(to, inspector=partial(_Glance, settings)).inspector
        except _EnoughError as enough:
            return enough.seen
        return seen


def _located(error: ContractError) -> ContractError:
    error.vendor, error.stream = "layerfive", STREAM
    return error
