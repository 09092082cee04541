"""The stream `journey_history`: what Journey Builder did with each contact, an hour at a time.

Its columns and codes, its limits, and the filters that are pushed down to the vendor. Not here: how a record becomes an
event (`events.sql`), where its files go (`loading/`, `lake/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from journey_pipeline.errors import TransientVendorError, VendorError
from journey_pipeline.model import Granularity, StreamKey, Window, iso
from journey_pipeline.recipe import Recipe
from journey_pipeline.transport.response import Place
from journey_pipeline.vendors.csv_answer import CsvInspector
from journey_pipeline.vendors.sfmc.client import UNUSUAL_LAG, SfmcClient
from journey_pipeline.vendors.source import Estimate, Freshness, Part, Plan, Source, Stream

_FOLDER = Path(__file__).parent

# One fixed order, so that the same request always gives the same file.
DEFAULT_COLUMNS: tuple[str, ...] = (
    "Id",
    "TransactionTime",
    "CreatedDate",
    "StartDate",
    "EndDate",
    "ContactKey",
    "Status",
    "ClientStatus",
    "DefinitionId",
    "DefinitionName",
    "DefinitionInstanceId",
    "ActivityId",
    "ActivityName",
    "ActivityType",
    "OutcomeActivityId",
    "EventId",
    "EventName",
    "EntrySource",
    "SourceType",
    "Message",
    "Result.Status",
    "Result.Outcome",
    "Result.Tags",
    "Result.Messages",
)
"""All that the vendor has but `EpochTimeInMilliseconds`, which says what `TransactionTime` says."""

COLUMNS: tuple[str, ...] = (*DEFAULT_COLUMNS, "EpochTimeInMilliseconds")
"""All 25 columns that the vendor documents."""

LEAN_COLUMNS: tuple[str, ...] = (
    "Id",
    "TransactionTime",
    "ContactKey",
    "Status",
    "DefinitionId",
    "DefinitionName",
    "ActivityId",
    "ActivityName",
    "ActivityType",
)
"""The eight that the vendor gives when none are named, and the key."""

JOURNEY_HISTORY = Recipe(
    stream="journey_history",
    sql=(_FOLDER / "events.sql").read_text(encoding="utf-8"),
    columns=COLUMNS,
    key_columns=("TransactionTime",),
    codes={name: _FOLDER / "codes" / f"{name}.csv" for name in ("activity_types", "outcomes", "suppress_codes")},
    properties={
        "id": "Id",
        "start_date": "StartDate",
        "end_date": "EndDate",
        "client_status": "ClientStatus",
        "event_id": "EventId",
        "event_name": "EventName",
        "entry_source": "EntrySource",
        "source_type": "SourceType",
        "message": "Message",
        "result_status": "Result.Status",
        "result_tags": "Result.Tags",
        "result_messages": "Result.Messages",
        "epoch_time_in_milliseconds": "EpochTimeInMilliseconds",
    },
    filled={
        "contact_id": "ContactKey",
        "received_at": "CreatedDate",
        "journey_id": "DefinitionId",
        "activity_type": "ActivityType",
        "vendor_action": "Status",
    },
)


# History lives 30 days (documented); an hour in reserve, because an expired hour looks like an empty one.
RETENTION = timedelta(days=30) - timedelta(hours=1)
MOST_COMPRESSED_BYTES = 800_000_000  # 0.8 of the documented 1 GB
MOST_ROWS = 5_000_000  # assumed
MARGIN = timedelta(minutes=5)  # assumed
FIXED_LAG = timedelta(hours=2)  # assumed; where the freshness route is not available
_REFUSED = frozenset({400, 401, 403})
_SHORTEST = timedelta(minutes=1)


def journey_history_stream(connection: str, start: datetime) -> Stream:
    """The stream of a connection, known without asking the vendor."""
    return Stream(
        key=StreamKey("sfmc", connection, "journey_history"),
        granularity=Granularity.HOUR,
        recipe=JOURNEY_HISTORY,
        retention=RETENTION,
        start=start,
        upkeep=("freshness", "reconciliation"),
    )


class JourneyHistory(Source):
    """Journey history of one connection, as `vendors.source.Source` asks for it.

    Args:
        columns: What is asked for; those that the filters fix are left out.
        most_compressed_bytes: Above this estimate a window is asked for in halves.
    """

    def __init__(
        self,
        client: SfmcClient,
        stream: Stream,
        *,
        filters: Filters | None = None,
        columns: tuple[str, ...] = DEFAULT_COLUMNS,
        most_compressed_bytes: int = MOST_COMPRESSED_BYTES,
        most_rows: int = MOST_ROWS,
    ) -> None:
        self.stream = stream
        self.concurrency = client.limits.concurrency
        self._client = client
        self._filters = filters or Filters()
        self._columns = tuple(name for name in columns if name not in self.constants)
        self._most_compressed_bytes = most_compressed_bytes
        self._most_rows = most_rows

    @property
    def constants(self) -> dict[str, str]:
        """Columns that the filters fix, and their values."""
        return self._filters.constants

    def request(self, window: Window) -> dict[str, Any]:
        """Body and columns of the download."""
        return {"body": self._filters.body(window), "columns": list(self._columns), "format": "csv"}

    def freshness(self, now: datetime) -> Freshness:
        """Up to where the vendor's pipelines have come, less a margin; a fixed lag where the vendor can't say.

        The figure is an estimate for the whole account (documented): single rows can come later still.

        Raises:
            PermanentVendorError: If the credentials or their rights are refused.
        """
        try:
            lag = self._client.freshness()
        except VendorError as error:
            if error.status in _REFUSED:
                raise
            came = error.status or "no answer"
            says = f"the vendor can't say how far it trails ({came}), so {FIXED_LAG} is taken"
            return Freshness(now - FIXED_LAG, says, is_usual=False)
        is_usual = lag <= UNUSUAL_LAG
        late = "" if is_usual else ", which is unusually far"
        says = f"the vendor's history trails by {lag}{late}; {MARGIN} more is waited"
        return Freshness(now - lag - MARGIN, says, is_usual=is_usual)

    def estimate(self, window: Window) -> Estimate:
        """Asks what a window holds, with the columns and filters of the download."""
        return self._client.estimate(self._filters.body(window), self._columns, window=window)

    def smaller(self, plan: Plan) -> Sequence[Plan]:
        """The two halves of its time, down to a minute."""
        return [self.plan(half) for half in plan.window.halves()] if plan.window.duration > _SHORTEST else ()

    def too_large(self, estimate: Estimate) -> bool:
        """Whether a window is near the documented limit of 1 GB, which is compared with the compressed size."""
        return estimate.rows > self._most_rows or (estimate.compressed_bytes or 0) > self._most_compressed_bytes

    def download(
        self,
        plan: Plan,
        to: Place,
        *,
        estimate: Estimate | None,
        after: Part | None = None,  # noqa: ARG002 - an hour comes as one file, never in pages
    ) -> Part:
        """Downloads a window to a file; keeps the start of an answer that is no such file as evidence.

        Raises:
            TransientVendorError: If every try was cut off, or a window with rows came back without a byte.
            ContractError: If the answer is no CSV with the columns asked for.
        """
        inspector = partial(_HistoryInspector, self._columns, may_be_empty=not (estimate and estimate.rows))
        got = self._client.download(
            self._filters.body(plan.window),
            self._columns,
            window=plan.window,
            to=to,
            inspector=inspector,
        )
        return Part.of(got, plan.window)

    def close(self) -> None:
        """Closes the account's connections."""
        self._client.close()


class _HistoryInspector(CsvInspector):
    """Refuses a zero-byte answer for a window that the estimate says has rows (observed to happen)."""

    def __init__(self, columns: tuple[str, ...], *, may_be_empty: bool) -> None:
        super().__init__(columns)
        self._may_be_empty = may_be_empty

    def finish(self, *, verified: bool) -> None:
        super().finish(verified=verified)
        if self.empty_body and not self._may_be_empty:
            raise TransientVendorError("not a byte came, though the estimate has rows for the window.")


# The vendor compares statuses without case and answers them capitalized (observed), so a constant is written that way.
_ANSWERED_SPELLING = {"complete": "Complete", "failed": "Failed"}


STATUS = "(?i)^(complete|failed)$"


class Filters(BaseModel):
    """Filters that the vendor applies. The column of a filter with one value is not downloaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    contact_keys: Sequence[str] = Field((), description="Contact keys, case-sensitive.")
    activity_types: Sequence[str] = Field((), description="Types of activities, such as EMAILV2.")
    definition_ids: Sequence[str] = Field((), description="Ids of journey versions.")
    statuses: Sequence[Annotated[str, Field(pattern=STATUS)]] = Field(
        (), description="Statuses: Complete or Failed, in any case. Of others nothing is published."
    )
    definition_instance_ids: Sequence[str] = Field(
        (), description="Ids of single passages of a contact through a journey."
    )
    activity_ids: Sequence[str] = Field((), description="Ids of activities.")

    def body(self, window: Window) -> dict[str, Any]:
        """The body of an estimate or a download, as the vendor documents it."""
        body: dict[str, Any] = {"start": iso(window.start), "end": iso(window.end)}
        for name, values in self._given():
            head, *tail = name.split("_")
            body[head + "".join(word.capitalize() for word in tail)] = list(values)
        return body

    @property
    def constants(self) -> dict[str, str]:
        """Columns whose value the filters fix.

        A filter with one value fixes its own column. The names that go with an id are still downloaded: the request
        does not tell them, and a journey may be renamed.
        """
        column = {
            "contact_keys": "ContactKey",
            "activity_types": "ActivityType",
            "definition_ids": "DefinitionId",
            "statuses": "Status",
            "definition_instance_ids": "DefinitionInstanceId",
            "activity_ids": "ActivityId",
        }
        fixed = {column[name]: values[0] for name, values in self._given() if len(values) == 1}
        if status := fixed.get("Status"):
            fixed["Status"] = _ANSWERED_SPELLING.get(status.lower(), status)
        return fixed

    def _given(self) -> list[tuple[str, Sequence[str]]]:
        return [(name, values) for name, values in self if values]
