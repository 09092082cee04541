"""`journey-pipeline receiver`: takes the calls of vendors that answer by webhook.

Not here: what is answered (`receiver/`), what a call must hold (`vendors/`).
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import ip_network

from journey_pipeline.cli.commands import RECEIVER_HOST
from journey_pipeline.cli.output import notes
from journey_pipeline.cli.stopping import ends_by_itself
from journey_pipeline.errors import ConfigError, text_of
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.inbox import Inbox
from journey_pipeline.receiver.app import LEDGER_S, Receiver
from journey_pipeline.receiver.server import BACKLOG, serve, server
from journey_pipeline.settings import ledger_url, make_home, utc_now
from journey_pipeline.transport.redaction import RedactingFilter
from journey_pipeline.vendors.judges import judge_of


def receiver(host: str, port: int, trusted_proxies: str) -> None:
    """Take the calls of vendors that answer by webhook."""
    proxies = [_network(given.strip()) for given in trusted_proxies.split(",") if given.strip()]
    _log_to_standard_error()
    ends_by_itself()
    # Somewhat less than a call may wait, so that its thread is free again when it is given up.
    with open_ledger(ledger_url(), waits_s=LEDGER_S * 0.9, is_needed=False) as ledger:
        taking = Receiver(ledger, Inbox(make_home(), ledger.vault), judge_of, utc_now)
        listener = _listening(host, port)
        where = "{}:{}".format(*listener.getsockname()[:2])
        serve(
            taking,
            listener,
            trusted_proxies=proxies,
            on_ready=lambda: notes.print(f"Taking calls on http://{where} until Ctrl-C"),
        )


@contextmanager
def receiving() -> Iterator[str]:
    """Takes calls in a thread, on a free port of this machine, for as long as the block runs; gives the address."""
    with open_ledger(ledger_url(), waits_s=LEDGER_S * 0.9) as ledger:
        taking = Receiver(ledger, Inbox(make_home(), ledger.vault), judge_of, utc_now)
        with _listening(RECEIVER_HOST, 0) as listener, closing(taking):
            serving = server(taking)
            thread = threading.Thread(target=serving.run, args=([listener],), name="receiver", daemon=True)
            thread.start()
            try:
                yield "http://{}:{}".format(*listener.getsockname()[:2])
            finally:
                serving.should_exit = True
                thread.join()


def _network(given: str) -> str:
    try:
        ip_network(given)
    except ValueError:
        raise ConfigError(
            f"--trusted-proxies names {given!r}: write addresses such as 127.0.0.1, or networks such as 10.0.0.0/8"
        ) from None
    return given


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"the receiver can't listen on {host}:{port}: {text_of(error)}. Stop what listens there, or choose another "
            "--host or --port."
        ) from error


def _log_to_standard_error() -> None:
    """Logs without secrets: a path that is called on is one."""
    handler = logging.StreamHandler()
    handler.addFilter(RedactingFilter())
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
