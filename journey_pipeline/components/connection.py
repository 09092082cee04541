"""One configured account at a vendor: what every vendor's Component has, and the assets, checks and schedules of it.

A vendor's Component says which streams it has, how their answers come, and opens them. Not here: any one vendor
(`sfmc.py` and the like), the assets of a stream (`load_assets.py`), what one load does (`loading/`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Any, ClassVar, Literal, NamedTuple

import dagster as dg
from pydantic import Field, field_validator

from journey_pipeline.components.dimension_assets import DimensionAssets
from journey_pipeline.components.export_assets import export_sensor, ordered_definitions
from journey_pipeline.components.figures import FIGURES
from journey_pipeline.components.intake import dropped_definitions, intake_definitions
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.schedules import pulled_definitions, reach_schedule
from journey_pipeline.components.standing_checks import (
    COMPLETENESS,
    FRESHNESS,
    REDNESS,
    WHOLENESS,
    standing_definitions,
)
from journey_pipeline.components.sweeps import leftovers_definitions, reconciliation_definitions
from journey_pipeline.components.translator import TRANSLATION, Told, Translation, Translator
from journey_pipeline.errors import ConfigError
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.exports.queue import Queue
from journey_pipeline.loading.claims import Tolerance
from journey_pipeline.loading.contact import PeopleSource
from journey_pipeline.loading.exports import Exports
from journey_pipeline.loading.load import Load, LoadAtOnce
from journey_pipeline.loading.load_ordered import LoadOrdered
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline.loading.reconcile import SweepSettings
from journey_pipeline.model import StreamKey
from journey_pipeline.normalize.run import NormalizeLimits
from journey_pipeline.recipe import DimensionRecipe
from journey_pipeline.settings import ledger_url, utc_now
from journey_pipeline.transport.retry import Limits
from journey_pipeline.vendors.dropped import DropSource
from journey_pipeline.vendors.source import Source, Stream

START_FORMAT = "%Y-%m-%d-%H:%M"


class ToleranceSettings(Tolerance, dg.Model, dg.Resolvable):
    """Differences that the checks accept."""


class Lists(NamedTuple):
    """A vendor's own lists.

    Attributes:
        stream: The name that they are landed under.
        recipes: The dimensions that are made of them.
        open_pages: Gives their pages while it is open.
    """

    stream: str
    recipes: Sequence[DimensionRecipe]
    open_pages: Callable[[], AbstractContextManager[Iterator[bytes]]]


def connection_name(default: Any = ...) -> Any:
    """The setting `connection` of a vendor's Component, with its default if it has one."""
    return Field(
        default,
        pattern=r"^[a-z][a-z0-9_]*$",
        description="Name of the connection. It prefixes its assets, its folders and, in upper case, its variables.",
    )


def memory_setting(default: str, description: str) -> Any:
    """A setting that is a limit of DuckDB's memory."""
    pattern = r"(?i)^[0-9]+([.][0-9]+)? ?([kmgt]i?b?|%)$"
    return Field(default, pattern=pattern, description=f"{description} As DuckDB writes it, such as 500MB.")


class Way(NamedTuple):
    """A way in which answers come.

    Attributes:
        before: What is materialized before the landing, by its role.
        keeps: What asks for the newest partition and for what is missing; takes the most that are asked for at a time.
        moves: What moves the answers of all such streams of a connection.
    """

    load: Callable[[LoadAssets], Callable[..., Load[Any]]]
    before: tuple[str, ...]
    keeps: Callable[[LoadAssets, int, dg.DefaultScheduleStatus], dg.Definitions]
    moves: Callable[["ConnectionComponent", Sequence[LoadAssets]], dg.Definitions]


class ConnectionComponent(dg.Component, dg.Model, dg.Resolvable, ABC):
    """One configured account at a vendor."""

    vendor: ClassVar[str]
    """The vendor's short name."""
    kinds: ClassVar[frozenset[str]]
    """The vendor's icons."""

    connection: str = connection_name()
    start: str = Field(
        description='Start of the history in UTC, such as "2026-11-01-00:00". Never change it: partitions are '
        "counted from it."
    )
    owners: Sequence[str] = Field(
        default_factory=list, description="Owners of the assets: e-mail addresses or team:name."
    )
    tolerance: ToleranceSettings = Field(
        default_factory=ToleranceSettings, description="Differences that the checks accept."
    )
    normalize_memory: str = memory_setting("200MB", "Memory limit of DuckDB in each normalizer.")
    requests_per_second: float = Field(
        Limits().requests_per_s,
        gt=0,
        description="Largest number of requests per second. Most vendors publish no limit.",
    )
    gap_partitions: int = Field(
        48, ge=1, le=1000, description="Largest number of missing partitions that one tick of the gap filler asks for."
    )
    missing_after_hours: float = Field(
        4, ge=0, description="Hours after its end from which a partition without data counts as missing."
    )
    reconcile_sample: int = Field(
        3,
        ge=0,
        description="Partitions with equal counts that the daily sweep downloads again and compares by content."
        " 0 compares none.",
    )
    schedules: Literal["running", "stopped"] = Field(
        "running", description="running: schedules and sensors start switched on. stopped: they start switched off."
    )
    translation: Translation = Field(None, description=TRANSLATION)

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
    def offered(self) -> Mapping[str, Stream]:
        """The streams of the connection, by what they are for the UI."""

    @property
    def lists(self) -> Lists | None:
        """The vendor's own lists, where it has some."""
        return None

    @cached_property
    def translator(self) -> Translator:
        """Decides keys, groups, kinds, owners and tags of all its assets."""
        return Translator(self.kinds, tuple(self.owners), self.translation)

    @property
    def streams(self) -> Sequence[LoadAssets]:
        """The streams of the connection as assets."""
        return [
            LoadAssets(
                stream=stream,
                title=title,
                translator=self.translator,
                settings=self.load_settings,
                open_source=partial(self._open_source, stream.key.stream),
                open_dropped=partial(self.open_dropped, stream.key),
                open_exports=self.open_exports,
                load=WAYS[stream.answers].load,
                before=WAYS[stream.answers].before,
                fresh_for=stream.granularity.duration + timedelta(hours=self.missing_after_hours),
                requests_per_s=self.requests_per_second,
                asks_per_day=self.export_policy.asks_per_day,
            )
            for title, stream in self.offered.items()
        ]

    @property
    def dimensions(self) -> DimensionAssets | None:
        """The vendor's own lists as assets."""
        lists = self.lists
        return lists and DimensionAssets(
            key=StreamKey(self.vendor, self.connection, lists.stream),
            recipes=lists.recipes,
            open_pages=lists.open_pages,
            translator=self.translator,
            status=self.schedule_status,
        )

    @property
    def dimension_keys(self) -> Sequence[dg.AssetKey]:
        """The assets of the connection's dimensions."""
        return self.dimensions.assets if self.dimensions else ()

    @property
    def leftovers(self) -> dg.AssetKey:
        """The asset of the sweep of what crashes left behind."""
        return self.translator.key(Told("leftovers", self.vendor, self.connection))

    @property
    def keys(self) -> list[dg.AssetKey]:
        """All assets of the connection."""
        keys = [self.leftovers, *self.dimension_keys]
        for assets in self.streams:
            keys += [*assets.upstream, assets.raw, assets.events, assets.key("reconciliation")]
        return keys

    @abstractmethod
    def open_sources(self) -> Mapping[str, Source]:
        """The streams of the connection by name, with credentials from the environment. They share what they hold open.

        Raises:
            ConfigError: If a variable is missing or wrong.
        """

    def _open_source(self, stream: str) -> Source:
        return self.open_sources()[stream]

    def open_dropped(self, key: StreamKey) -> DropSource:
        """A stream whose files people drop in a folder.

        Raises:
            ConfigError: If none are dropped for it.
        """
        raise ConfigError(f"{key} takes no files in")

    def open_exports(self) -> Exports:
        """The streams of the connection with the queue of what they order.

        Raises:
            ConfigError: If a variable is missing or wrong.
            LedgerError: If the ledger can't be opened.
        """
        sources = self.open_sources()
        longest = {name: source.stream.reach.longest for name, source in sources.items()}
        return Exports(Queue(self.connection, open_ledger(ledger_url()), self.export_policy, utc_now, longest), sources)

    @property
    def export_policy(self) -> ExportPolicy:
        """Limits and waits of what is ordered."""
        return ExportPolicy()

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
        return LoadSettings(tolerance=self.tolerance, limits=NormalizeLimits(memory=self.normalize_memory))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 - the base class's signature
        """The assets, checks, schedules and sensors of the connection."""
        dimensions, streams = self.dimensions, self.streams
        by_way = {name: [assets for assets in streams if assets.stream.answers == name] for name in WAYS}
        return dg.Definitions.merge(
            *(self._kept(assets) for assets in streams),
            *(WAYS[name].moves(self, those) for name, those in by_way.items() if those),
            dimensions.definitions() if dimensions else dg.Definitions(),
            leftovers_definitions(self.vendor, self.connection, self.translator, status=self.schedule_status),
        )

    def _kept(self, assets: LoadAssets) -> dg.Definitions:
        """A stream's assets and what keeps it complete."""
        status = self.schedule_status
        return dg.Definitions.merge(
            dg.Definitions(assets=[assets.definition()]),
            WAYS[assets.stream.answers].keeps(assets, self.gap_partitions, status),
            *(standing_definitions(assets, standing, status=status) for standing in (COMPLETENESS, WHOLENESS, REDNESS)),
            *(UPKEEP[name](self, assets) for name in assets.stream.upkeep),
        )

    def _reconciliation(self, assets: LoadAssets) -> dg.Definitions:
        return reconciliation_definitions(
            assets,
            settings=SweepSettings(settled_after=self.tolerance.settled_after, sample=self.reconcile_sample),
            schedule_status=self.schedule_status,
            sensor_status=self.sensor_status,
        )

    def _freshness(self, assets: LoadAssets) -> dg.Definitions:
        return standing_definitions(assets, FRESHNESS, status=self.schedule_status)

    def _figures(self, assets: LoadAssets) -> dg.Definitions:
        return standing_definitions(assets, FIGURES, status=self.schedule_status)

    def _reach(self, assets: LoadAssets) -> dg.Definitions:
        return dg.Definitions(schedules=[reach_schedule(assets, status=self.schedule_status)])

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


def _sensor(connection: ConnectionComponent, streams: Sequence[LoadAssets]) -> dg.Definitions:
    """The sensor that orders and polls."""
    policy = connection.export_policy
    sensor = export_sensor(
        connection.connection,
        streams,
        open_exports=connection.open_exports,
        poll_s=policy.poll_s,
        order_s=policy.order_s,
        status=connection.sensor_status,
    )
    return dg.Definitions(sensors=[sensor])


WAYS: Mapping[str, Way] = {
    "at once": Way(
        load=lambda assets: partial(LoadAtOnce, open=assets.open_source),
        before=(),
        keeps=pulled_definitions,
        moves=lambda _connection, _streams: dg.Definitions(),
    ),
    "ordered": Way(
        load=lambda assets: partial(LoadOrdered, open=assets.open_exports),
        before=("requests",),
        keeps=ordered_definitions,
        moves=_sensor,
    ),
    "dropped": Way(
        load=lambda assets: partial(LoadAtOnce, open=assets.open_dropped),
        before=(),
        keeps=dropped_definitions,
        moves=lambda connection, streams: intake_definitions(streams, status=connection.sensor_status),
    ),
}
"""By what streams say of their answers."""
UPKEEP: Mapping[str, Callable[[ConnectionComponent, LoadAssets], dg.Definitions]] = {
    "figures": ConnectionComponent._figures,  # noqa: SLF001 - the table of the class's own
    "freshness": ConnectionComponent._freshness,  # noqa: SLF001 - likewise
    "reach": ConnectionComponent._reach,  # noqa: SLF001 - likewise
    "reconciliation": ConnectionComponent._reconciliation,  # noqa: SLF001 - likewise
}
"""Additional upkeep of the streams that name it."""


def streams_of(connections: Iterable[ConnectionComponent]) -> dict[StreamKey, tuple[Stream, LoadSettings]]:
    """The streams of some connections, and how each is loaded."""
    return {
        assets.stream.key: (assets.stream, assets.settings)
        for connection in connections
        for assets in connection.streams
    }


def connections_in(tree: dg.ComponentTree) -> list[ConnectionComponent]:
    """All connections that a project configures, whatever their vendor."""
    # mypy wants a class that can be made; Dagster only compares types.
    return list(tree.get_all_components(of_type=ConnectionComponent))  # type: ignore[type-abstract]
