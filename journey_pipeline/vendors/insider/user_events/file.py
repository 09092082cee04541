"""An export's file as it arrives: its format by its first bytes, and whether it is whole and has the columns it needs.

Not here: what a record holds (`columns.py`), the download (`vendors/insider/client.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from journey_pipeline.errors import ContractError, TransientVendorError
from journey_pipeline.formats.csv_records import folded
from journey_pipeline.formats.small_answers import read_json
from journey_pipeline.vendors.csv_answer import CsvInspector
from journey_pipeline.vendors.insider.user_events.columns import NEEDED_COLUMNS, known_names, tells_of_people
from journey_pipeline.vendors.json_answer import JsonInspector
from journey_pipeline.vendors.parquet_answer import ParquetInspector

_BLANK = b" \t\r\n\xef\xbb\xbf"
_PARQUET = b"PAR1"
_MOST_NAMED = 40
_RECORDS_READ = 1000  # so many records of JSON tell which columns there are


class _Inspector(Protocol):
    @property
    def rows(self) -> int: ...

    def feed(self, chunk: bytes) -> None: ...

    def finish(self, *, verified: bool) -> None: ...


def is_packed(start: bytes) -> bool:
    """Whether a file that begins so is to lie as gzip: text does, and a reader of Parquet seeks."""
    return start[: len(_PARQUET)] != _PARQUET


class ExportInspector:
    """Checks one file in any of the vendor's formats.

    Attributes:
        extension: Of the file as it is to lie, such as `csv.gz`; known from the first byte on.
        columns: Its columns, as far as they are needed to tell whether the needed ones are there.
    """

    def __init__(self) -> None:
        self.extension = "csv.gz"
        self._file: _Inspector | None = None
        self._blank = b""

    @property
    def rows(self) -> int:
        """Its records; final once all of it was seen."""
        return self._file.rows if self._file else 0

    @property
    def columns(self) -> tuple[str, ...]:
        """Their columns; likewise."""
        return tuple(getattr(self._file, "columns", ()))

    def feed(self, chunk: bytes) -> None:
        """Takes the next piece, cut anywhere.

        Raises:
            ContractError: If it is no such file.
            TransientVendorError: If it is damaged.
        """
        if self._file is None:
            self._blank += chunk
            start = self._blank.lstrip(_BLANK)
            if not start:
                self._blank = self._blank[:3]
                return
            chunk, self._blank = self._blank, b""
            self.extension, self._file = _inspector_of(start)
        self._file.feed(chunk)

    def finish(self, *, verified: bool) -> None:
        """Takes the end; the errors are those of `feed`."""
        if self._file:
            self._file.finish(verified=verified)
            check_columns(self.columns)

    def look(self, file: Path) -> None:
        """Reads a Parquet file's own table of contents; the errors are those of `feed`."""
        if isinstance(self._file, ParquetInspector):
            self._file.look(file)
            check_columns(self.columns)
            if nested := [name for name in self._file.nested if folded(name) in NEEDED_COLUMNS]:
                raise ContractError(
                    f"the export's file has lists or structures in {', '.join(nested)}, where one value is needed. "
                    "Compare the columns with the vendor's documentation."
                )


def check_columns(columns: Sequence[str]) -> None:
    """Checks that a file has each needed column, and none twice.

    Raises:
        ContractError: If it has not; names the columns that it has.
    """
    if not columns or tells_of_people(columns):
        return
    columns = known_names(columns)
    counts = Counter(map(folded, columns))
    twice = [name for name, count in counts.items() if count > 1]
    lacking = [name for name in NEEDED_COLUMNS if name not in counts]
    if lacking or twice:
        what = f"lacks {', '.join(lacking)}" if lacking else f"has {', '.join(twice)} twice"
        has = ", ".join(columns[:_MOST_NAMED])
        raise ContractError(
            f"the export's file {what}; its columns are {has}. No event can be told without "
            f"{', '.join(NEEDED_COLUMNS)}. Compare the columns with the vendor's documentation."
        )


class _JsonExport(JsonInspector):
    """Also reads which members the first records have."""

    def __init__(self) -> None:
        super().__init__(flat=True)
        self.columns: tuple[str, ...] = ()

    def take(self, records: Sequence[bytes]) -> None:
        for record in records[: max(0, _RECORDS_READ - self.rows)]:
            try:
                members = read_json(record)
            except ValueError:
                continue
            if isinstance(members, dict):
                self.columns = tuple(dict.fromkeys([*self.columns, *members]))
        super().take(records)

    def finish(self, *, verified: bool) -> None:
        try:
            super().finish(verified=verified)
        except TransientVendorError:
            check_columns(self.columns)  # an error object looks like a record that was cut off
            raise


def _inspector_of(start: bytes) -> tuple[str, _Inspector]:
    if start.startswith(_PARQUET):
        return "parquet", ParquetInspector()
    if start.startswith((b"[", b"{")):
        return "json.gz", _JsonExport()
    return "csv.gz", CsvInspector()
