"""Calls that wait until the ledger can be written: encrypted files, taken in the order in which they came.

Not here: what a call does (`calls.py`), HTTP (`receiver/`).
"""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from journey_pipeline.errors import LedgerError
from journey_pipeline.exports.calls import UNREADABLE_BYTES, Call, JudgeOf, find_hook, judge, take
from journey_pipeline.exports.export import Verdict
from journey_pipeline.exports.ledger import Ledger, Vault
from journey_pipeline.files import flush_dir, replacing

UNKNOWN = "unknown"
_MOST_UNKNOWN = 1_000
_SUFFIX = ".call"

log = logging.getLogger(__name__)


class FullError(Exception):
    """As many calls wait as are kept: the ledger could not be asked whose hooks they came on."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call that waits.

    Attributes:
        nonce: The end of the address that was called. A secret.
        body: As it came. It holds a secret.
    """

    nonce: str = field(repr=False)
    at: datetime
    peer: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Inbox:
    """The calls that wait, in `<home>/inbox/<connection>/calls/`."""

    home: Path
    vault: Vault

    def keep(self, call: Waiting, connection: str | None) -> None:
        """Keeps a call, on the disk when this returns.

        Args:
            connection: Whose hook was called; None if that can't be looked up now.

        Raises:
            FullError: If too many of unknown hooks wait already.
            OSError: If the disk refuses.
        """
        folder = self.home / "inbox" / (connection or UNKNOWN) / "calls"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if connection is None and sum(1 for _ in folder.glob(f"*{_SUFFIX}")) >= _MOST_UNKNOWN:
            raise FullError
        said = {"nonce": call.nonce, "at": call.at.isoformat(), "peer": call.peer, "body": call.body.decode("latin-1")}
        name = f"{call.at.astimezone(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(6)}{_SUFFIX}"
        with replacing(folder / name) as temporary:
            descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(self.vault.seal(json.dumps(said)).encode())

    def files(self) -> list[Path]:
        """The files of the calls that wait, oldest first."""
        return sorted(self.home.glob(f"inbox/*/calls/*{_SUFFIX}"), key=lambda path: path.name)

    def drain(self, ledger: Ledger, judge_of: JudgeOf, *, at: datetime) -> Iterator[Verdict]:
        """Takes the calls that wait, in order, and removes their files.

        It stops at the first that the ledger does not take; those of another key stay.

        Yields:
            What each was good for.
        """
        for path in self.files():
            call = self._read(path)
            if call is None:
                continue
            try:
                verdict = taken(ledger, call, judge_of, at=at)
            except LedgerError as error:
                log.warning("calls of vendors go on waiting in %s: %s", path.parent, error)
                return
            except Exception:  # it keeps none of the others from being taken
                log.exception("the call in %s could not be taken; it stays", path)
                continue
            path.unlink(missing_ok=True)
            flush_dir(path.parent)
            if verdict:
                yield verdict

    def _read(self, path: Path) -> Waiting | None:
        try:
            opened = self.vault.unseal(path.read_text())
        except FileNotFoundError:  # another process has taken it
            return None
        if opened is None:
            log.warning("%s can't be decrypted with the key of this process; it stays", path)
            return None
        said = json.loads(opened)
        return Waiting(said["nonce"], datetime.fromisoformat(said["at"]), said["peer"], said["body"].encode("latin-1"))


def taken(ledger: Ledger, call: Waiting, judge_of: JudgeOf, *, at: datetime) -> Verdict | None:
    """Takes a call; None if its nonce names no hook that was open when it came.

    Raises:
        LedgerError: If the ledger can't be written.
    """
    with ledger.reading() as tx:
        hook = find_hook(tx, call.nonce, at=call.at)
    if hook is None:
        return None
    judged = judge(hook.vendor, hook.connection, call.body, judge_of, at=call.at)
    body = call.body if judged else call.body[:UNREADABLE_BYTES]
    came = Call(hook.export_id, hook.attempt, call.at, call.peer, body, hook.ends_at)
    with ledger.writing() as tx:
        return take(tx, came, judged, at=at)
