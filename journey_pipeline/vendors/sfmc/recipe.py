"""How journey history becomes events: its columns, what is asked for by default, its SQL and code tables.

The columns are those of the vendor's page on downloading journey history; what they mean is in `journey_history.sql`.
Not here: asking for it (`journey_history.py`), running the SQL (`lake/`).
"""

from __future__ import annotations

from pathlib import Path

from journey_pipeline.model import Recipe

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
    sql=(_FOLDER / "journey_history.sql").read_text(encoding="utf-8"),
    columns=COLUMNS,
    key_columns=("TransactionTime",),
    codes={name: _FOLDER / "codes" / f"{name}.csv" for name in ("activity_types", "outcomes", "suppress_codes")},
    properties={
        "id": "Id",
        "start_date": "StartDate",
        "end_date": "EndDate",
        "client_status": "ClientStatus",
        "definition_instance_id": "DefinitionInstanceId",
        "outcome_activity_id": "OutcomeActivityId",
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
