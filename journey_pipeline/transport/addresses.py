"""The addresses that a name stands for: of the whole world, or of this machine and its network.

A vendor's call names where a file lies, and a stranger may have written it. Such a name is looked up once, each of its
addresses is checked, and one of those is connected to: a name that changes meanwhile changes nothing. Not here: how a
request is sent (`request.py`), which links may be fetched (`vendors/`).
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from journey_pipeline.errors import text_of

# Addresses of IPv6 that a gateway turns into ones of IPv4 (RFC 6052, RFC 8215): the last four bytes.
_TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))


class ForbiddenAddressError(Exception):
    """A name stands for an address that is no public one."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The check of addresses before they are connected to.

    Attributes:
        spelled_out: Scheme, host and port of what is taken at its word, such as `http://127.0.0.1:8765`.
    """

    spelled_out: Collection[str] = ()

    def connect(self, connection: HTTPConnection, scheme: str, connect: Callable[[], socket.socket]) -> socket.socket:
        """Connects to one of the checked addresses of a connection's host; its certificate is the name's all the same.

        Args:
            connect: Connects to the host that the connection names.

        Raises:
            ForbiddenAddressError: As for `addresses`.
        """
        name = connection.host
        try:
            *others, last = self.addresses(scheme, name, connection.port)
        except OSError as error:
            raise NewConnectionError(connection, text_of(error)) from error
        try:
            for address in others:
                connection.host = address
                with contextlib.suppress(NewConnectionError, ConnectTimeoutError):
                    return connect()
            connection.host = last
            return connect()
        finally:
            connection.host = name

    def addresses(self, scheme: str, host: str, port: int) -> list[str]:
        """The addresses that a name stands for; the name itself where it is spelled out.

        Raises:
            ForbiddenAddressError: If one of them is of this machine or its network.
            OSError: If the name can't be looked up.
        """
        named = f"[{host}]" if ":" in host else host
        implied = {"http": 80, "https": 443}[scheme]
        if f"{scheme}://{named}" + ("" if port == implied else f":{port}") in self.spelled_out:
            return [host]
        found = dict.fromkeys(str(place[0]) for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        if not found or any(is_of_this_network(address) for address in found):
            raise ForbiddenAddressError
        return list(found)


def is_of_this_network(text: str) -> bool:
    """Whether an address is this machine's, its network's, a provider's own, or of a group."""
    address = ip_address(text.partition("%")[0])
    return any(not one.is_global or one.is_multicast for one in (address, *_inside(address)))


def _inside(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """The addresses of IPv4 that one of IPv6 leads to."""
    if isinstance(address, IPv4Address):
        return []
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    teredo = address.teredo or ()
    translated = [IPv4Address(address.packed[-4:])] if any(address in network for network in _TRANSLATED) else []
    return [one for one in (address.sixtofour, *teredo, *translated) if one]
