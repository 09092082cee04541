"""One request over the wire: the hosts that it may reach, time-outs, and redirects followed by hand.

A vendor's answer names addresses: where a file lies, where to poll, where a request is redirected. What lies behind an
address of this machine or of its network, where clouds keep secrets, is not the vendor's. Not here: the time between
two pieces of an answer (`body.py`), tries and what a status means for them (`client.py`).
"""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from journey_pipeline import __version__, settings
from journey_pipeline.transport.addresses import ForbiddenAddressError, Guard, is_of_this_network
from journey_pipeline.transport.auth import Credential
from journey_pipeline.transport.body import LEAST_S, TimedAdapter
from journey_pipeline.transport.response import Asked, reason
from journey_pipeline.transport.retry import Attempt, Timeouts

# What may be told to a host that the vendor redirects to; everything else may be a credential.
_HARMLESS_HEADERS = frozenset({"accept", "accept-encoding", "if-match", "if-range", "range", "user-agent"})
_KEEP_METHOD = frozenset({307, 308})


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """A request to the vendor.

    Attributes:
        method: Upper case.
        is_guarded: Whether the addresses of its host are checked, and no redirect is followed.
    """

    method: str
    url: str
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes | None = None
    is_guarded: bool = False

    def redirected(self, status: int, location: str, asked: Asked) -> Request:
        """The request that a redirect asks for.

        Raises:
            PermanentVendorError: If it would take the body to another host, or leave encryption.
        """
        try:
            url = urljoin(self.url, location)
        except ValueError:
            raise asked.permanent(
                f"answered {status}: a redirect to an invalid address. Report it to the vendor.", status=status
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


PORTS = {"http": 80, "https": 443}
_LONGEST_NAMED = 100


@dataclass(frozen=True, slots=True)
class Destinations:
    """The hosts of one connection.

    Attributes:
        download_hosts: Other hosts to which a download may be redirected: those that a person has named.
    """

    connection: str
    home: str
    download_hosts: Collection[str] = ()

    def refuse_link(self, url: str, asked: Asked) -> None:
        """Stops before an address of a vendor's answer that is one of this machine or its network.

        A vendor on this machine or in its network, such as the simulated one, may name such addresses.

        Raises:
            PermanentVendorError: If it is.
        """
        host = _host(url)
        if host not in {_host(self.home), *self.download_hosts} and is_local(host) and not is_local(_host(self.home)):
            raise asked.permanent(
                f"not sent: the vendor named an address on {_told(host)}, which belongs to this machine or its network "
                f"alone. Report it to the vendor. {self._advice()}"
            )

    def refuse_redirect(self, start: str, url: str, asked: Asked, *, status: int) -> None:
        """Refuses a redirect to a host that `<CONNECTION>_DOWNLOAD_HOSTS` does not name.

        A name that stands for an address of this machine or its network is refused though it be named; the address
        itself, if named, is taken at its word. Names are looked up once here and once more by the request.

        Args:
            url: The one that it is redirected to.

        Raises:
            PermanentVendorError: If it leads to such a host.
        """
        host = _host(url)
        if (host, _port(url)) == (_host(start), _port(start)):
            return
        if host not in self.download_hosts:
            raise asked.permanent(
                f"answered {status}: a redirect to another host, {_told(host)}, which is not followed. Check the "
                f"connection's URL. {self._advice()}",
                status=status,
            )
        if not _is_address(host) and is_local(host) and not is_local(_host(start)):
            raise asked.permanent(
                f"answered {status}: a redirect to {_told(host)}, which is an address of this machine or its network "
                "alone, and is not followed. Check the addresses of that name.",
                status=status,
            )

    def _advice(self) -> str:
        return f"If it is right, name the host in {self.variable}."

    @property
    def variable(self) -> str:
        """The variable that names further hosts."""
        return settings.variable_name(self.connection, settings.DOWNLOAD_HOSTS_FIELD)


def is_local(host: str) -> bool:
    """Whether a host is this machine or in its network alone, by its address or by what its name stands for.

    A name that can't be looked up is not: where a proxy does that, nothing here can.
    """
    if _is_address(host):
        return is_of_this_network(host)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return any(is_of_this_network(str(address[0])) for *_, address in found)


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:  # no address at all; sending says so
        return ""


def _port(url: str) -> int | None:
    """None if the scheme implies it: encryption may be added on the way."""
    try:
        parts = urlsplit(url)
        return None if parts.port == PORTS.get(parts.scheme) else parts.port
    except ValueError:  # no port at all; sending says so
        return -1


def _told(host: str) -> str:
    return host if len(host) <= _LONGEST_NAMED else f"{host[:_LONGEST_NAMED]}…"


_USER_AGENT = f"journey-pipeline/{__version__}"
MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Wire:
    """Sends requests. Fit for threads: the pool of connections is shared, nothing else is kept between requests."""

    def __init__(self, timeouts: Timeouts, connections: int, destinations: Destinations, guard: Guard) -> None:
        self.destinations = destinations
        self._timeouts = timeouts
        self._session = _session(TimedAdapter(timeouts.idle_s, connections))
        self._guarded = _session(TimedAdapter(timeouts.idle_s, connections, guard))
        self._guarded.trust_env = False  # no proxy of the environment: it would look the name up by itself
        self._guarded.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True

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
            credential: Goes to the host of the request's address and to no other.
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
            if response.status_code not in REDIRECTS or not location or request.is_guarded:
                return response
            response.close()
            request = request.redirected(response.status_code, location, asked)
            self.destinations.refuse_redirect(start, request.url, asked, status=response.status_code)
        raise asked.permanent(
            f"was redirected more than {MAX_REDIRECTS} times. Check the connection's URL.", status=response.status_code
        )

    def close(self) -> None:
        """Closes the connections."""
        self._session.close()
        self._guarded.close()

    def _send(self, request: Request, asked: Asked, credential: Credential | None, left_s: float) -> requests.Response:
        connect_s, first_byte_s = (min(s, left_s) for s in (self._timeouts.connect_s, self._timeouts.first_byte_s))
        carried = {credential.header: credential.value} if credential else {}
        try:
            return (self._guarded if request.is_guarded else self._session).request(
                request.method,
                request.url,
                data=request.body,
                headers={**request.headers, **carried},
                timeout=urllib3.Timeout(left_s, connect_s, first_byte_s),  # type: ignore[arg-type]  # it takes one
                stream=True,
                allow_redirects=False,
            )
        except ForbiddenAddressError:
            raise asked.permanent(
                "not sent: the name of its host stands for an address of this machine, its network or its provider. "
                "Ask the vendor. If the address is right, add scheme, host and port to "
                f"{self.destinations.variable}, such as http://127.0.0.1:8765."
            ) from None
        # `from None` throughout: what requests says holds addresses with their queries, and header values.
        except requests.exceptions.SSLError as error:
            why = reason(error)
            if "CERTIFICATE_VERIFY_FAILED" in f"{error}":
                raise asked.permanent(
                    "its certificate is not trusted. Check the connection's URL and the machine's certificates."
                ) from None
            raise asked.transient(f"the TLS handshake failed ({why}).") from None
        except requests.exceptions.ConnectTimeout:
            raise asked.not_sent(f"could not connect within {round(connect_s, 1):g} s.") from None
        except requests.exceptions.ReadTimeout:
            raise asked.transient(f"no answer within {round(first_byte_s, 1):g} s.") from None
        except requests.exceptions.ConnectionError as error:
            failed = asked.not_sent if _is_unconnected(error) else asked.transient
            raise failed(f"no answer: {reason(error)}.") from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            raise asked.permanent(
                f"can't be sent ({type(error).__name__}). Check the connection's URL and credentials for stray "
                "characters."
            ) from None


def _is_unconnected(error: requests.exceptions.ConnectionError) -> bool:
    """Whether no connection came about, so that nothing was sent."""
    root: object = error.args[0] if error.args else None
    return isinstance(getattr(root, "reason", root), urllib3.exceptions.NewConnectionError)


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """None: redirects are followed by hand, and the body of one is never read."""
        return None


def _session(adapter: TimedAdapter) -> _Session:
    session = _Session()
    session.headers.clear()
    session.headers.update({"User-Agent": _USER_AGENT, "Accept": "*/*", "Accept-Encoding": "gzip"})
    # Without this, requests would take credentials from a .netrc file and put them over ours.
    session.auth = _as_it_is
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
