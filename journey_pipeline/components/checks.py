"""The claims about a partition as Dagster's asset checks, one evaluation for each partition.

Not here: what is claimed (`loading/claims.py`), when it is recorded (`recording.py`).
"""

from collections.abc import Mapping

import dagster as dg

from journey_pipeline.components.previews import accepted_previews
from journey_pipeline.loading.claims import Claim, Severity

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
