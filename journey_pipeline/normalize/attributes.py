"""What an attempt's files say of people themselves, as a file beside the partition's events: each key once.

Of the newest attempt alone: an older one is out of date, and its time is not the partition's. Not here: reading a
vendor's file (`vendors/`), putting the finished file in place (`lake/events.py`), the history of values (`warehouse/`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa

from journey_pipeline.formats.records import AttributeReader
from journey_pipeline.lake.manifest import Attempt
from journey_pipeline.model import ATTRIBUTE_COLUMNS
from journey_pipeline.normalize.landed_file import Inflated
from journey_pipeline.normalize.record_reader import told_of_file
from journey_pipeline.normalize.session import Session, quoted
from journey_pipeline.normalize.staging import copy_batches

ATTRIBUTE_KEY = ("section_id", "profile_key", "attribute_id")
_TYPED = ", ".join(f"{column.name}::{column.type} as {column.name}" for column in ATTRIBUTE_COLUMNS)
_KEY = ", ".join(ATTRIBUTE_KEY)


def write_attributes(
    session: Session,
    reader: AttributeReader,
    attempt: Attempt,
    folder: Path,
    to: Path,
    *,
    answers: Sequence[Mapping[str, Any]],
) -> int:
    """Writes the attributes of an attempt, in the order of their key; of rows with one key the last one counts.

    Args:
        attempt: The attempt, whose files are known to be those that landed.
        answers: As the reader asks for them.

    Returns:
        The rows written.

    Raises:
        LakeError: If a file can't be read to its end.
        ContractError: If a file is whole and can't be understood.
    """
    staged = to.with_suffix(".staged.parquet")
    paths = [folder / file.name for file in attempt.files]
    if not copy_batches(session, _read(reader, answers, paths), reader.schema, f"select {_TYPED} from landing", staged):
        return 0
    numbered = f"read_parquet({quoted(str(staged))}, file_row_number = true)"
    return session.copy(
        f"""
        select * exclude (file_row_number)
        from {numbered}
        qualify row_number() over (partition by {_KEY} order by file_row_number desc) = 1
        order by {_KEY}
        """,
        to,
    )


def _read(
    reader: AttributeReader, answers: Sequence[Mapping[str, Any]], paths: Sequence[Path]
) -> Iterator[pa.RecordBatch]:
    for path in paths:
        with closing(Inflated(path)) as content:
            yield from told_of_file(reader.read(content.chunks(), answers), path)
