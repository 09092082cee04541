"""The assets of a stream: `raw/…` and `events/…`, one step for both, whichever way its answers come.

A step takes each partition through both, so that an hour is events as soon as it has landed. Not here: the work itself
(`loading/`), what is recorded of it (`recording.py`), when it runs (`schedules.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from journey_pipeline.components.instance import accepted_previews, history_kept_open
from journey_pipeline.components.recording import Recorder, check_specs, ended, event_schema, failure
from journey_pipeline.components.translator import (
    DOES,
    Told,
    Translator,
    key_of,
    partitions_definition,
    tags_of,
    window_of,
)
from journey_pipeline.errors import ExportExpired, NotLandedError, PermanentVendorError, TransientVendorError, text_of
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.checks import claims_of
from journey_pipeline.loading.exports import Exports
from journey_pipeline.loading.load import Load
from journey_pipeline.loading.load_ordered import next_orders
from journey_pipeline.loading.partition import LoadSettings, PartitionOutcome
from journey_pipeline.model import Window, contiguous
from journey_pipeline.normalize.inspection import previewing
from journey_pipeline.settings import make_home, utc_now
from journey_pipeline.vendors.dropped import DropSource
from journey_pipeline.vendors.source import Estimate, Source, Stream

MOST_PATIENCE_S = 86_400  # a run that waits longer for a vendor holds a place for nothing: the gap filler comes again
NAMED_FAILURES = 20
EVERYTHING = datetime.min.replace(tzinfo=UTC)


class LoadConfig(dg.Config):
    """How one run loads its partitions.

    Attributes:
        only_missing: Whether partitions that have landed are left alone instead of being asked for again.
        waits: Whether to wait for exports that the vendor has not made yet; a stream that answers at once never does.
        tries_later: How often the step is tried again, minutes later, after failures that may pass.
        first_wait_s: How many seconds before the first of those tries; each one after waits twice as long.
    """

    only_missing: bool = False
    waits: bool = False
    tries_later: int = 2
    first_wait_s: float = 60.0


@dataclass(frozen=True, slots=True)
class LoadAssets:
    """A stream as Dagster assets.

    Attributes:
        title: What the stream is, for the UI.
        translator: Decides keys, groups, kinds, owners and tags.
        open_source: Opens the vendor's stream, when a run needs it.
        open_dropped: Opens it where people drop its files.
        open_exports: Opens the queue of the connection's exports with its streams, when a run needs it.
        load: Begins what takes partitions through, by how the stream's answers come (`connection.py`).
        before: What is materialized before the landing, by its role.
        fresh_for: So long after one partition was loaded the next one should have been.
        asks_per_day: How many orders the vendor takes in a UTC day; None: any number.
    """

    stream: Stream
    title: str
    translator: Translator
    settings: LoadSettings
    open_source: Callable[[], Source]
    open_dropped: Callable[[], DropSource]
    open_exports: Callable[[], Exports]
    load: Callable[..., Load[Any]]
    before: tuple[str, ...]
    fresh_for: timedelta
    requests_per_s: float
    asks_per_day: int | None = None

    def estimates(self, windows: Sequence[Window]) -> list[Estimate]:
        """The vendor's estimates of windows; empty for a vendor without estimates."""
        if self.stream.lacks.get("estimate"):
            return []
        with closing(self.open_source()) as source:
            return [estimate for window in windows if (estimate := source.estimate(window))]

    def orders(self, windows: Sequence[Window]) -> list[tuple[Window, datetime]]:
        """What the next orders would hold, and when each may be sent; empty unless the vendor takes so many a day."""
        if self.asks_per_day is None:
            return []
        with self.open_exports() as opened:
            return list(next_orders(opened, self.stream, windows))

    def key(self, role: str) -> dg.AssetKey:
        """Key of the asset with one of the roles of `translator.py`."""
        return self.translator.key(self.told(role))

    def told(self, role: str) -> Told:
        """The facts about one of the stream's assets for the translator."""
        return Told(role, self.stream.key.vendor, self.stream.key.connection, self.stream.key.stream)

    @property
    def raw(self) -> dg.AssetKey:
        """Key of the landing's asset."""
        return self.key("raw")

    @property
    def events(self) -> dg.AssetKey:
        """Key of the events' asset."""
        return self.key("events")

    @property
    def requests(self) -> dg.AssetKey:
        """Key of the orders' asset."""
        return self.key("requests")

    @property
    def upstream(self) -> Sequence[dg.AssetKey]:
        """The assets before the landing."""
        return [self.key(role) for role in self.before]

    @property
    def request_job_name(self) -> str:
        """Name of the job by which schedules order."""
        return f"{self.op_name}_request"

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the stream's jobs, runs, schedules and sensors."""
        return tags_of(self.stream.key.connection, self.stream.key.stream)

    @property
    def op_name(self) -> str:
        """Name of the step that makes both."""
        return f"{self.stream.key.connection}__{self.stream.key.stream}"

    @property
    def partitions(self) -> dg.TimeWindowPartitionsDefinition:
        """Their partitions."""
        return partitions_definition(self.stream)

    @property
    def checks(self) -> list[dg.AssetCheckKey]:
        """Keys of the checks that a load evaluates for each partition."""
        return [dg.AssetCheckKey(self.events, name) for name in claims_of(self.stream)]

    @property
    def selection(self) -> dg.AssetSelection:
        """The selection of a load: both assets and their checks of each partition, without the checks of a stream."""
        assets = dg.AssetSelection.assets(self.raw, self.events).without_checks()
        return assets | dg.AssetSelection.checks(*self.checks)

    @property
    def job_name(self) -> str:
        """Name of the job that schedules and sensors start."""
        return f"{self.op_name}_load"

    @property
    def load_job(self) -> Any:  # Dagster does not export the type
        """The job by which schedules and sensors start a load."""
        description = f"Loads partitions of {self.stream.key}."
        tags = self.tags | {DOES: "load"}
        return dg.define_asset_job(self.job_name, selection=self.selection, description=description, tags=tags)

    def definition(self) -> dg.AssetsDefinition:
        """The step, with both assets and their checks."""
        partitions = self.partitions
        with accepted_previews():

            @dg.multi_asset(
                name=self.op_name,
                specs=self._specs(),
                check_specs=check_specs(self.events, partitions, claims_of(self.stream)),
                partitions_def=partitions,
                can_subset=True,
                backfill_policy=dg.BackfillPolicy.single_run(),
                pool=self.stream.key.connection,
            )
            def load(context: dg.AssetExecutionContext, config: LoadConfig) -> Iterator[Any]:
                with history_kept_open(context.instance):
                    yield from _load(context, config, self)

        return load

    def _specs(self) -> list[dg.AssetSpec]:
        key = self.stream.key
        # Dagster counts from the last load of any partition, so that a backfill makes it look fresh; the standing
        # check looks at each.
        freshness = dg.FreshnessPolicy.time_window(fail_window=2 * self.fresh_for, warn_window=self.fresh_for)
        return [
            self.translator.spec(
                self.told("raw"),
                deps=self.upstream,
                description=f"{self.title}: the vendor's answers as they came, kept under `raw/{key}/<partition>/`.",
                skippable=True,
                freshness_policy=freshness,
            ),
            self.translator.spec(
                self.told("events"),
                deps=[self.raw],
                description=f"{self.title}: canonical events, one Parquet file for each partition, under "
                f"`events/{key}/`. Materialize it alone to make the events again from the landing.",
                metadata={"dagster/column_schema": event_schema()},
                skippable=True,
                freshness_policy=freshness,
            ),
        ]


def _load(context: dg.AssetExecutionContext, config: LoadConfig, assets: LoadAssets) -> Iterator[Any]:
    lake, partitions, asked_at = Lake(make_home()), assets.partitions, first_try(context)
    load = assets.load(
        lake=lake,
        stream=assets.stream,
        windows=[window_of(partitions, key) for key in context.partition_keys],
        settings=assets.settings,
        pull=assets.raw in context.selected_asset_keys,
        normalize=assets.events in context.selected_asset_keys,
        kept_since=EVERYTHING if config.only_missing else asked_at,
        waits=config.waits,
    )
    failed = []
    with previewing(lake) as previews:
        recorder = Recorder(context, previews, assets.raw, assets.events, partitions)
        known = recorder.of_earlier_tries()
        for outcome in load.outcomes():
            key = key_of(partitions, outcome.window)
            if isinstance(outcome.error, ExportExpired) and expired_since(asked_at, assets.stream, outcome.window):
                context.log.warning("%s expired while the run waited: %s", key, outcome.error)
                continue
            if not outcome.of_connection:  # the step's failure tells it
                _say(context, key, outcome)
            if outcome.error:
                failed.append(outcome)
            elif key not in known:
                yield from recorder.recorded(outcome)
    if failed:
        _try_later(context, config, failed)
        raise _failure(assets, sorted(failed, key=lambda outcome: outcome.window), len(load.windows))
    yield from ended(context, [assets.raw, assets.events])


def first_try(context: dg.AssetExecutionContext) -> datetime:
    """When the run was asked for."""
    # A step that is tried again, or a run that takes a crashed one's place, keeps what has landed since the first try.
    run = context.instance.get_run_record_by_id(context.run.root_run_id or context.run.run_id)
    return run.create_timestamp.astimezone(UTC) if run else datetime.now(UTC)


def expired_since(asked_at: datetime, stream: Stream, window: Window) -> bool:
    """Whether the vendor kept a window when the run was asked for, and no longer: no other run would get it."""
    return stream.is_expired(window, utc_now()) and not stream.is_expired(window, asked_at)


def _say(context: dg.AssetExecutionContext, key: str, outcome: PartitionOutcome) -> None:
    if outcome.error:
        context.log.error("%s failed: %s", key, text_of(outcome.error))
        return
    context.log.info(
        "%s: %d rows, pulled in %.1f s, normalized in %.1f s", key, outcome.rows, outcome.pull_s, outcome.normalize_s
    )


def _try_later(context: dg.AssetExecutionContext, config: LoadConfig, failed: list[PartitionOutcome]) -> None:
    errors = [outcome.error for outcome in failed]
    passing = [error for error in errors if isinstance(error, TransientVendorError) and not error.of_connection]
    if not passing or context.retry_number >= config.tries_later:
        return
    asked = min(max((error.retry_after_s or 0.0 for error in passing), default=0.0), MOST_PATIENCE_S)
    wait_s = max(asked, config.first_wait_s * 2**context.retry_number)
    context.log.warning("%d partitions failed in a way that may pass; trying again in %.0f s", len(passing), wait_s)
    raise dg.RetryRequested(max_retries=config.tries_later, seconds_to_wait=wait_s)


def _failure(assets: LoadAssets, failed: Sequence[PartitionOutcome], count: int) -> dg.Failure:
    if fault := next((one.error for one in failed if one.of_connection), None):
        return failure(fault)
    errors = {outcome.window: outcome.error for outcome in failed if outcome.error}
    not_landed = [window for window, error in errors.items() if isinstance(error, NotLandedError)]
    named = {key_of(assets.partitions, window): text_of(error) for window, error in errors.items()}
    shown = [key for key in named if window_of(assets.partitions, key) not in not_landed][:NAMED_FAILURES]
    lines = [f"- {key}: {named[key]}" for key in shown]
    if more := len(named) - len(not_landed) - len(shown):
        lines.append(f"and {more} more")
    permanent = all(isinstance(error, PermanentVendorError) for error in errors.values())
    if not_landed:
        advice = _select_both(assets, not_landed)
    else:
        advice = "Another try gives the same answer." if permanent else "Materialize them again."
    told = f"{len(failed)} of {count} partitions failed"
    told += ", the others are loaded and recorded." if len(failed) < count else "."
    return dg.Failure(
        "\n".join([f"{told} {advice}", *lines]),
        metadata={
            "failed": dg.MetadataValue.json(dict(list(named.items())[:NAMED_FAILURES])),
            "failed_count": len(failed),
        },
        allow_retries=False,
    )


def _select_both(assets: LoadAssets, windows: Sequence[Window]) -> str:
    """What to select for windows that have not landed, where events alone were."""
    spans = [(run[0], run[-1]) for run in contiguous(windows, len(windows))]
    keys = [[key_of(assets.partitions, window) for window in span] for span in spans]
    named = ", ".join(first if first == last else f"{first} to {last}" for first, last in keys[:NAMED_FAILURES])
    more = f" and {len(keys) - NAMED_FAILURES} more spans" if len(keys) > NAMED_FAILURES else ""
    raw, events = assets.raw.to_user_string(), assets.events.to_user_string()
    return f"{named}{more} have not landed: select {raw} and {events} together to load them."
