"""Old runs go from a real history, and what the UI says of assets, partitions and checks stays as it was."""

import errno
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from dagster._core.storage.runs import SqliteRunStorage

from journey_pipeline.components.instance import accepted_previews, history_files, history_kept_open, open_instance
from journey_pipeline.components.run_history import LASTING, Forgotten, Whose, forget_old_runs
from journey_pipeline_tests.new_home import put_history

pytestmark = pytest.mark.slow(reason="each test starts Dagster's processes")

HOURS = dg.StaticPartitionsDefinition(["one", "two", "three"])
HOUR = dg.AssetKey(["raw", "shop", "hours"])
TABLE = dg.AssetKey(["warehouse", "table"])
FOREIGN = dg.AssetKey("foreign")
CHECKS = [dg.AssetCheckKey(HOUR, "rows_are_right"), dg.AssetCheckKey(TABLE, "is_well")]
OURS = Whose(frozenset({HOUR, TABLE}))


class HourConfig(dg.Config):
    fails: bool = False
    red: bool = False


with accepted_previews():
    ROWS = dg.AssetCheckSpec("rows_are_right", asset=HOUR, partitions_def=HOURS)


@dg.asset(key=HOUR, partitions_def=HOURS, check_specs=[ROWS])
def hours(context: dg.AssetExecutionContext, config: HourConfig) -> Iterator[dg.MaterializeResult[Any]]:
    sys.stdout.write("printed by the step")
    if config.fails:
        raise dg.Failure("the vendor is away", allow_retries=False)
    context.log_event(
        dg.AssetCheckEvaluation(
            asset_key=HOUR, check_name="rows_are_right", passed=not config.red, partition=context.partition_key
        )
    )
    yield dg.MaterializeResult(metadata={"rows": 7}, tags={"shop": "a"})


@dg.asset(key=TABLE)
def table() -> None:
    """Unpartitioned."""


@dg.asset(key=FOREIGN)
def foreign() -> None:
    """Somebody else's."""


@dg.asset_check(asset=TABLE)
def is_well() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, description="it is not")


@dg.job(name="old_runs")
def own_job() -> None:
    """What lets old runs go leaves runs as well."""


DEFINITIONS = dg.Definitions(assets=[hours, table, foreign], asset_checks=[is_well])
QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


Run = Callable[..., str]


def runs_in(instance: dg.DagsterInstance) -> Run:
    """Runs some assets in this process, or the check of the table if none is named; gives the run's id."""

    def run(*keys: dg.AssetKey, partition: str | None = None, backfill: str = "", **config: bool) -> str:
        job = DEFINITIONS.resolve_implicit_global_asset_job_def().get_subset(
            asset_selection=set(keys), asset_check_selection=None if keys else {CHECKS[1]}
        )
        with history_kept_open(instance):
            done = job.execute_in_process(
                instance=instance,
                partition_key=partition,
                tags={"dagster/backfill": backfill} if backfill else None,
                run_config={"ops": {"raw__shop__hours": {"config": config}} if config else {}, "loggers": QUIET},
                raise_on_error=False,
            )
        return str(done.run_id)

    return run


@contextmanager
def opened(home: Path) -> Iterator[dg.DagsterInstance]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DAGSTER_HOME", raising=False)
        patch.setenv("JOURNEY_PIPELINE_HOME", str(home))
        with open_instance() as instance:
            yield instance


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An empty history."""
    put_history(tmp_path)
    with opened(tmp_path) as instance:
        yield instance


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A history with something of each kind, and what each of its runs is to the UI."""
    home = tmp_path_factory.mktemp("made")
    with opened(home) as instance:
        run = runs_in(instance)
        return home, {
            "superseded": run(HOUR, partition="one"),
            "last of one": run(HOUR, partition="one", red=True),
            "first failure of two": run(HOUR, partition="two", fails=True),
            "last failure of two": run(HOUR, partition="two", fails=True),
            "made two after all": run(HOUR, partition="two"),
            "three never came": run(HOUR, partition="three", fails=True),
            "first table": run(TABLE),
            "last table": run(TABLE),
            "first check": run(),
            "last check": run(),
        }


@pytest.fixture
def history(made: tuple[Path, dict[str, str]], tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A copy of the history that was made."""
    shutil.copytree(made[0], tmp_path, dirs_exist_ok=True)
    with opened(tmp_path) as instance:
        yield instance


@pytest.fixture
def ids(made: tuple[Path, dict[str, str]]) -> dict[str, str]:
    return made[1]


def forget(
    instance: dg.DagsterInstance,
    whose: Whose = OURS,
    *,
    days: float = 91,
    most: int = 1000,
    said: list[str] | None = None,
) -> Forgotten:
    """What a turn does so many days from now, with runs kept for 90 days."""
    before = datetime.now(UTC) + timedelta(days=days - 90)
    return forget_old_runs(
        instance, whose, before=before, most=most, say=(lambda _: None) if said is None else said.append
    )


def kept(instance: dg.DagsterInstance) -> set[str]:
    return set(instance.get_run_ids())


def shown(instance: dg.DagsterInstance) -> dict[str, Any]:
    """What the UI's pages of the assets rest on."""
    status = get_and_update_asset_status_cache_value(instance, HOUR, HOURS)
    assert status
    latest = {key: instance.get_latest_materialization_event(key) for key in (HOUR, TABLE)}
    of_partition = [
        instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=HOUR, asset_partitions=[key]), limit=1).records
        for key in HOURS.get_partition_keys()
    ]
    checks = instance.event_log_storage.get_latest_asset_check_execution_by_key(CHECKS)
    partitions = instance.event_log_storage.get_asset_check_partition_info([CHECKS[0]])
    return {
        "catalog": set(instance.get_asset_keys()),
        "materialized": status.deserialize_materialized_partition_subsets(HOURS).get_partition_keys(),
        "failed": status.deserialize_failed_partition_subsets(HOURS).get_partition_keys(),
        "partitions": instance.get_materialized_partitions(HOUR),
        "latest": {key: event and (event.run_id, event.asset_materialization) for key, event in latest.items()},
        "of partition": [[(record.run_id, record.asset_materialization) for record in found] for found in of_partition],
        "checks": {key: (record.run_id, record.status, record.event) for key, record in checks.items()},
        "checks of partitions": {
            (info.partition_key, info.latest_execution_status, info.latest_planned_run_id) for info in partitions
        },
    }


GONE = {"superseded", "first failure of two", "first table", "first check"}


def test_what_the_ui_says_of_assets_and_checks_outlives_the_runs_that_go(
    history: dg.DagsterInstance, ids: dict[str, str]
) -> None:
    before = shown(history)
    assert before["failed"] == {"three"}
    done = forget(history)
    assert kept(history) == {run_id for name, run_id in ids.items() if name not in GONE}
    assert (done.runs, done.logs, done.left, done.problems) == (4, 6, 0, [])
    assert shown(history) == before


def test_nothing_is_left_of_a_run_that_goes(history: dg.DagsterInstance, ids: dict[str, str], tmp_path: Path) -> None:
    gone = ids["superseded"]
    assert [path for path in tmp_path.rglob("*.out") if gone in str(path)]
    forget(history)
    assert [path for path in tmp_path.rglob("*") if gone in path.name] == []
    for file in history_files(history):
        with closing(sqlite3.connect(file)) as database:
            assert gone not in "\n".join(database.iterdump()), file


def test_of_a_run_that_stays_the_lines_go_and_how_its_steps_ended_stays(
    history: dg.DagsterInstance, ids: dict[str, str], tmp_path: Path
) -> None:
    stays, failed = ids["last of one"], ids["three never came"]
    assert [path for path in tmp_path.rglob("*.out") if stays in str(path)]
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    events = {run: history.get_run_stats(run) for run in (stays, failed)}
    done = forget(history)
    assert done.bytes > size / 2
    assert [path for path in tmp_path.rglob("*.out") if stays in str(path)] == []
    assert {run: history.get_run_stats(run) for run in (stays, failed)} == events
    assert {entry.get_dagster_event().event_type_value for entry in history.all_logs(stays)} <= set(LASTING)
    (why,) = [
        entry.get_dagster_event() for entry in history.all_logs(failed) if entry.get_dagster_event().is_step_failure
    ]
    assert "the vendor is away" in str(why.step_failure_data.user_failure_data.description)


def test_the_log_of_a_run_that_another_process_reads_goes_another_time(
    history: dg.DagsterInstance, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("journey_pipeline.components.instance.BUSY_S", 0.1)
    assert isinstance(history.event_log_storage, SqliteEventLogStorage)
    file = history.event_log_storage.path_for_shard(ids["last of one"])
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("begin")
        other.execute("select count(*) from event_logs").fetchall()
        assert forget(history).logs == 5
    assert forget(history).logs == 1


def test_a_turn_twice_is_a_turn_once(history: dg.DagsterInstance) -> None:
    forget(history)
    before = kept(history), shown(history)
    again = forget(history)
    assert (again.runs, again.logs, again.bytes) == (0, 0, 0)
    assert (kept(history), shown(history)) == before


def test_what_ended_less_than_so_many_days_ago_keeps_its_log(history: dg.DagsterInstance, ids: dict[str, str]) -> None:
    done = forget(history, days=89)
    assert (done.runs, done.logs) == (0, 0)
    assert kept(history) == set(ids.values())
    assert history.all_logs(ids["superseded"])


def test_runs_that_touch_an_asset_of_others_stay_unless_everybodys_may_go(instance: dg.DagsterInstance) -> None:
    run = runs_in(instance)
    others = {run(FOREIGN), run(FOREIGN), run(TABLE, FOREIGN), run(TABLE, FOREIGN)}
    own = own_job.execute_in_process(instance=instance).run_id
    done = forget(instance)
    assert (done.runs, done.logs) == (1, 0)
    assert kept(instance) == others
    assert own not in others
    assert forget(instance, Whose(frozenset(), everybodys=True)).runs == 3


def test_a_run_that_goes_on_or_belongs_to_an_unfinished_backfill_stays(instance: dg.DagsterInstance) -> None:
    backfill = PartitionBackfill(
        backfill_id="sixteen", status=BulkActionStatus.REQUESTED, from_failure=False, tags={}, backfill_timestamp=1.0
    )
    instance.add_backfill(backfill)
    run = runs_in(instance)
    of_backfill = run(TABLE, backfill="sixteen")
    run(TABLE)
    job = DEFINITIONS.resolve_implicit_global_asset_job_def()
    going_on = {
        instance.create_run_for_job(job, status=status).run_id
        for status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING)
    }
    forget(instance)
    assert {of_backfill, *going_on} <= kept(instance)
    assert instance.all_logs(of_backfill)
    instance.update_backfill(backfill._replace(status=BulkActionStatus.COMPLETED_SUCCESS))
    assert forget(instance).runs == 1
    assert of_backfill not in kept(instance)


def test_a_turn_is_bounded_and_the_next_one_goes_on(
    history: dg.DagsterInstance, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("journey_pipeline.components.run_history.AT_A_TIME", 2)
    said: list[str] = []
    assert forget(history, most=2, said=said).left == len(ids) - 2
    assert said == [f"2 of {len(ids)} old runs: 1 deleted, 1 logs of others"]
    while forget(history, most=2).left:
        continue
    assert len(kept(history)) == len(ids) - len(GONE)


def test_of_events_that_no_run_recorded_the_last_of_each_partition_stays(history: dg.DagsterInstance) -> None:
    for step in ("ordered", "polled", "ready"):
        for asset, partition in ((HOUR, "one"), (HOUR, "two"), (FOREIGN, None)):
            told = dg.AssetMaterialization(asset, partition=partition, metadata={"step": step}, tags={"order": step})
            history.report_runless_asset_event(told)
    before = shown(history)
    assert forget(history, days=89).events == 0
    assert forget(history).events == 4
    assert shown(history) == before
    assert len(history.fetch_materializations(FOREIGN, limit=10).records) == 3
    assert forget(history).events == 0


KILLS: list[tuple[type, str, int]] = [
    (LocalComputeLogManager, "delete_logs", 1),
    (LocalComputeLogManager, "delete_logs", 3),
    (Path, "unlink", 2),
    (SqliteEventLogStorage, "delete_events_for_run", 2),
    (SqliteRunStorage, "delete_run", 1),
    (SqliteRunStorage, "delete_run", 3),
]


@pytest.mark.parametrize("moment", KILLS, ids=lambda moment: f"{moment[1]}_{moment[2]}")
def test_a_turn_killed_at_any_call_is_finished_by_the_next(
    history: dg.DagsterInstance, ids: dict[str, str], tmp_path: Path, moment: tuple[type, str, int]
) -> None:
    owner, call, count = moment
    before = shown(history)
    calls = iter(range(1, 100))
    real = getattr(owner, call)

    def killed(*arguments: Any, **named: Any) -> Any:
        if next(calls) == count:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, call, killed)
        with pytest.raises(KeyboardInterrupt):
            forget(history)
    assert shown(history) == before
    forget(history)
    assert kept(history) == {run_id for name, run_id in ids.items() if name not in GONE}
    assert shown(history) == before
    assert [path for path in tmp_path.rglob("*") if ids["superseded"] in path.name] == []


def test_files_that_can_not_be_removed_are_named_and_their_run_stays(
    history: dg.DagsterInstance, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.rmtree

    def refused(folder: Path) -> None:
        if ids["superseded"] in str(folder):
            raise PermissionError(errno.EACCES, "Permission denied")
        real(folder)

    monkeypatch.setattr("dagster._core.storage.local_compute_log_manager.shutil.rmtree", refused)
    done = forget(history)
    assert done.runs == len(GONE) - 1
    assert ids["superseded"] in kept(history)
    (problem,) = done.problems
    assert ids["superseded"][:8] in problem
    assert "Permission denied" in problem


def test_events_that_are_all_in_one_database_go_by_the_same_rules() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = runs_in(instance)
        old, last = run(FOREIGN), run(FOREIGN)
        everybodys = Whose(frozenset(), everybodys=True)
        done = forget(instance, everybodys)
        assert (done.runs, done.logs) == (1, 1)
        assert kept(instance) == {last}
        assert {entry.dagster_event_type for entry in instance.all_logs(last)} == {
            dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
            dg.DagsterEventType.ASSET_MATERIALIZATION,
            dg.DagsterEventType.RUN_START,
            dg.DagsterEventType.STEP_START,
            dg.DagsterEventType.STEP_SUCCESS,
            dg.DagsterEventType.RUN_SUCCESS,
        }
        assert instance.all_logs(old) == []
        assert forget(instance, everybodys).logs == 0
