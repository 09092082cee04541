"""An answer lands whole under one manifest; an error leaves the evidence that it was blamed on, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from journey_pipeline.errors import ContractError, LakeError
from journey_pipeline.files import write_bytes
from journey_pipeline.lake.landing import read_landing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.landing import Landing, StoppedError
from journey_pipeline.model import StreamKey, partition_window
from journey_pipeline.vendors.source import Part

KEY = StreamKey("sfmc", "sfmc", "journey_history")
HOUR, NEXT = partition_window("2026-11-20T05"), partition_window("2026-11-20T06")
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)


def landing_of(lake: Lake, **given: object) -> Landing:
    return Landing(lake, KEY, HOUR, "csv.gz", **{"at": NOW, "now": lambda: NOW, **given})  # type: ignore[arg-type]


def came(landing: Landing, content: bytes = b"a,b\n1,2\n") -> Part:
    """A part that was written to its place."""
    write_bytes(landing.place.file, content)
    digest = hashlib.sha256(content).hexdigest()
    return Part(landing.place.file, HOUR, digest, len(content), len(content), 1, ("a", "b"), "identity")


def left(lake: Lake) -> Iterator[str]:
    return (lake.relative(path) for path in lake.home.rglob("*") if path.is_file())


def test_what_came_lands_under_one_manifest_and_its_covers_say_so(lake: Lake) -> None:
    with landing_of(lake, covers=[NEXT]) as landing:
        landing.take(came(landing))
        landing.take(came(landing, b"a,b\n3,4\n"))
        landing.commit(request={"asked": True})
    found, covered = (read_landing(lake, KEY, window.partition) for window in (HOUR, NEXT))
    assert found
    assert covered
    (attempt,) = found.attempts
    assert [file.name for file in attempt.files] == ["part-0.csv.gz", "part-1.csv.gz"]
    assert (attempt.started_at, attempt.request, attempt.covers) == (NOW, {"asked": True}, (NEXT.partition,))
    assert (covered.covered_by, covered.covered_in) == (HOUR.partition, (attempt.attempt,))


def test_an_error_leaves_the_evidence_that_it_was_blamed_on_and_nothing_else(lake: Lake) -> None:
    error = ContractError("no such file.")
    landing = landing_of(lake)
    landing.take(came(landing))
    write_bytes(landing.evidence, b"<html>")
    landing.blame(error, "it is asked for again.")
    with pytest.raises(ContractError), landing:
        raise error
    (kept,) = left(lake)
    assert error.evidence == kept
    assert str(error) == (
        f"no such file. Start and end of the answer are kept in {kept}. Nothing landed; it is asked for again."
    )


@pytest.mark.parametrize("error", [StoppedError(), KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_work_that_ends_for_another_reason_leaves_nothing(lake: Lake, error: BaseException) -> None:
    expected = LakeError if isinstance(error, OSError) else type(error)
    landing = landing_of(lake)
    landing.take(came(landing))
    write_bytes(landing.evidence, b"of an earlier try")
    with pytest.raises(expected), landing:
        raise error
    assert list(left(lake)) == []


def test_evidence_of_a_try_goes_once_the_part_came_whole(lake: Lake) -> None:
    with landing_of(lake) as landing:
        write_bytes(landing.evidence, b"cut")
        landing.take(came(landing))
        landing.commit()
    assert not [path for path in left(lake) if path.startswith("evidence")]


def test_a_lease_is_kept_once_a_minute_while_bytes_come(lake: Lake) -> None:
    times = iter(NOW + timedelta(seconds=s) for s in (0, 10, 59, 61, 61, 70, 130, 130))
    kept: list[int] = []
    landing = landing_of(lake, now=lambda: next(times), keep=lambda: kept.append(1))
    counts = []
    for _ in range(5):
        landing.received(1)
        counts.append(len(kept))
    assert counts == [0, 0, 1, 1, 2]


def test_a_file_in_the_place_of_its_folder_is_named(lake: Lake) -> None:
    write_bytes(lake.home / "raw", b"")
    with pytest.raises(LakeError, match="is a file where a folder goes"), landing_of(lake) as landing:
        came(landing)
