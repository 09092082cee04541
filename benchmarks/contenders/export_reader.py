"""The pipeline's reader alone: a landed export, split at its profiles, decoded by types, to rows in Parquet.

No key, no codes, no deduplication, no attributes: the same job as the peer's (`export_ijson.py`). Not here: everything
else that becomes of an export (`export_normalizer.py`).
"""

from __future__ import annotations

from benchmarks.landed import COLUMNS, Landed, chunks, write
from benchmarks.task import Stopwatch, Task, say
from journey_pipeline.vendors.apsis.profile_events.reader import ProfileEventReader


def main() -> None:
    """Makes rows of the export that has landed in the home."""
    watch = Stopwatch()
    home = Task.given().home
    landed = Landed.found(home)
    reader = ProfileEventReader().informed([landed.answers])
    with landed.inflated() as file:
        batches = (
            [records.numbers, *(records.columns[name] for name in COLUMNS[:-1]), records.properties]
            for records in reader.read(chunks(file), with_raw=False)
        )
        rows = write(batches, home / "reader.parquet")
    say(rows, watch.seconds)


if __name__ == "__main__":
    main()
