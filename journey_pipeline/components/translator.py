"""Names that Dagster gives: key, group, kinds, owners and tags of assets, and keys of partitions.

A project replaces those of an asset with `translation` in a `defs.yaml`. Not here: what an asset depends on and does;
names of partitions in paths and tables (`model.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import dagster as dg
from dagster.components.utils.translation import TranslationFnResolver

from journey_pipeline.model import Granularity, Window, floor
from journey_pipeline.vendors.source import Stream


class Told(NamedTuple):
    """The facts about an asset that a translation gets as `data`.

    Attributes:
        role: One of `ROLES`.
        vendor: The vendor's short name; empty of the warehouse's.
        connection: The connection; empty of the warehouse's.
        name: The stream, dimension or table; empty of what a connection has one of.
    """

    role: str
    vendor: str = ""
    connection: str = ""
    name: str = ""


ROLES: Mapping[str, frozenset[str]] = {
    "requests": frozenset(),
    "raw": frozenset({"gzip"}),
    "events": frozenset({"parquet", "duckdb"}),
    "dimensions": frozenset({"parquet"}),
    "reconciliation": frozenset(),
    "leftovers": frozenset(),
    "warehouse": frozenset({"duckdb", "sql"}),
    "marts": frozenset({"duckdb", "sql"}),
    "reports": frozenset(),
}
"""The roles of assets, and their kinds in addition to the vendor's and to the role itself.

Dagster's graph names a node by the end of its key alone: its role tells it from others of the same stream.
"""
OF_VENDOR = frozenset({"requests", "raw", "dimensions", "reconciliation"})
"""Those that show the vendor's icon, too."""

Translate = Callable[[dg.AssetSpec, Told], dg.AssetSpec]
Translation = Annotated[
    Translate | None,
    TranslationFnResolver[Told](lambda data: {"data": data}),
]
"""The setting: attributes of an asset in which `{{ data.role }}` and the like, and `{{ spec }}`, may stand."""
TRANSLATION = (
    "Changes attributes of the assets: key, key_prefix, group_name, kinds, owners, tags, description, metadata. "
    "Templates may use data.role, data.vendor, data.connection, data.name and spec."
)


@dataclass(frozen=True, slots=True)
class Translator:
    """Decides keys, groups, kinds, owners and tags of the assets of a connection, or of the warehouse.

    Attributes:
        translate: What the project changes, if it changes anything.
    """

    kinds: frozenset[str]
    owners: tuple[str, ...]
    translate: Translate | None = None
    _keys: dict[Told, dg.AssetKey] = field(default_factory=dict, compare=False)

    def key(self, told: Told) -> dg.AssetKey:
        """The asset's key: by default its role, connection and name."""
        if told not in self._keys:
            self._keys[told] = self._translated(self._plain(told), told).key
        return self._keys[told]

    def spec(self, told: Told, **given: Any) -> dg.AssetSpec:
        """The whole description of an asset; `given` is what only the asset knows, such as `deps` and `description`."""
        plain = self._plain(told, **given)
        shown = self._translated(plain, told)
        return plain.replace_attributes(
            key=self.key(told),
            group_name=shown.group_name,
            kinds=shown.kinds,
            owners=shown.owners,
            tags={name: value for name, value in shown.tags.items() if not name.startswith("dagster/kind/")},
            description=shown.description,
            metadata=shown.metadata,
        )

    def _plain(self, told: Told, **given: Any) -> dg.AssetSpec:
        return dg.AssetSpec(
            [part for part in (told.role, told.connection, told.name) if part],
            group_name=told.connection or told.role,
            kinds={told.role, *ROLES[told.role], *(self.kinds if told.role in OF_VENDOR else ())},
            owners=list(self.owners),
            **given,
        )

    def _translated(self, plain: dg.AssetSpec, told: Told) -> dg.AssetSpec:
        return self.translate(plain, told) if self.translate else plain


DOES = "does"  # the tag of a job that says what it does: the UI's list of runs cuts off the end of the job's name


def tags_of(connection: str, stream: str = "") -> dict[str, str]:
    """Tags of jobs, and of their runs, of schedules and of sensors: whose they are."""
    return {"connection": connection, **({"stream": stream} if stream else {})}


# How Dagster tags a run over a range of partitions.
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def partitions_definition(stream: Stream) -> dg.TimeWindowPartitionsDefinition:
    """Hours or days in UTC from the stream's fixed start, whole ones only; today's too where files are dropped."""
    if stream.granularity is Granularity.HOUR:
        return dg.HourlyPartitionsDefinition(start_date=stream.start, timezone="UTC")
    return dg.DailyPartitionsDefinition(start_date=stream.start, timezone="UTC", end_offset=stream.partitions_ahead)


def window_of(definition: dg.TimeWindowPartitionsDefinition, key: str) -> Window:
    """The window of one of Dagster's partition keys."""
    window = definition.time_window_for_partition_key(key)
    return Window(window.start, window.end)


def key_of(definition: dg.TimeWindowPartitionsDefinition, window: Window) -> str:
    """Dagster's key of a window."""
    return window.start.strftime(definition.fmt)


def last_whole(stream: Stream, at: datetime) -> Window:
    """The newest partition whose window has ended."""
    end = floor(at, stream.granularity)
    return Window(end - stream.granularity.duration, end)
