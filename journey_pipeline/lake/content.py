"""A digest of landed files that does not depend on the order of records: two answers say the same, or they don't.

Not here: what the records mean (`normalize.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from journey_pipeline.formats.csv_records import split_records, without_line_end
from journey_pipeline.lake.landed_file import Inflated
from journey_pipeline.lake.reader_source import told_of_file
from journey_pipeline.model import Recipe

_MODULUS = 1 << 128
LONGEST_RECORD_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class ContentDigest:
    """What can be compared of an answer.

    Attributes:
        header: Its header line, if it is delimited text; the same columns in another order are another header.
        records: How many records it has.
        total: The sum of the records' hashes.
    """

    header: bytes
    records: int
    total: int


def content_digest(files: Iterable[Path], recipe: Recipe) -> ContentDigest:
    """Digests the parts of one answer, record by record.

    Args:
        files: Gzip files; of delimited text all with the same header line.
        recipe: What they are read for.

    Raises:
        LakeError: If one of them can't be inflated, or not be read to its end.
        ContractError: If the recipe's reader does not understand one of them.
    """
    header, count, total = b"", 0, 0
    for file in files:
        with closing(Inflated(file)) as content:
            records = _records(content, file, recipe)
            if not recipe.reader:
                header = next(records, header)
            for record in records:
                digest = hashlib.blake2b(record, digest_size=16).digest()
                count, total = count + 1, (total + int.from_bytes(digest)) % _MODULUS
    return ContentDigest(header, count, total)


def _records(content: Inflated, file: Path, recipe: Recipe) -> Iterator[bytes]:
    if recipe.reader:
        reading = recipe.reader.read(content.chunks(), with_raw=True)
        return (raw for some in told_of_file(reading, file) for raw in some.raw)
    records = split_records(content.chunks(), recipe.delimiter.encode(), LONGEST_RECORD_BYTES)
    return (without_line_end(record.raw) for record in records)
