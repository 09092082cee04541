"""The one route of LayerFive, in its three forms: since a date, of one person, of the last day.

Not here: HTTP itself (`transport/`), what an answer holds (`customer_journeys/answers.py`), which date to ask for
(`customer_journeys/stream.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

from journey_pipeline.errors import ContractError
from journey_pipeline.settings import connection_variables
from journey_pipeline.transport.auth import BearerKey
from journey_pipeline.transport.response import Downloaded, Place
from journey_pipeline.transport.retry import Limits, RetryPolicy, Timeouts
from journey_pipeline.vendors.layerfive.customer_journeys.answers import JourneyInspector, explain

ROUTE = "/api/v1/customer-journey-details"
REQUIRED_VARIABLES = ("url", "api_key")
OPTIONAL_VARIABLES = ("requests_per_second",)
STREAM = "customer_journeys"
# Cost and speed are unpublished; an answer may be thought about for long (assumed).
TIMEOUTS = Timeouts(first_byte_s=600.0)
LIMITS = Limits(concurrency=1)
_HEADERS = {"Accept": "application/json"}
_OF_ONE = RetryPolicy(of_connection=RetryPolicy().of_connection - {404})  # of a person; else the address is wrong
_NO_RECORDS = b"[]"  # a 204 is a whole answer (assumed)


class LayerFiveClient:
    """One account of LayerFive.

    Args:
        connection: Name of the connection; prefixes its variables.
        limits: Requests per second and at a time. The variable `<CONNECTION>_REQUESTS_PER_SECOND` wins, since a pace
            goes with a host.
        auth_header: The header that carries the key (assumed: the vendor publishes none).
        auth_scheme: The word before it; may be empty.

    Raises:
        ConfigError: If a variable of the connection is missing.
    """

    def __init__(
        self,
        connection: str,
        *,
        timeouts: Timeouts = TIMEOUTS,
        limits: Limits = LIMITS,
        auth_header: str = "Authorization",
        auth_scheme: str = "Bearer",
    ) -> None:
        from journey_pipeline.transport.client import HttpClient  # noqa: PLC0415 - few commands send requests

        given = connection_variables(connection, REQUIRED_VARIABLES, OPTIONAL_VARIABLES)
        self._base_url = given["url"].rstrip("/")
        self._connection = connection
        self._http = HttpClient(
            vendor="layerfive",
            connection=connection,
            base_url=self._base_url,
            auth=BearerKey(given["api_key"], header=auth_header, scheme=auth_scheme),
            timeouts=timeouts,
            limits=limits.paced(given.get("requests_per_second")),
            explain=explain,
        )

    def since(
        self,
        day: date,
        to: Place,
        *,
        window: object = None,
        inspector: Callable[[], JourneyInspector] = JourneyInspector,
    ) -> Downloaded:
        """Downloads what known people did since a day, and 90 days of people who became known since (documented).

        Args:
            inspector: Makes the one who looks at the answer while it lands, by what the connection says of its records.

        Raises:
            TransientVendorError: If every try was cut off, or the vendor is in trouble.
            PermanentVendorError: On a refusal.
            ContractError: If the answer is no JSON with records, but a page or an error.
        """
        query = urlencode({"event_date": day.isoformat()})
        return self._download(ROUTE, query, to, window=window, inspector=inspector)

    def person(
        self,
        email: str,
        to: Place,
        *,
        inspector: Callable[[], JourneyInspector] = JourneyInspector,
    ) -> Downloaded:
        """Downloads the last 90 days of one person (documented); see `since`.

        Raises:
            PermanentVendorError: With status 404 if the address is unknown (assumed).
        """
        query = urlencode({"email": email})
        return self._download(ROUTE, query, to, inspector=inspector, policy=_OF_ONE)

    def recent(self, to: Place, *, inspector: Callable[[], JourneyInspector] = JourneyInspector) -> Downloaded:
        """Downloads the last 24 hours of known people (documented); see `since`."""
        return self._download(ROUTE, "", to, inspector=inspector)

    def page(
        self,
        link: str,
        to: Place,
        *,
        window: object = None,
        inspector: Callable[[], JourneyInspector] = JourneyInspector,
    ) -> Downloaded:
        """Downloads a further page of an answer, whose address `resolved` gave; see `since`."""
        return self._download(link, "", to, window=window, inspector=inspector)

    def resolved(self, link: str) -> str:
        """The whole address of a `next` link, absolute or relative, on the connection's own host.

        A link that names the host with another scheme is asked for with the connection's: behind a proxy, servers take
        https for http.

        Raises:
            ContractError: If it leads to another host.
        """
        base = urlsplit(self._base_url)
        try:
            target = urlsplit(urljoin(f"{self._base_url}{ROUTE}", link))
            is_own = _host(target) == _host(base)
        except ValueError:
            is_own = False
        if not is_own:
            raise ContractError(
                "the answer goes on at another host, which is not followed: the key belongs to "
                f"{base.hostname}. Check {self._connection.upper()}_URL, and ask the vendor.",
                vendor="layerfive",
                connection=self._connection,
                stream=STREAM,
            )
        return target._replace(scheme=base.scheme, netloc=base.netloc, fragment="").geturl()

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    def _download(
        self,
        path: str,
        query: str,
        to: Place,
        *,
        inspector: Callable[[], JourneyInspector] = JourneyInspector,
        window: object = None,
        policy: RetryPolicy | None = None,
    ) -> Downloaded:
        return self._http.download(
            "GET",
            path,
            to=to,
            query=query,
            headers=_HEADERS,
            inspector=inspector,
            stream=STREAM,
            window=window,
            no_content=_NO_RECORDS,
            policy=policy,
        )


def _host(address: SplitResult) -> tuple[str | None, int | None]:
    """Host and port; None for a port that the scheme implies. ValueError if the port is no number."""
    implied = {"http": 80, "https": 443}.get(address.scheme)
    return address.hostname, None if address.port == implied else address.port
