"""Every stream there is, as the contract suite sees it: the module of this folder that knows vendors.

A stream joins with one declaration in `STREAMS`. It says how the stream is loaded (`windowed` for one that answers at
once; another function of that shape for one whose exports are ordered, polled and collected), what the `defs.yaml` of
its connection is, what the sandbox calls its routes, by which options of the sandbox its records get odd text or a
field that nobody knows, and what the truth is: the records of the vendor's answer, as rows of text, and the SQL that
gives the same rows of their events. All tests then go through it. Not here: the streams of exports (`exports.py`), what
there is to declare (`declaration.py`), the tests, and any vendor's own rules beyond those that all have in common.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest

from journey_pipeline.model import Window
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.vendors.layerfive.client import LayerFiveClient
from journey_pipeline.vendors.layerfive.customer_journeys.stream import CustomerJourneys, customer_journeys_stream
from journey_pipeline.vendors.sfmc.client import SfmcClient
from journey_pipeline.vendors.sfmc.journey_history.stream import JourneyHistory, journey_history_stream
from journey_pipeline_tests.contract.declaration import ODD_TEXTS, START, ContractStream, Rows
from journey_pipeline_tests.contract.exports import EMAIL_EVENTS, PROFILE_EVENTS, USER_EVENTS
from journey_pipeline_tests.contract.loads import windowed

_HISTORY = journey_history_stream("sfmc", START)


def _history_truth(sandbox: Sandbox, windows: Sequence[Window]) -> Rows:
    names = ("Id", "TransactionTime", "ContactKey", "Status", "DefinitionName", "ActivityName", "Message")
    return Counter(
        tuple(record[name] for name in names)
        for window in windows
        for record in sandbox.sfmc.truth(window, visible_at=sandbox.clock.now())
    )


JOURNEY_HISTORY = ContractStream(
    key=_HISTORY.key,
    granularity=_HISTORY.granularity,
    load=windowed(_HISTORY, lambda timeouts: JourneyHistory(SfmcClient("sfmc", timeouts=timeouts), _HISTORY)),
    definition=f"""
type: journey_pipeline.components.SfmcJourneyHistory
attributes:
  connection: sfmc
  start: "{START:%Y-%m-%d-%H:%M}"
""",
    routes=("token", "estimate", "download"),
    answer="download",
    token="token",
    secret_variable="SFMC_CLIENT_SECRET",
    token_pattern=r"sandbox\.[\w-]{60,}",
    cuts=("cut_record=close", "cut_record=reset", "cut_line=close", "cut_line=reset", "cut_character=close"),
    promised_length={"sfmc": {"transfer": "content_length"}},
    odd_text={"sfmc": {"odd_messages": ODD_TEXTS}},
    unknown_field={"sfmc": {"extra_column": "Fresh"}},
    unknown_name="Fresh",
    truth=_history_truth,
    columns="""
        properties ->> '$.id',
        strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%gZ'),
        contact_id,
        vendor_action,
        coalesce(journey_name, ''),
        coalesce(activity_name, ''),
        coalesce(properties ->> '$.message', '')
    """,
    personal=(2,),
)

_CUSTOMER_JOURNEYS = customer_journeys_stream("layerfive", START)


def _customer_journeys_truth(sandbox: Sandbox, windows: Sequence[Window]) -> Rows:
    # A range is one question, from its first day on, and one day earlier than needed.
    asked = Window(windows[0].start - timedelta(days=1), windows[-1].end)
    return Counter(
        (
            record.get("individual_id") or "",
            (record.get("email") or "").lower(),
            _with_milliseconds(record["event_time"]),
            record.get("event_type") or "",
            record.get("campaign") or "",
            record.get("page_url") or record.get("landing_page") or "",
            record.get("session_id") or "",
            record.get("order_id") or "",
        )
        for record in sandbox.layerfive.truth(asked)
    )


def _with_milliseconds(time: str) -> str:
    return time if "." in time else time.replace("Z", ".000Z")


CUSTOMER_JOURNEYS = ContractStream(
    key=_CUSTOMER_JOURNEYS.key,
    granularity=_CUSTOMER_JOURNEYS.granularity,
    load=windowed(
        _CUSTOMER_JOURNEYS,
        lambda timeouts: CustomerJourneys(LayerFiveClient("layerfive", timeouts=timeouts), _CUSTOMER_JOURNEYS),
    ),
    definition=f"""
type: journey_pipeline.components.LayerFiveCustomerJourneys
attributes:
  connection: layerfive
  start: "{START:%Y-%m-%d-%H:%M}"
""",
    routes=("customer_journeys",),
    answer="customer_journeys",
    secret_variable="LAYERFIVE_API_KEY",
    cuts=("cut_record=close", "cut_record=reset", "cut_line=close", "cut_line=reset", "cut_character=close"),
    promised_length={"layerfive": {"transfer": "content_length"}},
    odd_text={"layerfive": {"odd": ["text", "nul", "big_value"], "odd_one_in": 10}},
    unknown_field={"layerfive": {"extra_fields": ["fresh"]}},
    unknown_name="fresh",
    truth=_customer_journeys_truth,
    columns="""
        contact_id,
        coalesce(email, ''),
        strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%gZ'),
        vendor_action,
        coalesce(journey_name, ''),
        coalesce(properties ->> '$.page_url', activity_name, ''),
        coalesce(properties ->> '$.session_id', ''),
        coalesce(properties ->> '$.order_id', '')
    """,
    personal=(0, 1),
)

STREAMS = (JOURNEY_HISTORY, CUSTOMER_JOURNEYS, PROFILE_EVENTS, EMAIL_EVENTS, USER_EVENTS)

every_stream = pytest.mark.parametrize("stream", STREAMS, ids=str)
every_route = pytest.mark.parametrize(
    ("stream", "route"),
    [pytest.param(stream, route, id=f"{stream} {route}") for stream in STREAMS for route in stream.routes],
)
every_route_that_hands_up, every_route_that_waits = (
    pytest.mark.parametrize(
        ("stream", "route"),
        [
            pytest.param(stream, route, id=f"{stream} {route}")
            for stream in STREAMS
            for route in stream.routes
            if (route in stream.patient) is waits
        ],
    )
    for waits in (False, True)
)
every_three_breaks = pytest.mark.parametrize(
    ("stream", "breaks", "promised"),
    [
        pytest.param(stream, breaks, promised, id=f"{stream} {' '.join(breaks)}{' with Content-Length' * promised}")
        for stream in STREAMS
        for kinds, promised in ((stream.breaks, False), (stream.cuts, True))
        for breaks in (kinds[first : first + 3] for first in range(0, len(kinds), 3))
    ],
)
every_stream_with_tokens = pytest.mark.parametrize(
    "stream", [stream for stream in STREAMS if stream.token is not None], ids=str
)
every_stream_with_a_key = pytest.mark.parametrize(
    "stream", [stream for stream in STREAMS if stream.token is None], ids=str
)
