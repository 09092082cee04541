"""The stream `email_events`: what happened to e-mails, ordered by day and section, polled by id, fetched from a link.

Not here: what is ordered (`vendors/apsis/orders.py`), how a record of its file becomes an
event (`events.sql`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from journey_pipeline.errors import (
    ContractError,
    ExportExpired,
    ExportFailed,
    PermanentVendorError,
    TransientVendorError,
)
from journey_pipeline.model import Window
from journey_pipeline.recipe import Recipe
from journey_pipeline.transport.response import Downloaded, Place
from journey_pipeline.vendors.apsis.attributes import NAMED_COLUMN, VERSIONED_COLUMN, EmailAttributes
from journey_pipeline.vendors.apsis.orders import (
    Account,
    by_section,
    email_body,
    is_address,
    read_email_order,
    request_of,
    saying_if_unknown,
    smaller_orders,
    stream_of,
    told_fields,
)
from journey_pipeline.vendors.csv_answer import CsvInspector
from journey_pipeline.vendors.source import Look, Part, Plan, Request, Source, Stream, Ticket, Verdict

_FOLDER = Path(__file__).parent

EMAIL_COLUMNS: tuple[str, ...] = (
    "activity_id",
    "split_id",
    "activity_name",
    "split_activity_name",
    "sender",
    "subject",
    "address",
    "variation",
    "type",
    "correlation_id",
    "event_time",
    "server_time",
    "device",
    "location",
    "link_id",
    "link_url",
    "link_title",
    "bounce_code",
    "unsubscribe_topic",
    "abuse_section",
)
"""The default columns that the vendor documents (D2); their order is not promised."""

EMAIL_EVENTS = Recipe(
    stream="email_events",
    sql=(_FOLDER / "events.sql").read_text(encoding="utf-8"),
    columns=EMAIL_COLUMNS,
    key_columns=("type", "server_time"),
    codes={name: _FOLDER / "codes" / f"{name}.csv" for name in ("email_types", "device_classes", "bounce_codes")},
    decoded={"reason": "bounce_codes"},
    properties={
        name: name
        for name in (
            "sender",
            "subject",
            "variation",
            "correlation_id",
            "device",
            "location",
            "link_id",
            "link_url",
            "link_title",
            "bounce_code",
            "unsubscribe_topic",
            "abuse_section",
        )
    },
    property_groups={"attributes": VERSIONED_COLUMN, "attributes_by_name": NAMED_COLUMN},
    filled={
        "contact_id": "address",
        "received_at": "server_time",
        "journey_id": "activity_id",
        "vendor_action": "type",
    },
    windows_of_arrival=True,  # what the bounds of an order test is unpublished
    repeats_are_usual=True,
    attributes=EmailAttributes(),
)

# Without these an event can't be told apart or put in time.
NEEDED_COLUMNS = ("activity_id", "address", "type", "correlation_id", "event_time", "server_time")
_COMPLETED, _ERROR = "completed", "error"  # documented: D2, D3
_PENDING = frozenset({"in_progress", "pending", "queued", "processing", "started", "created"})  # assumed
_GONE = frozenset({404, 410})
_LINK_ENDED = frozenset({401, 403})
_LINKS = 3  # how many links one download may take: each lives but a short while

log = logging.getLogger(__name__)


def email_events_stream(connection: str, start: datetime) -> Stream:
    """The stream of a connection, known without asking the vendor."""
    return stream_of(connection, start, EMAIL_EVENTS)


class _Report(NamedTuple):
    """The vendor's report of an export; link and token only if it is completed."""

    status: str
    link: str | None
    token: str | None
    retry_after_s: float | None


class EmailEvents(Source):
    """E-mail events of one connection, as `vendors.source.Source` asks for it.

    One order has one section. With several sections the whole is never ordered: its first look says, without a request,
    that it is too large, and its smaller orders are those of the sections.
    """

    def __init__(self, account: Account, stream: Stream) -> None:
        self.stream = stream
        self._account = account

    def request(self, window: Window) -> Request:  # noqa: ARG002 - the same of any window
        """All sections, with the attributes and tags that are selected; asks for the definitions.

        Raises:
            ConfigError: If something is selected that the account does not have.
            VendorError: If the definitions can't be had.
        """
        return request_of(self._account.email_sections(), self._account.selection.segments)

    def smaller(self, plan: Plan) -> Sequence[Plan]:
        """One section each; then less time."""
        return by_section(plan) if _is_of_several(plan) else smaller_orders(plan)

    def order(self, plan: Plan, name: str) -> Ticket:  # noqa: ARG002 - this vendor is asked, and never calls back
        """Orders an export, as `Source` says; never twice, and of several sections not at all."""
        if _is_of_several(plan):
            return Ticket()
        names = self._account.names
        with saying_if_unknown():
            answer = self._account.client.order_emails(email_body(plan, names), window=plan.window)
            return answer.read_by(partial(read_email_order, status=answer.status, names=names))

    def look(
        self,
        ticket: Ticket,
        plan: Plan,
        *,
        to: Place | None = None,  # noqa: ARG002 - look and download are two requests here
    ) -> Look:
        """Asks how far an export is.

        Raises:
            TransientVendorError: If the answer says nothing of the export.
            PermanentVendorError: If asking again would give the same.
        """
        if _is_of_several(plan):
            return Look(Verdict.TOO_LARGE, 0, "one order of e-mail events has one section")
        try:
            report = self._report(ticket, is_poll=True)
        except PermanentVendorError as error:
            if error.status not in _GONE:
                raise
            return Look(Verdict.GONE, error.status or 0, f"answered {error.status}: the report is not there")
        if report.status == _COMPLETED:
            return Look(Verdict.READY, 200, "the report is completed")
        if report.status == _ERROR:
            return Look(Verdict.TOO_LARGE, 200, "the report ended with an error: too much data, or too complex")
        if report.status not in _PENDING:
            log.warning("%s: the report's status is %.40r; taken for pending", self.stream.key, report.status)
        return Look(Verdict.PENDING, 200, f"the report is {report.status[:40]}", report.retry_after_s)

    def fetch(
        self,
        ticket: Ticket,
        plan: Plan,
        to: Place,
        *,
        after: Part | None = None,  # noqa: ARG002 - one file
    ) -> Part:
        """Downloads the file, as `Source` says. A link that has ended is asked for again."""
        take = partial(
            self._account.client.take_emails,
            to=to,
            inspector=partial(_ReportInspector, NEEDED_COLUMNS),
            window=plan.window,
        )
        return Part.of(self._with_fresh_links(ticket, take), plan.window)

    def close(self) -> None:
        """Closes the account's connections."""
        self._account.client.close()

    def _with_fresh_links(self, ticket: Ticket, take: Callable[[str, str | None], Downloaded]) -> Downloaded:
        for remaining in reversed(range(_LINKS)):
            try:
                report = self._report(ticket, is_poll=False)
                if report.link is None:
                    raise self._not_there(report.status)
                return take(report.link, report.token)
            except PermanentVendorError as error:
                if error.status in _GONE:
                    raise self._expired(error) from None
                if error.status not in _LINK_ENDED or not remaining:
                    raise
        raise AssertionError("unreachable: the last link either works or raises")

    def _report(self, ticket: Ticket, *, is_poll: bool) -> _Report:
        answer, token, retry_after_s = self._account.client.email_report(ticket.export_id or "", is_poll=is_poll)
        status = answer.get("status") if isinstance(answer, dict) else None
        link = answer.get("file_download_url") if isinstance(answer, dict) else None
        if not isinstance(status, str):
            raise TransientVendorError(
                f"{self.stream.key}: the answer says nothing of the report: its fields are {told_fields(answer)}. Ask "
                "again later; if it stays so, the vendor's answer has changed: please report it with these names.",
                **self._context(),
            )
        if status == _COMPLETED and not is_address(link):
            raise ContractError(
                f"{self.stream.key}: the report is completed without a link: the answer's fields are "
                f"{told_fields(answer)}. The vendor's answer has changed; please report it with these names.",
                **self._context(),
            )
        return _Report(status, link if status == _COMPLETED else None, token, retry_after_s)

    def _not_there(self, status: str) -> Exception:
        if status == _ERROR:
            return ExportFailed(f"{self.stream.key}: the report ended with an error after all.", **self._context())
        return TransientVendorError(
            f"{self.stream.key}: the report was completed and is {status[:40]} now; ask again later.", **self._context()
        )

    def _expired(self, error: PermanentVendorError) -> ExportExpired:
        return ExportExpired(str(error), **self._context(), status=error.status)

    def _context(self) -> dict[str, Any]:
        return {"vendor": "apsis", "connection": self.stream.key.connection, "stream": self.stream.key.stream}


class _ReportInspector(CsvInspector):
    """Refuses a zero-byte answer: a report without events is still a gzip file (documented: D2)."""

    def finish(self, *, verified: bool) -> None:
        super().finish(verified=verified)
        if self.empty_body and not verified:
            raise TransientVendorError("not a byte came, where even a report without events is a file.")


def _is_of_several(plan: Plan) -> bool:
    return len(plan.request["sections"]) > 1
