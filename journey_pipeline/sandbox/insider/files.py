"""An export's file in each format: columns as the vendor lays them out, one row for each event of a person.

Not here: what happened (`events.py`), where the file lies and who may fetch it (`storage.py`).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from journey_pipeline.model import iso
from journey_pipeline.sandbox.insider.account import attribute
from journey_pipeline.sandbox.insider.events import UserEvent, at
from journey_pipeline.sandbox.insider.orders import ExportOrder

_NUMBERS = frozenset({"journey_id", "campaign_id", "action_code", "is_dry_run"})
_ROWS_AT_ONCE = 10_000

Row = list[Any]


def columns_of(order: ExportOrder) -> list[str]:
    """The columns of an order's file: attributes, the event's name, the union of all parameters, the profile last."""
    parameters = dict.fromkeys(name for one in order.wanted for name in one.parameters)
    columns = [f"a_{name}" for name in order.attributes]
    columns += ["event_name", *(f"e_{name}" for name in parameters), "iid"]
    shape = order.shape
    columns = [name for name in columns if name != shape.missing_column]
    return [*columns, *([shape.extra_column] if shape.extra_column else [])]


def rows_of(order: ExportOrder, events: Iterable[UserEvent]) -> Iterator[Row]:
    """The rows of an order's file; None where there is no value."""
    columns, names = columns_of(order), {one.kind: one for one in order.wanted}
    for event in events if order.shape.rows == "all" else ():
        wanted = names.get(event.kind)
        if wanted and wanted.takes(event):
            asked = set(wanted.parameters)
            yield [_value(order, name, event, wanted.event, asked) for name in columns]


def write_file(order: ExportOrder, rows: Iterator[Row], to: Path, columns: list[str] | None = None) -> None:
    """Writes the file as the order wants it."""
    columns = columns or columns_of(order)
    if order.shape.rows == "none":
        to.write_bytes(b"" if order.format == "csv" else _nothing(order, columns))
    elif order.format == "parquet":
        _write_parquet(order, columns, rows, to)
    else:
        with to.open("w", encoding="utf-8", newline="") as file:
            (_write_csv if order.format == "csv" else _write_json)(order, columns, rows, file)


def _nothing(order: ExportOrder, columns: list[str]) -> bytes:
    if order.format == "json":
        return b"[]" if order.shape.json_layout == "array" else b""
    file = io.BytesIO()
    pq.write_table(_schema(order, columns).empty_table(), file, version="1.0")
    return file.getvalue()


def _value(order: ExportOrder, column: str, event: UserEvent, name: str, asked: set[str]) -> Any:
    if column == order.shape.extra_column:
        return "x"
    if column.startswith("a_"):
        return attribute(event.person_number, column.removeprefix("a_"), masked=order.shape.masked) or None
    if column in {"event_name", "iid"}:
        return name if column == "event_name" else event.iid
    parameter = column.removeprefix("e_")
    if parameter not in asked:
        return None
    number = _number(parameter, event)
    if number is not None:
        return float(number) if order.shape.numbers == "float" else number
    return _text(parameter, event) or None


def _number(parameter: str, event: UserEvent) -> int | None:
    if parameter not in _NUMBERS:
        return None
    values = {"journey_id": event.journey, "campaign_id": event.campaign, "action_code": event.action}
    return values.get(parameter, int(event.is_dry_run))


def _text(parameter: str, event: UserEvent) -> str:
    if parameter == "timestamp":
        return iso(at(event.at_s))
    values = {"reason": event.reason, "event_code": event.event_code, "channel_code": event.channel}
    return values.get(parameter, event.name if parameter in {"name", "journey_campaign_name"} else "")


def _schema(order: ExportOrder, columns: list[str]) -> pa.Schema:
    number = pa.float64() if order.shape.numbers == "float" else pa.int64()
    kinds = [number if name.removeprefix("e_") in _NUMBERS else pa.string() for name in columns]
    return pa.schema(list(zip(columns, kinds, strict=True)))


def _write_parquet(order: ExportOrder, columns: list[str], rows: Iterator[Row], to: Path) -> None:
    schema = _schema(order, columns)
    with pq.ParquetWriter(to, schema, version="1.0") as file:
        while some := list(islice(rows, _ROWS_AT_ONCE)):
            arrays = [
                pa.array(list(one), kind) for one, kind in zip(zip(*some, strict=True), schema.types, strict=True)
            ]
            file.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))


def _write_csv(_: ExportOrder, columns: list[str], rows: Iterator[Row], file: IO[str]) -> None:
    writing = csv.writer(file, lineterminator="\n")
    writing.writerow(columns)
    writing.writerows(["" if value is None else value for value in row] for row in rows)


def _write_json(order: ExportOrder, columns: list[str], rows: Iterator[Row], file: IO[str]) -> None:
    records = (json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) for row in rows)
    if order.shape.json_layout == "lines":
        file.writelines(f"{record}\n" for record in records)
        return
    file.write("[")
    for number, record in enumerate(records):
        file.write(f"{',' if number else ''}\n{record}")
    file.write("\n]\n")
