"""Events, the files beside them and their manifest: written in an order that survives a crash, and checked.

Not here: making them (`normalize/run.py`).
"""

from __future__ import annotations

from pathlib import Path

from journey_pipeline.errors import LakeError
from journey_pipeline.files import replacing, sha256_of
from journey_pipeline.lake.landing import damaged_parts, read_landing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest, LandingManifest, ParquetFile
from journey_pipeline.model import StreamKey, partition_window, selection
from journey_pipeline.recipe import Recipe


def describe_parquet(path: Path, rows: int) -> ParquetFile:
    """The facts about a Parquet file for its manifest."""
    return ParquetFile(sha256=sha256_of(path), bytes=path.stat().st_size, rows=rows)


def put_events(
    lake: Lake,
    manifest: EventsManifest,
    events: Path,
    *,
    rejects: Path | None = None,
    attributes: Path | None = None,
    populations: Path | None = None,
) -> None:
    """Puts a partition's events in place, their manifest last.

    A crash on the way leaves an old manifest beside a newer file; its digest tells (`verify_events`), its size most
    often too (`is_normalized`), and normalizing again heals it.

    Args:
        events: The finished file, on the lake's file system; it is moved.
        rejects: The rejects file, or None if there are no rejects.
    """
    stream, partition = manifest.key, manifest.partition
    beside = {
        lake.rejects_file(stream, partition): rejects,
        lake.attributes_file(stream, partition): attributes,
        lake.populations_file(stream, partition): populations,
    }
    for place, file in beside.items():
        if file:
            _move(file, place)
    _move(events, lake.events_file(stream, partition))
    manifest.write(lake.events_manifest(stream, partition))
    for place, file in beside.items():
        if not file:  # only now: until here an older manifest may have vouched for it
            place.unlink(missing_ok=True)


def put_widened(lake: Lake, manifest: EventsManifest, events: Path) -> None:
    """Puts an events file with further columns in the place of the same without them; the files beside it stay."""
    _move(events, lake.events_file(manifest.key, manifest.partition))
    manifest.write(lake.events_manifest(manifest.key, manifest.partition))


def is_normalized(lake: Lake, stream: StreamKey, partition: str, recipe: Recipe) -> bool:
    """Whether the partition's events are made of exactly the attempts that count now, with this recipe.

    Cheap: sizes are compared, contents are not (`verify_events` does that).

    Raises:
        LakeError: If the landing manifest is there and can't be understood. Of the events manifest nothing is lost.
    """
    landing = read_landing(lake, stream, partition)
    try:
        manifest = EventsManifest.read(lake.events_manifest(stream, partition))
    except LakeError:
        return False
    if landing is None or manifest is None:
        return False
    return (
        manifest.attempts == tuple(attempt.attempt for attempt in landing.active)
        and manifest.recipe == recipe.digest
        and all(_size(path) == file.bytes for path, file in _files(lake, manifest).items())
    )


def find_damage(lake: Lake, stream: StreamKey, partition: str) -> str:
    """Damage of a partition's manifests, landing and events: file, damage and repair; empty if there is none.

    As cheap as `is_normalized`: sizes are compared.
    """
    try:
        landing = read_landing(lake, stream, partition)
        manifest = EventsManifest.read(lake.events_manifest(stream, partition))
    except LakeError as error:
        return str(error)
    if landing and (damage := next(iter(damaged_parts(lake, landing).values()), landing.lost_answer)):
        is_readers = damage.endswith(".")  # a reader's reason says what heals it
        return damage if is_readers else f"{damage}. {_advice(landing)}"
    for path, file in _files(lake, manifest).items() if manifest else ():
        if (size := _size(path)) != file.bytes:
            found = "is missing" if size is None else f"has {size} of {file.bytes} bytes"
            span = selection(stream, partition_window(partition))
            return f"{path} {found}. `journey-pipeline normalize {span}` makes it again from the landing."
    return ""


def _advice(landing: LandingManifest) -> str:
    span = selection(landing.key, partition_window(landing.partition))
    return (
        f"`journey-pipeline backfill {span}` pulls the partition again, if the vendor still keeps it. If not, put the "
        f"file back from a backup and run `journey-pipeline normalize {span}`. Events that were made of it stay."
    )


def verify_events(lake: Lake, manifest: EventsManifest) -> bool:
    """Whether the files are what the manifest says, byte for byte."""
    files = _files(lake, manifest)
    return all(_size(path) == file.bytes and sha256_of(path) == file.sha256 for path, file in files.items())


def _files(lake: Lake, manifest: EventsManifest) -> dict[Path, ParquetFile]:
    files = {lake.events_file(manifest.key, manifest.partition): manifest.events}
    if manifest.rejects:
        files[lake.rejects_file(manifest.key, manifest.partition)] = manifest.rejects
    if manifest.attributes:
        files[lake.attributes_file(manifest.key, manifest.partition)] = manifest.attributes
    if manifest.populations:
        files[lake.populations_file(manifest.key, manifest.partition)] = manifest.populations
    return files


def _move(path: Path, to: Path) -> None:
    with replacing(to) as temporary:
        path.replace(temporary)


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
