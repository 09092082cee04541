"""A look at a live answer, for a person who sets a connection up: which column is read from which field. Never values.

Not here: how fields are found (`customer_journeys/mapping.py`), what to tell of answers that can't be mapped
(`customer_journeys/reader.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from journey_pipeline.errors import ContractError
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


def told_of_sample(client: LayerFiveClient, to: Path, settings: MappingSettings) -> dict[str, str]:
    """The columns found in the last day's first records.

    Args:
        to: A file for the answer, which is not needed afterwards.
        settings: What the connection says of its records.

    Raises:
        ContractError: If the answer can't be mapped; it names the fields that there are.
        VendorError: As for any request.
    """
    try:
        seen: JourneyInspector = client.recent(to, inspector=partial(_Glance, settings)).inspector
    except _EnoughError as enough:
        seen = enough.seen
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


def _located(error: ContractError) -> ContractError:
    error.vendor, error.stream = "layerfive", STREAM
    return error
