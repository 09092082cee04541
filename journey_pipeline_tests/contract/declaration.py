"""What a stream declares in order to go through the contract suite: how it is loaded, what is true of it.

Not here: the declarations (`streams.py`, `exports.py`), the tests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from journey_pipeline.model import Granularity, StreamKey, Window, floor
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline_tests.contract.loads import Load

START = datetime(2024, 2, 3, tzinfo=UTC)
NOW = datetime(2024, 3, 2, 12, 30, tzinfo=UTC)
DAY_EDGE = datetime(2024, 2, 29, tzinfo=UTC)
MONTH_EDGE = datetime(2024, 3, 1, tzinfo=UTC)

DAMAGES = ("cut_gzip", "gzip_no_trailer", "gzip_bad_crc", "gzip_trailing")

Rows: TypeAlias = Counter[tuple[str, ...]]

# One of each oddness; braces because the sandbox fills in templates, commas and backslashes for CSV and JSON.
ODD_TEXTS = (
    'she said "no", twice',
    "first\nsecond\r\nthird\rfourth",
    "🚚 kört klart 👩‍👩‍👧",
    "مرحبا بك, שלום",
    "before\0after",
    '{"a": [1, "\\u0000"]}\\',
    "  padded\t",
    "x" * 1_000_000,
)


@dataclass(frozen=True, kw_only=True)
class ContractStream:
    """One stream as the suite goes through it.

    Attributes:
        key: Which stream.
        granularity: Length of its partitions.
        load: How it is loaded.
        definition: The `defs.yaml` of its connection.
        routes: What the sandbox calls the routes that a load calls, in their order.
        answer: Which of them answers with the records.
        token: Which of them gives a credential that ends; None of a vendor whose key stays.
        secret_variable: Variable of the credential that a person made.
        token_pattern: What the vendor's tokens look like, as a regular expression.
        cuts: Faults that end the answer's body early, in a rule's text form.
        promised_length: Options of the sandbox by which the answer has a `Content-Length`.
        odd_text: Options by which records hold `ODD_TEXTS`, or the vendor's own like them.
        unknown_field: Options by which records have a field that nobody knows.
        unknown_name: That field's name.
        truth: The records that the vendor answers now when asked for some windows at once.
        columns: SQL over the events' columns that gives the same rows.
        personal: Which values of a row tell who the person is.
        options: Options of the sandbox under which the stream goes through the suite.
        forget: Makes the vendor forget what it was asked in other tests.
        if_empty: The claims that warn of an answer without records.
        calls: How often a load of one window calls a route when nothing goes wrong; once where it isn't named.
        tries: How often a call is tried in a row; four times where it isn't named.
        patient: Routes at which trouble is kept in mind and the call made again later, instead of being handed up.
        silent: Those of them at which a page of some gateway says nothing of what was asked for.
        outages: The status of an outage at routes where 503 is none, but says something of what was asked for.
        answered_at: Which call of the route `answer` answers with the records.
        authorized: The route at which the token is looked at, if that of the answer does not.
        attempts: How often in all an answer is asked for that came and is broken.
        edge_time: The column by whose time the vendor cuts windows.
        at_edge: Options by which a record stands at each edge of the calendar, if the world has none there.
    """

    key: StreamKey
    granularity: Granularity
    load: Load
    definition: str
    routes: tuple[str, ...]
    answer: str
    token: str | None = None
    secret_variable: str
    token_pattern: str = "(?!)"
    cuts: tuple[str, ...]
    promised_length: Mapping[str, Any]
    odd_text: Mapping[str, Any]
    unknown_field: Mapping[str, Any]
    unknown_name: str
    truth: Callable[[Sandbox, Sequence[Window]], Rows]
    columns: str
    personal: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    forget: Callable[[Sandbox], None] = lambda _: None
    if_empty: tuple[str, ...] = ()
    calls: Mapping[str, int] = field(default_factory=dict)
    tries: Mapping[str, int] = field(default_factory=dict)
    patient: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    outages: Mapping[str, str] = field(default_factory=dict)
    answered_at: int = 1
    authorized: str | None = None
    attempts: int = 1
    edge_time: str = "occurred_at"
    at_edge: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return str(self.key)

    @property
    def breaks(self) -> tuple[str, ...]:
        """Faults that end the answer's body early or damage it."""
        return (*self.cuts, *DAMAGES)

    def around(self, edge: datetime) -> tuple[Window, Window]:
        """The last partition before an edge of the calendar, and the first one after it."""
        step = self.granularity.duration
        return Window(edge - step, edge), Window(edge, edge + step)

    def windows(self, count: int) -> tuple[Window, ...]:
        """Partitions in a row that have settled at `NOW`."""
        step = self.granularity.duration
        end = floor(NOW - timedelta(hours=12), self.granularity)
        return tuple(Window(end - step * n, end - step * (n - 1)) for n in range(count, 0, -1))
