"""A landed file: its bytes, whether they are those that landed, what reads it, and a digest of an answer's files.

The digest does not depend on the order of records. Not here: records as batches (`csv_source.py`, `record_reader.py`),
how a file came to be (`lake/landing.py`).
"""

from __future__ import annotations

import hashlib
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from isal import igzip, isal_zlib

from journey_pipeline.errors import ContractError, JourneyError, LakeError
from journey_pipeline.formats.csv_records import split_records, without_line_end
from journey_pipeline.formats.json_records import RecordSplitter
from journey_pipeline.formats.json_scan import DocumentError, NoRecordsError
from journey_pipeline.lake.layout import selection_at
from journey_pipeline.lake.manifest import LandedFile
from journey_pipeline.normalize.session import NormalizeLimits
from journey_pipeline.recipe import Recipe

Item = TypeVar("Item")

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
CHUNK_BYTES = 1 << 20
_QUOTE = ord('"')
_COUNTED_AT_ONCE = 1 << 16
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


def open_landed(path: Path) -> Any:
    """A landed file to read from, inflated if its name says that it lies as gzip."""
    return igzip.IGzipFile(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[no-untyped-call]


class Inflated(io.RawIOBase):
    """The bytes of a landed file without byte order mark, as a file to read from; counts the quotes in them.

    The number of `"` in a whole CSV is even, so that an odd one tells of a quote that was never closed.
    """

    def __init__(self, path: Path) -> None:
        self.quotes = 0
        self._file: Any = open_landed(path)
        self._head = self._inflate(len(BYTE_ORDER_MARK)).removeprefix(BYTE_ORDER_MARK)

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        """The next bytes, `b""` at the end."""
        head, self._head = self._head[:size], self._head[size:]
        content = head + self._inflate(size - len(head)) if head else self._inflate(size)
        if len(content) > 1 and content.endswith(b"\r"):
            # Arrow drops a line feed with which a block begins after a block that ends so, even inside of quotes.
            content, self._head = content[:-1], b"\r" + self._head
        self._count(np.frombuffer(content, np.uint8))
        return content

    def chunks(self, size: int = CHUNK_BYTES) -> Iterator[bytes]:
        """All bytes, in pieces."""
        while content := self.read(size):
            yield content

    def readable(self) -> bool:
        """Always; pyarrow asks."""
        return True

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        super().close()

    def _count(self, content: npt.NDArray[np.uint8]) -> None:
        # numpy counts thrice as fast as `bytes.count`, if its marks are few enough to lie in memory that is used again.
        for at in range(0, content.size, _COUNTED_AT_ONCE):
            self.quotes += int(np.count_nonzero(content[at : at + _COUNTED_AT_ONCE] == _QUOTE))

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


def check_landed(path: Path, file: LandedFile) -> None:
    """Checks a landed file against its manifest.

    Raises:
        DamagedFileError: If it is missing or not the bytes that landed.
    """
    if damage := file.damage_at(path, by_content=True):
        raise DamagedFileError(path, damage)


def told_of_file(reading: Iterable[Item], path: Path) -> Iterator[Item]:
    """What a reader reads of a file; an error of the file's form says which file it is.

    Raises:
        LakeError: If the file is not whole, or a record is longer than the reader takes.
        ContractError: If it is whole and there are no records in it, or the reader can't understand it.
    """
    try:
        yield from reading
    except NoRecordsError as error:
        raise ContractError(
            f"{path} {error}. Look at the file, and tell the connection where the records are."
        ) from error
    except DocumentError as error:
        raise LakeError(
            f"{path} {error}, so no events can be made of it. Look at the file; pull the partition again with "
            f"`journey-pipeline backfill {selection_at(path)} --again`."
        ) from error


class UnreadableAttemptError(LakeError):
    """An attempt of which no events can be made: damaged, not as documented, or past the limits."""

    def __init__(self, attempt: str, why: JourneyError) -> None:
        super().__init__(str(why))
        self.attempt = attempt
        self.why = why


class IrregularError(Exception):
    """A file has to be read again from its start, another way than now."""


@dataclass(slots=True, kw_only=True)
class Source(ABC):
    """One landed file, read as batches of `landing`. What is found of its columns is final once it was read.

    Attributes:
        path: Where it lies, in the folder of its attempt.
        recipe: What it is read for.
        constants: Values of columns that were not downloaded.
        rows: Records counted while landing.
        read: Records that were handed to the recipe.
        faults: Records whose form is wrong.
        unknown: What the file has and the recipe does not know, as the file names it.
        missing: What the recipe knows and neither the file nor the constants have.
        respelled: What the recipe knows under names that differ in case or blanks around them, as the file names them.
        mapping: The field that each column is read from, where the reader finds that out.
    """

    path: Path
    recipe: Recipe
    constants: Mapping[str, str]
    rows: int
    read: int = 0
    faults: int = 0
    unknown: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    respelled: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)

    @property
    def attempt(self) -> str:
        """The attempt that it belongs to."""
        return self.path.parent.name

    @property
    def name(self) -> str:
        """As lineage names it: `partition/attempt/file`."""
        return "/".join(self.path.parts[-3:])

    @abstractmethod
    def good(self, limits: NormalizeLimits) -> Iterator[pa.RecordBatch]:
        """The records whose form is right, counted.

        Raises:
            IrregularError: If the file has to be read again from its start, another way than now.
            LakeError: If it can't be read, or a record is longer than the limits allow.
            ContractError: If it is whole and can't be understood.
        """

    @abstractmethod
    def with_raw(self, limits: NormalizeLimits, *, faults_only: bool) -> Iterator[pa.RecordBatch]:
        """All records, or those whose form is wrong, each with its raw text."""


_MODULUS = 1 << 128
LONGEST_RECORD_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class ContentDigest:
    """The digest by which answers are compared.

    Attributes:
        header: Its header line, if it is delimited text; the same columns in another order are another header.
        total: The sum of the records' hashes.
    """

    header: bytes
    records: int
    total: int


def content_digest(files: Iterable[Path], recipe: Recipe) -> ContentDigest:
    """Digests the parts of one answer, record by record.

    Args:
        files: Its files; of delimited text all with the same header line.
        recipe: What they are read for.

    Raises:
        LakeError: If one of them can't be inflated, or not be read to its end.
        ContractError: If the recipe's reader does not understand one of them.
    """
    header, count, total = b"", 0, 0
    for file in files:
        with closing(Inflated(file)) as content:
            form = recipe.format_of(file.name)
            records = _rows(file) if form == "parquet" else _records(content, file, recipe)
            if form == "csv":
                header = next(records, header)
            for record in records:
                digest = hashlib.blake2b(record, digest_size=16).digest()
                count, total = count + 1, (total + int.from_bytes(digest)) % _MODULUS
    return ContentDigest(header, count, total)


def _rows(file: Path) -> Iterator[bytes]:
    with pq.ParquetFile(file) as content:
        for batch in content.iter_batches():
            yield from (json.dumps(row, default=str, sort_keys=True).encode() for row in batch.to_pylist())


def _records(content: Inflated, file: Path, recipe: Recipe) -> Iterator[bytes]:
    if recipe.reader:
        reading = recipe.reader.read(content.chunks(), with_raw=True)
        return (raw for some in told_of_file(reading, file) for raw in some.raw)
    if recipe.format_of(file.name) == "json":
        return (
            record for some in told_of_file(RecordSplitter(flat=True).split(content.chunks()), file) for record in some
        )
    records = split_records(content.chunks(), LONGEST_RECORD_BYTES)
    return (without_line_end(record.raw) for record in records)
