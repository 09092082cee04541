"""What can be switched at the simulated APSIS One while it runs: credentials, life cycle, files and how they are spelt.

The defaults are the contract; everything else is what a client must survive or refuse. Not here: faults, which hit
single calls (`sandbox/faults.py`).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

CLIENT_ID = "sandbox"
CLIENT_SECRET = "sandbox-secret"  # noqa: S105 - opens nothing but the sandbox
DAY_S = 86_400


class FileShape(BaseModel):
    """What is in files and how it is written. An export keeps the shape that was in force when it was ordered.

    Attributes:
        layout: The JSON on one line, or pretty-printed.
        metadata: Whether an object `metadata` comes before or after `profiles`.
        history: Attributes hold what they were before, under `history`.
        type_ids: Event types as text or as numbers.
        times: Times of profile events as numbers or as text.
        duplicate_keys: Every 50th profile comes twice under its key, first with stale attributes and its first event;
            within it an attribute and an event's `typeId` come twice too. The last one is right.
        hostile: Profiles whose keys and events hold what breaks careless readers.
        bulk_profiles: Made-up profiles that come on top.
        bulk_events: Events that each of them has on every day.
        bulk_emails: Made-up records that an e-mail export has on top for every day.
        event_time: E-mail events' source time in milliseconds, or as a rendered date.
        column_order: Of the e-mail file: as documented, or reversed.
        extra_column: Name of a column, and of a field of profile events, that was not asked for, holding `x`; None for
            none.
        odd_subjects: Subjects that a few e-mail events have instead of their own.
        window_time: Which time an order's bounds test: the server's or the source's.
        profile_gap: Share of the e-mail events that profile exports lack.
        email_gap: Share of the e-mail events that e-mail exports lack.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    layout: Literal["one_line", "pretty"] = "one_line"
    metadata: Literal["none", "before", "after"] = "none"
    history: bool = False
    type_ids: Literal["text", "number"] = "text"
    times: Literal["number", "text"] = "number"
    duplicate_keys: bool = False
    hostile: bool = False
    bulk_profiles: int = Field(default=0, ge=0)
    bulk_events: int = Field(default=10, ge=0)
    bulk_emails: int = Field(default=0, ge=0)
    event_time: Literal["milliseconds", "date"] = "milliseconds"
    column_order: Literal["documented", "reversed"] = "documented"
    extra_column: str | None = None
    odd_subjects: tuple[str, ...] = ()
    window_time: Literal["server", "source"] = "server"
    profile_gap: float = Field(default=0.004, ge=0, le=1)
    email_gap: float = Field(default=0.006, ge=0, le=1)


class ApsisOptions(FileShape):
    """Options of the simulated APSIS One; assigning a wrong value raises pydantic's `ValidationError`.

    Attributes:
        client_id: Of the one known pair.
        client_secret: Of the one known pair.
        expires_in_s: How long a token lives, on the sandbox's clock.
        expired_answer: 401, or 403 with a message that says so, for a token that has expired.
        forbidden: Everything but the token is refused with a 403 that has nothing to do with expiry.
        pending_s: How long an export takes, on the sandbox's clock.
        pending_limit: So many exports may be under way; the next order is refused.
        pending_retry_after_s: What that refusal says in `Retry-After`; None for nothing.
        poll_retry_after_s: What a poll says in `Retry-After` while the export is under way, and of a profile export
            that has failed; None for nothing.
        most_events: An export of more events fails; None for no limit.
        url_fields: What the answer to a profile order names: the poll URL of generation 1, of generation 2, both, one
            under another name, or none but the header `Location`.
        poll_life_s: How long a poll URL lives, from the order.
        pending_word: Status of an e-mail report under way.
        link_life_s: How long a link to an e-mail file lives, from the asking.
        file_life_s: How long an e-mail file can be had, from the order.
        files_host: Host name in links to e-mail files, such as `localhost`; the caller's own if empty.
        transfer: `chunked`, or with a `Content-Length`.
        extra_sections: Empty sections that the account has on top; more than 25 in all are too many for an e-mail
            export.
        listed_versions: How many of the latest versions of each event type the definitions list.
    """

    client_id: str = CLIENT_ID
    client_secret: str = Field(CLIENT_SECRET, repr=False)
    expires_in_s: int = DAY_S
    expired_answer: Literal[401, 403] = 401
    forbidden: bool = False
    pending_s: float = 3.0
    pending_limit: int = 5
    pending_retry_after_s: int | None = 30
    poll_retry_after_s: int | None = None
    most_events: int | None = None
    url_fields: Literal["v1", "v2", "both", "other_name", "location"] = "v1"
    poll_life_s: float = DAY_S
    pending_word: str = "in_progress"
    link_life_s: float = 900
    file_life_s: float = 7 * DAY_S
    files_host: str = ""
    transfer: Literal["chunked", "content_length"] = "chunked"
    extra_sections: int = Field(default=0, ge=0)
    listed_versions: int = Field(default=4, ge=1)

    def when_to_poll(self) -> dict[str, str]:
        """The header by which a poll's answer says when to ask again, if it does."""
        return {} if self.poll_retry_after_s is None else {"Retry-After": str(self.poll_retry_after_s)}

    def shape(self) -> FileShape:
        """The shape of files as it is now, for an order to keep."""
        return FileShape.model_validate(self.model_dump(include=set(FileShape.model_fields)))
