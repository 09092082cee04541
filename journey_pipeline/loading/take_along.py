"""A poll that takes the file along: check and download are one request where a vendor's answer is the file itself.

For whoever may take long over a poll, as a load may and a sensor's tick may not. Not here: polls that only look
(`polling.py`), landing what was taken, fetching what somebody else has found ready or what has parts (`collect.py`).
"""

from __future__ import annotations

from collections.abc import Callable

from journey_pipeline.exports import answers
from journey_pipeline.exports.export import Export
from journey_pipeline.lake.landing import name_attempt
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.collect import Receiving, Taken
from journey_pipeline.loading.exports import Exporting
from journey_pipeline.loading.polling import Place, poll
from journey_pipeline.loading.progress import Progress
from journey_pipeline.model import partition_window


def poll_and_take(
    lake: Lake, exporting: Exporting, export: Export, *, progress: Progress, stopped: Callable[[], bool]
) -> Taken | None:
    """Polls an export and takes its file along, if that is the answer. What came of it is in the ledger.

    Args:
        export: As it was claimed to be polled; it stands for itself, and its source's polls are downloads.
        progress: Who is told of bytes.
        stopped: Asked between chunks; if true, the work ends with StoppedError.

    Returns:
        The file, to be landed with `Collecting` or discarded; None if it isn't ready, or is to be fetched by itself
        after a cut on the way or where the disk refused.

    Raises:
        ExportMovedOn: If somebody else has taken it further meanwhile.
    """
    folder = name_attempt(lake, export.key, partition_window(export.partition), exporting.now())
    to = folder.part(0, exporting.source_of(export).stream.recipe.extension)
    receiving = Receiving(exporting, export, progress, stopped)
    part = None
    try:
        polled = poll(exporting, export, place=Place(to, receiving.received))
        part = polled.part if polled else None
    except OSError:  # of the disk: there was a file to write. Who fetches it next says what is wrong.
        answers.ready(exporting.ledger, export, at=exporting.now(), status=None)
    finally:
        if part is None:
            folder.discard()
    return Taken(folder, part) if part else None
