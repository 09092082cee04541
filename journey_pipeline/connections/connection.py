"""One configured account at a vendor: its settings, and what they open. Nothing here needs Dagster.

A vendor's class says which streams it has, and opens them. Not here: any one vendor (`sfmc.py` and the like), the same
as assets, checks and schedules (`components/connection.py`), where settings are read from (`project.py`).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator

from journey_pipeline.errors import ConfigError
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.claims import Tolerance
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline.model import StreamKey
from journey_pipeline.normalize.session import NormalizeLimits
from journey_pipeline.recipe import DimensionRecipe
from journey_pipeline.settings import home, why_not_configured
from journey_pipeline.transport.retry import Limits
from journey_pipeline.vendors.dropped import DropSource
from journey_pipeline.vendors.source import Source, Stream

if TYPE_CHECKING:  # they bring SQLAlchemy and Arrow along, and most commands open neither
    from journey_pipeline.loading.contact import PeopleSource
    from journey_pipeline.loading.exports import Exports

START_FORMAT = "%Y-%m-%d-%H:%M"
CONNECTION_NAME = re.compile(r"^[a-z][a-z0-9_]*$")
OR_TEMPLATE = "|[{][{]"  # in a pattern of YAML; a template is resolved later
TOLERANCE = "Differences that the checks accept."


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
        json_schema_extra={"pattern": CONNECTION_NAME.pattern + OR_TEMPLATE},  # the value has a check of its own
        description="Name of the connection. It prefixes its assets, its folders and, in upper case, its variables.",
    )


def memory_setting(default: str, description: str) -> Any:
    """A setting that is a limit of DuckDB's memory."""
    pattern = r"(?i)^[0-9]+([.][0-9]+)? ?([kmgt]i?b?|%)$"
    return Field(
        default, pattern=pattern + OR_TEMPLATE, description=f"{description} As DuckDB writes it, such as 500MB."
    )


class Connection(BaseModel, ABC):
    """One configured account at a vendor."""

    model_config = ConfigDict(extra="forbid")

    vendor: ClassVar[str]
    """The vendor's short name."""

    required_variables: ClassVar[Sequence[str]]
    """The variables that it can't be used without, without the connection's prefix."""

    optional_variables: ClassVar[Sequence[str]]
    """Its other variables."""

    connection: str = connection_name()
    start: str = Field(
        json_schema_extra={"pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9]{2}:[0-9]{2}$" + OR_TEMPLATE},  # likewise
        description='Start of the history in UTC, such as "2026-11-01-00:00". An earlier one may be set at any time. '
        "A later one leaves out what has landed before it.",
    )
    owners: Sequence[str] = Field(
        default_factory=list, description="Owners of the assets: e-mail addresses or team:name."
    )
    tolerance: Tolerance = Field(default_factory=Tolerance, description=TOLERANCE)
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

    @field_validator("connection", mode="before")
    @classmethod
    def _connection_is_a_name(cls, value: object) -> object:
        if not isinstance(value, str) or not CONNECTION_NAME.fullmatch(value):
            raise ValueError(
                f"connection is {value!r}; write it in lower case with letters, digits and _, a letter first, such as "
                "sfmc_brand_b"
            )
        return value

    @field_validator("start", mode="before")
    @classmethod
    def _start_is_a_time(cls, value: object) -> object:
        try:
            datetime.strptime(str(value), START_FORMAT).replace(tzinfo=UTC)
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

    def why_not_configured(self) -> str:
        """The sentence for a connection none of whose variables are set: nothing asks its vendor. Empty if one is.

        Also empty if something has landed: then the variables are gone, and each day without them loses data. Simulated
        vendors come and go with their variables.
        """
        lake = Lake(home())
        says = why_not_configured(self.connection, self.required_variables, self.optional_variables)
        if not any(lake.landing_root(stream.key).is_dir() for stream in self.offered.values() if stream.asks_vendor):
            return says
        if lake.sandbox_mark.exists() and says:
            return (
                f"{self.connection} is not configured: simulated vendors filled this home, and are gone. "
                "`journey-pipeline dev` starts them again."
            )
        return ""

    @abstractmethod
    def open_sources(self) -> Mapping[str, Source]:
        """The streams of the connection by name, with credentials from the environment. They share what they hold open.

        Raises:
            ConfigError: If a variable is missing or wrong.
        """

    def open_source(self, stream: str) -> Source:
        """One of the streams, by its name."""
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
        from journey_pipeline.loading.exports import open_exports  # noqa: PLC0415 - brings SQLAlchemy along

        return open_exports(self.connection, self.open_sources(), self.export_policy)

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
