"""Hours in which every record has the same fault: nothing stops, so a check has to say it."""

from __future__ import annotations

import pytest

from journey_pipeline.loading.claims import Severity
from journey_pipeline_tests.bad_input.bad_vendor import BadVendor, Line, row, table

ROWS = 12
CREATED = "2026-11-20T05:40:00"


def hour(**fields: str) -> bytes:
    return table([row(number, **{"CreatedDate": CREATED, **fields}) for number in range(ROWS)])


def with_trailing_commas() -> bytes:
    header, *records = hour().splitlines()
    return b"\n".join([header, *(record + b"," for record in records), b""])


@pytest.mark.parametrize(
    ("body", "claim", "severity"),
    [
        pytest.param(with_trailing_commas(), "rejects_are_few", Severity.ERROR, id="a comma too many"),
        pytest.param(
            hour(TransactionTime="11/20/2026 5:01:00 AM"), "rejects_are_few", Severity.ERROR, id="screen times"
        ),
        pytest.param(hour(ActivityType="NewKind"), "fields_are_filled", Severity.ERROR, id="unknown types"),
        pytest.param(hour(ActivityType=""), "fields_are_filled", Severity.ERROR, id="no types"),
        pytest.param(hour(ContactKey=""), "fields_are_filled", Severity.ERROR, id="no contacts"),
        pytest.param(hour(CreatedDate="11/20/2026"), "fields_are_filled", Severity.ERROR, id="no receipts"),
        pytest.param(hour(DefinitionId=""), "fields_are_filled", Severity.ERROR, id="no journeys"),
        pytest.param(hour(Status="Erledigt"), "fields_are_filled", Severity.ERROR, id="unknown statuses"),
        pytest.param(hour(CreatedDate="2026-11-19T23:40:00"), "clocks_agree", Severity.WARN, id="six hours behind"),
        pytest.param(
            hour(TransactionTime="2026-11-19T05:30:00Z"), "events_are_inside_window", Severity.ERROR, id="day"
        ),
        pytest.param(table([row(1)] * ROWS), "events_differ", Severity.ERROR, id="one record again and again"),
    ],
)
def test_a_fault_that_all_records_of_an_hour_share_is_told(
    line: Line, vendor: BadVendor, body: bytes, claim: str, severity: Severity
) -> None:
    vendor.gives(body, rows=ROWS)
    (outcome,) = line.load()
    assert outcome.error is None
    assert [(one.name, one.severity) for one in outcome.claims if not one.holds] == [(claim, severity)]


def test_an_id_that_is_the_same_in_all_records_is_told(line: Line, vendor: BadVendor) -> None:
    vendor.gives(hour(Id="id-of-nothing"), rows=ROWS)
    (outcome,) = line.load()
    assert {one.name: one.severity for one in outcome.claims if not one.holds} == {
        "events_differ": Severity.ERROR,
        "keys_are_unique": Severity.WARN,
    }


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"TransactionTime": "2026-11-20T05:30:00.7Z"}, "2026-11-20 05:30:00 UTC"), ({"ContactKey": "7"}, "one person")],
)
def test_many_events_of_one_second_or_one_person_are_told(
    line: Line, vendor: BadVendor, fields: dict[str, str], says: str
) -> None:
    many = [row(number, **{"CreatedDate": "2026-11-20T05:59:59Z", **fields}) for number in range(100)]
    vendor.gives(table(many), rows=100)
    (outcome,) = line.load()
    (claim,) = [one for one in outcome.claims if not one.holds]
    assert (claim.name, claim.severity) == ("events_differ", Severity.WARN)
    assert says in claim.says


def test_an_hour_as_it_should_be_is_green(line: Line, vendor: BadVendor) -> None:
    vendor.gives(hour(), rows=ROWS)
    (outcome,) = line.load()
    assert [one.name for one in outcome.claims if not one.holds] == []


def test_an_answer_that_the_vendor_mended_is_green_again(line: Line, vendor: BadVendor) -> None:
    vendor.gives(with_trailing_commas(), rows=ROWS)
    line.load()
    vendor.gives(hour(), rows=ROWS)
    (outcome,) = line.load()
    assert [one.name for one in outcome.claims if not one.holds and one.severity is Severity.ERROR] == []
    assert outcome.events is not None
    assert outcome.events.events.rows == ROWS
