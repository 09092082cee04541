"""dlt as its documentation introduces it: a resource that yields lists of dicts, merged on a key.

Not here: what it has in common with the way over Arrow (`dlt_arrow.py`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from dlt.sources.helpers import requests

from benchmarks.contenders.dlt_arrow import merge, merged, token
from benchmarks.task import Stopwatch, Task, body, headers, say

PAGE_ROWS = 10_000


def _pages(task: Task) -> Iterator[list[dict[str, str]]]:
    sent = headers(token(task))
    for window in task.windows:
        answer = requests.post(task.download_url, json=body(window), headers=sent).content.decode()
        page: list[dict[str, str]] = []
        for row in csv.DictReader(io.StringIO(answer, newline="")):
            page.append(row)
            if len(page) == PAGE_ROWS:
                yield page
                page = []
        yield page


def main() -> None:
    """Loads the hours of this process's task."""
    watch = Stopwatch()
    task = Task.given()
    say(merge(task, _pages(task)), watch.seconds, table=merged(task))


if __name__ == "__main__":
    main()
