"""A landed file as bytes: checked against its manifest, inflated, its header read.

Not here: its records (`csv_batches.py`, `formats/csv_records.py`), how it came to be (`lake/landing.py`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from isal import igzip, isal_zlib

from journey_pipeline.errors import LakeError
from journey_pipeline.formats.csv_records import TooLongError, fields_of, split_records
from journey_pipeline.lake.layout import selection_at
from journey_pipeline.lake.manifest import LandedFile
from journey_pipeline.lake.wholeness import damage_of

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
CHUNK_BYTES = 1 << 20
LONGEST_HEADER_BYTES = 1 << 20
_DAMAGE = (OSError, EOFError, cast("type[Exception]", isal_zlib.error))


class DamagedFileError(LakeError):
    """A landed file is missing or not the bytes that landed.

    Args:
        damage: How it differs, with its path.
    """

    def __init__(self, path: Path, damage: str) -> None:
        super().__init__(
            f"{damage}, so no events can be made of it. Restore it from a copy, or pull the partition again with "
            f"`journey-pipeline backfill {selection_at(path)} --again`."
        )
        self.damage = damage


@dataclass(frozen=True, slots=True)
class LandedCsv:
    """One CSV file of an attempt, with its header read.

    Attributes:
        path: Where it lies.
        name: As lineage names it, `partition/attempt/file`.
        rows: Records counted while landing.
        delimiter: Its field separator.
        header: Its columns as they stand in it; empty if the file has not even a header.
        header_bytes: Where the first record starts, the byte order mark not counted.
    """

    path: Path
    name: str
    rows: int
    delimiter: str
    header: tuple[str, ...]
    header_bytes: int


class Inflated(io.RawIOBase):
    """The bytes of a landed file without byte order mark, as a file to read from; counts the quotes in them.

    The number of `"` in a whole CSV is even, so that an odd one tells of a quote that was never closed.
    """

    def __init__(self, path: Path) -> None:
        self.quotes = 0
        self._file = igzip.IGzipFile(path, "rb")  # type: ignore[no-untyped-call]
        self._head = self._inflate(len(BYTE_ORDER_MARK)).removeprefix(BYTE_ORDER_MARK)

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        """The next bytes, `b""` at the end."""
        head, self._head = self._head[:size], self._head[size:]
        content = head + self._inflate(size - len(head)) if head else self._inflate(size)
        if len(content) > 1 and content.endswith(b"\r"):
            # Arrow drops a line feed with which a block begins after a block that ends so, even inside of quotes.
            content, self._head = content[:-1], b"\r" + self._head
        self.quotes += content.count(b'"')
        return content

    def chunks(self) -> Iterator[bytes]:
        """All bytes, in pieces."""
        while content := self.read():
            yield content

    def readable(self) -> bool:
        """Always; pyarrow asks."""
        return True

    def close(self) -> None:
        """Gives the file back."""
        self._file.close()
        super().close()

    def _inflate(self, size: int) -> bytes:
        try:
            content: bytes = self._file.read(size)
        except _DAMAGE as error:
            raise LakeError(
                f"{self._file.name} can't be inflated ({type(error).__name__}): it is damaged. Restore it from a "
                "copy, or pull the partition again with "
                f"`journey-pipeline backfill {selection_at(Path(self._file.name))} --again`."
            ) from error
        return content


def open_landed(path: Path, name: str, file: LandedFile, delimiter: str) -> LandedCsv:
    """Checks a landed file against its manifest and reads its header.

    Raises:
        LakeError: If it is missing, not the bytes that landed, can't be inflated, or its header can't be read.
    """
    check_landed(path, file)
    with closing(Inflated(path)) as content:
        records = split_records(content.chunks(), delimiter.encode(), LONGEST_HEADER_BYTES)
        try:
            first = next(records, None)
            header = fields_of(first.raw, delimiter) if first else []
        except (TooLongError, UnicodeDecodeError, csv.Error) as error:
            raise LakeError(
                f"{path} has no readable header line, so its columns are unknown. Look at the file."
            ) from error
    return LandedCsv(path, name, file.rows, delimiter, tuple(header), first.end if first else 0)


def check_landed(path: Path, file: LandedFile) -> None:
    """Checks a landed file against its manifest.

    Raises:
        DamagedFileError: If it is missing or not the bytes that landed.
    """
    if damage := damage_of(path, file, by_content=True):
        raise DamagedFileError(path, damage)
