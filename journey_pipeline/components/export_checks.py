"""The checks of a stream's exports, on `requests/…`: whether one needs a person, and what is claimed of its orders.

Not here: which exports need a person (`exports/turns.py`), the claims about orders (`loading/order_checks.py`).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.schedules import EXPORTS, Ticks, daily
from journey_pipeline.components.standing_checks import standing_check
from journey_pipeline.components.translator import DOES
from journey_pipeline.loading.order_checks import ORDER_CLAIMS, order_claims

CHECK = "no_export_needs_a_person"
NAMED = 5


def check_job(assets: LoadAssets) -> Any:  # Dagster does not export the type
    """The job that looks for exports of a stream that need a person, and judges its orders."""
    names = (CHECK, *assets.stream.order_claims)
    return dg.define_asset_job(
        f"{assets.op_name}_exports_check",
        selection=dg.AssetSelection.checks(*(dg.AssetCheckKey(assets.requests, name) for name in names)),
        description=f"Looks for exports of {assets.stream.key} that need a person.",
        tags=assets.tags | {DOES: "exports_check"},
    )


def export_checks(assets: LoadAssets, ticks: Ticks) -> dg.Definitions:
    """The check for exports that need a person, and the schedule that runs it. The sensor brings the job."""
    spec = dg.AssetCheckSpec(CHECK, asset=assets.requests, description="No export has stopped or is overdue.")

    def no_export_needs_a_person() -> Iterator[dg.AssetCheckResult]:
        with assets.open_exports() as opened:
            stuck = [export for export in opened.queue.needing_a_person() if export.key == assets.stream.key]
        named = "; ".join(f"{export}: {export.error or 'no answer yet'}" for export in stuck[:NAMED])
        yield dg.AssetCheckResult(
            asset_key=assets.requests,
            check_name=CHECK,
            passed=not stuck,
            severity=dg.AssetCheckSeverity.ERROR,
            description=named or "no export has stopped",
            metadata={"stuck": len(stuck)},
        )

    job_name = check_job(assets).name
    says = f"Runs the check {CHECK} of {assets.stream.key}."
    schedule = daily(job_name, EXPORTS, ticks, says, tags=assets.tags, job_name=job_name)
    check = standing_check(spec.get_python_identifier(), [spec], no_export_needs_a_person)
    return dg.Definitions(asset_checks=[check, *_order_checks(assets)], schedules=[schedule])


def _order_checks(assets: LoadAssets) -> Iterator[dg.AssetChecksDefinition]:
    """The claims about orders that the stream names."""
    if not assets.stream.order_claims:
        return
    said = {name: ORDER_CLAIMS[name][0] for name in assets.stream.order_claims}
    specs = [dg.AssetCheckSpec(name, asset=assets.requests, description=says) for name, says in said.items()]

    def orders() -> Iterator[dg.AssetCheckResult]:
        with assets.open_exports() as opened:
            claims = order_claims(assets.stream, opened.queue)
        for claim in claims:
            yield dg.AssetCheckResult(
                asset_key=assets.requests,
                check_name=claim.name,
                passed=claim.holds,
                severity=dg.AssetCheckSeverity[claim.severity.name],
                description=claim.says,
            )

    yield standing_check(f"{assets.op_name}_orders", specs, orders)
