"""Keeps addresses of exports secret in the ledger: who has one can fetch an account's history.

They are encrypted with a key that does not lie in the database: `JOURNEY_PIPELINE_LINK_KEY`, or a file beside an SQLite
ledger, which is made when it is missing. Copies of the ledger, its log and its backups then tell nothing.
Not here: where addresses are written and read (`ledger.py`), what happens to one that can't be read (`queue.py`).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import URL

from journey_pipeline.errors import ConfigError, LedgerError, text_of
from journey_pipeline.settings import LINK_KEY_VARIABLE, link_keys

MAKE_A_KEY = "openssl rand -base64 32 | tr '+/' '-_'"
_SUFFIX = ".key"


class Vault:
    """Encrypts and decrypts addresses.

    Args:
        keys: The first one encrypts, all of them decrypt; as `Fernet.generate_key` makes them.
    """

    def __init__(self, keys: Sequence[str | bytes]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def seal(self, address: str) -> str:
        """An address as the ledger keeps it."""
        return self._fernet.encrypt(address.encode()).decode()

    def unseal(self, sealed: str) -> str | None:
        """The address; None if none of the keys is the one that it was encrypted with."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            return None


def open_vault(url: URL) -> Vault:
    """The vault of the ledger at a URL.

    Raises:
        ConfigError: If a key is none, or a ledger in PostgreSQL has none.
        LedgerError: If the file of an SQLite ledger's key can't be read or made.
    """
    given = [_checked(key, LINK_KEY_VARIABLE) for key in link_keys()]
    if url.get_backend_name() != "sqlite":
        if not given:
            raise ConfigError(
                f"{LINK_KEY_VARIABLE} is not set: a ledger in PostgreSQL keeps the addresses of exports encrypted, and "
                f"needs a key for that. Make one with `{MAKE_A_KEY}`, keep it with the other secrets, and set it for "
                "every process that opens the ledger. An earlier ledger is encrypted when it is first opened."
            )
        return Vault(given)
    file = Path(url.database or "").with_suffix(_SUFFIX)
    # What was encrypted before the variable was set stays readable.
    kept = [_kept(file)] if not given or file.is_file() else []
    return Vault([*given, *kept])


def _kept(file: Path) -> str:
    try:
        if not file.is_file():
            _make(file)
        return _checked(file.read_text().strip(), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(
            f"the key of the ledger's addresses at {file} can't be read or made ({text_of(error)}). Check the rights "
            f"of its folder, or set {LINK_KEY_VARIABLE}."
        ) from error


def _make(file: Path) -> None:
    """Makes a key that appears whole or not at all; of two who make one at once both go by the same."""
    part = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(Fernet.generate_key() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.link(part, file)
    except FileExistsError:
        return
    finally:
        part.unlink(missing_ok=True)


def _checked(key: str, source: str) -> str:
    try:
        Fernet(key)
    except ValueError:
        raise ConfigError(
            f"{source} holds no key: it must be 32 bytes as URL-safe base64, several with commas between, such as "
            f"`{MAKE_A_KEY}` makes. If the key is lost, make another one: exports under way are ordered again."
        ) from None
    return key
