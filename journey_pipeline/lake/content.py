"""A digest of landed CSV files that does not depend on the order of records: two answers say the same, or they don't.

Not here: what the records mean (`normalize.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from journey_pipeline.lake.landed_file import Inflated
from journey_pipeline.lake.records import split_records, without_line_end

_MODULUS = 1 << 128
LONGEST_RECORD_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class ContentDigest:
    """What can be compared of an answer.

    Attributes:
        header: Its header line; the same columns in another order are another header.
        records: How many records it has.
        total: The sum of the records' hashes.
    """

    header: bytes
    records: int
    total: int


def content_digest(files: Iterable[Path], *, delimiter: str = ",") -> ContentDigest:
    """Digests the parts of one answer, record by record.

    Args:
        files: Gzip CSV files with the same header line.
        delimiter: Of their fields.

    Raises:
        LakeError: If one of them can't be inflated.
    """
    header, count, total = b"", 0, 0
    for file in files:
        with closing(Inflated(file)) as content:
            records = split_records(content.chunks(), delimiter.encode(), LONGEST_RECORD_BYTES)
            first = next(records, None)
            header = without_line_end(first.raw) if first else header
            for record in records:
                digest = hashlib.blake2b(without_line_end(record.raw), digest_size=16).digest()
                count, total = count + 1, (total + int.from_bytes(digest)) % _MODULUS
    return ContentDigest(header, count, total)
