"""The claim that two exports which tell of the same events agree, as a check of the warehouse.

Not here: the figures and when a difference is normal (`warehouse/agreement.py`), when it is asked (`warehouse.py`).
"""

from collections.abc import Sequence

import dagster as dg

from journey_pipeline.warehouse.agreement import Agreement, AgreementTolerance, DayOfBoth

EXPORTS_AGREE = "the_two_exports_agree"
_NAMED = 3


def agreement_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check, on an asset."""
    return dg.AssetCheckSpec(
        EXPORTS_AGREE,
        asset=asset,
        description="Streams that tell of the same events hardly lack any of each other's; see ops.agreement.",
    )


def agreement_result(
    asset: dg.AssetKey, agreements: Sequence[Agreement], tolerance: AgreementTolerance
) -> dg.AssetCheckResult:
    """The claim, judged: a WARN at most, since marts count what only one of them has as well.

    Args:
        asset: What the check is on.
        agreements: How far each pair of streams agrees.
        tolerance: When a difference is normal.
    """
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
    """On which days a pair differs too much, the worst with figures, and what to do; empty if on none."""
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
        f"{agreement.twin_stream} differ by more than {tolerance.share:.1%} ({told}). Pull those days again; if it "
        "stays and one of them is asked for less than the other, raise exports_may_differ_by"
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
