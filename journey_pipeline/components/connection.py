"""What every vendor's Component has: a connection's name, where its history starts, who owns it, how strict it is.

Not here: any one vendor (`sfmc.py` and the like), the assets that come of it (`stream_assets.py`).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import dagster as dg
from pydantic import Field, field_validator

from journey_pipeline.components.dimension_assets import DimensionAssets
from journey_pipeline.components.schedules import gap_schedule, newest_partition_schedule
from journey_pipeline.components.standing_checks import (
    completeness_definitions,
    redness_definitions,
    wholeness_definitions,
)
from journey_pipeline.components.stream_assets import StreamAssets
from journey_pipeline.components.sweeps import (
    leftovers_definitions,
    leftovers_key,
    reconciliation_definitions,
    reconciliation_key,
)
from journey_pipeline.errors import ConfigError
from journey_pipeline.loading.checks import Tolerance
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline.loading.reconcile import SweepSettings
from journey_pipeline.model import Granularity
from journey_pipeline.normalize.run import NormalizeLimits
from journey_pipeline.vendors.source import PeopleSource

START_FORMAT = "%Y-%m-%d-%H:%M"


class ToleranceSettings(dg.Model, dg.Resolvable):
    """When a difference between the estimate and what came is normal."""

    rows_share: float = Field(0.01, ge=0, le=1, description="A difference of up to this share of the estimate passes.")
    rows: int = Field(5, ge=0, description="A difference of up to so many rows passes, however small the estimate.")
    settled_after_hours: float = Field(
        6, ge=0, description="So long after its end a window has settled: fewer rows than the estimate are then a loss."
    )
    new_column: Literal["keep", "warn", "stop"] = Field(
        "warn",
        description="What a column that is not known means: keep it quietly, warn, or fail the check as an error.",
    )
    rejects_share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Records that can't be read are a warning; above this share of an answer they are an error.",
    )


class ConnectionComponent(dg.Component, dg.Model, dg.Resolvable, ABC):
    """One configured account at a vendor."""

    connection: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$",
        description="Name of the connection. It prefixes its assets, its folders and, in upper case, its variables.",
    )
    start: str = Field(
        description='Where its history starts, UTC, as "2026-11-01-00:00". Keep it: partitions are counted from here.'
    )
    owners: Sequence[str] = Field(default_factory=list, description="Who answers for it: addresses or team:name.")
    tolerance: ToleranceSettings = Field(
        default_factory=ToleranceSettings, description="When a difference to the vendor's estimate is normal."
    )
    normalize_memory: str = Field("200MB", description="What one normalizer may use of memory inside DuckDB.")
    requests_per_second: float = Field(1.0, gt=0, description="How fast the vendor is asked; most publish no figure.")
    gap_partitions: int = Field(
        48, ge=1, le=1000, description="How many missing partitions the gap filler asks for at a time."
    )
    missing_after_hours: float = Field(
        4, ge=0, description="So long after its end a partition that has not landed counts as missing."
    )
    reconcile_sample: int = Field(
        3, ge=0, description="How many partitions whose counts agree the daily sweep downloads again to compare."
    )
    schedules: Literal["running", "stopped"] = Field(
        "running", description="Whether its schedules run without being switched on in the UI."
    )

    @field_validator("start")
    @classmethod
    def _start_is_a_time(cls, value: str) -> str:
        try:
            datetime.strptime(value, START_FORMAT).replace(tzinfo=UTC)
        except ValueError:
            raise ValueError(f'start is {value!r}; write it as "2026-11-01-00:00", in quotes, UTC') from None
        return value

    @property
    @abstractmethod
    def vendor(self) -> str:
        """The vendor's short name."""

    @property
    @abstractmethod
    def streams(self) -> Sequence[StreamAssets]:
        """The streams of the connection as assets."""

    @property
    def dimensions(self) -> DimensionAssets | None:
        """The vendor's own lists, where it has some."""
        return None

    @property
    def dimension_keys(self) -> Sequence[dg.AssetKey]:
        """The assets of the connection's dimensions."""
        return self.dimensions.assets if self.dimensions else ()

    @property
    def keys(self) -> list[dg.AssetKey]:
        """All assets of the connection."""
        keys = [leftovers_key(self.connection), *self.dimension_keys]
        for assets in self.streams:
            keys += [*assets.upstream, assets.raw, assets.events, reconciliation_key(assets)]
        return keys

    @abstractmethod
    def check(self) -> Mapping[str, str]:
        """One harmless call to each route of the vendor; what each said.

        Raises:
            JourneyError: If configuration, credentials or the vendor's answer are not as they should be.
        """

    @property
    def answers_for_people(self) -> bool:
        """Whether the vendor can be asked for a single person."""
        return False

    def open_people(self) -> PeopleSource:
        """Opens what answers for a single person.

        Raises:
            ConfigError: If the vendor does not.
        """
        raise ConfigError(f"{self.connection}: {self.vendor} does not answer for a single person")

    @property
    def start_at(self) -> datetime:
        """Where its history starts."""
        return datetime.strptime(self.start, START_FORMAT).replace(tzinfo=UTC)

    @property
    def load_settings(self) -> LoadSettings:
        """Tolerance and limits as `loading/` takes them."""
        given = self.tolerance
        tolerance = Tolerance(
            rows_share=given.rows_share,
            rows=given.rows,
            settled_after=timedelta(hours=given.settled_after_hours),
            new_column=given.new_column,
            rejects_share=given.rejects_share,
        )
        return LoadSettings(tolerance=tolerance, limits=NormalizeLimits(memory=self.normalize_memory))

    def fresh_for(self, granularity: Granularity) -> timedelta:
        """So long after one partition was loaded the next one should have been."""
        return granularity.duration + timedelta(hours=self.missing_after_hours)

    def stream_definitions(
        self, assets: StreamAssets, *, newest: str, gaps: str, completeness: str, reconciliation: str | None
    ) -> dg.Definitions:
        """A stream's assets and what keeps it complete.

        Args:
            newest: When to look for the newest partition, as cron, UTC.
            gaps: When to look for missing ones.
            completeness: When to count what is missing.
            reconciliation: When to sweep over what has landed; None of a vendor without estimates to ask for again.
        """
        status = self.schedule_status
        standing = completeness_definitions(
            assets,
            cron=completeness,
            grace=timedelta(hours=self.missing_after_hours),
            requests_per_s=self.requests_per_second,
            status=status,
        )
        whole = dg.Definitions.merge(
            wholeness_definitions(assets, cron="20 4 * * *", status=status),
            redness_definitions(assets, cron="35 4 * * *", status=status),
        )
        sweeps = self._sweeps(assets, reconciliation) if reconciliation else dg.Definitions()
        schedules = [
            newest_partition_schedule(assets, cron=newest, status=status),
            gap_schedule(assets, cron=gaps, most_partitions=self.gap_partitions, status=status),
        ]
        return dg.Definitions.merge(assets.definitions(), standing, whole, sweeps, dg.Definitions(schedules=schedules))

    def leftovers_definitions(self) -> dg.Definitions:
        """The daily sweep of what crashes left behind, of all streams of the connection."""
        return leftovers_definitions(
            self.vendor, self.connection, cron="10 4 * * *", owners=self.owners, status=self.schedule_status
        )

    def _sweeps(self, assets: StreamAssets, cron: str) -> dg.Definitions:
        return reconciliation_definitions(
            assets,
            cron=cron,
            settings=SweepSettings(
                settled_after=timedelta(hours=self.tolerance.settled_after_hours), sample=self.reconcile_sample
            ),
            schedule_status=self.schedule_status,
            sensor_status=self.sensor_status,
        )

    @property
    def schedule_status(self) -> dg.DefaultScheduleStatus:
        """The setting `schedules` as Dagster takes it."""
        running = self.schedules == "running"
        return dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED

    @property
    def sensor_status(self) -> dg.DefaultSensorStatus:
        """The setting `schedules` as Dagster's sensors take it."""
        running = self.schedules == "running"
        return dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED


def connections_in(tree: dg.ComponentTree) -> list[ConnectionComponent]:
    """All connections that a project configures, whatever their vendor."""
    # mypy wants a class that can be made; Dagster only compares types.
    return list(tree.get_all_components(of_type=ConnectionComponent))  # type: ignore[type-abstract]
