"""A check that runs by itself: the job of one check and the schedule that runs it.

Not here: the checks (`completeness.py`, `wholeness.py`), those of each partition (`checks.py`).
"""

import dagster as dg


def on_schedule(
    check: dg.AssetChecksDefinition, *, name: str, looks: str, cron: str, status: dg.DefaultScheduleStatus
) -> dg.Definitions:
    """A check with its job and its schedule, which have one name.

    Args:
        check: A definition of one check.
        name: Of job and schedule.
        looks: What the job does, a sentence.
        cron: When it runs, UTC.
        status: Whether the schedule runs without being switched on.
    """
    (key,) = check.check_keys
    job = dg.define_asset_job(name, selection=dg.AssetSelection.checks(key), description=looks)
    schedule = dg.ScheduleDefinition(
        name=name,
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=status,
        description=f"Runs the check {key.name} of {'/'.join(key.asset_key.path[1:])}.",
    )
    return dg.Definitions(asset_checks=[check], jobs=[job], schedules=[schedule])
