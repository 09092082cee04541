"""The peer: a landed export read by ijson, one profile after the other, to the same rows in Parquet.

ijson runs on its C library; what it makes of `data` is written as JSON again by msgspec. No check of anything. Not
here: the same rows by the pipeline's reader (`export_reader.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import IO, Any, cast

import ijson
import msgspec
import pyarrow as pa

from benchmarks.landed import ROWS_AT_ONCE, SCHEMA, Landed, write
from benchmarks.task import Stopwatch, Task, say

_EMAIL = "com.apsis1.attributes.email"
_encode = msgspec.json.Encoder().encode


def rows(file: IO[bytes], definitions: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    """A tuple for each event, its values as `COLUMNS` names them."""
    types = {name: {key: one["discriminator"] for key, one in it["events"].items()} for name, it in definitions.items()}
    emails = {
        name: [key for key, one in it["attributes"].items() if one["discriminator"] == _EMAIL]
        for name, it in definitions.items()
    }
    # Its own 64 KiB at a time: a mebibyte takes it half as long again. Decimals are slower than floats.
    for key, profile in ijson.kvitems(file, "profiles", use_float=True):
        for section_id, section in profile["sections"].items():
            attributes = section["attributes"]
            email = next((attributes[one]["value"] for one in emails[section_id] if one in attributes), None)
            known = types[section_id]
            for event in section["events"]:
                yield (key, section_id, email, known.get(event["typeId"]), *fields(event, section_id))


def fields(event: Mapping[str, Any], section_id: str) -> tuple[object, ...]:
    """What an event says by itself; an empty text is none."""
    correlation_id, type_id, data = event.get("correlationId"), event["typeId"], event["data"]
    properties = {"section_id": section_id, "type_id": type_id, "correlation_id": correlation_id, "data": data}
    return (
        correlation_id or None,
        event["sourceEventTime"],
        type_id,
        event["createdAt"],
        data.get("automationId") or data.get("flowId") or data.get("journeyId") or None,
        data.get("automationName") or data.get("flowName") or data.get("journeyName") or None,
        data.get("activityId") or data.get("nodeId") or None,
        data.get("activityName") or data.get("nodeName") or None,
        _encode(properties),
    )


def batches(found: Iterable[tuple[object, ...]]) -> Iterator[list[pa.Array[Any]]]:
    """Columns of some thousand rows at a time."""
    waiting, first = iter(found), 1
    while batch := list(islice(waiting, ROWS_AT_ONCE)):
        numbers = pa.array(range(first, first + len(batch)), pa.int64())
        columns = [_texts(column) for column in zip(*batch, strict=True)]
        yield [numbers, *columns]
        first += len(batch)


def _texts(values: tuple[Any, ...]) -> pa.Array[Any]:
    array = pa.array(values, pa.int64()) if isinstance(values[0], int) else pa.array(values)
    return cast("pa.Array[Any]", array.cast(SCHEMA.field("properties").type))


def main() -> None:
    """Makes rows of the export that has landed in the home."""
    watch = Stopwatch()
    home = Task.given().home
    landed = Landed.found(home)
    with landed.inflated() as file:
        count = write(batches(rows(file, landed.answers["definitions"])), home / "ijson.parquet")
    say(count, watch.seconds)


if __name__ == "__main__":
    main()
