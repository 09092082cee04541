"""A request and its destination: rules for redirects, and the hosts that variables allow.

A vendor's answer names addresses: where a file lies, where to poll, where a request is redirected. What lies behind an
address of this machine or of its network, where clouds keep secrets, is not the vendor's. Not here: the way over the
wire (`connections.py`), tries and what a status means for them (`client.py`).
"""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

from journey_pipeline import settings
from journey_pipeline.transport.response import Asked

# What may be told to a host that the vendor redirects to; everything else may be a credential.
_HARMLESS_HEADERS = frozenset({"accept", "accept-encoding", "if-range", "range", "user-agent"})
_KEEP_METHOD = frozenset({307, 308})


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """A request to the vendor.

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
        connection: Its name.
        home: The address that is configured.
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
            start: The address that was asked for.
            url: The one that it is redirected to.
            asked: How messages name the request.

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
        variable = settings.variable_name(self.connection, settings.DOWNLOAD_HOSTS_FIELD)
        return f"If it is right, name the host in {variable}."


def is_local(host: str) -> bool:
    """Whether a host is this machine or in its network alone, by its address or by what its name stands for.

    A name that can't be looked up is not: where a proxy does that, nothing here can.
    """
    if _is_address(host):
        return _is_of_this_network(host)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return any(_is_of_this_network(str(address[0])) for *_, address in found)


def _is_of_this_network(text: str) -> bool:
    address = ip_address(text.partition("%")[0])
    return not (getattr(address, "ipv4_mapped", None) or address).is_global


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
