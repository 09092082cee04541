"""The streams whose exports are ordered, polled and collected, as the contract suite sees them.

An order is sent once; whatever is wrong with it or with a poll is kept in the ledger, and it is sent again when due. So
much of what other streams hand up is waited out here. Not here: streams that answer at once (`streams.py`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from journey_pipeline.model import Window
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.transport.retry import Timeouts
from journey_pipeline.vendors.apsis.client import ApsisClient
from journey_pipeline.vendors.apsis.email_events.stream import EmailEvents, email_events_stream
from journey_pipeline.vendors.apsis.orders import Account
from journey_pipeline.vendors.apsis.profile_events.stream import ProfileEvents, profile_events_stream
from journey_pipeline.vendors.insider.client import InsiderClient
from journey_pipeline.vendors.insider.user_events.stream import Choice, UserEvents, user_events_stream
from journey_pipeline_tests.contract.declaration import ODD_TEXTS, START, ContractStream, Rows
from journey_pipeline_tests.contract.hooks import HOOKS
from journey_pipeline_tests.contract.loads import POLICY, exported

_AT_ONCE = {"apsis": {"pending_s": 0}}
_CUTS = ("cut_record=close", "cut_record=reset", "cut_line=close", "cut_line=reset", "cut_character=close")
_MADE_AND_BROKEN = 3  # so many broken files, and a person is needed
_YEAR_2000_MS = 946_684_800_000
# A run of Dagster waits for the machine's clock: it is not to wait for long.
_DEFINITION = f"""
type: journey_pipeline.components.ApsisExports
attributes:
  connection: apsis
  start: "{START:%Y-%m-%d-%H:%M}"
  longest_poll_wait_seconds: 0.2
  overdue_after_hours: 0.0006
"""


def _account(timeouts: Timeouts) -> Account:
    return Account(ApsisClient("apsis", timeouts=timeouts))


def _forget(sandbox: Sandbox) -> None:
    sandbox.apsis.exports.clear()


def _stated(source_ms: int) -> str:
    return str(source_ms) if source_ms >= _YEAR_2000_MS else ""


_PROFILE_EVENTS = profile_events_stream("apsis", START)


def _profile_truth(sandbox: Sandbox, windows: Sequence[Window]) -> Rows:
    # An event that was received twice stands in two windows where the days meet, and is one.
    whole = Window(windows[0].start, windows[-1].end)
    return Counter(
        (
            record["profile"],
            record["email"].lower(),
            _stated(record["source_ms"]),
            record["discriminator"] or f"unknown:{record['type_id']}",
            record["section"],
            str(record["type_id"]),
            str(record["correlation_id"] or record["created_ms"]),
            record["data"],
            _escapes(record["data"]),
        )
        for record in sandbox.apsis.profile_truth(whole, sandbox.clock.now())
        for _ in range(1 if record["correlation_id"] else record["copies"])
    )


def _escapes(data: str) -> str:
    value: Any = json.loads(data)
    return str(value.get("escapes", "")) if isinstance(value, dict) else ""


PROFILE_EVENTS = ContractStream(
    key=_PROFILE_EVENTS.key,
    granularity=_PROFILE_EVENTS.granularity,
    load=exported(_PROFILE_EVENTS, lambda timeouts: ProfileEvents(_account(timeouts), _PROFILE_EVENTS)),
    definition=_DEFINITION,
    routes=("token", "sections", "profile_order", "profile_poll"),
    answer="profile_poll",
    token="token",
    secret_variable="APSIS_CLIENT_SECRET",
    token_pattern=r"sandbox\.[\w-]{60,}",
    cuts=_CUTS,
    promised_length={"apsis": {"transfer": "content_length"}},
    odd_text={"apsis": {"hostile": True}},
    unknown_field={"apsis": {"extra_column": "fresh"}},
    unknown_name="fresh",
    truth=_profile_truth,
    columns="""
        contact_id,
        coalesce(email, ''),
        case when occurred_at_source = 'sourceEventTime' then epoch_ms(occurred_at)::varchar else '' end,
        activity_type,
        properties ->> '$.section_id',
        properties ->> '$.type_id',
        coalesce(nullif(properties ->> '$.correlation_id', ''), epoch_ms(received_at)::varchar),
        regexp_extract(properties::varchar, '(?s)"data":(.*?)(,"fresh":"x")?}$', 1),
        coalesce(properties ->> '$.data.escapes', '')
    """,
    personal=(0, 1),
    options=_AT_ONCE,
    forget=_forget,
    calls={"sections": 2},
    tries={"profile_order": 1, "profile_poll": 1},
    patient=frozenset({"profile_order", "profile_poll"}),
    outages={"profile_poll": "500"},
    attempts=_MADE_AND_BROKEN,
    edge_time="received_at",
    at_edge={"apsis": {"hostile": True}},
)

_EMAIL_EVENTS = email_events_stream("apsis", START)


def _email_truth(sandbox: Sandbox, windows: Sequence[Window]) -> Rows:
    whole = Window(windows[0].start, windows[-1].end)
    names = ("address", "type", "correlation_id", "split_id", "subject", "link_url")
    # The made-up records are in the files of both sections, under the same id: they are one event each.
    return Counter(
        {
            (*(record[name] for name in names), _stated(record["source_ms"]))
            for record in sandbox.apsis.email_truth(whole, sandbox.clock.now())
        }
    )


EMAIL_EVENTS = ContractStream(
    key=_EMAIL_EVENTS.key,
    granularity=_EMAIL_EVENTS.granularity,
    load=exported(_EMAIL_EVENTS, lambda timeouts: EmailEvents(_account(timeouts), _EMAIL_EVENTS)),
    definition=_DEFINITION,
    routes=("token", "sections", "email_order", "email_status", "email_file"),
    answer="email_file",
    token="token",
    secret_variable="APSIS_CLIENT_SECRET",
    token_pattern=r"sandbox\.[\w-]{60,}",
    cuts=_CUTS,
    promised_length={"apsis": {"transfer": "content_length"}},
    odd_text={"apsis": {"odd_subjects": ODD_TEXTS * 4}},  # a small world has few mails
    unknown_field={"apsis": {"extra_column": "fresh"}},
    unknown_name="fresh",
    truth=_email_truth,
    columns="""
        contact_id,
        vendor_action,
        properties ->> '$.correlation_id',
        activity_id,
        coalesce(properties ->> '$.subject', ''),
        coalesce(properties ->> '$.link_url', ''),
        case when occurred_at_source = 'event_time' then epoch_ms(occurred_at)::varchar else '' end
    """,
    personal=(0,),
    options=_AT_ONCE,
    forget=_forget,
    calls={"email_order": 2, "email_status": 4, "email_file": 2},
    tries={"email_order": 1, "email_status": 1},
    patient=frozenset({"email_order", "email_status", "email_file"}),
    silent=frozenset({"email_status"}),
    authorized="email_status",
    attempts=_MADE_AND_BROKEN,
    edge_time="received_at",
    at_edge={"apsis": {"bulk_emails": 1}},
)

_USER_EVENTS = user_events_stream("insider", START)
_CALLED = replace(POLICY, hook_life=timedelta(hours=48))
_NO_RECEIVER = Choice(check_receiver=False)


def _user_events(timeouts: Timeouts) -> UserEvents:
    return UserEvents(InsiderClient("insider", timeouts=timeouts), _USER_EVENTS, _NO_RECEIVER, now=HOOKS.clock.now)


def _user_truth(sandbox: Sandbox, windows: Sequence[Window]) -> Rows:
    # One second more is asked for: whether the end of a window is in it is unpublished.
    whole = Window(windows[0].start, windows[-1].end + timedelta(seconds=1))
    return Counter(
        (
            record["iid"],
            record["email"].lower(),
            str(record["at_s"]),
            str(record["journey"]),
            record["event_code"].partition(":")[2] or str(record["campaign"] or ""),
            str(record["action"] or record["kind"]),
            record["reason"],
        )
        for record in sandbox.insider.truth(whole, sandbox.clock.now())
    )


USER_EVENTS = ContractStream(
    key=_USER_EVENTS.key,
    granularity=_USER_EVENTS.granularity,
    load=exported(_USER_EVENTS, _user_events, _CALLED),
    definition=f"""
type: journey_pipeline.components.InsiderExports
attributes:
  connection: insider
  start: "{START:%Y-%m-%d-%H:%M}"
  check_receiver: false
  overdue_after_hours: 0.0006
""",
    routes=("file",),  # those before it: test_insider_orders.py
    answer="file",
    if_empty=("rows_match_previous_export",),
    secret_variable="INSIDER_REQUEST_TOKEN",
    token_pattern=r"X-Amz-Signature=[0-9a-f]|/hooks/[\w-]{20,}",  # a link, and the address of a hook
    cuts=("cut_record=close", "cut_line=reset"),
    promised_length={"insider": {"transfer": "content_length"}},
    odd_text={"insider": {"odd_reasons": ODD_TEXTS}},
    unknown_field={"insider": {"extra_column": "fresh"}},
    unknown_name="fresh",
    truth=_user_truth,
    columns="""
        contact_id,
        coalesce(email, ''),
        epoch(occurred_at)::bigint::varchar,
        journey_id,
        coalesce(activity_id, ''),
        coalesce(properties ->> '$.e_action_code', action),
        coalesce(reason, '')
    """,
    personal=(0, 1),
    options={
        "insider": {
            "call": "before_answer",
            "file_encoding": "gzip",
            "format": "csv",
            "refusal": 401,
            "requests_per_day": 100,
            "transfer": "chunked",
            "webhook_url": HOOKS.url,
        }
    },
    forget=lambda sandbox: sandbox.insider.forget(),
    patient=frozenset({"file"}),
    authorized="columns",
    attempts=9,
)
