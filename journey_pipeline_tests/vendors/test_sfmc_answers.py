"""The answers whose shape the vendor does not publish are read tolerantly, and never guessed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from journey_pipeline.errors import ContractError
from journey_pipeline.vendors.sfmc.client import explain, read_estimate, read_freshness


def test_an_estimate_gives_rows_and_both_sizes() -> None:
    estimate = read_estimate({"rowCount": 41822, "fileSizeInBytes": 9868210, "compressedFileSizeInBytes": 1246003})
    assert (estimate.rows, estimate.raw_bytes, estimate.compressed_bytes) == (41822, 9868210, 1246003)


@pytest.mark.parametrize(
    ("answer", "sizes"),
    [
        ({"RowCount": 3, "sizeBytes": 10}, (10, 10)),
        ({"rowcount": "3", "zipSize": 4, "plainSize": 9}, (9, 4)),
        ({"rowCount": 3}, (None, None)),
        ({"rowCount": 3, "zipSize": -4, "plainSize": 1e300, "size": 9}, (9, 9)),
    ],
)
def test_an_estimate_takes_any_spelling_of_count_and_sizes(answer: Any, sizes: tuple[int | None, int | None]) -> None:
    estimate = read_estimate(answer)
    assert (estimate.rows, (estimate.raw_bytes, estimate.compressed_bytes)) == (3, sizes)


@pytest.mark.parametrize(
    "answer",
    [{}, [], "many", {"rowCount": "many"}, {"rows": 3}, {"rowCount": -1}, {"rowCount": True}, {"rowCount": 1e300}],
)
def test_an_estimate_without_a_row_count_breaks_the_contract(answer: Any) -> None:
    with pytest.raises(ContractError, match="no row count"):
        read_estimate(answer)


def test_a_broken_estimate_names_its_fields_and_not_their_values() -> None:
    with pytest.raises(ContractError) as caught:
        read_estimate({"note": "ana@example.org"})
    assert "note" in str(caught.value)
    assert "ana@example.org" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        1200,
        "1200",
        {"freshness": 1200},
        {"freshnessSeconds": 1200, "x": 1},
        {"lag": "1200", "n": 7},
        {"anything": 1200},
    ],
)
def test_freshness_is_read_in_every_shape_the_contract_allows(answer: Any) -> None:
    assert read_freshness(answer) == timedelta(seconds=1200)


@pytest.mark.parametrize("answer", [{}, {"a": 1, "b": 2}, "soon", None, {"freshness": None}, -5, 1e300, "9" * 400])
def test_a_freshness_that_can_not_be_told_breaks_the_contract(answer: Any) -> None:
    with pytest.raises(ContractError, match="number of seconds"):
        read_freshness(answer)


def test_a_missing_scope_is_named() -> None:
    assert "journeys_read" in explain(403, b'{"message": "no", "errorcode": 20002}').advice


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"\xff"])
def test_a_refusal_is_explained_whatever_its_body(body: bytes) -> None:
    assert "CLIENT_ID" in explain(401, body).advice
