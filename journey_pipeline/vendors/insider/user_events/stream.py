"""The stream `user_events`: one order a day of a window that goes back some days, a link that the vendor calls with.

Not here: the routes (`vendors/insider/client.py`), what a call must be, how a record of the file becomes an event
(`events.sql`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from journey_pipeline.errors import (
    ContractError,
    ExportExpired,
    ExportFailed,
    JourneyError,
    NotSentError,
    PermanentVendorError,
    TransientVendorError,
    VendorError,
)
from journey_pipeline.formats.small_answers import read_json
from journey_pipeline.model import Figures, Granularity, StreamKey, Window
from journey_pipeline.settings import utc_now
from journey_pipeline.transport.response import Answer, Place
from journey_pipeline.vendors.insider.analytics import AnalyticsClient
from journey_pipeline.vendors.insider.client import EXPORT, TOO_MANY, InsiderClient
from journey_pipeline.vendors.insider.link import SECOND, end_of
from journey_pipeline.vendors.insider.names import Wanted, discover
from journey_pipeline.vendors.insider.user_events.columns import CONTACTS, USER_EVENTS
from journey_pipeline.vendors.source import Look, Part, Plan, Reach, Request, Source, Stream, Ticket, Verdict

log = logging.getLogger(__name__)

# Assumed: how long the vendor keeps events is unpublished.
RETENTION_DAYS = 180
LOOKBACK_DAYS = 7  # contract, section 7: events come late
LONGEST_WINDOW = timedelta(days=31)
# Whether the end of a window is in it is unpublished: one second more, whose events count by key.
_END_IN_IT = timedelta(seconds=1)
_RECEIVER_AGAIN_S = 600.0
_AFTER_MIDNIGHT = timedelta(minutes=5)
# After these an export may have been made: a gateway gave up waiting (contract, 1.3). After other 5xx there is none.
_MAY_BE_MADE = frozenset({504, 520, 524})


def user_events_stream(connection: str, start: datetime) -> Stream:
    """The stream of a connection, known without asking the vendor."""
    key = StreamKey("insider", connection, USER_EVENTS.stream)
    return Stream(
        key=key,
        granularity=Granularity.DAY,
        recipe=USER_EVENTS,
        retention=timedelta(days=RETENTION_DAYS),
        start=start,
        requests_per_answer=5,
        asked_again=LOOKBACK_DAYS - 1,
        ordered_at="10 0 * * *",  # early, so that the link is used on the same day
        reach=Reach(longest=LONGEST_WINDOW, over=2 * _END_IN_IT),
        answers="ordered",
        links_live=True,
        claims=("earlier_answer_is_repeated", "rows_match_previous_export", "enters_and_exits_alternate"),
        upkeep=("figures",),
        order_claims=("call_came", "link_was_fetched_in_time", "days_request_was_used"),
        lacks={
            "all people": "The segment's users have changed, or its window is shorter than the order's. All are kept. "
            "Check the segment",
            "estimate": "the vendor gives no estimate of an export. The newest days are ordered again daily; order "
            f"others with `journey-pipeline backfill {key} --from ... --to ... --again`",
        },
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """What an order asks for beside the journey events of all users of the segment.

    Attributes:
        events: Further events and their parameters, by system name.
        parameters: Further parameters of the journey events.
        filters: One filter an event, by the event's name, as the vendor takes it.
        check_receiver: Whether the receiver must answer before an order is sent.
    """

    events: Mapping[str, Sequence[str]] = field(default_factory=dict)
    parameters: Sequence[str] = ()
    filters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    check_receiver: bool = True


class UserEvents(Source):
    """User events of one connection, as `vendors.source.Source` asks for it.

    Args:
        stream: Which stream it is, as `user_events_stream` gives it.
        open_analytics: Opens the analytics host; None where there is no key for it.
        fingerprint: Gives that of the ledger, which the receiver must answer with.
    """

    def __init__(
        self,
        client: InsiderClient,
        stream: Stream,
        choice: Choice | None = None,
        *,
        open_analytics: Callable[[], AnalyticsClient | None] = lambda: None,
        fingerprint: Callable[[], str] = lambda: "",
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.stream = stream
        self._client = client
        self._choice = choice or Choice()
        self._open_analytics = open_analytics
        self._fingerprint = fingerprint
        self._now = now
        self._listed: dict[str, Any] = {}

    def request(self, window: Window) -> Request:  # noqa: ARG002 - the same of any window
        """What is configured. Names are looked up when the order is sent, which may be days later."""
        account, choice = self._client.account, self._choice
        return {
            "segment_id": account.segment,
            "format": account.format,
            "attributes": list(account.attributes),
            **({"events": {name: list(of) for name, of in choice.events.items()}} if choice.events else {}),
            **({"parameters": list(choice.parameters)} if choice.parameters else {}),
            **({"filters": {name: dict(one) for name, one in choice.filters.items()}} if choice.filters else {}),
        }

    @property
    def export_path(self) -> str:
        """Where orders go."""
        return EXPORT

    def order(self, plan: Plan, name: str) -> Ticket:
        """Orders an export, as `Source` says; never twice.

        Before that the receiver must be there, and the account must have the events: neither costs the day's request.
        """
        self._check_receiver()
        with _nothing_ordered():
            wanted = self._wanted(plan.request)
        body = self._body(plan, wanted, f"{self._client.account.webhook}/{name}")
        try:
            return self._ticket(self._client.order(body, window=plan.window, path=self.export_path))
        except TransientVendorError as error:
            raise self._judged(error) from None

    def look(
        self,
        ticket: Ticket,
        plan: Plan,
        *,
        to: Place | None = None,
    ) -> Look:
        """Looks at the clock alone: the vendor can't be asked how far an export is."""
        del ticket, plan, to
        return Look(Verdict.UNACKNOWLEDGED, 0, "the vendor has not called yet")

    def fetch(
        self,
        ticket: Ticket,
        plan: Plan,
        to: Place,
        *,
        after: Part | None = None,  # noqa: ARG002 - one file
    ) -> Part:
        """Downloads the file behind the link, as `Source` says; what fails is worth a try while the link lives."""
        link = ticket.poll_address or ""
        if link.startswith(SECOND):
            raise ExportFailed(
                f"{self.stream.key}: the vendor called with an export's id and no link, as version 2 does.",
                **self.stream.key.naming(plan.window),
            )
        ends_at = end_of(link)
        if ends_at and ends_at <= self._now():
            raise ExportExpired(self._ended(ends_at), **self.stream.key.naming(plan.window))
        try:
            got = self._client.fetch(link, to, window=plan.window)
        except PermanentVendorError as error:
            if error.status is None:  # it was not sent, and would not be the next time
                raise
            raise self._unfetched(error, ends_at, plan) from None
        lying = to.file.with_name(f"{to.file.name.partition('.')[0]}.{got.inspector.extension}")
        got.path.rename(lying)
        return replace(Part.of(got, plan.window, dated=got.dated), path=lying)

    def answers(self) -> dict[str, Any]:
        """What the account calls its attributes, for people. A link is not lost for want of it."""
        try:
            contacts = self._columns("contacts")
        except JourneyError as error:
            log.warning("%s: attributes keep the API's names: %s", self.stream.key, error)
            return {}
        return {CONTACTS: {str(one["key"]): str(one.get("display_name") or one["key"]) for one in contacts}}

    def figures(self, window: Window) -> Figures | None:
        """What the panel counts, where there is a key for it."""
        analytics = self._open_analytics()
        if analytics is None:
            return None
        with closing(analytics):
            return analytics.figures(window)

    def close(self) -> None:
        """Closes the account's connections."""
        self._client.close()

    def _wanted(self, request: Request) -> list[Wanted]:
        return discover(self._columns("events"), request.get("events"))

    def _columns(self, table: str) -> Any:
        if table not in self._listed:
            self._listed[table] = self._client.columns(table)
        return self._listed[table]

    def _body(self, plan: Plan, wanted: Sequence[Wanted], hook: str) -> dict[str, Any]:
        asked = plan.request
        filters, more = asked.get("filters", {}), tuple(asked.get("parameters", ()))
        journeys = {one.event for one in wanted} - set(asked.get("events", {}))
        return {
            "segment": {"segment_id": asked["segment_id"]},
            "attributes": asked["attributes"],
            "events": {
                "start_date": int(plan.window.start.timestamp()),
                "end_date": int((plan.window.end + _END_IN_IT).timestamp()),
                "wanted": [
                    {
                        "event_name": one.event,
                        "params": list(dict.fromkeys([*one.parameters, *(more if one.event in journeys else ())])),
                        **({"filters": [dict(filters[one.event])]} if one.event in filters else {}),
                    }
                    for one in wanted
                ],
            },
            "format": asked["format"],
            "hook": hook,
        }

    def _check_receiver(self) -> None:
        """No request on a dead receiver: the answer would be lost, and with it the day.

        Raises:
            NotSentError: If it does not answer, or another ledger's does.
        """
        if not self._choice.check_receiver:
            return
        wanted = self._fingerprint()
        try:
            found = self._client.fingerprint()
        except VendorError as error:
            raise self._no_receiver(str(error)) from None
        if not wanted or found != wanted:
            raise self._no_receiver("what answers there is no receiver of this ledger")

    def _no_receiver(self, why: str) -> NotSentError:
        return NotSentError(
            f"{self.stream.key}: the receiver can't be reached through {self._client.account.webhook}/health ({why}). "
            "Nothing was ordered, and the day's request is not used. Start `journey-pipeline receiver`, and check the "
            "proxy in front of it; it is tried again in ten minutes.",
            vendor="insider",
            connection=self.stream.key.connection,
            stream=self.stream.key.stream,
            retry_after_s=_RECEIVER_AGAIN_S,
        )

    def _judged(self, error: TransientVendorError) -> TransientVendorError:
        """An order that failed; `status` is None if the vendor may have made an export."""
        if error.status in _MAY_BE_MADE:
            error.status = None
        elif error.status == TOO_MANY and error.retry_after_s is None:
            error.retry_after_s = self._until_next_day()
        return error

    def _until_next_day(self) -> float:
        now = self._now().astimezone(UTC)
        day = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return (day + _AFTER_MIDNIGHT - now).total_seconds()

    def _ticket(self, answer: Answer) -> Ticket:
        """The answer to an order that was taken on: empty as a rule; one that names a link counts as a call."""
        try:
            said = read_json(answer.body)
        except ValueError:
            said = None
        is_call = isinstance(said, dict) and "url" in said
        return Ticket(status=answer.status, called=answer.body if is_call else b"")

    def _unfetched(self, error: PermanentVendorError, ends_at: datetime | None, plan: Plan) -> VendorError:
        if ends_at and ends_at <= self._now():
            return ExportExpired(
                f"{error} {self._ended(ends_at)}", status=error.status, **self.stream.key.naming(plan.window)
            )
        until = f" until its link ends at {ends_at:%Y-%m-%d %H:%M} UTC" if ends_at else ""
        return TransientVendorError(
            f"{error} It is tried again{until}.", status=error.status, **self.stream.key.naming(plan.window)
        )

    def _ended(self, ends_at: datetime) -> str:
        return (
            f"{self.stream.key}: the link ended at {ends_at:%Y-%m-%d %H:%M} UTC, before its file was here. There is no "
            "second link: the window is ordered again with the next day's request."
        )


@contextmanager
def _nothing_ordered() -> Iterator[None]:
    """Says of a failure before the order that nothing was ordered: it may pass, whatever came back."""
    try:
        yield
    except (TransientVendorError, ContractError) as error:
        raise error.followed_by("Nothing was ordered.", NotSentError) from None
