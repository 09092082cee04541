"""Checks that run by themselves: nothing missing or red, the landing whole, the history fresh, two exports agree.

Not here: checks of a partition as it loads (`recording.py`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import dagster as dg

from journey_pipeline.components import schedules
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.translator import DOES
from journey_pipeline.errors import JourneyError
from journey_pipeline.lake.landing import landed_last
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.plan import (
    Gaps,
    Inspected,
    State,
    Verdicts,
    find_gaps,
    inspect_landing,
    survey,
    whole_span,
)
from journey_pipeline.model import Window
from journey_pipeline.settings import home, utc_now
from journey_pipeline.warehouse.questions import Agreement, AgreementTolerance, DayOfBoth


class Standing(NamedTuple):
    """A check of a stream that runs by itself.

    Attributes:
        name: The claim, a sentence in snake case.
        short: Ends the name of its job and its schedule.
        looks: What the job does, a sentence with a place for the stream.
        cron: When it runs, UTC.
    """

    name: str
    says: str
    role: str
    short: str
    looks: str
    cron: str
    judge: Callable[[LoadAssets], dg.AssetCheckResult]


def standing_check(
    name: str, specs: Sequence[dg.AssetCheckSpec], judge: Callable[[], Iterable[dg.AssetCheckResult]]
) -> dg.AssetChecksDefinition:
    """Checks that read what is there, whatever step made it.

    By Dagster's own decorators a check waits for its asset, so that it fails with a load that it was selected with.
    This one waits for nothing. In one process it runs after the load: steps of least priority come last.
    """
    outputs = {spec.get_python_identifier(): spec for spec in specs}

    @dg.op(name=name, out={output: dg.Out(dg.Nothing) for output in outputs}, tags={"dagster/priority": "-1"})
    def check() -> Iterator[Any]:
        yield from judge()

    made: dg.AssetChecksDefinition = dg.AssetChecksDefinition.create(
        keys_by_input_name={}, node_def=check, check_specs_by_output_name=outputs, can_subset=False
    )
    return made


def standing_definitions(assets: LoadAssets, standing: Standing, ticks: schedules.Ticks) -> dg.Definitions:
    """A check with its job and its schedule, which have one name."""
    asset, name = assets.key(standing.role), f"{assets.op_name}_{standing.short}"

    spec = dg.AssetCheckSpec(standing.name, asset=asset, description=standing.says)
    check = standing_check(spec.get_python_identifier(), [spec], lambda: [standing.judge(assets)])
    key = spec.key
    looks = standing.looks.format(assets.stream.key)
    tags = assets.tags | {DOES: standing.short}
    job = dg.define_asset_job(name, selection=dg.AssetSelection.checks(key), description=looks, tags=tags)
    says = f"Runs the check {standing.name} of {'/'.join(asset.path[1:])}."
    schedule = schedules.daily(name, standing.cron, ticks, says, tags=assets.tags, job=job)
    return dg.Definitions(asset_checks=[check], jobs=[job], schedules=[schedule])


NAMED = 10
UNDER_WAY = timedelta(hours=1)  # so long after its answer is complete a partition may lack its events


def _completeness(assets: LoadAssets) -> dg.AssetCheckResult:
    now, lake, key = utc_now(), Lake(home()), assets.stream.key
    gaps = find_gaps(lake, assets.stream, now, until=now - (assets.fresh_for - assets.stream.granularity.duration))
    gaps = gaps.settled(lambda window: (landed_last(lake, key, window.partition) or now) < now - UNDER_WAY)
    return completeness_result(
        gaps, begun=gaps.begun(lake), lost=_lost(lake, assets, now), requests_per_s=assets.requests_per_s
    )


def completeness_result(gaps: Gaps, *, begun: datetime, lost: int, requests_per_s: float) -> dg.AssetCheckResult:
    """The result for gaps: a warning while they can be filled in time, else an error.

    Partitions that ended before loading began are no gaps while the gap filler brings them in time.
    """
    earlier = gaps.earlier(begun)
    late = [window for window in gaps.missing if window.end > begun]
    urgent = gaps.is_urgent(requests_per_s, begun)
    hours = gaps.deleted_in / timedelta(hours=1) if gaps.deleted_in is not None else None
    named = ", ".join(window.partition for window in [*late, *gaps.unfinished, *earlier][:NAMED])
    says = f"{len(late)} missing, {len(gaps.unfinished)} landed without events"
    if earlier:
        says += f", {len(earlier)} from before the first load are still to come"
    if named:
        says += f": {named}{f' and {gaps.count - NAMED} more' if gaps.count > NAMED else ''}"
    if hours is not None:
        says += f". The vendor deletes the oldest in {hours:.1f} h; asking for all of them takes at least "
        says += f"{gaps.needed(requests_per_s)}"
    if urgent:
        says += f". Load them now with `journey-pipeline backfill {gaps.stream.key}`, or they are lost"
    return dg.AssetCheckResult(
        check_name=COMPLETENESS.name,
        passed=gaps.is_catching_up(begun) and not urgent,
        severity=dg.AssetCheckSeverity.ERROR if urgent else dg.AssetCheckSeverity.WARN,
        description=says,
        metadata={
            "missing": len(gaps.missing),
            "from_before_the_first_load": len(earlier),
            "landed_without_events": len(gaps.unfinished),
            "lost_for_good": lost,
            "hours_until_deleted": round(hours, 1) if hours is not None else "none is missing",
        },
    )


def _lost(lake: Lake, assets: LoadAssets, now: datetime) -> int:
    """Partitions of the last weeks that expired before they landed, after the first one that did."""
    stream = assets.stream
    start = max(stream.start, now - 2 * stream.retention)
    if start >= now - stream.retention:
        return 0
    states = survey(lake, stream, Window(start, now), now).states
    landed = [window for window, state in states.items() if state in {State.COMPLETE, State.LANDED}]
    return sum(state is State.EXPIRED and window > landed[0] for window, state in states.items()) if landed else 0


def _freshness(assets: LoadAssets) -> dg.AssetCheckResult:
    try:
        fresh = schedules.freshness(assets, utc_now())
    except JourneyError as error:
        return _freshness_result(f"the vendor could not be asked how far its history trails: {error}", is_fresh=False)
    return _freshness_result(fresh.says, is_fresh=fresh.is_usual)


def _freshness_result(says: str, *, is_fresh: bool) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=FRESHNESS.name, passed=is_fresh, severity=dg.AssetCheckSeverity.WARN, description=says
    )


LINES_NAMED = 5


def _redness(assets: LoadAssets) -> dg.AssetCheckResult:
    now = utc_now()
    span = whole_span(assets.stream, now)
    return _redness_result(survey(Lake(home()), assets.stream, span, now, assets.settings).red if span else {})


def _redness_result(red: Verdicts) -> dg.AssetCheckResult:
    """The result for red checks."""
    lines = [f"{window.partition} {claim.name}: {claim.says}" for window, claims in red.items() for claim in claims]
    more = (
        f"\nand {len(lines) - LINES_NAMED} more: `journey-pipeline status` names all"
        if len(lines) > LINES_NAMED
        else ""
    )
    return dg.AssetCheckResult(
        check_name=REDNESS.name,
        passed=not lines,
        severity=dg.AssetCheckSeverity.ERROR,
        description="\n".join(lines[:LINES_NAMED]) + more if lines else "no check of any partition is red",
        metadata={"partitions": len(red), "checks": len(lines)},
    )


def _wholeness(assets: LoadAssets) -> dg.AssetCheckResult:
    return wholeness_result(inspect_landing(Lake(home()), assets.stream, utc_now()))


def wholeness_result(found: Inspected) -> dg.AssetCheckResult:
    """The result for inspected files."""
    named = " ".join(list(found.damage.values())[:NAMED])
    more = (
        f" And {len(found.damage) - NAMED} more: `journey-pipeline status` names all."
        if len(found.damage) > NAMED
        else ""
    )
    return dg.AssetCheckResult(
        check_name=WHOLENESS.name,
        passed=not found.damage,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{named}{more}" or "each landed file has its size",
        metadata={"damaged": len(found.damage), "partitions_hashed": found.hashed},
    )


EXPORTS_AGREE = "the_two_exports_agree"
_NAMED = 3


def agreement_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check, on an asset."""
    return dg.AssetCheckSpec(
        EXPORTS_AGREE,
        asset=asset,
        description="Both exports report nearly the same events; see ops.agreement.",
    )


def agreement_result(
    asset: dg.AssetKey, agreements: Sequence[Agreement], tolerance: AgreementTolerance
) -> dg.AssetCheckResult:
    """The claim, judged: a WARN at most, since marts count what only one of the two has as well."""
    apart = [problem for agreement in agreements if (problem := _problem(agreement, tolerance))]
    days = [(agreement, day) for agreement in agreements for day in agreement.days]
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=EXPORTS_AGREE,
        passed=not apart,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(apart) or f"{len(days)} days compared; up to {tolerance.share:.1%} in only one is normal",
        metadata={
            "in_both": sum(day.in_both for _, day in days),
            "only_in_stream": sum(day.only_in_stream for _, day in days),
            "only_in_twin": sum(day.only_in_twin for _, day in days),
            **({"days": dg.MetadataValue.table([_record(*row) for row in days])} if days else {}),
        },
    )


def _problem(agreement: Agreement, tolerance: AgreementTolerance) -> str:
    """The days on which a pair differs too much, with figures of the worst, and what to do; empty if there are none."""
    apart = agreement.apart(tolerance)
    if not apart:
        return ""
    worst = sorted(apart, key=lambda day: day.only_in_one, reverse=True)[:_NAMED]
    told = ", ".join(
        f"{day.occurred_on}: {day.in_both:,} in both, {day.only_in_stream:,} only in {agreement.stream}, "
        f"{day.only_in_twin:,} only in {agreement.twin_stream}"
        for day in worst
    )
    return (
        f"{agreement.connection}: on {len(apart)} of {len(agreement.days)} days {agreement.stream} and "
        f"{agreement.twin_stream} differ by more than {tolerance.share:.1%} ({told}). Pull those days again. If "
        "one of them leaves out events on purpose, raise exports_may_differ_by"
    )


def _record(agreement: Agreement, day: DayOfBoth) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "day": str(day.occurred_on),
            "connection": agreement.connection,
            "stream": agreement.stream,
            "twin_stream": agreement.twin_stream,
            "in_both": day.in_both,
            "only_in_stream": day.only_in_stream,
            "only_in_twin": day.only_in_twin,
        }
    )


COMPLETENESS = Standing(
    "no_partition_is_missing",
    "Each partition is loaded that the vendor keeps and that ended at least missing_after_hours ago.",
    "events",
    "completeness",
    "Counts the partitions of {} that are missing.",
    schedules.COMPLETENESS,
    _completeness,
)
FRESHNESS = Standing(
    "history_is_fresh",
    "The vendor's history is as recent as usual.",
    "raw",
    "freshness",
    "Asks the vendor how far the history of {} trails.",
    schedules.FRESHNESS,
    _freshness,
)
REDNESS = Standing(
    "no_partition_is_red",
    "No check of any partition is red as an error. `journey-pipeline status` counts the same.",
    "events",
    "redness",
    "Names the partitions of {} of which a check is red.",
    schedules.REDNESS,
    _redness,
)
WHOLENESS = Standing(
    "landing_is_whole",
    "Each landed file has its original size. The files that are read today have their original bytes.",
    "raw",
    "wholeness",
    "Looks for damaged landed files of {}.",
    schedules.WHOLENESS,
    _wholeness,
)
