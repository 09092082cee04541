"""The daily sweep of a connection's leftovers as an asset: what crashes left behind goes, what landed is named again.

Not here: what is a leftover (`lake/sweep.py`), asking the vendor again about what landed (`reconciliation.py`).
"""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from journey_pipeline.components.metadata import SAYS
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.sweep import Swept, sweep
from journey_pipeline.loading.pull import utc_now
from journey_pipeline.settings import make_home

LEFTOVER_AGE = timedelta(days=1)  # far longer than any download takes
NAMED = 10


def leftovers_key(connection: str) -> dg.AssetKey:
    """The asset of a connection's sweeps."""
    return dg.AssetKey(["leftovers", connection])


def leftovers_definitions(
    vendor: str, connection: str, *, cron: str, owners: Sequence[str], status: dg.DefaultScheduleStatus
) -> dg.Definitions:
    """The sweep of a connection's leftovers, and its schedule.

    Args:
        vendor: The connection's vendor.
        connection: Whose leftovers.
        cron: When it runs, UTC.
        owners: Who answers for it.
        status: Whether its schedule runs without being switched on.
    """
    key = leftovers_key(connection)

    @dg.asset(
        key=key,
        group_name=connection,
        owners=list(owners),
        pool=connection,
        description=f"Removes what crashes and broken downloads of {connection} left behind, once it is a day old. "
        "What landed whole is never removed: a manifest that lacks it is made again.",
    )
    def leftovers(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        lake = Lake(make_home())
        swept = sweep(lake, vendor, connection, utc_now() - LEFTOVER_AGE)
        lines = says(lake, connection, swept)
        for line in lines:
            context.log.warning("%s", line)
        if swept.unclear:
            raise dg.Failure("\n".join(lines), allow_retries=False)
        return dg.MaterializeResult(
            metadata={
                **({SAYS: "\n".join(lines)} if lines else {}),
                "leftovers_removed": len(swept.removed),
                "manifests_restored": len(swept.restored) + len(swept.marked),
            }
        )

    schedule = dg.ScheduleDefinition(
        name=f"{connection}_leftovers_daily",
        target=dg.AssetSelection.assets(key),
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=status,
        description=f"Sweeps the leftovers of {connection}.",
    )
    return dg.Definitions(assets=[leftovers], schedules=[schedule])


def says(lake: Lake, connection: str, swept: Swept) -> list[str]:
    """What a sweep did, in a line each; nothing where there was nothing to do."""
    lines = [
        f"{lake.relative(folder)}: the manifest lacked answers that had landed whole, and names them again. "
        f"`journey-pipeline normalize {connection}` makes events of them"
        for folder in swept.restored
    ]
    lines += [
        f"{lake.relative(folder)}: the manifest was lacking, and says again that another day's answer holds this day"
        for folder in swept.marked
    ]
    if swept.removed:
        named = ", ".join(lake.relative(path) for path in swept.removed[:NAMED])
        more = f" and {len(swept.removed) - NAMED} more" if len(swept.removed) > NAMED else ""
        lines.append(f"{connection}: removed what loads left behind that did not end: {named}{more}")
    return [*lines, *swept.unclear]
