from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from journey_pipeline.errors import ConfigError, ContractError
from journey_pipeline.model import Window
from journey_pipeline.vendors.apsis.client import explain
from journey_pipeline.vendors.apsis.definitions import Definitions, Page, items_of
from journey_pipeline.vendors.apsis.orders import (
    Names,
    SectionOrder,
    Selection,
    email_body,
    profile_body,
    read_email_order,
    read_profile_order,
    request_of,
    smaller_orders,
)
from journey_pipeline.vendors.source import Plan

DAY = Window(datetime(2026, 11, 19, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC))
URL = "https://api.example/audience/profiles/exports/ex-1"
URL_2 = "https://api.example/audience/profiles/v2/exports/ex-1"
MAIN = SectionOrder("main-x1", ("email",), ("vip",), ("sent", "open", "click"))
OTHER = SectionOrder("loyalty-x2", ("email",), (), ("order",))


def wanted(*sections: SectionOrder, window: Window = DAY, segments: tuple[str, ...] = ()) -> Plan:
    return Plan(window, request_of(sections, segments))


def read(answer: Any, location: str | None = None) -> tuple[str | None, int | None, str | None]:
    ordered = read_profile_order(answer, status=202, location=location, names=Names())
    return ordered.poll_address, ordered.generation, ordered.export_id


def test_the_body_of_a_profile_order_is_the_contracts() -> None:
    assert profile_body(wanted(MAIN, segments=("customers-9",)), Names()) == {
        "sections": [
            {
                "section_discriminator": "main-x1",
                "attribute_discriminators": ["email"],
                "tag_discriminators": ["vip"],
                "event_discriminators": ["sent", "open", "click"],
            }
        ],
        "events": {"start_at": "2026-11-19T00:00:00Z", "end_at": "2026-11-20T00:00:00Z"},
        "segment_filter": {"segment_discriminators": ["customers-9"], "time_zone": "UTC"},
    }


def test_the_body_of_an_email_order_is_the_contracts() -> None:
    assert email_body(wanted(SectionOrder("main-x1", ("491874",), ("7731",))), Names()) == {
        "section_discriminator": "main-x1",
        "start_at": "2026-11-19T00:00:00Z",
        "end_at": "2026-11-20T00:00:00Z",
        "additional_attribute_mappings": ["491874"],
        "additional_tag_mappings": ["7731"],
    }


def test_every_name_can_be_another_one() -> None:
    names = Names.of({"sections": "data_sections", "section": "discriminator", "end_at": "until"})
    body = profile_body(wanted(MAIN), names)
    assert body["data_sections"][0]["discriminator"] == "main-x1"
    assert body["events"]["until"] == "2026-11-20T00:00:00Z"
    with pytest.raises(ConfigError, match="sektion is no name of APSIS One's; there are sections, section"):
        Names.of({"sektion": "x"})


@pytest.mark.parametrize(
    ("answer", "location", "expected"),
    [
        ({"export_id": "ex-1", "file_download_url": URL, "status": "x"}, None, (URL, 1, "ex-1")),
        ({"file_download_url": URL, "file_download_url_v2": URL_2}, None, (URL_2, 2, None)),
        ({"file_download_url_v2": URL_2}, None, (URL_2, 2, None)),
        ({"poll_url": URL, "status": "in_progress"}, None, (URL, 1, None)),
        ({}, URL, (URL, 1, None)),
        ({"a": URL, "b": URL_2}, URL, (URL, 1, None)),
        ([], URL, (URL, 1, None)),
    ],
)
def test_the_address_to_poll_is_found_wherever_it_is(
    answer: Any, location: str | None, expected: tuple[str, int, str | None]
) -> None:
    assert read(answer, location) == expected


def test_an_answer_without_an_address_names_its_fields_and_not_their_values() -> None:
    with pytest.raises(ContractError, match="its fields are a, b") as raised:
        read({"a": URL, "b": URL_2})
    assert URL not in str(raised.value)


@pytest.mark.parametrize("answer", [{"id": "rp-1"}, {"report_id": ""}, {"report_id": True}, [], None])
def test_an_answer_without_a_reports_id_says_what_to_configure(answer: Any) -> None:
    with pytest.raises(ContractError, match=r"has no report_id.*Set `names`"):
        read_email_order(answer, status=202, names=Names())


def test_an_order_gets_smaller_down_to_an_hour_then_a_section_then_a_type() -> None:
    """Splits all there is, and checks that the parts make up the whole and none comes twice."""
    whole = wanted(MAIN, OTHER, window=Window(DAY.start, DAY.start + timedelta(hours=5)))
    leaves, pending = [], [whole]
    while pending:
        order = pending.pop(0)
        parts = smaller_orders(order)
        assert len(parts) != 1
        pending += parts
        if not parts:
            leaves.append(order)
    assert {order.window.duration for order in leaves} == {timedelta(hours=1)}
    found = [
        (order.window.start, section["section"], kind)
        for order in leaves
        for section in order.request["sections"]
        for kind in section["event_types"]
    ]
    hours = [DAY.start + timedelta(hours=number) for number in range(5)]
    types = [("main-x1", kind) for kind in MAIN.event_types] + [("loyalty-x2", "order")]
    assert sorted(found) == sorted((hour, *kind) for hour in hours for kind in types)


def test_sections_part_only_when_time_cant() -> None:
    first, second = smaller_orders(wanted(MAIN, OTHER))
    assert (first.window.end, second.window.start) == (datetime(2026, 11, 19, 12, tzinfo=UTC),) * 2
    hour = Window(DAY.start, DAY.start + timedelta(hours=1))
    assert [part.request["sections"][0]["section"] for part in smaller_orders(wanted(MAIN, OTHER, window=hour))] == [
        "main-x1",
        "loyalty-x2",
    ]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"attributes": ()}, "leaves profiles out"),
        ({"attributes": tuple(map(str, range(76)))}, "75 at most"),
        ({"tags": tuple(map(str, range(26)))}, "25 at most"),
    ],
)
def test_a_selection_that_the_vendor_would_refuse_or_answer_with_nothing_is_refused(
    given: dict[str, tuple[str, ...]], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        Selection(**given)


@pytest.mark.parametrize("answer", [{"items": [{"a": 1}]}, {"data": [{"a": 1}], "count": 1}, [{"a": 1}]])
def test_a_list_is_found_whatever_it_is_called(answer: Any) -> None:
    assert items_of(answer) == [{"a": 1}]


@pytest.mark.parametrize("answer", [{"a": [], "b": []}, {"items": 7}, {}, "text", None])
def test_an_answer_without_a_list_is_refused_by_its_names(answer: Any) -> None:
    with pytest.raises(ContractError, match="no list of items"):
        items_of(answer)


def test_definitions_survive_the_landing_that_keeps_them() -> None:
    kinds: list[dict[str, Any]] = [
        {"discriminator": "open", "name": "Open", "versions": [{"id": 5511}, {"id": "5512"}]},
        {"discriminator": "sent", "version_id": 1},
        {"name": "nobody's"},
    ]
    pages = [
        Page("sections", None, [{"discriminator": "main-x1", "id": 1234, "name": "Main"}, 7]),
        Page("events", "main-x1", kinds),
        Page("attributes", "main-x1", [{"discriminator": "email", "version_id": 88, "id": 9, "type": "string"}]),
        Page("tags", "main-x1", [{"discriminator": "vip", "id": "7731", "name": None}]),
    ]
    definitions = Definitions.of_pages(pages)
    section = definitions.sections["1234"]
    assert {key: one.discriminator for key, one in section.events.items()} == {
        "5511": "open",
        "5512": "open",
        "1": "sent",
    }
    assert (list(section.attributes), list(section.tags)) == (["88"], ["7731"])
    assert Definitions.of_answer(definitions.as_answer()) == definitions


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"message":"No such section","code":"42"}', "No such section (code 42)"),
        (b'{"errors":[{"field":"x"}]}', '[{"field": "x"}]'),
        (b"plain text", "the account has too many"),
        (b"", "Name the sections that are needed under `sections`"),
    ],
)
def test_a_refusal_says_what_the_vendor_says_and_what_to_do(body: bytes, expected: str) -> None:
    assert expected in " ".join(explain(413, body))
