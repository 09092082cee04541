from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journey_pipeline.errors import ContractError, TransientVendorError, VendorError
from journey_pipeline.model import ACTIONS, CHANNELS
from journey_pipeline.vendors.apsis.profile_events.file import ProfileInspector
from journey_pipeline.vendors.apsis.profile_events.reader import ProfileEventReader
from journey_pipeline.vendors.apsis.profile_events.stream import PROFILE_EVENTS, profile_events_recipe
from journey_pipeline_tests.examples import examples
from journey_pipeline_tests.vendors.made_apsis import (
    DEFINED,
    LANDED_AT,
    Normalized,
    event,
    export,
    landed,
    profile,
    read,
    without,
)

pytestmark = pytest.mark.slow(reason="each value goes from a landing to events")


def one(tmp_path: Path, *events: Any, **attributes: Any) -> Normalized:
    return landed(tmp_path, PROFILE_EVENTS, export({"xk-0001": profile(events, **attributes)}))


def in_order(made: Normalized, columns: str) -> list[tuple[Any, ...]]:
    """Columns of the events, in the order of the file."""
    return [row[1:] for row in sorted(made.events(f"landing_row, {columns}"), key=lambda row: int(row[0]))]


def inspected(*chunks: bytes) -> int:
    inspector = ProfileInspector()
    for chunk in chunks:
        inspector.feed(chunk)
    inspector.finish(verified=False)
    return inspector.rows


def test_an_event_becomes_what_the_contract_says(tmp_path: Path) -> None:
    data = {"activityId": "a-19", "activityName": "Mail", "automationId": "au-1", "automationName": "Winter"}
    made = one(tmp_path, event(data=data), a88="Ann@Example.org")
    columns = (
        "occurred_at::varchar, occurred_at_source, received_at::varchar, contact_id, email, journey_id, journey_name, "
        "activity_id, activity_name, activity_type, channel, action, vendor_action"
    )
    assert made.events(columns) == [
        (
            "2026-11-19 08:00:00.123+00",
            "sourceEventTime",
            "2026-11-19 08:00:01+00",
            "xk-0001",
            "ann@example.org",
            "au-1",
            "Winter",
            "a-19",
            "Mail",
            "com.apsis1.events.email-open",
            "email",
            "open",
            "email-open",
        )
    ]


def test_data_is_kept_byte_for_byte(tmp_path: Path) -> None:
    data = '{ "a" : [1 , 2.50],\t"same":1,"same":2, "text":"\\u00e5 {}]\\" \\\\" }'
    text = json.dumps({"profiles": {"xk": profile([event(data="@")])}}).replace('"@"', data)
    made = landed(tmp_path, PROFILE_EVENTS, text.encode())
    ((properties,),) = made.events("properties::varchar")
    told = '"section_id":"1234","type_id":"5512","event_name":"Email opened","correlation_id":"c-77:1"'
    assert properties == f'{{{told},"data":{data}}}'


TIMES = [
    (0, 1_795_075_201_000, ("2026-11-19 08:00:01+00", "createdAt"), 0),
    (946_684_799_999, 1_795_075_201_000, ("2026-11-19 08:00:01+00", "createdAt"), 946_684_799_999),
    (946_684_800_000, 1_795_075_201_000, ("2000-01-01 00:00:00+00", "sourceEventTime"), None),
    ("1795075200123", "1795075201000", ("2026-11-19 08:00:00.123+00", "sourceEventTime"), None),
    (
        "2026-11-19T08:00:00Z",
        1_795_075_201_000,
        ("2026-11-19 08:00:00+00", "sourceEventTime"),
        "2026-11-19T08:00:00Z",
    ),
    (..., 1_795_075_201_000, ("2026-11-19 08:00:01+00", "createdAt"), None),
    (10**30, 1_795_075_201_000, ("2026-11-19 08:00:01+00", "createdAt"), 10**30),
    (1_795_075_200_123.0, 1_795_075_201_000, ("2026-11-19 08:00:00.123+00", "sourceEventTime"), "1795075200123.0"),
    ([1], 1_795_075_201_000, ("2026-11-19 08:00:01+00", "createdAt"), None),
    ("infinity", 1_795_075_201_000, ("2026-11-19 08:00:01+00", "createdAt"), "infinity"),
]


def test_a_time_that_is_none_gives_way_to_the_servers_and_stays_in_the_properties(tmp_path: Path) -> None:
    events = [
        event(sourceEventTime=source, createdAt=created, correlationId=f"c-{number}")
        for number, (source, created, _, _) in enumerate(TIMES)
    ]
    found = in_order(one(tmp_path, *events), "occurred_at::varchar, occurred_at_source, properties::varchar")
    assert [row[:2] for row in found] == [expected for _, _, expected, _ in TIMES]
    assert [json.loads(row[2]).get("source_event_time") for row in found] == [kept for _, _, _, kept in TIMES]


WITHOUT_TIME = [
    ({"sourceEventTime": ..., "createdAt": ...}, "no time"),
    ({"sourceEventTime": 0, "createdAt": "soon"}, "unreadable time"),
    ({"sourceEventTime": 0, "createdAt": 0}, "unreadable time"),
]


def test_an_event_without_any_time_is_rejected_with_its_text(tmp_path: Path) -> None:
    made = one(tmp_path, *[event(**times) for times, _ in WITHOUT_TIME], event(correlationId="c-2"))
    rejects = sorted(made.rejects("landing_row, raw, reason, contact_id"))
    assert [(json.loads(raw), *others) for _, raw, *others in rejects] == [
        (event(**times), reason, "xk-0001") for times, reason in WITHOUT_TIME
    ]
    assert len(made.events()) == 1
    assert made.manifest.unaccounted == 0


NO_EVENTS = [(b"7", "not a JSON object"), (b"null", "not a JSON object"), (b'{"data":"\xff"}', "not UTF-8")]


def test_what_is_no_event_is_rejected_and_spoils_no_other(tmp_path: Path) -> None:
    events = [event(correlationId=f"c-{number}") for number in range(len(NO_EVENTS) + 1)]
    body = export({"xk": profile([events[0], *[each for later in events[1:] for each in ("@", later)]])})
    for odd, _ in NO_EVENTS:
        body = body.replace(b'"@"', odd, 1)
    made = landed(tmp_path, PROFILE_EVENTS, body)
    assert sorted(made.rejects("landing_row, reason")) == [
        (2 * number, reason) for number, (_, reason) in enumerate(NO_EVENTS, start=1)
    ]
    assert in_order(made, "landing_row") == [(2 * number + 1,) for number in range(len(events))]
    assert made.manifest.unaccounted == 0


def test_what_is_no_profile_is_one_reject(tmp_path: Path) -> None:
    odds = ["7", "[]", '{"sections":[]}', '{"sections":{"1234":7}}']
    profiles: dict[str, Any] = {"xk": profile([event()])}
    for number in range(len(odds)):
        profiles[f"odd-{number}"] = "@"
        profiles[f"xk-{number}"] = profile([event(correlationId=f"c-{number}")])
    body = export(profiles)
    for odd in odds:
        body = body.replace(b'"@"', odd.encode(), 1)
    made = landed(tmp_path, PROFILE_EVENTS, body)
    assert sorted(made.rejects("contact_id, raw, reason")) == [
        (f"odd-{number}", odd, "not a profile with sections") for number, odd in enumerate(odds)
    ]
    assert (len(made.events()), made.manifest.unaccounted) == (len(odds) + 1, 0)


def test_an_unknown_member_of_an_event_is_kept_and_told(tmp_path: Path) -> None:
    made = one(tmp_path, event(mood={"a": [1.50]}), event(correlationId="c-2"))
    assert made.manifest.unknown_columns == ("mood",)
    kept = [json.loads(text).get("mood") for (text,) in made.events("properties::varchar")]
    assert kept == [{"a": [1.5]}, None]


def test_a_type_that_nobody_lists_is_kept_labelled_and_counted(tmp_path: Path) -> None:
    made = one(tmp_path, event(typeId=9999), event(typeId="9998", correlationId="c-2"), event(typeId=...))
    assert made.events("activity_type, channel, action, vendor_action") == [
        ("unknown:9999", "other", "other", None),
        ("unknown:9998", "other", "other", None),
        ("unknown:", "other", "other", None),
    ]
    assert made.manifest.unknown_codes == {
        "activity_type=unknown:": 1,
        "activity_type=unknown:9998": 1,
        "activity_type=unknown:9999": 1,
    }


def test_types_are_those_that_landed_with_the_file(tmp_path: Path) -> None:
    body = export({"xk": profile([event()])})
    bare = landed(tmp_path / "bare", PROFILE_EVENTS, body, answers={})
    told = landed(tmp_path / "told", PROFILE_EVENTS, body)
    assert bare.events("activity_type") == [("unknown:5512",)]
    assert told.events("activity_type") == [("com.apsis1.events.email-open",)]
    assert bare.events("event_key") == told.events("event_key")
    assert (bare.manifest.missing_columns, told.manifest.missing_columns) == (("event_type",), ())


def test_what_is_no_longer_listed_when_a_day_is_exported_again_keeps_its_last_known_name(tmp_path: Path) -> None:
    body = export({"xk": profile([event()], a88="a@example.org", a7731=None)})
    columns = "activity_type, properties ->> '$.event_name', channel, action, email"
    known = landed(tmp_path, PROFILE_EVENTS, body).events(columns)
    assert known == [("com.apsis1.events.email-open", "Email opened", "email", "open", "a@example.org")]
    later = LANDED_AT + timedelta(days=1)
    again = landed(tmp_path, PROFILE_EVENTS, body, answers=without("5512", "88", "7731"), landed_at=later)
    assert (again.events(columns), again.manifest.unknown_codes) == (known, {})
    attributes = tmp_path / again.lake.attributes_file(again.key, "2026-11-19")
    assert read(attributes, "attribute, value, is_tag", order="attribute_id") == [
        ("usercreated.tags.vip-2", "true", True),
        ("com.apsis1.attributes.email", "a@example.org", False),
    ]


def test_an_event_carries_the_name_that_its_type_had_when_its_file_came(tmp_path: Path) -> None:
    made = one(tmp_path, event(), event(typeId=5513, correlationId="c-2"), event(typeId="9", correlationId="c-3"))
    names = "properties ->> '$.event_name'"
    assert made.events(names) == [("Email opened",), ("Entered",), (None,)]


def test_type_ids_may_be_text_or_numbers(tmp_path: Path) -> None:
    made = one(tmp_path, event(typeId="5513"), event(typeId=5513, correlationId="c-2"))
    assert made.events("channel, action") == [("journey", "enter")] * 2


DATA = [
    ({"flowId": 7, "nodeId": "n", "flowName": "F", "nodeName": True}, ("7", "F", "n", "true")),
    (
        {"journeyId": "j", "journeyName": None, "activityId": 12345678901234567890},
        ("j", None, "12345678901234567890", None),
    ),
    ({"automationId": {"a": 1}, "activityName": 1.50}, (None, None, None, "1.5")),
    (None, (None, None, None, None)),
    ([], (None, None, None, None)),
    ("text", (None, None, None, None)),
]


def test_journey_and_step_come_out_of_data_whatever_it_is(tmp_path: Path) -> None:
    made = one(tmp_path, *[event(data=data, correlationId=f"c-{number}") for number, (data, _) in enumerate(DATA)])
    found = in_order(made, "journey_id, journey_name, activity_id, activity_name")
    assert found == [expected for _, expected in DATA]


def test_a_retry_is_the_same_event_and_what_has_no_id_is_as_many_as_came(tmp_path: Path) -> None:
    retried = [event(), event(createdAt=1_795_075_209_000)]
    unnamed = [event(correlationId=name) for name in ("", "", None, ...)]
    made = one(tmp_path, *retried, *unnamed)
    assert len(made.events()) == 1 + 4
    assert (made.manifest.duplicates, made.manifest.unaccounted) == (1, 0)
    keys = one(tmp_path / "again", event(correlationId=""), event()).events("event_key")
    assert set(keys) < set(made.events("event_key"))


def test_a_correlation_id_is_an_events_own_only_within_section_and_type(tmp_path: Path) -> None:
    body = export({"a": profile([event(), event(typeId="5513")]), "b": profile([event()], section="9")})
    assert len(landed(tmp_path, PROFILE_EVENTS, body).events()) == 3


def test_a_profile_that_comes_twice_keeps_all_events_and_counts_them(tmp_path: Path) -> None:
    first, last = profile([event(), event(correlationId="c-2")]), profile([event(correlationId="c-2")])
    inner = b",".join(b'"xk":' + json.dumps(each).encode() for each in (first, last))
    made = landed(tmp_path, PROFILE_EVENTS, b'{"profiles":{' + inner + b"}}")
    assert (len(made.events()), made.manifest.landed, made.manifest.duplicates) == (2, 3, 1)


def test_half_a_character_spoils_nothing(tmp_path: Path) -> None:
    body = export({"xk-1": profile([event(data={"cut": "@"})]), "xk-2": profile([event(correlationId="c-2")])})
    made = landed(tmp_path, PROFILE_EVENTS, body.replace(b"@", rb"\ud83d"))
    assert (len(made.events()), made.rejects()) == (2, [])
    ((properties,),) = made.events("properties::varchar")[:1]
    assert json.loads(properties)["data"] == {"cut": "�"}


def test_a_number_of_any_length_is_kept_and_spoils_nothing(tmp_path: Path) -> None:
    members = ("sourceEventTime", "createdAt", "correlationId", "typeId")
    odd = [event(**{"correlationId": f"c-{member}-{form}", member: "@"}) for member in members for form in range(2)]
    body = export({"xk": profile([event(), *odd])})
    for _ in members:
        body = body.replace(b'"@"', b"9" * 5000, 1).replace(b'"@"', b'"%b"' % (b"8" * 5000), 1)
    made = landed(tmp_path, PROFILE_EVENTS, body)
    assert (len(made.events()), made.rejects(), made.manifest.unaccounted) == (1 + len(odd), [], 0)
    found = [properties for (properties,) in in_order(made, "properties::varchar")[1:]]
    assert all(digit * 5000 in properties for digit, properties in zip("98" * len(members), found, strict=True))


def test_an_address_that_is_not_utf8_spoils_nothing(tmp_path: Path) -> None:
    profiles = {"xk-1": profile([event()], a88="@"), "xk-2": profile([event(correlationId="c-2")], a88="b@example.org")}
    made = landed(tmp_path, PROFILE_EVENTS, export(profiles).replace(b'"@"', b'"a\xff@example.org"'))
    assert made.events("email") == [(None,), ("b@example.org",)]


# Where Python's own limit lies depends on who reads: the depths around it are those at which readers might disagree.
def test_data_that_is_nested_too_deep_is_counted_the_same_by_whoever_reads_it(tmp_path: Path) -> None:
    depths = [*range(900, 1010, 9), 100_000]
    profiles: dict[str, Any] = {}
    for number in range(len(depths)):
        deep = event(correlationId=f"deep-{number}", data="@")
        profiles[f"xk-{number}"] = profile([event(correlationId=f"before-{number}"), deep])
        profiles[f"yk-{number}"] = profile([event(correlationId=f"after-{number}")])
    body = export(profiles)
    for depth in depths:
        body = body.replace(b'"@"', b"[" * depth + b"]" * depth, 1)
    made = landed(tmp_path, PROFILE_EVENTS, body)
    assert made.manifest.unaccounted == 0
    kept = {name for (name,) in made.events("properties ->> '$.correlation_id'")}
    assert kept >= {f"after-{number}" for number in range(len(depths))}
    assert len(made.events()) + len(made.rejects()) == made.manifest.landed


def test_metadata_and_history_around_the_profiles_change_nothing(tmp_path: Path) -> None:
    plain = {"xk": profile([event()], a88="a@example.org")}
    odd = json.loads(json.dumps(plain))
    odd["xk"]["sections"]["1234"]["attributes"]["88"]["history"] = [{"value": None}]
    odd["xk"]["sections"]["1234"]["topics"] = {"t": "opted-in"}
    tricky = {"note": '}]"', "profiles": {"xk-0": {"sections": {}}}}
    expected = landed(tmp_path / "plain", PROFILE_EVENTS, export(plain)).events("event_key, email, properties")
    for number, body in enumerate(
        (
            export(odd, metadata=tricky),
            json.dumps({"metadata": tricky, "profiles": odd}, indent=2).encode(),
        )
    ):
        assert landed(tmp_path / str(number), PROFILE_EVENTS, body).events("event_key, email, properties") == expected


def test_an_attribute_of_another_shape_costs_nobody_the_address(tmp_path: Path) -> None:
    odd: Any = profile([event()], a88="a@example.org")
    odd["sections"]["1234"]["attributes"] |= {"1": "bare", "2": [], "3": {"value": {"a": 1}}}
    others = {"b": profile([event(correlationId="c-2")], a88=7), "c": {"sections": {"1234": {"attributes": []}}}}
    others["c"]["sections"]["1234"]["events"] = [event(correlationId="c-3")]
    made = landed(tmp_path, PROFILE_EVENTS, export({"a": odd, **others}))
    assert made.events("email") == [("a@example.org",), (None,), (None,)]


def test_empty_profiles_and_files_have_no_events(tmp_path: Path) -> None:
    for number, body in enumerate(
        (
            b'{"profiles":{}}',
            export({"xk": {"sections": {}}}),
            export({"xk": {"sections": {"1234": {"attributes": {}}}}}),
        )
    ):
        made = landed(tmp_path / str(number), PROFILE_EVENTS, body)
        assert (made.manifest.landed, made.events()) == (0, [])


def test_however_a_file_is_cut_on_the_way_its_events_are_counted_the_same() -> None:
    events = [event(correlationId=f"c-{number}", data={"sections": {"events": []}}) for number in range(50)]
    body = export({f"xk-{number}": profile(events) for number in range(200)})
    expected = inspected(body)
    assert expected == 200 * 50
    assert all(
        inspected(*(body[start : start + size] for start in range(0, len(body), size))) == expected
        for size in (100, 4093, 1 << 18)
    )


@pytest.mark.slow(reason="a big profile is read")
def test_a_profile_larger_than_any_buffer_comes_in_parts_that_know_whose_they_are(tmp_path: Path) -> None:
    filler = "x" * 1000
    events = [event(correlationId=f"c-{number}", data={"filler": filler}) for number in range(20_000)]
    body = export({"xk-1": profile(events, a88="a@example.org"), "xk-2": profile([event()])})
    made = landed(tmp_path, PROFILE_EVENTS, body)
    assert made.manifest.landed == 20_001
    found = made.events("contact_id, email")
    assert found == [("xk-1", "a@example.org")] * 20_000 + [("xk-2", None)]


@pytest.mark.slow(reason="a big profile is read")
def test_a_profile_that_can_not_be_cut_is_taken_if_the_configuration_allows_its_length(tmp_path: Path) -> None:
    long = event(data={"text": "x" * (17 << 20)})
    one_string = export({"xk-1": profile([long]), "xk-2": profile([event(typeId="1")])})
    with pytest.raises(ContractError, match=r"longer than 16777216 bytes.*longest_profile_mib"):
        inspected(one_string)
    inspector = ProfileInspector(20 << 20)
    inspector.feed(one_string)
    inspector.finish(verified=True)
    assert inspector.rows == 2
    made = landed(tmp_path, profile_events_recipe(20 << 20), one_string, longest_profile_bytes=20 << 20)
    assert [length > 17 << 20 for (length,) in made.events("strlen(properties::varchar)")] == [True, False]


def test_a_broken_file_says_at_which_byte_and_what_of_it_is_whole() -> None:
    body = export({f"xk-{number}": profile([event(), event(correlationId="c-2")]) for number in range(3)})
    at = body.index(b'"xk-2"') + 20
    with pytest.raises(TransientVendorError, match=f"after {at} bytes: .* 4 events in 2 profiles before that"):
        inspected(body[:at])


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_cut_file_is_never_a_landing(share: float) -> None:
    body = export({f"xk-{number}": profile([event()]) for number in range(500)})
    with pytest.raises(TransientVendorError, match="cut off"):
        inspected(body[: int(len(body) * share)])


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html><body><h1>Bad gateway</h1>", ContractError),
        (b'{"code":"0","message":"Something broke"}', ContractError),
        (b"[]", ContractError),
        (b"profiles", ContractError),
        (b"", TransientVendorError),
    ],
)
def test_what_is_no_export_is_never_a_landing(body: bytes, kind: type[VendorError]) -> None:
    with pytest.raises(kind):
        inspected(body)


def test_every_code_of_the_discriminator_table_is_on_the_fixed_lists() -> None:
    rows = [line.split(",") for line in PROFILE_EVENTS.codes["event_types"].read_text().splitlines()[1:]]
    assert all(code == code.lower() and channel in CHANNELS and action in ACTIONS for code, channel, action in rows)


DISCRIMINATORS = [
    ("com.apsis1.events.email-sent", ("email", "send")),
    ("com.apsis1.events.email-delivered", ("email", "deliver")),
    ("com.apsis1.events.email-open", ("email", "open")),
    ("com.apsis1.events.email-click", ("email", "click")),
    ("com.apsis1.events.email-bounce", ("email", "bounce")),
    ("com.apsis1.events.email-unsubscribe", ("email", "unsubscribe")),
    ("com.apsis1.events.email-abuse", ("email", "complain")),
    ("com.apsis1.events.email-spam", ("email", "complain")),
    ("usercreated.events.email-consent-1", ("other", "other")),
    ("com.apsis1.events.sms-sent", ("sms", "send")),
    ("com.apsis1.events.SMS-reply", ("sms", "reply")),
    ("com.apsis1.events.ma-entered", ("journey", "enter")),
    ("com.apsis1.events.ma-exited", ("journey", "exit")),
    ("com.apsis1.events.ma-ended", ("journey", "exit")),
    ("com.apsis1.events.ma-wait-ended", ("journey", "wait")),
    ("com.apsis1.events.ma-condition-met", ("journey", "decide")),
    ("com.apsis1.events.ma-split-taken", ("journey", "decide")),
    ("com.apsis1.events.automation-entered", ("journey", "enter")),
    ("com.apsis1.events.flow-end", ("journey", "exit")),
    ("com.apsis1.events.form-submitted", ("web", "visit")),
    ("com.apsis1.events.page-viewed", ("web", "visit")),
    ("com.shop.events.order-placed", ("web", "convert")),
    ("com.shop.events.purchase", ("web", "convert")),
    ("com.shop.events.cart-updated", ("web", "other")),
    ("usercreated.events.main-entered", ("other", "other")),
    ("usercreated.events.points-9", ("other", "other")),
]


def test_the_discriminator_decides_channel_and_action(tmp_path: Path) -> None:
    types = {str(number): {"discriminator": name} for number, (name, _) in enumerate(DISCRIMINATORS)}
    defined = {"1234": {**DEFINED["1234"], "events": types}}
    body = export({"xk": profile([event(typeId=number) for number in types])})
    made = landed(tmp_path, PROFILE_EVENTS, body, answers={"definitions": defined})
    assert in_order(made, "channel, action, activity_type, vendor_action") == [
        (*expected, name, name.rpartition(".")[2]) for name, expected in DISCRIMINATORS
    ]
    unknown = [name for name, expected in DISCRIMINATORS if expected == ("other", "other") and "consent" not in name]
    assert len(unknown) == len(made.manifest.unknown_codes)
    assert all(any(name.endswith(code.partition("=")[2]) for code in made.manifest.unknown_codes) for name in unknown)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
EVENTS = st.builds(
    event,
    correlationId=st.text() | st.integers() | st.none(),
    sourceEventTime=JSON,
    typeId=st.sampled_from(["5512", 5513, None, "x"]),
    data=JSON,
)


@settings(max_examples=examples(60))
@given(
    found=st.dictionaries(st.text(), st.lists(EVENTS | JSON, max_size=3), max_size=4),
    size=st.integers(1, 300),
    with_raw=st.booleans(),
)
def test_every_event_of_any_file_is_read_once_as_it_is(found: dict[str, list[Any]], size: int, with_raw: bool) -> None:
    body = export({key: profile(events) for key, events in found.items()})
    reading = ProfileEventReader().read((body[at : at + size] for at in range(0, len(body), size)), with_raw=with_raw)
    records = list(reading)
    events = [(key, each) for key, listed in found.items() for each in listed]
    good = [(key, each) for key, each in events if isinstance(each, dict)]
    assert inspected(body) == len(events)
    assert reading.faults == len(events) - len(good)
    rows = [
        row
        for batch in records
        for row in zip(batch.columns["profile_key"].to_pylist(), batch.properties.to_pylist(), strict=True)
    ]
    assert len(rows) == (len(events) if with_raw else len(good))
    if not with_raw:
        kept = [(key, json.loads(str(text))["data"]) for key, text in rows]
        assert kept == [(key, each.get("data")) for key, each in good]
