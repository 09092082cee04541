"""Records of a run for each partition: materializations with their metadata, checks, the life of an export.

Not here: judging a partition (`loading/checks.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION as IS_RECORDED

from journey_pipeline.components.instance import accepted_previews
from journey_pipeline.components.translator import key_of
from journey_pipeline.errors import JourneyError, text_of
from journey_pipeline.exports.export import ENDED, Export, State
from journey_pipeline.lake.manifest import Attempt
from journey_pipeline.loading.claims import Claim, Severity
from journey_pipeline.loading.partition import PartitionOutcome
from journey_pipeline.model import EVENT_COLUMNS, Granularity, Window
from journey_pipeline.normalize.inspection import Previews

Metadata = Mapping[str, Any]

MEGABYTE = 1_000_000
SAYS = "says"  # what an asset did, in lines that the command line prints


def event_schema() -> dg.TableSchema:
    """The canonical event's columns with their comments, as its Parquet files have them."""
    return dg.TableSchema([dg.TableColumn(c.name, c.file_type, description=c.comment) for c in EVENT_COLUMNS])


def landing_metadata(outcome: PartitionOutcome) -> Metadata:
    """Metadata of the newest answer: rows, size, estimate, speed."""
    if outcome.covered_by:
        return {"covered_by": outcome.covered_by}
    if outcome.landing is None or not outcome.landing.active:
        return {}
    newest = outcome.landing.active[-1]
    size = sum(file.bytes for file in newest.files)
    life = life_of_landing(newest)
    return {
        **life,
        "dagster/partition_row_count": newest.rows,
        "estimate": dg.MetadataValue.int(newest.estimate_rows) if newest.estimate_rows is not None else "none",
        "bytes": size,
        "bytes_inflated": sum(file.raw_bytes for file in newest.files),
        **({} if life else _pace(outcome, newest, size)),  # most of an export's time is the vendor's own
        "parts": len(newest.files),
        "attempts": len(outcome.landing.attempts),
        "attempt": newest.attempt,
        "landed_at": dg.MetadataValue.timestamp(newest.landed_at),
    }


def _pace(outcome: PartitionOutcome, newest: Attempt, size: int) -> Metadata:
    seconds = outcome.pull_s or (newest.landed_at - newest.started_at).total_seconds()
    return {"seconds": round(seconds, 3), "MB_per_second": round(size / MEGABYTE / seconds, 2) if seconds else 0.0}


def events_metadata(previews: Previews, outcome: PartitionOutcome) -> Metadata:
    """Metadata of the events: where each landed row went, and samples."""
    events = outcome.events
    if outcome.covered_by:
        return {"covered_by": outcome.covered_by}
    if events is None:
        return {}
    metadata: dict[str, Any] = {
        "dagster/partition_row_count": events.events.rows,
        "landed": events.landed,
        "rejects": events.rejects.rows if events.rejects else 0,
        "duplicates": events.duplicates,
        "withdrawn": events.withdrawn,
        "bytes": events.events.bytes,
        "seconds": round(outcome.normalize_s, 3),
        "file": previews.lake.relative(previews.lake.events_file(events.key, events.partition)),
    }
    if events.first_at and events.last_at:
        metadata["first_at"] = dg.MetadataValue.timestamp(events.first_at)
        metadata["last_at"] = dg.MetadataValue.timestamp(events.last_at)
    rows = [dg.TableRecord(row) for row in previews.of(events.key, events.partition)]
    if rows:
        metadata["preview"] = dg.MetadataValue.table(rows)
    return metadata


TIMES = ("requested", "ready", "landed")
COLUMNS = {
    "window": "What it is for, UTC.",
    "asked_for": "What was asked for in this part and not in all of them.",
    "state": "How far it has come.",
    "reason": "Why it is there, such as refused, failed, lost or overdue.",
    "attempt": "How often it was ordered.",
    "polls": "How often it was polled since it was last ordered.",
    "requested": "When the vendor took it on, UTC.",
    "ready": "When its file was found ready, UTC.",
    "landed": "When it had landed, UTC.",
    "error": "The last error.",
    "id": "The vendor's own id.",
}
NAMED = 3

Life = Mapping[str, Any]


def life_of_order(tree: Sequence[Export]) -> dict[str, Any]:
    """How far an order has come, as metadata; `tree` is the order and all that stand in for it."""
    root = tree[0]
    tree = [export for export in tree if export is root or export.state is not State.REPLACED]
    split = {export.parent_id for export in tree}
    parts = sorted((export for export in tree if export.id not in split), key=lambda part: (part.window, part.id))
    lives = [_of_export(part) for part in parts]
    due_at = [part.due_at for part in parts if part.state not in ENDED | {State.STOPPED}]
    rows = lives if len(lives) > 1 else [{**lives[0], "error": None}]  # the error of a single one stands above
    errors = [export.error for export in (root, *parts) if export.error]
    counted = {"failures": sum(export.failures for export in tree), "losses": sum(export.losses for export in tree)}
    return {
        "state": str(root.state),
        **({"reason": str(root.reason)} if root.reason else {}),
        "attempt": max(part.attempt for part in parts),
        **_in_short(lives),
        **({"due_at": dg.MetadataValue.timestamp(min(due_at))} if due_at else {}),
        **{name: count for name, count in counted.items() if count},
        **({"error": errors[0]} if errors else {}),
        "export": root.id,
        "exports": _table(rows, [part.request for part in parts]),
    }


def life_of_landing(landed: Attempt) -> dict[str, Any]:
    """The history of the exports that a landing came from; empty for streams that answer at once."""
    lives = [
        {**life, "window": _window(life["window"]), **_read_times(life), "landed": landed.landed_at}
        for life in landed.answers.get("exports", ())
    ]
    return {**_in_short(lives), "exports": _table(lives, landed.request.get("orders", ()))} if lives else {}


def _of_export(export: Export) -> Life:
    return {
        "window": export.window,
        "state": str(export.state),
        "reason": export.reason and str(export.reason),
        "attempt": export.attempt,
        "polls": export.polls,
        "requested": export.requested_at,
        "ready": export.ready_at,
        "landed": export.landed_at,
        "error": export.error,
        "id": export.vendor_export_id,
    }


def _in_short(lives: Sequence[Life]) -> dict[str, Any]:
    """All parts in one: the first to be requested, the last to be ready or to land, and only if none is missing."""
    times = {name: [life[name] for life in lives if life.get(name)] for name in TIMES}
    whole = {
        name: (min if name == TIMES[0] else max)(found) for name, found in times.items() if len(found) == len(lives)
    }
    return {
        "polls": sum(life["polls"] for life in lives),
        **{f"{name}_at": dg.MetadataValue.timestamp(at) for name, at in whole.items()},
    }


def _table(lives: Sequence[Life], requests: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    told = [{**life, "asked_for": only} for life, only in zip(lives, _only_there(requests), strict=True)]
    shown = [name for name in COLUMNS if any(life.get(name) not in {None, ""} for life in told)]
    columns = [
        dg.TableColumn(name, "int" if name in {"attempt", "polls"} else "string", COLUMNS[name]) for name in shown
    ]
    records = [dg.TableRecord({name: _cell(life.get(name)) for name in shown}) for life in told]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))


def _cell(value: Any) -> str | int:
    match value:
        case None:
            return ""
        case Window() if value.partitions(Granularity.DAY) == [value]:
            return value.partition
        case Window():
            to = f"{value.end:%H:%M}" if value.end.date() == value.start.date() else f"{value.end:%m-%d %H:%M}"
            return f"{value.start:%m-%d %H:%M} to {to}"
        case datetime():
            return f"{value:%m-%d %H:%M:%S}"
        case int():
            return value
        case _:
            return str(value)


def _only_there(requests: Sequence[Mapping[str, Any]]) -> list[str]:
    """The texts that tell requests for the same time apart, such as a section, each by the last part of its name."""
    found = [list(dict.fromkeys(_texts(request))) for request in requests]
    everywhere = set(found[0]).intersection(*found) if found else set()
    differing = [[text.rpartition(".")[2] for text in texts if text not in everywhere] for texts in found]
    return [
        ", ".join(texts[:NAMED]) + (f" and {len(texts) - NAMED} more" if len(texts) > NAMED else "")
        for texts in differing
    ]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _texts(inner)


def _window(text: str) -> Window:
    start, end = text.split("/")
    return Window(datetime.fromisoformat(start), datetime.fromisoformat(end))


def _read_times(life: Life) -> dict[str, datetime | None]:
    return {name: datetime.fromisoformat(at) if (at := life.get(f"{name}_at")) else None for name in TIMES[:2]}


OF_CONNECTION = "of_connection"
"""In the metadata of a step's failure: the connection itself is at fault."""


def failure(error: Exception, says: str = "") -> dg.Failure:
    """The end of a step by an error, in one sentence; not tried again by Dagster.

    Args:
        says: The sentence, where the error's own text is not enough.
    """
    is_fault = isinstance(error, JourneyError) and error.of_connection
    return dg.Failure(says or text_of(error), metadata={OF_CONNECTION: True} if is_fault else {}, allow_retries=False)


SEVERITIES = {Severity.WARN: dg.AssetCheckSeverity.WARN, Severity.ERROR: dg.AssetCheckSeverity.ERROR}


def check_specs(
    asset: dg.AssetKey, partitions: dg.TimeWindowPartitionsDefinition, claims: Mapping[str, str]
) -> list[dg.AssetCheckSpec]:
    """One check for each claim, partitioned like its asset."""
    with accepted_previews():
        return [
            dg.AssetCheckSpec(name, asset=asset, partitions_def=partitions, description=sentence)
            for name, sentence in claims.items()
        ]


def evaluation(asset: dg.AssetKey, partition: str, claim: Claim) -> dg.AssetCheckEvaluation:
    """A claim as the evaluation of its check for one of Dagster's partition keys."""
    return dg.AssetCheckEvaluation(
        asset_key=asset,
        check_name=claim.name,
        passed=claim.holds,
        severity=SEVERITIES[claim.severity],
        description=claim.says,
        metadata=dict(claim.facts),
        partition=partition,
    )


Recorded = dg.AssetMaterialization | dg.AssetCheckEvaluation


@dataclass(frozen=True, slots=True)
class Recorder:
    """Records each partition of a step as it is finished: a step that is killed keeps what it recorded."""

    context: dg.AssetExecutionContext
    previews: Previews
    raw: dg.AssetKey
    events: dg.AssetKey
    partitions: dg.TimeWindowPartitionsDefinition

    def recorded(self, outcome: PartitionOutcome) -> Iterator[Recorded]:
        """What the step yields for a finished partition: Dagster stores each event as it comes."""
        key, chosen = key_of(self.partitions, outcome.window), self.context.selected_asset_keys
        if self.raw in chosen:
            yield dg.AssetMaterialization(self.raw, partition=key, metadata=landing_metadata(outcome))
        if self.events in chosen:
            metadata = events_metadata(self.previews, outcome)
            yield dg.AssetMaterialization(self.events, partition=key, metadata=metadata)
        for claim in outcome.claims:
            yield evaluation(self.events, key, claim)
            if not claim.holds:
                self.context.log.warning("%s: %s does not hold: %s", key, claim.name, claim.says)

    def of_earlier_tries(self) -> AbstractSet[str | None]:
        """Dagster's keys of the partitions that an earlier try of this very step has recorded."""
        if not self.context.retry_number:
            return frozenset()
        kind = dg.DagsterEventType.ASSET_MATERIALIZATION
        found = self.context.instance.get_records_for_run(self.context.run_id, of_type=kind).records
        return {record.partition_key for record in found}


def ended(
    context: dg.AssetExecutionContext, assets: Sequence[dg.AssetKey]
) -> Iterator[dg.MaterializeResult[Any] | dg.Output[None]]:
    """What Dagster waits for at the end of a step whose partitions and checks are recorded.

    Without it, all that depends on the step is skipped, and the log says that outputs are lacking. Dagster would record
    each partition again; it leaves those alone that it takes for recorded by an observation.
    """
    for asset in assets:
        if asset in context.selected_asset_keys:
            yield dg.MaterializeResult(asset_key=asset, metadata={IS_RECORDED: True})
    for output, spec in context.assets_def.check_specs_by_output_name.items():
        if spec.key in context.selected_asset_check_keys:
            yield dg.Output(None, output)
