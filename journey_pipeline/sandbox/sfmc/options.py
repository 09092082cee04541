"""What can be switched at the simulated Salesforce while it runs: credentials, what it keeps, how it spells answers.

The defaults are the contract; everything else is what a client must survive or refuse. Not here: faults, which hit
single calls (`sandbox/faults.py`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

CLIENT_ID = "sandbox"
CLIENT_SECRET = "sandbox-secret"  # noqa: S105 - opens nothing but the sandbox
ACCOUNT_ID = "510004711"
SCOPES = ("offline", "journeys_read", "list_and_subscribers_read")


class SfmcOptions(BaseModel):
    """Options of the simulated Salesforce; assigning a wrong value raises pydantic's `ValidationError`.

    Attributes:
        client_id: Of the one known pair.
        client_secret: Of the one known pair.
        account_id: The account that has the world's journeys.
        other_accounts: Accounts that exist and have none: a token for one of them sees an empty history.
        scopes: What the installed package may do.
        expires_in_s: How long a token lives, on the sandbox's clock.
        bare_forbidden: A 403 holds only `message`, as once observed.
        direct_pipe_missing: What `download` does without its mandatory header: refuse, or cut after 1 MB.
        unknown_column: Refuse a request with an unknown column, or leave the column out.
        end_inclusive: A row exactly on `end` is in the answer.
        start_exclusive: A row exactly on `start` is not.
        retention_days: Older rows do not exist.
        freshness_s: What the freshness route says, the world's `lag_s` if None.
        freshness_shape: `{"freshness":n}`, a bare number, a numeric string, or another key.
        freshness_status: 200, or the status of a route that is not there or broken.
        estimate_drift_percent: Added to the row count of estimates.
        estimate_drift_rows: Added to the row count of estimates.
        estimate_names: Names of row count, size and compressed size; None leaves one out.
        limit_bytes: The most that a download has, compressed.
        over_limit: Refuse a larger one, or cut the connection at the limit.
        silent_completes: Show rows with an empty activity name and the status Complete, as before Winter '25.
        mutate: Every 16th row comes back with the status Failed instead of Complete, under the same Id.
        odd_messages: Texts that every fourth row has as its `Message`, in turn by its id.
        transfer: `chunked`, or with a `Content-Length`.
        line_end: `lf` or `crlf`.
        bom: Begin with a byte order mark.
        content_type: Of the CSV; `text/csv; charset=utf-8` or another one.
        column_order: As requested, or reversed.
        extra_column: Name of a column that was not asked for, holding `x`; None for none.
        row_order: `descending` puts the newest row first, as observed.
        final_newline: Whether the last line ends.
        empty_body: An empty window is zero bytes instead of a header line.
        honour_page_size: The journey list obeys `$pageSize` up to 500 instead of always giving 50.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    client_id: str = CLIENT_ID
    client_secret: str = Field(CLIENT_SECRET, repr=False)
    account_id: str = ACCOUNT_ID
    other_accounts: tuple[str, ...] = ()
    scopes: tuple[str, ...] = SCOPES
    expires_in_s: int = 1079
    bare_forbidden: bool = False
    direct_pipe_missing: Literal["reject", "cut"] = "reject"
    unknown_column: Literal["reject", "drop"] = "reject"
    end_inclusive: bool = False
    start_exclusive: bool = False
    retention_days: int = 30
    freshness_s: int | None = None
    freshness_shape: Literal["object", "number", "string", "other_key"] = "object"
    freshness_status: Literal[200, 404, 503] = 200
    estimate_drift_percent: float = 0.0
    estimate_drift_rows: int = 0
    estimate_names: tuple[str, str | None, str | None] = ("rowCount", "fileSizeInBytes", "compressedFileSizeInBytes")
    limit_bytes: int = 1_000_000_000
    over_limit: Literal["reject", "cut"] = "reject"
    silent_completes: bool = False
    mutate: bool = False
    odd_messages: tuple[str, ...] = ()
    transfer: Literal["chunked", "content_length"] = "chunked"
    line_end: Literal["lf", "crlf"] = "lf"
    bom: bool = False
    content_type: str = "text/csv; charset=utf-8"
    column_order: Literal["requested", "reversed"] = "requested"
    extra_column: str | None = None
    row_order: Literal["descending", "ascending"] = "descending"
    final_newline: bool = True
    empty_body: bool = False
    honour_page_size: bool = False
