"""The routes of APSIS One that the two exports and the definitions need, one method each.

Not here: HTTP itself (`transport/`), what to order (`orders.py`), what a poll's status means
(`profile_events/stream.py`, `email_events/stream.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from journey_pipeline.errors import ContractError, PermanentVendorError, TransientVendorError
from journey_pipeline.formats.small_answers import read_json
from journey_pipeline.settings import connection_variables
from journey_pipeline.transport.auth import ClientCredentials
from journey_pipeline.transport.response import Answer, Downloaded, Inspector, Place, Refusal
from journey_pipeline.transport.retry import Action, Limits, RetryPolicy, Timeouts
from journey_pipeline.vendors.apsis.definitions import IN_SECTIONS, Page, discriminators, items_of

_ADVICE = {
    400: "Compare sections, attributes, tags and event types in defs.yaml with the account's: the order is wrong.",
    401: "Check <CONNECTION>_CLIENT_ID and <CONNECTION>_CLIENT_SECRET.",
    403: "Check what the API key may do in APSIS One.",
    404: "Check <CONNECTION>_URL, and the discriminators in defs.yaml.",
    413: "Name the sections that are needed under `sections` in defs.yaml: the account has too many for one export.",
    415: "Report it: the vendor takes no such body any more.",
    422: "Compare sections, attributes, tags and event types in defs.yaml with the account's: the order is wrong.",
}


def explain(status: int, body: bytes) -> Refusal:
    """A refusal in JSON with `message`, `errors` or `code`, or in anything else."""
    return Refusal(_said(body), _ADVICE.get(status, ""))


def _said(body: bytes) -> str:
    try:
        answer = read_json(body)
    except ValueError:
        return ""
    if not isinstance(answer, dict):
        return ""
    found = [answer[name] for name in ("message", "errors", "error_description", "error") if answer.get(name)]
    text = found[0] if found and isinstance(found[0], str) else json.dumps(found[0]) if found else ""
    code = answer.get("code")
    return f"{text.rstrip('.')} (code {code})" if text and code else text


PROFILE_EXPORTS = "/audience/profiles/exports"
EMAIL_REPORTS = "/emails/reports"
SECTIONS = "/audience/sections"
SEGMENTS = "/audience/segments/"
AUTH_HEADER = "x-apsis-auth"
REQUIRED_VARIABLES = ("url", "client_id", "client_secret")
OPTIONAL_VARIABLES = ("requests_per_second",)
LIMITS = Limits()

# A tick of the sensor has a minute: what hangs must not hold up the other exports (assumed, both).
POLL_S = 15.0
# An order without an answer may have been accepted, and it is sent again much later: so the timeout is longer.
ORDER_S = 30.0

_NOT_FOUND = 404
# An expired token may be answered as a 403 that says so (observed in public code: C3).
_MEANINGS = {403: {"expired": 401}}
# A 404 is an export's or an address's own: a wrong URL is met when the token is asked for.
_OF_CONNECTION = frozenset({403})
POLICY = RetryPolicy(meanings=_MEANINGS, of_connection=_OF_CONNECTION)
# An order is sent once. The ledger decides whether to send it again.
ORDER_POLICY = replace(POLICY, attempts=1)
# What a poll's status means depends on the generation of its address, and trying again at once helps none of them.
VERDICTS = (202, 404, 410, 503)
_LOOK_POLICY = replace(POLICY, attempts=1, statuses=dict.fromkeys(VERDICTS, Action.ANSWER))
_TAKE_POLICY = replace(POLICY, statuses=dict.fromkeys(VERDICTS, Action.PERMANENT))
# A poll that takes the file along is a poll: what fails it is soon asked for again, and other exports wait meanwhile.
_POLL_POLICY = replace(_TAKE_POLICY, attempts=_LOOK_POLICY.attempts)
# A link that is refused has ended, whatever the account may do.
_LINK_POLICY = replace(POLICY, of_connection=frozenset())


class ApsisClient:
    """One account of APSIS One. Fit for threads.

    Args:
        connection: Name of the connection; prefixes its variables.
        limits: Requests per second and at a time. The variable `<CONNECTION>_REQUESTS_PER_SECOND` wins, since a pace
            goes with a host.
        poll_s: How long a poll that takes no file may last in all, its token included.
        order_s: The same of an order.

    Raises:
        ConfigError: If a variable of the connection is missing.
    """

    def __init__(
        self,
        connection: str,
        *,
        timeouts: Timeouts | None = None,
        limits: Limits = LIMITS,
        poll_s: float = POLL_S,
        order_s: float = ORDER_S,
    ) -> None:
        from journey_pipeline.transport.client import HttpClient  # noqa: PLC0415 - few commands send requests

        given = connection_variables(connection, REQUIRED_VARIABLES, OPTIONAL_VARIABLES)
        prefix = connection.upper()
        auth = ClientCredentials(
            f"{given['url'].rstrip('/')}/oauth/token",
            {name: given[name] for name in ("client_id", "client_secret")},
            credentials=f"{prefix}_CLIENT_ID and {prefix}_CLIENT_SECRET",
            place=f"{prefix}_URL",
        )
        self.connection = connection
        self._looking = replace(_LOOK_POLICY, deadline_s=poll_s)
        self._asking = replace(POLICY, attempts=_LOOK_POLICY.attempts, deadline_s=poll_s)
        self._ordering = replace(ORDER_POLICY, deadline_s=order_s)
        self._http = HttpClient(
            vendor="apsis",
            connection=connection,
            base_url=given["url"],
            auth=auth,
            policy=POLICY,
            timeouts=timeouts or Timeouts(),
            limits=limits.paced(given.get("requests_per_second")),
            secrets=(given["client_secret"],),
            explain=explain,
        )

    def order_profiles(self, body: Mapping[str, Any], *, window: object) -> Answer:
        """Orders an export of profile events, once."""
        return self._http.send(
            "POST", PROFILE_EXPORTS, json=body, stream="profile_events", window=window, policy=self._ordering
        )

    def profile_status(self, address: str) -> Answer:
        """Looks at a poll address of either generation without taking the file: an answer may be 202, 404, 410, 503."""
        return self._http.look(address, stream="profile_events", policy=self._looking)

    def take_profiles(
        self,
        address: str,
        to: Place,
        *,
        inspector: Callable[[], Inspector],
        window: object,
        is_poll: bool,
    ) -> Downloaded:
        """Downloads from a poll address; a cut download is repeated from it (documented: D1).

        With `is_poll` the file may not be ready yet, so a failure is retried less often.

        Raises:
            PermanentVendorError: With status 202, 404, 410 or 503, if there is nothing to download.
        """
        return self._http.download(
            "GET",
            address,
            to=to,
            inspector=inspector,
            stream="profile_events",
            window=window,
            policy=_POLL_POLICY if is_poll else _TAKE_POLICY,
        )

    def order_emails(self, body: Mapping[str, Any], *, window: object) -> Answer:
        """Orders an export of e-mail events, once."""
        return self._http.send(
            "POST", EMAIL_REPORTS, json=body, stream="email_events", window=window, policy=self._ordering
        )

    def email_report(self, report_id: str, *, is_poll: bool) -> tuple[Any, str | None, float | None]:
        """Polls an e-mail export once. The caller repeats a failed poll.

        Returns:
            The answer, the token that opens the link in it (documented: D3, `header_auth`), and how many seconds the
            vendor asks to wait before the next look.

        Raises:
            TransientVendorError: As for all calls; and if the answer is no JSON.
        """
        answer = self._http.send(
            "GET",
            f"{EMAIL_REPORTS}/{quote(report_id, safe='')}",
            query="header_auth=true",
            stream="email_events",
            policy=self._asking if is_poll else None,
        )
        token = answer.headers.get(AUTH_HEADER)
        if token:
            self._http.keep_secret(token)
        try:
            return answer.json(), token, answer.retry_after_s
        except ContractError as page:  # a page of the vendor's own troubles, as a rule
            raise TransientVendorError(
                str(page), vendor="apsis", connection=self.connection, stream="email_events", status=page.status
            ) from None

    def take_emails(
        self,
        link: str,
        token: str | None,
        to: Place,
        *,
        inspector: Callable[[], Inspector],
        window: object,
    ) -> Downloaded:
        """Downloads a report's file. The token goes to the link's host alone, the bearer token only to the account's.

        The file is gzip itself; a transfer encoding on top is not asked for. It stays the same until it expires
        (documented: D3). Whether its host gives the rest of a file is assumed.
        """
        return self._http.download(
            "GET",
            link,
            to=to,
            headers={"Accept-Encoding": "identity", **({AUTH_HEADER: token} if token else {})},
            inspector=inspector,
            stream="email_events",
            window=window,
            policy=_LINK_POLICY,
            resumes=True,
        )

    def definition_pages(self) -> Iterator[Page]:
        """Sections with their attributes, tags and event types: all that orders and files refer to."""
        sections = self._page("sections", None, SECTIONS)
        yield sections
        for section in discriminators(sections.items):
            for kind in IN_SECTIONS:
                yield self._page(kind, section, f"{SECTIONS}/{quote(section, safe='')}/{kind}")

    def dimension_pages(self) -> Iterator[bytes]:
        """All that the account lists, as pages that say what they are: definitions, topics, segments, e-mails.

        A route that the account does not have is left out: which ones there are is only observed in public code (C1).
        """
        for page in self.definition_pages():
            yield page.body
            if page.kind != "sections":
                continue
            for section in discriminators(page.items):
                yield from (one.body for one in self._topics(section))
                path = f"/emails/sections/{quote(section, safe='')}/activities"
                yield from (one.body for one in self._optional("activities", section, path))
        yield from (one.body for one in self._optional("segments", None, SEGMENTS))

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    def _topics(self, section: str) -> Iterator[Page]:
        lists = f"{SECTIONS}/{quote(section, safe='')}/consent-lists"
        for page in self._optional("consent_lists", section, lists):
            for consent_list in discriminators(page.items):
                yield from self._optional("topics", section, f"{lists}/{quote(consent_list, safe='')}/topics")

    def _optional(self, kind: str, section: str | None, path: str) -> Iterator[Page]:
        try:
            page = self._page(kind, section, path)
        except PermanentVendorError as error:
            if error.status != _NOT_FOUND:
                raise
            return
        yield page

    def _page(self, kind: str, section: str | None, path: str) -> Page:
        answer = self._http.send("GET", path, stream=kind)
        return Page(kind, section, answer.read_by(items_of))
