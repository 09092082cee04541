"""The interface of readers for files that are not delimited text: records and attributes, some at a time.

Records come as columns of text. Not here: any vendor's reader (`vendors/`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:  # a stream is declared with its reader, and most commands read no file
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Records:
    """Some records of a landed file, in its order.

    Attributes:
        numbers: Their numbers in the file, from 1; int64.
        columns: Text by the names of the recipe's columns, NULL where a record has none; a name that is left out is
            NULL for all of them.
        properties: A JSON object for each, as text.
        raw: The records as they stand in the file; only if asked for.
        faults: Why a record's form is wrong, or None; only if `raw` is asked for.
    """

    numbers: pa.Array[Any]
    columns: Mapping[str, pa.Array[Any]]
    properties: pa.Array[Any]
    raw: Sequence[bytes] = ()
    faults: Sequence[str | None] = ()


class Reading(Protocol):
    """One pass over one file. What it says of the file is final when the pass is.

    Attributes:
        faults: Records whose form is wrong.
        unknown: Names of unknown fields.
        missing: Columns of the recipe that no field stands for.
        mapping: The field that each column is read from, if the reader has to find that out.
    """

    faults: int
    unknown: tuple[str, ...]
    missing: tuple[str, ...]
    mapping: Mapping[str, str]

    def __iter__(self) -> Iterator[Records]:
        """The records, a bounded number at a time.

        Raises:
            ContractError: If the file is whole and can't be understood.
            DocumentError: If it is not whole, or a record is longer than the reader takes; the lake says which file.
        """
        ...


class RecordReader(Protocol):
    """Reads the landed files of one stream; given by a vendor with its recipe, called by the lake.

    Attributes:
        version: Says how files are read; events that were made by another one are made anew.
    """

    version: str

    def read(self, chunks: Iterable[bytes], *, with_raw: bool) -> Reading:
        """Reads a file.

        Args:
            chunks: Its inflated bytes without byte order mark, in pieces of any size.
            with_raw: Whether to give the records' bytes, and those too whose form is wrong. Without it these are only
                counted, and all that speed needs is allowed.
        """
        ...


@runtime_checkable
class InformedReader(RecordReader, Protocol):
    """A reader to which a file alone does not say enough."""

    def informed(self, answers: Sequence[Mapping[str, Any]]) -> RecordReader:
        """The reader of one landing's files.

        Args:
            answers: What else the vendor said when they landed, and then at the partition's landings before, the newest
                first, as the manifest keeps it.
        """
        ...


AttributeRow = Sequence[str | bool | None]
"""The values of `model.ATTRIBUTE_COLUMNS`, in that order."""


class AttributeReader(Protocol):
    """Reads the attributes out of the landed files of one stream; given by a vendor with its recipe.

    Attributes:
        version: Says how they are read; those that another one read are read anew.
    """

    version: str

    def read(self, chunks: Iterable[bytes], answers: Sequence[Mapping[str, Any]]) -> Iterator[AttributeRow]:
        """Reads a file; a row an attribute of a person, and of rows with one key the last one counts.

        The key is section_id, profile_key and attribute_id. It holds no more than a bounded part of the file.

        Args:
            chunks: Its inflated bytes without byte order mark, in pieces of any size.
            answers: What else the vendor said when it landed, and then at the partition's landings before, the newest
                first, as the manifest keeps it.

        Raises:
            DocumentError: If the file is not whole, or no such file; the lake says which file.
        """
        ...
