"""One request and its answer over the wire: the session, and redirects followed by hand.

Credentials and bodies never leave the host that they are meant for. Not here: retries and the meaning of a status
(`client.py`), which hosts may be asked at all (`destinations.py`), connections and what they wait for
(`connections.py`), the body (`gzip_body.py`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from journey_pipeline.transport.auth import Credential
from journey_pipeline.transport.connections import LEAST_S, TimedAdapter
from journey_pipeline.transport.destinations import PORTS, Destinations
from journey_pipeline.transport.failures import Asked, reason
from journey_pipeline.transport.retry import Attempt
from journey_pipeline.transport.timeouts import Timeouts

MAX_REDIRECTS = 5
# What may be told to a host that the vendor redirects to; everything else may be a credential.
_HARMLESS_HEADERS = frozenset({"accept", "accept-encoding", "user-agent"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEP_METHOD = frozenset({307, 308})


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What is sent.

    Attributes:
        method: Upper case.
        url: Whole, with its query.
        headers: Without the credential.
        body: Bytes, or None.
    """

    method: str
    url: str
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes | None = None

    def redirected(self, status: int, location: str, asked: Asked) -> Request:
        """The request that a redirect asks for.

        Raises:
            PermanentVendorError: If it would take the body to another host, or leave encryption.
        """
        try:
            url = urljoin(self.url, location)
        except ValueError:
            raise asked.permanent(
                f"answered {status}: a redirect to what is no address. Report it to the vendor.", status=status
            ) from None
        keeps = status in _KEEP_METHOD or self.method in {"GET", "HEAD"}
        target = dataclasses.replace(
            self, url=url, method=self.method if keeps else "GET", body=self.body if keeps else None
        )
        if origin(url) == origin(self.url):
            return target
        scheme = urlsplit(url).scheme
        if scheme not in PORTS or (scheme == "http" and urlsplit(self.url).scheme == "https"):
            raise asked.permanent(
                f"answered {status}: a redirect to an address without encryption, which is not followed. Check the "
                "connection's URL.",
                status=status,
            )
        if target.body is not None:
            raise asked.permanent(
                f"answered {status}: a redirect that would take the request's body to another host, which is not "
                "followed. Check the connection's URL.",
                status=status,
            )
        harmless = {name: value for name, value in self.headers.items() if name.lower() in _HARMLESS_HEADERS}
        return dataclasses.replace(target, headers=harmless)


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what a credential belongs to."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no address at all; likewise
        return "", url, None
    try:
        return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme)
    except ValueError:  # no port at all; sending says so
        return parts.scheme, parts.netloc, None


class Wire:
    """Sends requests. Fit for threads: the pool of connections is shared, nothing else is kept between requests.

    Args:
        timeouts: Limits of one request.
        user_agent: How we call ourselves.
        connections: How many to keep per host.
        destinations: Which hosts may be asked.

    Attributes:
        destinations: As given.
    """

    def __init__(self, timeouts: Timeouts, user_agent: str, connections: int, destinations: Destinations) -> None:
        self.destinations = destinations
        self._timeouts = timeouts
        self._session = _Session()
        self._session.headers.clear()
        self._session.headers.update({"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "gzip"})
        # Without this, requests would take credentials from a .netrc file and put them over ours.
        self._session.auth = _as_it_is
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = TimedAdapter(timeouts.idle_s, connections)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def open(
        self,
        request: Request,
        asked: Asked,
        *,
        credential: Credential | None,
        pace: Callable[[], None],
        attempt: Attempt,
    ) -> requests.Response:
        """Sends, follows redirects, and gives the answer with its body unread.

        Args:
            request: What to send.
            asked: How messages name it.
            credential: Goes to the host of the request's address and to no other.
            pace: Called before each request, redirects included.
            attempt: Knows how much time is left for all of it, redirects included; the session's own limits apply too.

        Raises:
            TransientVendorError: If no answer came.
            PermanentVendorError: If it can't be sent, or is redirected without end or where it must not go.
        """
        start, home = request.url, origin(request.url)
        for _ in range(MAX_REDIRECTS + 1):
            pace()
            if origin(request.url) != home:
                credential = None
            response = self._send(request, asked, credential, max(LEAST_S, attempt.left_s))
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not location:
                return response
            response.close()
            request = request.redirected(response.status_code, location, asked)
            self.destinations.refuse_redirect(start, request.url, asked, status=response.status_code)
        raise asked.permanent(
            f"was redirected more than {MAX_REDIRECTS} times. Check the connection's URL.", status=response.status_code
        )

    def close(self) -> None:
        """Gives back the connections."""
        self._session.close()

    def _send(self, request: Request, asked: Asked, credential: Credential | None, left_s: float) -> requests.Response:
        connect_s, first_byte_s = (min(s, left_s) for s in (self._timeouts.connect_s, self._timeouts.first_byte_s))
        carried = {credential.header: credential.value} if credential else {}
        try:
            return self._session.request(
                request.method,
                request.url,
                data=request.body,
                headers={**request.headers, **carried},
                timeout=urllib3.Timeout(left_s, connect_s, first_byte_s),  # type: ignore[arg-type]  # it takes one
                stream=True,
                allow_redirects=False,
            )
        # `from None` throughout: what requests says holds addresses with their queries, and header values.
        except requests.exceptions.SSLError as error:
            why = reason(error)
            if "CERTIFICATE_VERIFY_FAILED" in f"{error}":
                raise asked.permanent(
                    "its certificate is not trusted. Check the connection's URL and the machine's certificates."
                ) from None
            raise asked.transient(f"no encrypted connection came about ({why}).") from None
        except requests.exceptions.ConnectTimeout:
            raise asked.transient(f"could not connect within {round(connect_s, 1):g} s.") from None
        except requests.exceptions.ReadTimeout:
            raise asked.transient(f"no answer within {round(first_byte_s, 1):g} s.") from None
        except requests.exceptions.ConnectionError as error:
            raise asked.transient(
                f"no answer: {reason(error)}. If it stays so, check the connection's URL and the network."
            ) from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            raise asked.permanent(
                f"can't be sent ({type(error).__name__}). Check the connection's URL and credentials for stray "
                "characters."
            ) from None


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """None: redirects are followed by hand, and the body of one is never read."""
        return None


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
