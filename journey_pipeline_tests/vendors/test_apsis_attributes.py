from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from journey_pipeline.formats.json_scan import CutError
from journey_pipeline.normalize.record_reader import ATTRIBUTE_KEY
from journey_pipeline.vendors.apsis.attributes import EmailAttributes, ProfileAttributes
from journey_pipeline_tests.vendors.made_apsis import DEFINED, event, export, profile

Row = dict[str, Any]


def pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


def rows_of_profiles(body: bytes, defined: Any = DEFINED) -> list[Row]:
    rows = ProfileAttributes().read(pieces(body, 1000), [{"definitions": defined}])
    return [row._asdict() for row in rows]


def rows_of_emails(text: str, size: int = 7) -> list[Row]:
    return [row._asdict() for row in EmailAttributes().read(pieces(text.encode(), size), [])]


def row(attribute_id: str, value: str | None, attribute: str | None, name: str | None, is_tag: bool | None) -> Row:
    whole = {"section_id": "1234", "profile_key": "xk", "attribute_id": attribute_id, "attribute": attribute}
    return {**whole, "attribute_name": name, "value": value, "is_tag": is_tag}


def test_definitions_tell_a_tag_from_an_attribute_that_is_not_set() -> None:
    body = export({"xk": profile([event()], a88="a@example.org", a491874=None, a7731=None, a999=None)})
    assert rows_of_profiles(body) == [
        row("88", "a@example.org", "com.apsis1.attributes.email", "Email", is_tag=False),
        row("491874", None, "usercreated.attributes.gender-a1", "gender", is_tag=False),
        row("7731", "true", "usercreated.tags.vip-2", "VIP", is_tag=True),
        row("999", None, None, None, is_tag=None),
    ]


def test_values_of_any_type_are_kept_as_text() -> None:
    body = export({"xk": profile([], a1=12.5, a2=True, a3="", a4={"a": [1]}, a5=10**20, a6="text")})
    found = [(one["attribute_id"], one["value"]) for one in rows_of_profiles(body, {})]
    assert found == [("1", "12.5"), ("2", "true"), ("3", ""), ("4", '{"a":[1]}'), ("5", str(10**20)), ("6", "text")]
    assert {one["is_tag"] for one in rows_of_profiles(body, {})} == {False}


def test_an_attribute_with_history_or_of_another_shape_loses_nothing() -> None:
    plain: Any = profile([])
    plain["sections"]["1234"]["attributes"] = {"1": {"value": "x", "history": [1]}, "2": "bare", "3": {"state": 1}}
    found = [(one["attribute_id"], one["value"]) for one in rows_of_profiles(export({"xk": plain}), {})]
    assert found == [("1", "x"), ("2", "bare"), ("3", None)]


def test_a_value_that_is_not_utf8_is_kept_as_far_as_it_is_and_spoils_no_other() -> None:
    body = export({"xk": profile([], a1="@", a2="x"), "yk": profile([], a3="y")})
    found = [(one["attribute_id"], one["value"]) for one in rows_of_profiles(body.replace(b"@", b"\xff\xe9t"), {})]
    assert found == [("1", "��t"), ("2", "x"), ("3", "y")]


def test_ids_that_are_not_utf8_cost_nobody_else_theirs() -> None:
    body = export({"xk": profile([], a1="x"), "yk": profile([], a3="y")}).replace(b'"1":', b'"\xff":')
    assert [(one["profile_key"], one["value"]) for one in rows_of_profiles(body, {})] == [("yk", "y")]


def test_of_a_profile_that_comes_twice_the_last_values_come_last() -> None:
    twice = b'{"profiles":{"xk":%b,"xk":%b}}' % (
        json.dumps(profile([], a88="old")).encode(),
        json.dumps(profile([], a88="new")).encode(),
    )
    last = {tuple(one[name] for name in ATTRIBUTE_KEY): one["value"] for one in rows_of_profiles(twice)}
    assert last == {("1234", "xk", "88"): "new"}


def test_a_cut_file_has_no_attributes_that_anybody_could_take_for_all() -> None:
    body = export({f"xk-{number}": profile([], a88="x") for number in range(100)})
    with pytest.raises(CutError):
        rows_of_profiles(body[:-50])


def test_attributes_of_an_email_export_go_by_address() -> None:
    text = (
        'address,type,"gender, of all (version_id: 491874)",VIP (version_id: 7731)\n'
        "a@example.org,SENT,female,TAG\n"
        ',SENT,male,TAG\n"b@example.org",OPENED,,\n'
    )

    def told(key: str, gender: tuple[str | None, bool | None], vip: tuple[str | None, bool | None]) -> list[Row]:
        whole = {"section_id": None, "profile_key": key, "attribute": None}
        return [
            {**whole, "attribute_id": "491874", "attribute_name": "gender, of all", "value": gender[0]}
            | {"is_tag": gender[1]},
            {**whole, "attribute_id": "7731", "attribute_name": "VIP", "value": vip[0], "is_tag": vip[1]},
        ]

    assert rows_of_emails(text) == [
        *told("a@example.org", ("female", False), ("true", True)),
        *told("b@example.org", (None, None), (None, None)),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_where_an_email_export_is_cut_into_pieces_makes_no_difference(size: int, end: str) -> None:
    text = f'address,é (version_id: 1){end}"a@example.org","two{end}lines, ""é"""{end}b@example.org,x'
    found = [(one["profile_key"], one["attribute_name"], one["value"]) for one in rows_of_emails(text, size)]
    assert found == [("a@example.org", "é", f'two{end}lines, "é"'), ("b@example.org", "é", "x")]


def test_a_record_of_a_wrong_form_has_no_attributes_and_spoils_no_other() -> None:
    text = "address,a (version_id: 1)\na@example.org,1\nb@example.org\nc@exam\rple.org,3\nd@example.org,4\n"
    assert [(one["profile_key"], one["value"]) for one in rows_of_emails(text)] == [
        ("a@example.org", "1"),
        ("d@example.org", "4"),
    ]


def test_an_email_export_without_requested_attributes_has_none() -> None:
    assert rows_of_emails("address,type\na@example.org,SENT\n") == []
