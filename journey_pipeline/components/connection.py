"""One configured account at a vendor: what every vendor's Component has, and the assets, checks and schedules of it.

A vendor's Component says which streams it has, how their answers come, and opens them. Not here: any one vendor
(`sfmc.py` and the like), the assets of a stream (`load_assets.py`), what one load does (`loading/`).
"""

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property, partial
from typing import Any, ClassVar, NamedTuple

import dagster as dg
from pydantic import Field

from journey_pipeline.components.described import Described
from journey_pipeline.components.dimension_assets import DimensionAssets
from journey_pipeline.components.export_assets import ordered_definitions
from journey_pipeline.components.export_sensor import export_sensor
from journey_pipeline.components.figures import FIGURES
from journey_pipeline.components.intake import dropped_definitions, intake_definitions
from journey_pipeline.components.load_assets import LoadAssets
from journey_pipeline.components.schedules import Ticks, pulled_definitions, reach_schedule
from journey_pipeline.components.standing_checks import (
    COMPLETENESS,
    FRESHNESS,
    REDNESS,
    WHOLENESS,
    standing_definitions,
)
from journey_pipeline.components.sweeps import leftovers_definitions, reconciliation_definitions
from journey_pipeline.components.translator import TRANSLATION, Told, Translation, Translator
from journey_pipeline.connections.connection import TOLERANCE, Connection
from journey_pipeline.errors import ConfigError
from journey_pipeline.loading.claims import Tolerance
from journey_pipeline.loading.load import Load, LoadAtOnce
from journey_pipeline.loading.load_ordered import LoadOrdered
from journey_pipeline.loading.reconcile import SweepSettings
from journey_pipeline.model import StreamKey


class ToleranceSettings(Tolerance, Described):
    """Differences that the checks accept."""


def tolerance_setting() -> Any:
    """The setting `tolerance` of a Component, in which templates may stand."""
    return Field(default_factory=ToleranceSettings, description=TOLERANCE)


class Way(NamedTuple):
    """A way in which answers come.

    Attributes:
        load: Begins what takes partitions of a connection's stream through.
        before: What is materialized before the landing, by its role.
        keeps: What asks for the newest partition and for what is missing; takes the most that are asked for at a time.
        moves: What moves the answers of all such streams of a connection.
    """

    load: Callable[["ConnectionComponent", StreamKey], Callable[..., Load[Any]]]
    before: tuple[str, ...]
    keeps: Callable[[LoadAssets, int, Ticks], dg.Definitions]
    moves: Callable[["ConnectionComponent", Sequence[LoadAssets]], dg.Definitions]


class ConnectionComponent(Connection, Described, dg.Component, ABC):
    """One configured account at a vendor."""

    kinds: ClassVar[frozenset[str]]
    """The vendor's icons."""

    tolerance: ToleranceSettings = tolerance_setting()
    translation: Translation = Field(None, description=TRANSLATION)

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
                open_source=partial(self.open_source, stream.key.stream),
                open_dropped=partial(self.open_dropped, stream.key),
                open_exports=self.open_exports,
                load=WAYS[stream.answers].load(self, stream.key),
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
            ticks=self.ticks,
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

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The assets, checks, schedules and sensors of the connection."""
        connections_in(context.component_tree)  # refuses two of one name
        dimensions, streams = self.dimensions, self.streams
        by_way = {name: [assets for assets in streams if assets.stream.answers == name] for name in WAYS}
        return dg.Definitions.merge(
            *(self._kept(assets) for assets in streams),
            *(WAYS[name].moves(self, those) for name, those in by_way.items() if those),
            dimensions.definitions() if dimensions else dg.Definitions(),
            leftovers_definitions(self.vendor, self.connection, self.translator, self.ticks),
        )

    def _kept(self, assets: LoadAssets) -> dg.Definitions:
        """A stream's assets and what keeps it complete."""
        ticks = self.ticks_of(assets)
        return dg.Definitions.merge(
            dg.Definitions(assets=[assets.definition()]),
            WAYS[assets.stream.answers].keeps(assets, self.gap_partitions, ticks),
            *(standing_definitions(assets, standing, ticks) for standing in (COMPLETENESS, WHOLENESS, REDNESS)),
            *(UPKEEP[name](self, assets) for name in assets.stream.upkeep),
        )

    def _reconciliation(self, assets: LoadAssets) -> dg.Definitions:
        settings = SweepSettings(settled_after=self.tolerance.settled_after, sample=self.reconcile_sample)
        return reconciliation_definitions(assets, self.ticks, settings=settings)

    def _freshness(self, assets: LoadAssets) -> dg.Definitions:
        return standing_definitions(assets, FRESHNESS, self.ticks)

    def _figures(self, assets: LoadAssets) -> dg.Definitions:
        return standing_definitions(assets, FIGURES, self.ticks)

    def _reach(self, assets: LoadAssets) -> dg.Definitions:
        return dg.Definitions(schedules=[reach_schedule(assets, self.ticks)])

    @property
    def ticks(self) -> Ticks:
        """Its schedules and sensors: as the setting `schedules` says, and skipping while it is not configured."""
        return Ticks(self.schedules == "running", self.why_not_configured)

    def ticks_of(self, assets: LoadAssets) -> Ticks:
        """The same of one stream; what people drop is taken in without the vendor."""
        return self.ticks if assets.stream.asks_vendor else Ticks(self.ticks.are_on)


def _sensor(connection: ConnectionComponent, streams: Sequence[LoadAssets]) -> dg.Definitions:
    """The sensor that orders and polls."""
    policy = connection.export_policy
    sensor = export_sensor(
        connection.connection,
        streams,
        open_exports=connection.open_exports,
        poll_s=policy.poll_s,
        order_s=policy.order_s,
        ticks=connection.ticks,
    )
    return dg.Definitions(sensors=[sensor])


WAYS: Mapping[str, Way] = {
    "at once": Way(
        load=lambda connection, key: partial(LoadAtOnce, open=partial(connection.open_source, key.stream)),
        before=(),
        keeps=pulled_definitions,
        moves=lambda _connection, _streams: dg.Definitions(),
    ),
    "ordered": Way(
        load=lambda connection, _key: partial(LoadOrdered, open=connection.open_exports),
        before=("requests",),
        keeps=ordered_definitions,
        moves=_sensor,
    ),
    "dropped": Way(
        load=lambda connection, key: partial(LoadAtOnce, open=partial(connection.open_dropped, key)),
        before=(),
        keeps=dropped_definitions,
        moves=lambda connection, streams: intake_definitions(streams, connection.ticks_of(streams[0])),
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


def connections_in(tree: dg.ComponentTree) -> list[ConnectionComponent]:
    """All connections that a project configures, whatever their vendor.

    Raises:
        ConfigError: If two have one name.
    """
    # mypy wants a class that can be made; Dagster only compares types.
    found = list(tree.get_all_components(of_type=ConnectionComponent))  # type: ignore[type-abstract]
    names = [one.connection for one in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(
            f"{names.count(twice[0])} connections are called {twice[0]}. Give each a name of its own, as `connection` "
            "in its defs.yaml."
        )
    return found
