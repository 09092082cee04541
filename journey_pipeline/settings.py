"""What comes from the environment: the home, and each connection's hosts and secrets.

Read when a run needs it, never at import, so that a code location loads with nothing set and a missing variable
breaks only the connection that needs it. Not here: what is configured in YAML (`components/`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from dotenv import load_dotenv

from journey_pipeline.errors import ConfigError

HOME_VARIABLE = "JOURNEY_PIPELINE_HOME"
DEFAULT_HOME = "data"
LEDGER_VARIABLE = "JOURNEY_PIPELINE_LEDGER_URL"
LEDGER_FILE = "exports.db"


def load_environment_file() -> None:
    """Reads `.env` in the working directory; what the environment already has wins."""
    load_dotenv(Path.cwd() / ".env")


def home() -> Path:
    """The folder that holds lake and warehouse: `JOURNEY_PIPELINE_HOME`, or `data` in the working directory."""
    return Path(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME).expanduser().absolute()


def ledger_url() -> str:
    """Where the ledger of exports lies: `JOURNEY_PIPELINE_LEDGER_URL`, or a file in the home. May hold a password."""
    return os.environ.get(LEDGER_VARIABLE, "").strip() or f"sqlite:///{home() / LEDGER_FILE}"


def variable_name(connection: str, field: str) -> str:
    """The name of a connection's variable, such as `SFMC_BRAND_B_CLIENT_ID`."""
    return f"{connection}_{field}".upper()


def connection_variables(
    connection: str,
    required: Sequence[str],
    optional: Sequence[str] = (),
    *,
    environment: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The values of a connection's variables, by field, without blank ones.

    Args:
        connection: The connection's name, which prefixes its variables.
        required: Fields that must be set.
        optional: Fields that may be.
        environment: Where to look; the process's environment if None.

    Raises:
        ConfigError: If required variables are missing or blank; names all of them.
    """
    source = os.environ if environment is None else environment
    values = {field: source.get(variable_name(connection, field), "").strip() for field in (*required, *optional)}
    missing = [variable_name(connection, field) for field in required if not values[field]]
    if missing:
        raise ConfigError(
            f"connection {connection} can't be used: {', '.join(missing)} not set. Set "
            f"{'it' if len(missing) == 1 else 'them'} in the environment or in a .env file, then run "
            f"`journey-pipeline doctor {connection}`."
        )
    return {field: value for field, value in values.items() if value}
