"""What a run records of each partition: materializations with their metadata, and the checks.

In a run over a range Dagster records every partition by itself when the step succeeds, and nothing when it fails. So
where some partitions failed, the finished ones are logged here before the step fails. Not here: the figures themselves
(`metadata.py`, `checks.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from journey_pipeline.components.checks import evaluation
from journey_pipeline.components.metadata import Metadata, events_metadata, landing_metadata
from journey_pipeline.components.partitions import key_of
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.preview import Previews, previewing
from journey_pipeline.loading.partition import PartitionOutcome


@dataclass(frozen=True, slots=True)
class Recorder:
    """Records the outcomes of one step.

    Attributes:
        context: The step.
        lake: Where the files lie.
        raw: Key of the landing's asset.
        events: Key of the events' asset.
        partitions: Their partitions.
    """

    context: dg.AssetExecutionContext
    lake: Lake
    raw: dg.AssetKey
    events: dg.AssetKey
    partitions: dg.TimeWindowPartitionsDefinition

    def succeeded(self, outcomes: Sequence[PartitionOutcome]) -> None:
        """Adds metadata to the materializations that Dagster is about to record, and records the checks."""
        with previewing(self.lake) as previews:
            for outcome in outcomes:
                key = key_of(self.partitions, outcome.window)
                for asset, metadata in self._selected(outcome, previews):
                    self.context.add_asset_metadata(metadata, asset_key=asset, partition_key=key)
                self._checks(outcome, key)

    def failed_beside(self, outcomes: Sequence[PartitionOutcome]) -> None:
        """Records the finished partitions of a step that is about to fail."""
        with previewing(self.lake) as previews:
            for outcome in outcomes:
                key = key_of(self.partitions, outcome.window)
                for asset, metadata in self._selected(outcome, previews):
                    self.context.log_event(dg.AssetMaterialization(asset, partition=key, metadata=metadata))
                self._checks(outcome, key)

    def _selected(self, outcome: PartitionOutcome, previews: Previews) -> list[tuple[dg.AssetKey, Metadata]]:
        chosen = self.context.selected_asset_keys
        of = [(self.raw, landing_metadata(outcome)), (self.events, events_metadata(previews, outcome))]
        return [(asset, metadata) for asset, metadata in of if asset in chosen]

    def _checks(self, outcome: PartitionOutcome, key: str) -> None:
        for claim in outcome.claims:
            self.context.log_event(evaluation(self.events, key, claim))
            if not claim.holds:
                self.context.log.warning("%s: %s does not hold: %s", key, claim.name, claim.says)
