"""`journey-pipeline demo`: loads a short simulated history of each vendor and shows the results.

Everything is the real thing but the vendors, who are simulated on this machine. Not here: the simulation (`sandbox/`),
the load (`load.py`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from journey_pipeline.cli.load import (
    Loaded,
    Planned,
    load,
    look,
    named,
    order,
    partition_table,
    sync_warehouse,
    tell_outcome,
    to_load,
)
from journey_pipeline.cli.output import notes, results, route_logs
from journey_pipeline.cli.query import show_table
from journey_pipeline.cli.receiver import receiving
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.components.instance import HOME_VARIABLE as DAGSTER_HOME
from journey_pipeline.components.instance import open_instance
from journey_pipeline.components.intake import open_intake, recorded
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.runs import Runner
from journey_pipeline.exports.calls import newest
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.orders import give_up
from journey_pipeline.exports.turns import listed
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.plan import State, Survey
from journey_pipeline.model import Granularity, Window, floor
from journey_pipeline.normalize.inspection import events_within
from journey_pipeline.report.index import ask_journeys
from journey_pipeline.report.journey import Span
from journey_pipeline.report.write import write_journeys
from journey_pipeline.sandbox.registry import Panel, Showcase, simulated_vendors
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.settings import (
    CLOCK_OFFSET_VARIABLE,
    HOME_VARIABLE,
    LEDGER_FILE,
    LEDGER_VARIABLE,
    PUBLISHED_VARIABLE,
    home,
    ledger_url,
    local_path,
    make_home,
    utc_now,
)
from journey_pipeline.vendors.source import Stream
from journey_pipeline.warehouse import questions as asking

ROWS_PER_HOUR = 2_000  # of average business
DAY = timedelta(days=1)
FIRST_ORDER = timedelta(minutes=10)  # after a day's end: as its schedule orders it
SANDBOX_PACE = "200"  # requests per second, orders per day: a vendor on this machine needs no sparing
OF_ALL_VENDORS = Showcase(
    "Why people were not reached",
    """
    select reason, connection, channel, count(*) as events, count(distinct contact_id) as contacts
    from core.journey_events
    where action in ('fail', 'suppress', 'bounce') and reason is not null
    group by all
    order by events desc
    limit 5
    """,
)


def demo(hours: int, folder: str, *, hostile: bool) -> None:
    """Load a day of simulated history and show the results."""
    route_logs(notes)
    use_home_of_sandbox(folder)
    world = World(rows_per_hour=ROWS_PER_HOUR, names="hostile" if hostile else "plausible")
    with serve(world) as sandbox, receiving() as hooks:
        os.environ.update(sandbox_environment(sandbox, hooks))
        complete = _load(hours, sandbox)
    lake = Lake(home())
    if complete:
        _show_results(lake)
    _show_files(lake, _write_report(lake) if complete else "")
    sys.exit(0 if complete else 1)


def sandbox_environment(sandbox: Sandbox, hooks: str) -> dict[str, str]:
    """The variables that point this project's connections to the simulated vendors, and shorten the waits.

    Args:
        hooks: Where a receiver takes the vendors' calls.
    """
    given = sandbox.environment()
    given |= {name: hooks for name in given if name.endswith("_WEBHOOK_URL")}
    for vendor in sandbox.simulators:
        given |= {f"{vendor.upper()}_REQUESTS_PER_{unit}": SANDBOX_PACE for unit in ("SECOND", "DAY")}
    return given


def use_home_of_sandbox(folder: str) -> None:
    """Puts home, ledger and Dagster's history of the sandbox into a folder, whatever the variables say."""
    place = local_path(folder, "--home")
    os.environ[HOME_VARIABLE] = str(place)
    lake = Lake(make_home())
    if not (place / "raw").exists():  # somebody else's history stays theirs
        lake.sandbox_mark.touch()
    os.environ.pop(PUBLISHED_VARIABLE, None)
    os.environ[LEDGER_VARIABLE] = f"sqlite:///{place / LEDGER_FILE}"
    os.environ.pop(DAGSTER_HOME, None)


def forget_the_last_sandbox() -> None:
    """Gives up the exports under way in this home, because a new sandbox does not know them."""
    with open_ledger(ledger_url()) as ledger:
        for root_id in {export.root_id for export in listed(ledger)}:
            give_up(ledger, root_id, at=utc_now())


def _load(hours: int, sandbox: Sandbox) -> bool:
    lake = Lake(home())
    complete, names, lacking = True, [], []
    with open_instance() as instance:
        runner = Runner(load_deployment(), instance, "demo")
        now = utc_now()
        asked = runner.deployment.loaded_by("backfill")
        forget_the_last_sandbox()
        plans = [_plan(runner, sandbox, assets, _span(assets, hours, now), now) for assets in asked]
        told_before = {plan.assets.stream.key: _events_before(lake, plan) for plan in plans}
        for again in (True, False):
            order(runner, [plan for plan in plans if _is_told_again(plan.assets.stream) is again], again=again)
        # What is ordered comes last: the vendor is at work on it while the others load.
        for plan in sorted(plans, key=lambda plan: bool(plan.assets.upstream)):
            assets, before, windows = plan
            started = time.monotonic()
            loaded = load(runner, assets, windows, again=_is_told_again(assets.stream))
            seconds = time.monotonic() - started
            if not _show_load(lake, loaded, look(lake, assets, _span(assets, hours, now), now), seconds):
                lacking.append(str(assets.stream.key))
            _show_healed(lake, plan, told_before[assets.stream.key])
            complete = tell_outcome(notes, lake, loaded, before) and complete
            if loaded.windows:
                names.append(assets.stream.key.connection)
        if lacking:
            results.say(f"No estimate to compare with, since the vendor gives none: {', '.join(lacking)}")
        _take_lists_in(runner, sandbox)
        _show_calls()
        # Also with nothing loaded: a list may have been dropped, and a warehouse of an earlier version is brought over.
        return sync_warehouse(runner, *dict.fromkeys(names)) and complete


def _plan(runner: Runner, sandbox: Sandbox, assets: LoadAssets, span: Window, now: datetime) -> Planned:
    """What is to be loaded of a stream; if its newest day is missing, days that are told again with it too."""
    lake = Lake(home())
    found = look(lake, assets, span, now)
    if _is_told_again(assets.stream):
        _load_as_first_told(runner, sandbox, assets, found)
        found = look(lake, assets, span, now)
    windows = to_load(runner, assets, found, again=False)
    return Planned(assets, found, list(found.states) if windows and _is_told_again(assets.stream) else windows)


def _is_told_again(stream: Stream) -> bool:
    """Whether each order of a stream asks for days before its newest one too, and its answers are compared."""
    return stream.asked_again > 0 and "earlier_answer_is_repeated" in stream.claims


def _load_as_first_told(runner: Runner, sandbox: Sandbox, assets: LoadAssets, found: Survey) -> None:
    """Loads all days but the newest, as the vendor tells them soon after their end, if none of them has events.

    So the demo shows that an event which came late is healed by the next day's answer.
    """
    *earlier, newest = found.states
    if found.states[newest] is State.MISSING and set(found.states.values()) <= {State.MISSING, State.LANDED}:
        with _back_at(earlier[-1].end + FIRST_ORDER, sandbox):
            load(runner, assets, earlier)


@contextmanager
def _back_at(moment: datetime, sandbox: Sandbox) -> Iterator[None]:
    """Sets the vendors' clock back to a moment inside of the block, and this process's with it."""
    offset_s = float(os.environ.get(CLOCK_OFFSET_VARIABLE) or "0")
    back = utc_now() - moment
    sandbox.clock.move(-back)
    os.environ[CLOCK_OFFSET_VARIABLE] = str(offset_s - back.total_seconds())
    try:
        yield
    finally:
        os.environ[CLOCK_OFFSET_VARIABLE] = str(offset_s)
        sandbox.clock.move(back)


def _told_days(plan: Planned) -> Window | None:
    """The days of a stream that had been told before its next answer tells them again; None if there are none."""
    days = plan.found.windows(State.COMPLETE) if plan.windows and _is_told_again(plan.assets.stream) else []
    return Window(days[0].start, days[-1].end) if days else None


def _events_before(lake: Lake, plan: Planned) -> int:
    """How many events of those days there are."""
    days = _told_days(plan)
    return events_within(lake, plan.assets.stream.key, days) if days else 0


def _show_healed(lake: Lake, plan: Planned, before: int) -> None:
    """Shows how many late events an answer has brought of days that had been told before it."""
    if days := _told_days(plan):
        key = plan.assets.stream.key
        late = events_within(lake, key, days) - before
        told = named(plan.found.windows(State.COMPLETE))
        says = f"{key}: the answer with the next day brought {late} late events of {told}"
        results.print(says, highlight=False, soft_wrap=True)


def _take_lists_in(runner: Runner, sandbox: Sandbox) -> None:
    """Drops the lists that people export from vendors' panels, and takes them in."""
    lists = {vendor: one.lists() for vendor, one in sandbox.simulators.items() if isinstance(one, Panel)}
    for assets in runner.deployment.loaded_by("intake"):
        intake = open_intake(assets)
        intake.folder.make()
        for name, content in lists.get(assets.stream.key.vendor, {}).items():
            file = intake.folder["incoming"] / name
            beside = json.dumps({"sha256": hashlib.sha256(content).hexdigest()})  # so that it counts as whole at once
            file.with_name(f"{name}.json").write_text(beside)
            file.write_bytes(content)
        taken = intake.run()
        for event in recorded(assets, taken):
            runner.instance.report_runless_asset_event(event)
        for one in taken:
            says = f"{assets.stream.key}: the list {one.name} {one.fate.value}: {one.rows} people"
            results.print(says, highlight=False, soft_wrap=True)


def _show_calls() -> None:
    """When vendors called that answer by webhook."""
    with open_ledger(ledger_url()) as ledger:
        with ledger.reading() as tx:
            called = newest(tx)
        for export in listed(ledger, with_ended=True):
            if export.id in called and export.asked_at and export.landed_at:
                times = (export.asked_at, called[export.id].at, export.landed_at)
                asked, came, landed = (f"{at:%m-%d %H:%M:%S}" for at in times)
                says = f"{export.key}: ordered at {asked}, the vendor called with a link at {came}, landed at {landed}"
                results.print(says, highlight=False, soft_wrap=True)


def _span(assets: LoadAssets, hours: int, now: datetime) -> Window:
    end = floor(now, assets.stream.granularity)
    is_hourly = assets.stream.granularity is Granularity.HOUR
    days = assets.stream.first_look + (DAY if _is_told_again(assets.stream) else timedelta())
    return Window(end - (timedelta(hours=hours) if is_hourly else days), end)


def _show_load(lake: Lake, loaded: Loaded, after: Survey, seconds: float) -> bool:
    """Shows what was loaded; whether its rows could be compared with an estimate, if there was anything to."""
    windows, stream = loaded.windows, loaded.assets.stream
    there = len(after.states) - len(windows)
    if not windows:
        results.print(f"{stream.key}: all {_counted(there, stream.granularity)} already there")
        return True
    done = sum(after.states[window] is State.COMPLETE for window in windows)
    table = partition_table(lake, loaded.assets, windows)
    results.show(table)
    results.print(
        f"{stream.key}: {'' if done == len(windows) else f'{done} of '}{_counted(len(windows), stream.granularity)} "
        f"loaded, {there} already there; {loaded.bytes / 1e6:.1f} MB in {seconds:.0f} s"
    )
    return any(column.header == "estimate" for column in table.columns)


def _counted(count: int, granularity: Granularity) -> str:
    return f"{count} {granularity.value}{'' if count == 1 else 's'}"


def _show_results(lake: Lake) -> None:
    shown = [showcase for vendor in simulated_vendors().values() for showcase in vendor.showcase]
    for showcase in (*shown, OF_ALL_VENDORS):
        answer = asking.query(lake, showcase.sql)
        rows = [row for batch in answer.batches for row in batch]
        if rows:  # a project may have other connections than this one
            results.print()
            show_table(asking.QueryResult(answer.columns, iter([rows])), showcase.title, text=("reason",))


def _write_report(lake: Lake) -> str:
    """Writes the page of the journey that most entered, and gives a line about it; with no journey, none."""
    with asking.published(lake) as published:
        busiest = next(iter(ask_journeys(published, Span())), None)
        if busiest is None:
            return ""
        (written,) = write_journeys(published, [f"{busiest['connection']}/{busiest['root']}"], Span(), lake.home)
    return f"\n  {os.path.relpath(written.file)}   the busiest journey as a page: open it in a browser"


def _show_files(lake: Lake, report: str) -> None:
    folder = os.path.relpath(lake.home)
    # As a person can type it: the virtual environment may not be active.
    here = os.path.relpath(Path(sys.executable).parent / "journey-pipeline")
    command = "journey-pipeline" if shutil.which("journey-pipeline") else here
    in_the_ui = "\n  make dev      the same in Dagster's UI, with sandbox and daemon"
    if not Path("Makefile").exists():
        in_the_ui = ""
    results.say(
        f"""
Where it is
  {folder}/journeys.duckdb   the warehouse that analysts open
  {folder}/events/           canonical events, one Parquet file a partition
  {folder}/raw/              the vendor's answers as they came, with a manifest each{report}

What to try next{in_the_ui}
  export JOURNEY_PIPELINE_HOME={folder}
  {command} status
  {command} query "select action, sum(events) as events from marts.journey_daily group by all order by all"
  {command} shell
""",
    )
