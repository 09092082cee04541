"""The stream `profile_events`: what happened to profiles, ordered by the day, polled where it is then downloaded.

Not here: what is ordered (`vendors/apsis/orders.py`), reading its file (`reader.py`), how
what is read becomes an event (`events.sql`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from journey_pipeline.errors import (
    ContractError,
    ExportExpired,
    ExportFailed,
    PermanentVendorError,
    TransientVendorError,
    VendorError,
)
from journey_pipeline.model import Window
from journey_pipeline.recipe import Recipe, Twin
from journey_pipeline.transport.response import Place
from journey_pipeline.vendors.apsis.attributes import ProfileAttributes
from journey_pipeline.vendors.apsis.client import VERDICTS
from journey_pipeline.vendors.apsis.definitions import Definitions
from journey_pipeline.vendors.apsis.orders import (
    SECOND_GENERATION,
    Account,
    profile_body,
    read_profile_order,
    request_of,
    saying_if_unknown,
    smaller_orders,
    stream_of,
)
from journey_pipeline.vendors.apsis.profile_events.file import LONGEST_PROFILE_BYTES, ProfileInspector
from journey_pipeline.vendors.apsis.profile_events.reader import ANSWER, COLUMNS, ProfileEventReader
from journey_pipeline.vendors.source import Look, Part, Plan, Request, Source, Stream, Ticket, Verdict

_FOLDER = Path(__file__).parent

PROFILE_EVENTS = Recipe(
    stream="profile_events",
    sql=(_FOLDER / "events.sql").read_text(encoding="utf-8"),
    columns=COLUMNS,
    key_columns=(),  # a file of no event has none
    codes={"event_types": _FOLDER / "codes" / "event_types.csv"},
    format="json",
    reader=ProfileEventReader(),
    # An event of an undefined type has no action.
    filled={"contact_id": "profile_key", "received_at": "created_at", "vendor_action": "type_id"},
    windows_of_arrival=True,  # what the bounds of an order test is unpublished
    repeats_are_usual=True,
    # Both exports repeat the source's id (documented: D1, D2). The e-mail file names no section: none is compared.
    twin=Twin(stream="email_events", property="correlation_id", channel="email"),
    attributes=ProfileAttributes(),
)


def profile_events_recipe(longest_profile_bytes: int) -> Recipe:
    """The same, with another limit of what is held of one profile."""
    return replace(
        PROFILE_EVENTS,
        reader=ProfileEventReader(longest_bytes=longest_profile_bytes),
        attributes=ProfileAttributes(longest_bytes=longest_profile_bytes),
    )


_OK, _NOT_FOUND = 200, 404
# The first generation answers 404 while it is at work (documented: D1), the second only to a wrong id (D4).
_MEANINGS: Mapping[int, tuple[Verdict, str]] = {
    200: (Verdict.READY, "the export is ready"),
    202: (Verdict.PENDING, "the vendor is at work on it"),
    404: (Verdict.UNACKNOWLEDGED, "answered 404: the vendor is at work on it, or never heard of it"),
    410: (Verdict.GONE, "answered 410: the export is no longer there"),
    503: (Verdict.FAILED, "answered 503: the vendor could not make the export"),
}
_WRONG_ID = (Verdict.GONE, "answered 404: the vendor knows no such export")


def profile_events_stream(
    connection: str, start: datetime, *, longest_profile_bytes: int = LONGEST_PROFILE_BYTES
) -> Stream:
    """The stream of a connection, known without asking the vendor."""
    return stream_of(connection, start, profile_events_recipe(longest_profile_bytes))


class ProfileEvents(Source):
    """Profile events of one connection, as `vendors.source.Source` asks for it.

    Args:
        longest_profile_bytes: The most bytes that are held of one profile; as the stream was told.
        last_answers: Gives what `answers` gave when a window of the stream landed last.
    """

    def __init__(
        self,
        account: Account,
        stream: Stream,
        *,
        longest_profile_bytes: int = LONGEST_PROFILE_BYTES,
        last_answers: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self.stream = stream
        self._longest_profile_bytes = longest_profile_bytes
        self._last_answers = last_answers
        self._account = account

    def request(self, window: Window) -> Request:  # noqa: ARG002 - the same of any window
        """All sections in one order, with what of each is selected; asks for the definitions.

        Raises:
            ConfigError: If something is selected that the account does not have.
            VendorError: If the definitions can't be had.
        """
        return request_of(self._account.profile_sections(), self._account.selection.segments)

    def smaller(self, plan: Plan) -> Sequence[Plan]:
        """Less time, then one section each, then half of the event types each."""
        return smaller_orders(plan)

    def order(self, plan: Plan, name: str) -> Ticket:  # noqa: ARG002 - this vendor is asked, and never calls back
        """Orders an export, as `Source` says; never twice."""
        names, window = self._account.names, plan.window
        with saying_if_unknown():
            answer = self._account.client.order_profiles(profile_body(plan, names), window=window)
            location = answer.headers.get("Location")
            return answer.read_by(
                lambda read: read_profile_order(read, status=answer.status, location=location, names=names)
            )

    def look(
        self,
        ticket: Ticket,
        plan: Plan,
        *,
        to: Place | None = None,
    ) -> Look:
        """Asks how far an export is. Given a place, the first answer that has the file puts it there.

        Raises:
            TransientVendorError: If the answer says nothing of the export.
            PermanentVendorError: If asking again would give the same.
        """
        if to is None:
            looked = self._account.client.profile_status(self._address(ticket))
            return _look(looked.status, ticket, retry_after_s=looked.retry_after_s)
        try:
            return self._take(ticket, plan, replace(to, evidence=None), is_poll=True)
        except (TransientVendorError, ContractError) as error:
            if error.status != _OK:
                raise
            return _look(_OK, ticket)  # it is there, and who fetches it finds out what is wrong with it

    def fetch(
        self,
        ticket: Ticket,
        plan: Plan,
        to: Place,
        *,
        after: Part | None = None,  # noqa: ARG002 - one file
    ) -> Part:
        """Downloads the file, as `Source` says; the same address gives it again for a day (documented: D1)."""
        look = self._take(ticket, plan, to, is_poll=False)
        if look.part:
            return look.part
        failure: Callable[..., VendorError] = {
            Verdict.GONE: ExportExpired,
            Verdict.FAILED: ExportFailed,
        }.get(look.verdict, TransientVendorError)
        raise failure(
            f"{self.stream.key} {plan.window}: the file is gone: {look.says}.",
            **self.stream.key.naming(plan.window),
            status=look.status,
            retry_after_s=look.retry_after_s,
        )

    def answers(self) -> dict[str, Any]:
        """The account's definitions after the download, because files name event types and attributes by version ids.

        What it no longer lists stays what it last was: files of some days ago may still name it.
        """
        listed = self._account.definitions(again=True).as_answer()
        return {ANSWER: Definitions.of_answers([listed, self._last_answers().get(ANSWER, {})]).as_answer()}

    def close(self) -> None:
        """Closes the account's connections."""
        self._account.client.close()

    def _take(self, ticket: Ticket, plan: Plan, to: Place, *, is_poll: bool) -> Look:
        take = partial(
            self._account.client.take_profiles,
            inspector=partial(ProfileInspector, self._longest_profile_bytes),
            window=plan.window,
            is_poll=is_poll,
        )
        try:
            got = take(self._address(ticket), to)
        except PermanentVendorError as error:
            if error.status not in VERDICTS:
                raise
            return _look(error.status or 0, ticket, retry_after_s=error.retry_after_s)
        return _look(_OK, ticket, Part.of(got, plan.window))

    def _address(self, ticket: Ticket) -> str:
        if not ticket.poll_address:
            raise PermanentVendorError(
                f"{self.stream.key}: no address to poll is kept for the export {ticket.export_id}. Order it again.",
                vendor="apsis",
                connection=self.stream.key.connection,
                stream=self.stream.key.stream,
            )
        return ticket.poll_address


def _look(status: int, ticket: Ticket, part: Part | None = None, *, retry_after_s: float | None = None) -> Look:
    is_wrong_id = status == _NOT_FOUND and ticket.generation == SECOND_GENERATION
    verdict, says = _WRONG_ID if is_wrong_id else _MEANINGS.get(status, _MEANINGS[_OK])
    return Look(verdict, status, says, retry_after_s, part)
