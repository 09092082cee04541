"""What can be switched at the simulated Insider while it runs: credentials, the day's quota, calls, files and links.

The defaults are the contract; everything else is what a client must survive or refuse. Not here: faults, which hit
single calls (`sandbox/faults.py`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

PARTNER = "acmeshop"
REQUEST_TOKEN = "sandbox-ucd-key"  # noqa: S105 - opens nothing but the sandbox
ANALYTICS_KEY = "sandbox-analytics-key"
SEGMENT = 48_213
STATIC_SEGMENT = 48_214
DAY_S = 86_400

Stage = Literal["by_clock", "failed", "expired", "napping"]
CallFault = Literal[
    "none",
    "no_call",
    "twice",
    "another_path",
    "before_answer",
    "no_url",
    "foreign_host",
    "in_answer",
]


class FileShape(BaseModel):
    """What is in files and how it is written. An export keeps the shape that was in force when it was ordered.

    Attributes:
        json_layout: JSON as an array, or a line for each record.
        numbers: Numbers as they are, or as floats.
        name_parameter: What the journey's name is called in files.
        rows: All rows, none, or only the header.
        dry_run_one_in: Every so manyth passage is a dry run; 0: none.
        masked: Whether e-mail addresses are hidden.
        unknown_codes: Whether a few events have an action and a channel that are published nowhere.
        extra_column: Name of a column that was not asked for, holding `x`; None for none.
        missing_column: Name of a column that is left out; None for none.
        odd_reasons: Reasons that enters have instead of their own.
        merged_profiles: Whether every tenth profile has been merged into the one before it.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    json_layout: Literal["array", "lines"] = "array"
    numbers: Literal["integer", "float"] = "integer"
    name_parameter: Literal["name", "journey_campaign_name"] = "name"
    rows: Literal["all", "none", "header"] = "all"
    dry_run_one_in: int = Field(default=50, ge=0)
    masked: bool = False
    unknown_codes: bool = False
    extra_column: str | None = None
    missing_column: str | None = None
    odd_reasons: tuple[str, ...] = ()
    merged_profiles: bool = False


class InsiderOptions(FileShape):
    """Options of the simulated Insider; assigning a wrong value raises pydantic's `ValidationError`.

    Attributes:
        partner: The account's name.
        request_token: Its key.
        analytics_key: That of the analytics host.
        requests_per_day: Orders that are taken on in a UTC day, on the sandbox's clock.
        quota_retry_after_s: What the refusal of a further one says in `Retry-After`; None for nothing.
        refusal: Status for a wrong token.
        limit_as_403: Whether a used day is refused with 403 and a text that names a limit.
        call: How the call comes, or does not.
        call_after_s: When it comes, on the sandbox's clock.
        event_names: Spelling of the journey events' system names.
        lacks_event: A kind of event that the account does not list; None for none.
        link_life_s: How long a link lives.
        format: What a connection is told to ask for.
        webhook_url: Where a receiver listens, as a connection is told.
        transfer: `content_length`, or chunked.
        file_encoding: Whether files come as gzip, though nothing says so.
        redirects: Whether a link answers with a redirect.
        v2_stage: How far exports of version 2 get, which is provisional; `napping` is a state that no client knows.
        v2_chunk_rows: The most rows of one of its files.
    """

    partner: str = PARTNER
    request_token: str = Field(REQUEST_TOKEN, repr=False)
    analytics_key: str = Field(ANALYTICS_KEY, repr=False)
    requests_per_day: int = Field(default=1, ge=0)
    quota_retry_after_s: int | None = None
    refusal: Literal[401, 403] = 403
    limit_as_403: bool = False
    call: CallFault = "none"
    call_after_s: float = Field(default=3.0, ge=0)
    event_names: Literal["enter", "entered"] = "enter"
    lacks_event: Literal["enter", "exit", "message"] | None = None
    link_life_s: int = DAY_S
    format: Literal["parquet", "csv", "json"] = "parquet"
    webhook_url: str = "http://127.0.0.1:8770"
    transfer: Literal["content_length", "chunked"] = "content_length"
    file_encoding: Literal["plain", "gzip"] = "plain"
    redirects: bool = False
    v2_stage: Stage = "by_clock"
    v2_chunk_rows: int = Field(default=500_000, ge=1)

    def shape(self) -> FileShape:
        """The shape of files as it is now, for an order to keep."""
        return FileShape.model_validate(self.model_dump(include=set(FileShape.model_fields)))
