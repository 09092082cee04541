from __future__ import annotations

import io
import json
from typing import Any

import pytest

from journey_pipeline.formats.failures import CutError
from journey_pipeline.vendors.apsis.profile_attributes import KEY, SCHEMA, email_attributes, profile_attributes
from journey_pipeline_tests.vendors.made_apsis import DEFINED, event, export, profile

Row = dict[str, Any]


def rows_of_profiles(body: bytes, defined: Any = DEFINED) -> list[Row]:
    chunks = (body[start : start + 1000] for start in range(0, len(body), 1000))
    batches = list(profile_attributes(chunks, {"definitions": defined}))
    assert all(batch.schema == SCHEMA for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


def rows_of_emails(text: str) -> list[Row]:
    batches = list(email_attributes(io.StringIO(text, newline="")))
    assert all(batch.schema == SCHEMA for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


def row(attribute_id: str, value: str | None, attribute: str | None, name: str | None, is_tag: bool | None) -> Row:
    whole = {"section_id": "1234", "profile_key": "xk", "attribute_id": attribute_id, "attribute": attribute}
    return {**whole, "attribute_name": name, "value": value, "is_tag": is_tag}


def test_definitions_tell_a_tag_from_an_attribute_that_is_not_set() -> None:
    body = export({"xk": profile([event()], a88="a@example.org", a491874=None, a7731=None, a999=None)})
    assert rows_of_profiles(body) == [
        row("88", "a@example.org", "com.apsis1.attributes.email", "Email", is_tag=False),
        row("491874", None, "usercreated.attributes.gender-a1", "gender", is_tag=False),
        row("7731", None, "usercreated.tags.vip-2", "VIP", is_tag=True),
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


def test_of_a_profile_that_comes_twice_the_last_values_come_last() -> None:
    twice = b'{"profiles":{"xk":%b,"xk":%b}}' % (
        json.dumps(profile([], a88="old")).encode(),
        json.dumps(profile([], a88="new")).encode(),
    )
    last = {tuple(one[name] for name in KEY): one["value"] for one in rows_of_profiles(twice)}
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
    whole = {"section_id": None, "profile_key": "a@example.org", "attribute": None}
    assert rows_of_emails(text) == [
        {**whole, "attribute_id": "491874", "attribute_name": "gender, of all", "value": "female", "is_tag": False},
        {**whole, "attribute_id": "7731", "attribute_name": "VIP", "value": None, "is_tag": True},
    ]


def test_an_email_export_without_requested_attributes_has_none() -> None:
    assert rows_of_emails("address,type\na@example.org,SENT\n") == []
