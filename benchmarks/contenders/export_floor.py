"""The floor of an export: its landed file inflated and its bytes counted, nothing understood."""

from __future__ import annotations

from benchmarks.landed import Landed, chunks
from benchmarks.task import Stopwatch, Task, say


def main() -> None:
    """Counts the bytes of the export that has landed in the home."""
    watch = Stopwatch()
    with Landed.found(Task.given().home).inflated() as file:
        say(sum(map(len, chunks(file))), watch.seconds)


if __name__ == "__main__":
    main()
