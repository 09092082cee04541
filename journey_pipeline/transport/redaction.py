"""Takes secrets and persons out of text before anybody reads it: messages of errors, log lines, quotes of answers.

What is known to be secret is found in every spelling that HTTP gives it (percent-encoded, escaped in JSON or HTML);
what only looks like a secret is taken out too. Not here: what a message says (`response.py`).
"""

from __future__ import annotations

import logging
import re
import threading
import traceback
import weakref
from collections.abc import Iterable

MASK = "***"
QUOTE_LIMIT = 300
_SHORTEST_SECRET = 4
_QUOTED_BYTES = 8192

_NAMES = r"(?:token|secret|passw(?:or)?d|api[_-]?key|signature|credential)"
# In this order: an address loses its query before its parts are looked at.
_LOOKS_SECRET: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"(https?://)[^\s/@?#\"'<>]+@", rf"\1{MASK}@"),
        (r"(https?://[^\s?#\"'<>\\]+)[?#][^\s\"'<>\\]*", rf"\1?{MASK}"),
        (r"(/[^\s?#\"'<>]*)\?[^\s\"'<>=]+=[^\s\"'<>]*", rf"\1?{MASK}"),
        (r"\b((?:proxy-)?authorization|(?:set-)?cookie|x-api-key)(\\*[\"']?\s*[:=]\s*)[^\r\n]+", rf"\1\2{MASK}"),
        (r"\b(bearer|basic)\s+[\w.~+/=-]{16,}", rf"\1 {MASK}"),
        (rf"({_NAMES}\s*=\s*)[^\s&\"'<>,;]+", rf"\1{MASK}"),
        (rf"({_NAMES}\\*[\"']\s*:\s*\\*[\"']?)[^\s\"'\\,}}]+", rf"\1{MASK}"),
        (r"(?<![\w.+%-])[\w.+%-]{1,64}(?:@|%40)[\w-]+(?:\.[\w-]+)+", f"{MASK}@{MASK}"),
    )
)
_LAST_WORD = re.compile(r"[^\s\"'&,;<>]*$")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"}
_ESCAPES = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\n": "\\n", "\r": "\\r", "\t": "\\t"}

_live: weakref.WeakSet[Redactor] = weakref.WeakSet()
_live_lock = threading.Lock()


class Redactor:
    """Knows the secrets of one client.

    Args:
        secrets: Credentials known from the start. Blank ones and ones shorter than four characters are left alone:
            taking them out would destroy every text and hide nothing.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._patterns: dict[str, re.Pattern[str] | None] = {}
        for secret in secrets:
            self.add(secret)
        with _live_lock:
            _live.add(self)

    def add(self, secret: str) -> None:
        """Makes one more secret known, such as a token that was just minted."""
        if len(secret.strip()) >= _SHORTEST_SECRET:
            self._patterns.setdefault(secret, None)

    def known(self, text: str) -> str:
        """The text without this client's secrets; longer secrets go first, as one may hold another."""
        # `sorted` copies them first: another thread may add one meanwhile.
        for secret in sorted(self._patterns, key=len, reverse=True):
            text = self._pattern(secret).sub(MASK, text)
        return text

    def _pattern(self, secret: str) -> re.Pattern[str]:
        """Compiled when a text is first looked through: that takes 10 ms for the address of a download."""
        pattern = self._patterns[secret]
        if pattern is None:
            pattern = self._patterns[secret] = _any_spelling(secret)
        return pattern

    def known_in(self, content: bytes) -> bytes:
        """Bytes of any kind without this client's secrets."""
        return self.known(content.decode("latin-1")).encode("latin-1")

    def text(self, text: str) -> str:
        """The text without secrets, queries of addresses and e-mail addresses."""
        return without_lookalikes(self.known(text))

    def quote(self, body: bytes) -> str:
        """The start of a body on one line, at most 300 characters, cut after the secrets are out."""
        start = body[:_QUOTED_BYTES].decode("utf-8", "replace")
        if len(body) > _QUOTED_BYTES:
            # The last word may be the first half of a secret, which nothing would recognize.
            start = _LAST_WORD.sub("", start)
        text = " ".join(self.text(start).split())
        return text if len(text) <= QUOTE_LIMIT else f"{text[: QUOTE_LIMIT - 1]}…"


def without_lookalikes(text: str) -> str:
    """The text without anything that looks like a secret or an e-mail address."""
    for pattern, replacement in _LOOKS_SECRET:
        text = pattern.sub(replacement, text)
    return text


def everywhere(text: str) -> str:
    """The text without the secrets of any client of this process."""
    with _live_lock:
        redactors = list(_live)
    for redactor in redactors:
        text = redactor.known(text)
    return without_lookalikes(text)


class RedactingFilter(logging.Filter):
    """Takes secrets out of log records, tracebacks included. Fit for loggers and for handlers."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrites the record; lets every record through."""
        record.msg, record.args = everywhere(record.getMessage()), None
        if record.exc_info:
            record.exc_text = everywhere("".join(traceback.format_exception(*record.exc_info)).rstrip())
            record.exc_info = None
        return True


_filter = RedactingFilter()


def guard(*loggers: str) -> None:
    """Puts the filter on loggers by name; doing so again changes nothing."""
    for name in loggers:
        logging.getLogger(name).addFilter(_filter)


def _any_spelling(secret: str) -> re.Pattern[str]:
    return re.compile("".join(_any_spelling_of(char) for char in secret))


def _any_spelling_of(char: str) -> str:
    percent = "".join(f"%{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))
    units = char.encode("utf-16-be", "surrogatepass")
    escaped = "".join(rf"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
    spellings = [re.escape(char), f"(?i:{percent})", f"(?i:{escaped})"]
    spellings += [re.escape(table[char]) for table in (_HTML, _ESCAPES) if char in table]
    if char == " ":
        spellings.append(r"\+")
    # The longest first, so that an escape is not met halfway.
    return f"(?:{'|'.join(reversed(spellings))})"
