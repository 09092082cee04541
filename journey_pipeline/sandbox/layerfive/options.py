"""What can be switched at the simulated LayerFive while it runs: the key, what it answers, how it spells answers.

The defaults are the contract's assumptions; everything else is what a client must take or refuse. Not here: faults,
which hit single calls (`sandbox/faults.py`).
"""

from __future__ import annotations

from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

API_KEY = "sandbox-layerfive-key"
OddKind: TypeAlias = Literal[
    "text",
    "nul",
    "big_value",
    "number_as_string",
    "null",
    "missing",
    "impossible_time",
    "no_time",
    "no_person",
    "nested",
]
TimeFormat: TypeAlias = Literal["iso", "zoneless", "space", "epoch_s", "epoch_ms", "epoch_us", "date"]


class LayerFiveOptions(BaseModel):
    """Options of the simulated LayerFive; assigning a wrong value raises pydantic's `ValidationError`.

    Attributes:
        api_key: The one good key.
        auth_header: Header that it comes in.
        auth_scheme: Word before it, case aside; empty for the bare key.
        may_read: Whether the key may read journeys: 403 if not.
        timezone: Where the days of `event_date` begin and end, and zone-less times are.
        history_from: From when the 90 days of people who became known are counted back: the moment of asking, or the
            moment they became known.
        narrow: Answer for a day with those people alone who became known since. What daily runs hold together is worked
            out for wide answers only.
        retention_days: An earlier `event_date` than so many days before the present is taken as that moment.
        unknown_person: The answer for an unknown address: 404, or an answer without records.
        slash: Take the path with and without a slash at its end, or redirect to the one with it.
        slash_host: Where that redirect leads, as `https://host`; to the same host if None.
        array: Name of the array that holds the records; None for an answer that is the array itself.
        second_array: Name of another array of objects that stands before it; None for none.
        nested_under: Name of the array of a person's touches, each person then being one object; None for flat records.
        ndjson: A record a line, without anything around them.
        count: What `count` says: how many records the answer has in all its pages, how many this page has, or nothing.
        page_size: Records on a page; None for the whole answer at once.
        next_link: A `next` that is absolute, relative, the page's own, or on another host.
        field_names: Other names of fields, by their default ones; one with a dot is nested: `person.key`.
        time_format: How times are written. All but `iso` and `epoch_*` mean the time zone; `date` is the day alone.
        extra_fields: Names of undocumented fields, all holding text.
        schema_changed_at: Answers asked for from then on lack `referrer` and have `engagement_score`, a number.
        odd: Kinds of odd records, see `odd.py`.
        odd_one_in: How many records there are for each odd one.
        big_value_bytes: Size of a value of the kind `big_value`.
        revenue_corrected_after_h: Hours after which the revenue of a purchase in four is another one.
        campaigns_renamed_at: Campaigns have another name in answers asked for from then on.
        taken_back_after_h: Hours after which a record in 32 is in no answer any more.
        email_known_after_h: Hours until a record has the person's address.
        transfer: `chunked`, or with a `Content-Length`.
        content_type: Of the answer; the usual one of its form if None.
        bom: Begin with a byte order mark.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    api_key: str = Field(API_KEY, repr=False)
    auth_header: str = "Authorization"
    auth_scheme: str = "Bearer"
    may_read: bool = True
    timezone: str = "UTC"
    history_from: Literal["asking", "known"] = "asking"
    narrow: bool = False
    retention_days: int = Field(default=90, ge=1)
    unknown_person: Literal["404", "empty"] = "404"
    slash: Literal["either", "required"] = "either"
    slash_host: str | None = None
    array: str | None = "results"
    second_array: str | None = None
    nested_under: str | None = None
    ndjson: bool = False
    count: Literal["answer", "page", "none"] = "answer"
    page_size: int | None = Field(default=None, ge=1)
    next_link: Literal["absolute", "relative", "repeating", "foreign"] = "absolute"
    field_names: dict[str, str] = {}
    time_format: TimeFormat = "iso"
    extra_fields: tuple[str, ...] = ()
    schema_changed_at: AwareDatetime | None = None
    odd: tuple[OddKind, ...] = ()
    odd_one_in: int = Field(default=50, ge=1)
    big_value_bytes: int = 1_000_000
    revenue_corrected_after_h: float | None = None
    campaigns_renamed_at: AwareDatetime | None = None
    taken_back_after_h: float | None = None
    email_known_after_h: float | None = None
    transfer: Literal["chunked", "content_length"] = "chunked"
    content_type: str | None = None
    bom: bool = False

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, OSError, ValueError) as error:
            raise ValueError(f"{name!r} is no time zone: write UTC or Europe/Berlin") from error
        return name

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)
