"""Streams whose files people drop in a folder: the sensor that takes them in, and what is recorded of it.

Not here: what is done with a file (`loading/intake.py`).
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.recording import evaluation
from journey_pipeline.components.schedules import Ticks, sensor_of
from journey_pipeline.components.translator import DOES, key_of
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.drop_folder import TOLD_AFTER, DropFolder, Fate, Taken
from journey_pipeline.loading.intake import Intake
from journey_pipeline.loading.partition import judge, make_events
from journey_pipeline.model import Window
from journey_pipeline.settings import make_home, utc_now

UNDONE = frozenset({Fate.REFUSED, Fate.FAILED})
"""What makes a command or a run fail."""
INTERVAL_S = 30


def open_intake(assets: LoadAssets) -> Intake:
    """The intake of a stream whose files people drop."""
    source = assets.open_dropped()
    return Intake(Lake(make_home()), source, DropFolder(source.folder), assets.settings)


def recorded(assets: LoadAssets, taken: Iterable[Taken]) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """What landed, for the partitions of both assets, and the checks of those partitions."""
    rows: dict[Window, int] = {}
    for one in taken:
        if one.window and one.fate is Fate.LANDED:
            rows[one.window] = rows.get(one.window, 0) + one.rows
    for window, count in rows.items():
        key = key_of(assets.partitions, window)
        for asset in (assets.raw, assets.events):
            yield dg.AssetMaterialization(asset, partition=key, metadata={"landed": count})
        lake, stream = Lake(make_home()), assets.stream
        landing, events = make_events(lake, stream, window, assets.settings, always=False)
        for claim in judge(lake, stream, landing, events, assets.settings):
            yield evaluation(assets.events, key, claim)


def dropped_definitions(assets: LoadAssets, _most: int, _ticks: Ticks) -> dg.Definitions:
    """The job that loads partitions again from the landing. Nothing is asked for on a schedule."""
    return dg.Definitions(jobs=[assets.load_job])


def intake_definitions(streams: Sequence[LoadAssets], ticks: Ticks) -> dg.Definitions:
    """For each stream the sensor, and the job that it starts."""
    jobs = {assets.stream.key: _job(assets) for assets in streams}
    sensors = [_sensor(assets, jobs[assets.stream.key], ticks) for assets in streams]
    return dg.Definitions(jobs=list(jobs.values()), sensors=sensors)


def _name(assets: LoadAssets) -> str:
    key = assets.stream.key
    return f"{key.connection}_{key.stream.removeprefix('user_')}"


def _job(assets: LoadAssets) -> dg.JobDefinition:
    @dg.op(name=f"{assets.op_name}_intake", pool=assets.stream.key.connection)
    def take(context: dg.OpExecutionContext) -> None:
        taken = open_intake(assets).run()
        for one in recorded(assets, taken):
            context.log_event(one)  # type: ignore[arg-type]  # Dagster takes evaluations too, and does not say so
        lines = [f"{one.name}: {one.fate.value}. {one.says}" for one in taken]
        undone = [line for line, one in zip(lines, taken, strict=True) if one.fate in UNDONE]
        for line in lines:
            context.log.info("%s", line)
        if undone:
            raise dg.Failure("\n".join(undone), allow_retries=False)

    description = f"Takes in dropped files of {assets.stream.key}."

    @dg.job(name=f"{_name(assets)}_intake", description=description, tags=assets.tags | {DOES: "intake"})
    def intake() -> None:
        take()

    return intake


def _sensor(assets: LoadAssets, job: dg.JobDefinition, ticks: Ticks) -> dg.SensorDefinition:
    does = f"Takes in files that are dropped for {assets.stream.key}, once they are whole."

    @sensor_of(_name(assets), INTERVAL_S, ticks, does, tags=assets.tags, job=job)
    def dropped(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        found = open_intake(assets)
        for waiting in found.waiting():
            if waiting.since and waiting.since < utc_now() - TOLD_AFTER:
                context.log.warning("%s: %s", waiting.name, waiting.says)
        if due := found.due():
            run_key = hashlib.sha256(f"{due} {utc_now():%Y%m%d%H}".encode()).hexdigest()[:32]
            return dg.RunRequest(run_key=run_key)
        return dg.SkipReason("no whole file lies in incoming/")

    return dropped
