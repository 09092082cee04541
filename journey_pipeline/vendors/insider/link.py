"""The judge of links: what the vendor calls with, and whether the file may be fetched from there.

Pure. A link is read once and never put together again, since it is fetched byte for byte as it came.
Not here: what a call does to its export (`exports/calls.py`), the addresses that a host's name stands for
(`transport/`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from journey_pipeline.model import Judged
from journey_pipeline.settings import connection_variables, download_origins, variable_name

ORIGINS = frozenset({"https://insider-data-export.useinsider.com"})
SECOND = "v2:"
LINK_LIFE, CLOCK_AHEAD = timedelta(hours=24), timedelta(minutes=15)

_LONGEST, _LONGEST_NOTICE = 8_192, 500
_WRITTEN = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_NAME = re.compile(r"[A-Za-z0-9\-._~:]{1,200}")
_SIGNED = frozenset(
    f"X-Amz-{name}" for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a link of one connection must be.

    Attributes:
        partner: The account's name, the first segment of the path; empty: any path.
        origins: Scheme, host and port that a file may lie at, such as `https://files.example.com`.
        variable: Which environment variable names them.
    """

    partner: str
    origins: frozenset[str] = ORIGINS
    variable: str = "INSIDER_DOWNLOAD_HOSTS"


def judge_of(connection: str) -> Callable[[object, datetime], Judged]:
    """The judge of a connection's calls, by the variables of the environment.

    Raises:
        ConfigError: If a variable is missing or wrong.
    """
    partner = connection_variables(connection, ("partner_name",))["partner_name"]
    rules = Rules(partner, download_origins(connection) or ORIGINS, variable_name(connection, "download_hosts"))

    def judge(said: object, at: datetime) -> Judged:
        return judge_call(said, rules, at=at)

    return judge


def judge_call(said: object, rules: Rules, *, at: datetime) -> Judged:
    """Judges what a call says.

    Args:
        said: Its body, decoded from JSON; or a link that a person gave, as text.
    """
    if isinstance(said, dict) and isinstance(said.get("export_id"), str) and "url" not in said:
        return _judge_second(said, at=at)
    url = said.get("url") if isinstance(said, dict) else said
    if isinstance(said, dict) and "url" not in said:
        return Judged(notice=json.dumps(said, ensure_ascii=False)[:_LONGEST_NOTICE])
    if not isinstance(url, str):
        return Judged(breaks=f"the call's `url` is no text but {_told(url)}")
    return judge_link(url, rules, at=at)


def _judge_second(said: Mapping[str, Any], *, at: datetime) -> Judged:
    """Judges a call of version 2, which is provisional: it names an export, whose chunks are asked for by its id."""
    if said.get("error") or said.get("status") in {"failed", "expired"}:
        return Judged(notice=json.dumps(said.get("error"), ensure_ascii=False)[:_LONGEST_NOTICE])
    if not _NAME.fullmatch(said["export_id"]):
        return Judged(breaks="its `export_id` is none")
    name = f"{SECOND}{said['export_id']}"
    return Judged(link=name, path=name, ends_at=at + LINK_LIFE)


def judge_chunk(link: str, connection: str, at: datetime) -> str:
    """The rule that a link of version 2 breaks; empty if none. Where its files lie at a host is not known."""
    rules = Rules("", download_origins(connection) or ORIGINS, variable_name(connection, "download_hosts"))
    return judge_link(link, rules, at=at).breaks


def judge_link(link: str, rules: Rules, *, at: datetime) -> Judged:
    """Judges a link."""
    if wrong := _miswritten(link):
        return Judged(link=link, breaks=wrong)
    try:
        parts = urlsplit(link)
        origin = _origin(parts)
    except ValueError:
        return Judged(link=link, breaks="it is no address")
    signed, ends_at = _signed(parts.query), _end(parts.query)
    wrong = _misplaced(parts, origin, rules) or _misrouted(parts.path, rules) or _unsigned(signed, ends_at)
    return Judged(
        link=link, path=parts.path, ends_at=ends_at, breaks=wrong or _misdated(signed["X-Amz-Date"], ends_at, at)
    )


def end_of(link: str) -> datetime | None:
    """When a presigned link ends, as it says itself; None if it does not."""
    return _end(link.partition("?")[2])


def _miswritten(link: str) -> str:
    if not link:
        return "it is empty"
    if len(link) > _LONGEST:
        return f"it is longer than {_LONGEST} characters"
    if not _WRITTEN.fullmatch(link) or "#" in link:
        return "it holds a character that no link has"
    return ""


def _origin(parts: SplitResult) -> str:
    """Scheme, host and port, without the port that the scheme implies; any other spelling stays as it is.

    Raises:
        ValueError: If it has no host, or no port that could be one.
    """
    if not parts.netloc or parts.port == 0:
        raise ValueError
    implied = {"https": ":443", "http": ":80"}.get(parts.scheme, "")
    return f"{parts.scheme}://{parts.netloc.removesuffix(implied) if implied else parts.netloc}"


def _misplaced(parts: SplitResult, origin: str, rules: Rules) -> str:
    if "@" in parts.netloc:
        return "it names a user"
    if origin in rules.origins:
        return ""
    if parts.scheme != "https":
        return f"its scheme is {parts.scheme[:20] or 'missing'}, not https"
    if parts.port not in {None, 443}:
        return f"its port is {parts.port}, not 443"
    return f"its host is none of {', '.join(sorted(rules.origins))}; {rules.variable} names those that may be"


def _misrouted(path: str, rules: Rules) -> str:
    segments = [unquote(segment) for segment in path.split("/")]
    if any(segment in {".", ".."} or set(segment) & set("/\\\0\r\n") for segment in segments):
        return "its path leads elsewhere"
    if not rules.partner:
        return ""
    if segments[1:3] != [rules.partner, "p"] or not all(segments[1:]) or len(segments) < 4:  # noqa: PLR2004 - a file's
        return f"its path does not begin with /{rules.partner}/p/"
    return ""


def _signed(query: str) -> dict[str, str]:
    """The parameters of a signature that are there once, and not empty."""
    given = parse_qsl(query)
    names = [name for name, _ in given]
    return {name: value for name, value in given if name in _SIGNED and names.count(name) == 1}


def _unsigned(signed: dict[str, str], ends_at: datetime | None) -> str:
    if missing := sorted(_SIGNED - set(signed)):
        return f"its signature lacks {', '.join(missing)}, or has it twice"
    return "" if ends_at else "its X-Amz-Date or X-Amz-Expires is none"


def _misdated(date: str, ends_at: datetime | None, at: datetime) -> str:
    signed_at = _instant(date)
    if signed_at is None or signed_at > at + CLOCK_AHEAD:
        return "it is dated more than 15 minutes ahead"
    if signed_at < at - LINK_LIFE and ends_at and ends_at > at:
        return "it is dated more than 24 hours ago"
    return ""


def _end(query: str) -> datetime | None:
    signed = _signed(query)
    signed_at, life_s = _instant(signed.get("X-Amz-Date", "")), signed.get("X-Amz-Expires", "")
    if signed_at is None or not re.fullmatch(r"[0-9]{1,6}", life_s):
        return None
    return signed_at + timedelta(seconds=int(life_s))


def _instant(date: str) -> datetime | None:
    if not re.fullmatch(r"[0-9]{8}T[0-9]{6}Z", date):
        return None
    try:
        return datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _told(value: Any) -> str:
    names = {dict: "an object", list: "a list", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")
