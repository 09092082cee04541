"""Reads landed answers: JSON in any of its forms, some records at a time, into the columns that the SQL reads.

Also what to tell of an answer that can't be mapped: names, never values. Not here: where the records are in an answer
(`formats/`), which field is which (`mapping.py`), rows (`columns.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

import msgspec

from journey_pipeline.errors import ContractError
from journey_pipeline.formats.json_records import RecordSplitter
from journey_pipeline.formats.json_scan import NoRecordsError
from journey_pipeline.formats.records import Records
from journey_pipeline.vendors.layerfive.customer_journeys.answers import (
    ARRAYS,
    PERSONS,
    UNREADABLE,
    Head,
    decode,
    leniently,
    parsed_or_none,
    unfolded,
)
from journey_pipeline.vendors.layerfive.customer_journeys.columns import COLUMNS, Converter, Row
from journey_pipeline.vendors.layerfive.customer_journeys.mapping import (
    KNOWN_NAMES,
    Detection,
    MappingSettings,
    is_tellable,
    plain,
)

_RULES = 2  # raised when records are read another way, so that events are made anew
_RECORDS_AT_ONCE = 4096
_NO_OBJECT = "not a JSON object"
_UNTOLD = "(a name that is no word)"
_NO_JSON = "unreadable JSON"
_NOTHING: Row = (None,) * len(COLUMNS)


class JourneyReader:
    """Reads the answers of one connection.

    Args:
        settings: What the connection says of its records.
    """

    def __init__(self, settings: MappingSettings) -> None:
        self.settings = settings
        self.version = f"{_RULES}:{settings.digest}"

    def read(self, chunks: Iterable[bytes], *, with_raw: bool) -> JourneyReading:
        """Reads a file; as `formats.records.RecordReader` says."""
        return JourneyReading(self.settings, chunks, with_raw=with_raw)


class JourneyReading:
    """One pass over one file.

    Attributes:
        unknown: Names that neither the contract nor the connection knows.
        mapping: The field that each column is read from.
    """

    def __init__(self, settings: MappingSettings, chunks: Iterable[bytes], *, with_raw: bool) -> None:
        self.faults = 0
        self.unknown: tuple[str, ...] = ()
        self.missing: tuple[str, ...] = ()
        self.mapping: Mapping[str, str] = {}
        self._settings = settings
        self._chunks = chunks
        self._with_raw = with_raw
        self._is_folded = False

    def __iter__(self) -> Iterator[Records]:
        records = RecordSplitter(ARRAYS, path=self._settings.records_path).split(self._chunks)
        try:
            yield from self._mapped(self._from_first_event(records))
        except NoRecordsError as error:
            raise no_array(error, self._settings) from None

    def _from_first_event(self, batches: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
        """Leaves out the first records that say themselves that they hold no event: they show no field."""
        if not (name := self._settings.events):
            return batches
        for batch in batches:
            first = next((place for place, record in enumerate(batch) if unfolded(parsed_or_none(record), name)), None)
            self._is_folded |= first != 0
            if first is not None:
                return chain([batch[first:]], batches)
        return batches

    def _mapped(self, batches: Iterator[list[bytes]]) -> Iterator[Records]:
        """The records, mapped by what the first of them show."""
        head, rest = Head(), list[bytes]()
        while not head.is_full and (batch := next(batches, None)) is not None:
            rest = head.take(batch)
        if not head.records:
            return
        nested = head.nested_name(self._settings)
        detection = head.detection(self._settings)
        if detection.lacking:
            if nested and not self._is_folded and not head.holds(nested):
                raise unparted(nested, f"first {len(head.records)} records")
            raise unmappable(detection)
        converter = Converter(self._settings, detection)
        filled: set[str] = set()
        number = 1
        for batch in chain([head.records, rest], batches):
            events = self._events(batch, nested)
            while count := len(rows := _Rows(converter, islice(events, _RECORDS_AT_ONCE), with_raw=self._with_raw)):
                records = rows.records(number)
                filled.update(name for name, column in records.columns.items() if column.null_count < len(column))
                self.faults += rows.faults
                number += count
                yield records
        self.unknown = self._unknown(converter.names)
        self.missing = self._missing(detection)
        self.mapping = dict(self._settings.places) | {
            column: one.name if is_tellable(one.name) else _UNTOLD
            for column, one in detection.fields.items()
            if column != "event_id" or self._settings.event_id_is_unique
        }
        if nested and not self._is_folded:
            raise unparted(nested, f"{number - 1} records")
        if gone := detection.vanished(filled, converter.names):
            raise vanished(gone, number - 1)

    def _events(self, records: Iterable[bytes], nested: str | None) -> Iterator[tuple[bytes | None, Any]]:
        """The events of some records, each with its bytes as they stand, or None if it lies inside of a record."""
        for record in records:
            try:
                value = decode(record)
            except UNREADABLE:
                value = _leniently(record)
            if nested is None:
                yield record, value
                continue
            events = unfolded(value, nested)
            is_itself = len(events) == 1 and events[0] is value
            self._is_folded |= not is_itself
            for event in events:
                yield record if is_itself else None, event

    def _unknown(self, names: Iterable[str]) -> tuple[str, ...]:
        known = KNOWN_NAMES | self._settings.known_names
        news = {name for name in names if plain(name.removeprefix(PERSONS)) not in known}
        return tuple(sorted({name if is_tellable(name) else _UNTOLD for name in news}))

    def _missing(self, detection: Detection) -> tuple[str, ...]:
        needless = () if self._settings.event_id_is_unique else ("event_id",)
        return tuple(column for column in detection.missing if column not in needless)


class _Rows:
    """Some events of a file as rows; its length is how many events they were."""

    def __init__(self, converter: Converter, events: Iterable[tuple[bytes | None, Any]], *, with_raw: bool) -> None:
        self.faults = 0
        self._constants = converter.constants
        self._numbers: list[int] = []
        self._rows: list[Row] = []
        self._properties: list[bytes] = []
        self._raw: list[bytes] = []
        self._faults: list[str | None] = []
        self._count = 0
        for count, (raw, value) in enumerate(events):
            self._count = count + 1
            fault = None if type(value) is dict else value if isinstance(value, _Fault) else _NO_OBJECT
            if fault is not None:
                self.faults += 1
                if not with_raw:
                    continue
            if with_raw:
                self._raw.append(msgspec.json.encode(value) if raw is None else raw)
                self._faults.append(fault)
            row, properties = converter.row(value) if fault is None else (_NOTHING, b"{}")
            self._numbers.append(count)
            self._rows.append(row)
            self._properties.append(properties)

    def __len__(self) -> int:
        return self._count

    def records(self, first: int) -> Records:
        """The rows as columns; `first` is the number of the first event in the file."""
        import pyarrow as pa  # noqa: PLC0415 - a stream is declared with its reader, and few commands read

        columns = dict(zip(COLUMNS, zip(*self._rows, strict=True), strict=True)) if self._rows else {}
        constants = {name: pa.repeat(pa.scalar(value), len(self._rows)) for name, value in self._constants.items()}
        return Records(
            numbers=pa.array([first + number for number in self._numbers], pa.int64()),
            columns={name: pa.array(values, pa.string()) for name, values in columns.items()} | constants,
            properties=pa.array(self._properties, pa.binary()).cast(pa.string()),
            raw=self._raw,
            faults=self._faults,
        )


class _Fault(str):
    """Why a record has no value."""

    __slots__ = ()


def _leniently(record: bytes) -> Any:
    try:
        return leniently(record)
    except ValueError:
        return _Fault(_NO_JSON)


_MOST_NAMES = 40


# Of which names an example is made, likeliest first.
_HINTS = {
    "occurred_at": ("time", "date", "stamp", "when", "moment", "at"),
    "contact_id": ("person", "individual", "contact", "customer", "user", "visitor", "profile", "who", "key", "id"),
}


def unmappable(detection: Detection) -> ContractError:
    """The error of an answer whose records have no time or no person."""
    if not detection.counts:
        return ContractError("the answer can't be mapped: its first records are no objects with fields. Look at it.")
    declared = [detection.fields[column].name for column in detection.lacking if column in detection.fields]
    instead = f" (declared as {', '.join(declared)}, which no record has)" if declared else ""
    return ContractError(
        f"the answer can't be mapped: none of its fields stands for {' or '.join(detection.lacking)}{instead}. "
        f"Of its first {detection.records} records have a value: {_counted(detection)}. Write into defs.yaml which "
        f"fields they are, for example `fields: {{{_example(detection)}}}`, then normalize the partition again; it has "
        "landed."
    )


def vanished(names: Sequence[str], records: int) -> ContractError:
    """The error of an answer in which a declared field never appears."""
    return ContractError(
        f"none of the answer's {records} records has {', '.join(names)}, which `fields` in defs.yaml declares. Correct "
        "it, or take it out if the vendor no longer sends it; then normalize the partition again; it has landed."
    )


def unparted(name: str, records: str) -> ContractError:
    """The error of an answer in which the declared array of events never appears."""
    return ContractError(
        f"none of the answer's {records} has an array {name}, which `events` in defs.yaml declares. Correct it, or "
        "take it out if the records are events themselves; then normalize the partition again; it has landed."
    )


def no_array(error: NoRecordsError, settings: MappingSettings) -> ContractError:
    """The error of an answer in which the records can't be found."""
    if settings.records:
        return ContractError(
            f"the answer {error}. `records` in defs.yaml declares {settings.records}: correct it, or take it out, so "
            "that they are looked for; then normalize the partition again; it has landed."
        )
    return ContractError(
        f"the answer {error}. Records are looked for in a top-level array, in the only array of objects, or under "
        f"{', '.join(ARRAYS)}. Write into defs.yaml where they are, for example `records: data.rows`, then normalize "
        "the partition again; it has landed."
    )


def _counted(detection: Detection) -> str:
    by_count = sorted(detection.counts.items(), key=lambda item: -item[1])
    plain_names = [(name, count) for name, count in by_count if is_tellable(name)]
    told = [f"{name} ({count})" for name, count in plain_names[:_MOST_NAMES]]
    others = len(by_count) - len(told)
    return ", ".join([*told, *([f"and {others} more names"] if others else [])])


def _example(detection: Detection) -> str:
    free = [name for name in detection.counts if name in detection.scalars and is_tellable(name)]
    return ", ".join(f"{column}: {_likely(free, _HINTS[column])}" for column in detection.lacking)


def _likely(names: Iterable[str], hints: Sequence[str]) -> str:
    names = list(names)
    fitting = (name for hint in hints for name in names if hint in plain(name.rpartition(".")[2]))
    return next(fitting, names[0] if names else "its_name")
