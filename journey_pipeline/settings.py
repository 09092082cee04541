"""Settings from the environment: the home, each connection's hosts and secrets, and the clock.

Read when a run needs it, never at import, so that a code location loads with nothing set and a missing variable
breaks only the connection that needs it. Not here: what is configured in YAML (`components/`).
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import load_dotenv

from journey_pipeline.errors import ConfigError, text_of

HOME_VARIABLE = "JOURNEY_PIPELINE_HOME"
DEFAULT_HOME = "data"
STORAGE_VARIABLE = "JOURNEY_PIPELINE_STORAGE_VERSION"
STORAGE_VERSION = "v1.2.0"
EMAIL_TOUCH_VARIABLE = "JOURNEY_PIPELINE_EMAIL_TOUCH_HOURS"
EMAIL_TOUCH_HOURS = 120.0
OTHER_TOUCH_VARIABLE = "JOURNEY_PIPELINE_OTHER_TOUCH_HOURS"
OTHER_TOUCH_HOURS = 24.0
REPORT_TIMEZONE_VARIABLE = "JOURNEY_PIPELINE_REPORT_TIMEZONE"
REPORT_TIMEZONE = "UTC"
LEDGER_VARIABLE = "JOURNEY_PIPELINE_LEDGER_URL"
LEDGER_FILE = "exports.db"
LINK_KEY_VARIABLE = "JOURNEY_PIPELINE_LINK_KEY"
PUBLISHED_VARIABLE = "JOURNEY_PIPELINE_PUBLISHED_FILE"
ANSWER_SIZE_VARIABLE = "JOURNEY_PIPELINE_LARGEST_ANSWER_GIB"
LARGEST_ANSWER_GIB = 100.0
ANSWER_TIME_VARIABLE = "JOURNEY_PIPELINE_LONGEST_ANSWER_MINUTES"
LONGEST_ANSWER_MINUTES = 30.0
LINKED_SIZE_VARIABLE = "JOURNEY_PIPELINE_LARGEST_LINKED_FILE_GIB"
LARGEST_LINKED_GIB = 20.0
LINKED_TIME_VARIABLE = "JOURNEY_PIPELINE_LONGEST_LINKED_FILE_MINUTES"
LONGEST_LINKED_MINUTES = 360.0
SPARE_DISK_VARIABLE = "JOURNEY_PIPELINE_SPARE_DISK_GIB"
SPARE_DISK_GIB = 0.5
NORMALIZERS_VARIABLE = "JOURNEY_PIPELINE_NORMALIZERS"
FEWEST_NORMALIZERS, MOST_NORMALIZERS = 2, 8
CLOCK_OFFSET_VARIABLE = "JOURNEY_PIPELINE_CLOCK_OFFSET_S"
DOWNLOAD_HOSTS_FIELD = "download_hosts"
MOST_PORTS = 65_536

_PATTERN = re.compile(r"[?*\[]")  # part of an address to SQLite, of a pattern to DuckDB
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")  # a name, or an address
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def load_environment_file() -> None:
    """Reads `.env` in the working directory. Variables of the environment win.

    Values are literal: a secret may hold `${`.

    Raises:
        ConfigError: If it can't be read, or is no UTF-8.
    """
    file = Path.cwd() / ".env"
    try:
        content = file.read_bytes()
        text = content.decode()
    except (FileNotFoundError, IsADirectoryError):
        return
    except OSError as error:
        raise ConfigError(f"{file} can't be read ({text_of(error)}). Let this user read it, or remove it.") from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{file} holds a byte in line {line} that is no UTF-8. Save the file as UTF-8.") from None
    load_dotenv(stream=StringIO(text), interpolate=False)


def local_path(given: str, setting: str) -> Path:
    """A setting's value as an absolute path on this machine.

    Args:
        given: The value; `~` is a person's own folder.
        setting: The variable or option that it comes from, for the message.

    Raises:
        ConfigError: If the value is a URL, such as `s3://bucket/prefix`: a folder of that name would be made here, and
            in a container the only copy would end with it. Or if the path holds `?`, `*` or `[`,
            or bytes that are no letters.
    """
    if scheme := _SCHEME.match(given):
        raise ConfigError(
            f"{setting} begins with `{scheme.group()}`, so it names no folder of this machine. Only folders are "
            "supported: set it to one on a disk that lasts. A folder that has such a name is written `./name:...`."
        )
    try:
        path = Path(given).expanduser().absolute()
    except RuntimeError:
        person = given.partition("/")[0]
        raise ConfigError(
            f"{setting} begins with `{person}`, and there is no such person. Write the whole path."
        ) from None
    if found := _PATTERN.search(str(path)):
        raise ConfigError(
            f"{setting} is {path}, and `{found.group()}` in a path means something else to the databases that lie "
            "there. Rename the folder, or name another one."
        )
    return Path(as_text(str(path), setting))


def as_text(given: str, what: str) -> str:
    """The given text, if all of its bytes are letters of this machine's locale.

    Raises:
        ConfigError: If some are not, as with letters beyond ASCII where LC_ALL is C and PYTHONUTF8 is 0.
    """
    if given.isascii() or not any("\udc80" <= letter <= "\udcff" for letter in given):
        return given
    encoding = sys.getfilesystemencoding()
    shown = os.fsencode(given).decode(errors="replace")
    raise ConfigError(
        f"{what} is `{shown}`, and the locale's encoding, {encoding}, lacks one of its letters. Set LC_ALL=C.UTF-8, "
        "leave PYTHONUTF8 unset, and try again."
    )


def home() -> Path:
    """The folder that holds lake and warehouse: `JOURNEY_PIPELINE_HOME`, or `data` in the working directory.

    Raises:
        ConfigError: If the variable holds a URL, or a file stands there.
    """
    folder = local_path(os.environ.get(HOME_VARIABLE, "").strip() or DEFAULT_HOME, HOME_VARIABLE)
    if files := [place for place in (folder, *folder.parents) if place.is_file()]:
        raise ConfigError(
            f"the home {folder} can't be written, for {files[0]} is a file. Set {HOME_VARIABLE} to a writable folder."
        )
    return folder


def make_home() -> Path:
    """Makes the home if it is missing, closed to other users, because it holds personal data; returns it.

    The mode of an existing home is not changed.

    Raises:
        ConfigError: If it can't be made.
    """
    folder = home()
    try:
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the home {folder} can't be written ({text_of(error)}). Set {HOME_VARIABLE} to a writable folder."
        ) from error
    return folder


def published_place() -> Path | None:
    """The path of the published file: `JOURNEY_PIPELINE_PUBLISHED_FILE`; None if that is not set.

    Analysts are other users, and the home is closed to them.

    Raises:
        ConfigError: If the variable holds a URL, its folder is not there, or the pipeline's own files lie there.
    """
    given = os.environ.get(PUBLISHED_VARIABLE, "").strip()
    if not given:
        return None
    place = local_path(given, PUBLISHED_VARIABLE)
    ours = home().resolve()
    there = place.resolve()
    if ours in there.parents and (there.parent != ours or there.name.startswith("warehouse.")):
        raise ConfigError(
            f"{PUBLISHED_VARIABLE} is {place}: it would lie among the pipeline's own files. Name a file outside of the "
            "home."
        )
    if place.is_dir() or not place.parent.is_dir():
        raise ConfigError(
            f"{PUBLISHED_VARIABLE} is {place}: it must name a file in a folder that exists. Make the folder, "
            "with rights for those who may read the warehouse."
        )
    return place


def storage_version() -> str:
    """The oldest DuckDB that can read the warehouse: `JOURNEY_PIPELINE_STORAGE_VERSION`, or v1.2.0.

    Raises:
        ConfigError: If it is no version of DuckDB from 1.2.0 on.
    """
    given = os.environ.get(STORAGE_VARIABLE, "").strip() or STORAGE_VERSION
    version = re.fullmatch(r"v(\d+)\.(\d+)\.(\d+)", given)
    if not version or tuple(map(int, version.groups())) < (1, 2, 0):
        raise ConfigError(
            f"{STORAGE_VARIABLE} is {given!r}: it must be a version of DuckDB, {STORAGE_VERSION} or later."
        )
    return given


def ledger_url() -> str:
    """The URL of the ledger of exports: `JOURNEY_PIPELINE_LEDGER_URL`, or a file in the home. May hold a password."""
    return os.environ.get(LEDGER_VARIABLE, "").strip() or f"sqlite:///{make_home() / LEDGER_FILE}"


def link_keys() -> list[str]:
    """The keys that encrypt addresses of exports: `JOURNEY_PIPELINE_LINK_KEY`, with commas between."""
    return [key.strip() for key in os.environ.get(LINK_KEY_VARIABLE, "").split(",") if key.strip()]


def largest_answer_bytes() -> int:
    """Largest size of one inflated answer, in bytes: `JOURNEY_PIPELINE_LARGEST_ANSWER_GIB`, or 100 GiB.

    Raises:
        ConfigError: If it is no number above 0.
    """
    return int(_positive(ANSWER_SIZE_VARIABLE, LARGEST_ANSWER_GIB) * (1 << 30))


def longest_answer_s() -> float:
    """Longest time of one answer, retries included: `JOURNEY_PIPELINE_LONGEST_ANSWER_MINUTES`, or 30 minutes.

    Raises:
        ConfigError: If it is no number above 0.
    """
    return _positive(ANSWER_TIME_VARIABLE, LONGEST_ANSWER_MINUTES) * 60


def largest_linked_bytes() -> int:
    """Largest file behind a link that a vendor calls with: `JOURNEY_PIPELINE_LARGEST_LINKED_FILE_GIB`, or 20 GiB.

    Raises:
        ConfigError: If it is no number above 0.
    """
    return int(_positive(LINKED_SIZE_VARIABLE, LARGEST_LINKED_GIB) * (1 << 30))


def longest_linked_s() -> float:
    """Longest time to download one: `JOURNEY_PIPELINE_LONGEST_LINKED_FILE_MINUTES`, or 6 hours.

    Raises:
        ConfigError: If it is no number above 0.
    """
    return _positive(LINKED_TIME_VARIABLE, LONGEST_LINKED_MINUTES) * 60


def spare_disk_bytes() -> int:
    """How much of the disk a download leaves free: `JOURNEY_PIPELINE_SPARE_DISK_GIB`, or half a GiB.

    Raises:
        ConfigError: If it is no number above 0.
    """
    return int(_positive(SPARE_DISK_VARIABLE, SPARE_DISK_GIB) * (1 << 30))


def touch_hours() -> dict[str, float]:
    """How long an open or click counts as a touch before a purchase, in hours, by channel.

    `JOURNEY_PIPELINE_EMAIL_TOUCH_HOURS`, or 120, and `JOURNEY_PIPELINE_OTHER_TOUCH_HOURS`, or 24.

    Raises:
        ConfigError: If one is no number above 0.
    """
    other = _positive(OTHER_TOUCH_VARIABLE, OTHER_TOUCH_HOURS)
    hours = dict.fromkeys(("sms", "whatsapp", "app_push", "web_push"), other)
    return {"email": _positive(EMAIL_TOUCH_VARIABLE, EMAIL_TOUCH_HOURS), **hours}


def report_timezone() -> str:
    """The time zone of local days in marts and of hours in reports: `JOURNEY_PIPELINE_REPORT_TIMEZONE`, or UTC."""
    return os.environ.get(REPORT_TIMEZONE_VARIABLE, "").strip() or REPORT_TIMEZONE


def normalizers() -> int:
    """Partitions of a run whose events are made at the same time: `JOURNEY_PIPELINE_NORMALIZERS`, or half the cores.

    Raises:
        ConfigError: If it is no number above 0.
    """
    half = (os.cpu_count() or 1) // 2
    return math.ceil(_positive(NORMALIZERS_VARIABLE, min(max(half, FEWEST_NORMALIZERS), MOST_NORMALIZERS)))


def _positive(variable: str, otherwise: float) -> float:
    given = os.environ.get(variable, "").strip() or f"{otherwise}"
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ConfigError(f"{variable} is {given!r}: it must be a number above 0, such as {otherwise:g}.")
    return value


def variable_name(connection: str, field: str) -> str:
    """The name of a connection's variable, such as `SFMC_BRAND_B_CLIENT_ID`."""
    return f"{connection}_{field}".upper()


def download_hosts(connection: str) -> frozenset[str]:
    """Hosts to which a connection's downloads may be redirected: `<CONNECTION>_DOWNLOAD_HOSTS`, with commas between.

    Raises:
        ConfigError: See `download_origins`.
    """
    parts = [urlsplit(origin) for origin in download_origins(connection)]
    return frozenset(one.hostname or "" for one in parts if one.scheme == "https" and one.port is None)


def download_origins(connection: str, *, spelled_out: bool = False) -> frozenset[str]:
    """Where a connection's files may lie: `<CONNECTION>_DOWNLOAD_HOSTS`, each as scheme, host and port.

    A host alone stands for https on port 443. An entry with a scheme stands for just that scheme, host and port, and is
    taken at its word, private or not.

    Args:
        spelled_out: Whether to give the entries with a scheme alone.

    Raises:
        ConfigError: If an entry is neither, such as an address with a path or a pattern.
    """
    variable = variable_name(connection, DOWNLOAD_HOSTS_FIELD)
    given = (entry.strip().lower() for entry in os.environ.get(variable, "").split(","))
    return frozenset(_origin(entry, variable) for entry in given if entry and ("://" in entry or not spelled_out))


def _origin(entry: str, variable: str) -> str:
    scheme, _, place = entry.rpartition("://")
    found = re.fullmatch(r"(?P<host>\[[^\]]*\]|[^:]*):(?P<port>[0-9]{1,5})", place) if scheme else None
    host = (found["host"] if found else place).strip("[]").rstrip(".")
    port = found["port"] if found else ""
    if not _HOST.fullmatch(host) or scheme not in {"", "http", "https"} or int(port or 0) >= MOST_PORTS:
        raise ConfigError(
            f"{variable} holds {entry!r}, which is no host: name hosts alone, with commas between, such as "
            "files.example.com, or whole origins such as http://127.0.0.1:8765."
        )
    named = f"[{host}]" if ":" in host else host
    implied = {"http": "80", "https": "443"}[scheme or "https"]
    return f"{scheme or 'https'}://{named}" + (f":{port}" if port not in {"", implied} else "")


def connection_variables(
    connection: str,
    required: Sequence[str],
    optional: Sequence[str] = (),
) -> dict[str, str]:
    """The values of a connection's variables, by field, without blank ones.

    Args:
        connection: The connection's name, which prefixes its variables.

    Raises:
        ConfigError: If required variables are missing or blank; names all of them.
    """
    values = {field: os.environ.get(variable_name(connection, field), "").strip() for field in (*required, *optional)}
    missing = [variable_name(connection, field) for field in required if not values[field]]
    if missing:
        raise ConfigError(
            f"connection {connection} can't be used: {', '.join(missing)} not set. Set "
            f"{'it' if len(missing) == 1 else 'them'} in the environment or in a .env file.",
            then=f"Then run `journey-pipeline doctor {connection}`.",
        )
    return {field: value for field, value in values.items() if value}


def why_not_configured(connection: str, required: Sequence[str], optional: Sequence[str] = ()) -> str:
    """The sentence for a connection none of whose variables are set; empty if one is.

    Args:
        connection: The connection's name, which prefixes its variables.
        required: Fields that must be set to use it.
        optional: The other fields.
    """
    if any(os.environ.get(variable_name(connection, field), "").strip() for field in (*required, *optional)):
        return ""
    named = ", ".join(variable_name(connection, field) for field in required)
    return f"{connection} is not configured: none of its variables are set. To load it, set {named}."


def utc_now() -> datetime:
    """The machine's clock, moved by the seconds in `JOURNEY_PIPELINE_CLOCK_OFFSET_S` if that is set.

    The variable is for sandboxes and tests that move the simulated vendor's clock by as much; a real vendor's clock
    can't be moved.

    Raises:
        ConfigError: If the variable is not a number.
    """
    offset_s = os.environ.get(CLOCK_OFFSET_VARIABLE) or "0"
    try:
        return datetime.now(UTC) + timedelta(seconds=float(offset_s))
    except (ValueError, OverflowError):
        raise ConfigError(f"{CLOCK_OFFSET_VARIABLE} is {offset_s!r}: set it to seconds, or take it out") from None
