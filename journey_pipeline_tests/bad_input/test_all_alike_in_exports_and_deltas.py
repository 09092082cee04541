"""Days in which every record has the same fault, of the streams whose files are not asked for by the hour."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from journey_pipeline.lake.manifest import LandingManifest
from journey_pipeline.loading.checks import claims
from journey_pipeline.loading.claims import Severity, Tolerance
from journey_pipeline.recipe import Recipe
from journey_pipeline.vendors.apsis.email_events.stream import EMAIL_COLUMNS, EMAIL_EVENTS
from journey_pipeline.vendors.apsis.orders import stream_of
from journey_pipeline.vendors.apsis.profile_events.stream import PROFILE_EVENTS
from journey_pipeline.vendors.layerfive.customer_journeys.stream import customer_journeys_stream
from journey_pipeline_tests.lake.made_landing import as_csv
from journey_pipeline_tests.vendors import made_apsis
from journey_pipeline_tests.vendors.made_apsis import event, export, profile
from journey_pipeline_tests.vendors.made_journeys import KEY, PARTITION, record, typed

START = datetime(2026, 11, 1, tzinfo=UTC)
ROWS = 12
AT = 1_795_075_200_123
RED = ("fields_are_filled", Severity.ERROR)
ONE_KEY = [("events_differ", Severity.ERROR), ("keys_are_unique", Severity.WARN)]
REJECTED = ("rejects_are_few", Severity.ERROR)
A_DAY_BEFORE = {"sourceEventTime": AT - 2 * 86_400_000, "createdAt": AT - 2 * 86_400_000}


def of_apsis(home: Path, recipe: Recipe, body: bytes, **answers: Any) -> list[tuple[str, Severity]]:
    made = made_apsis.landed(home, recipe, body, **answers)
    landing = LandingManifest.read(made.lake.landing_manifest(made.key, made_apsis.PARTITION))
    assert landing
    stream = stream_of("apsis", START, recipe)
    return [(one.name, one.severity) for one in claims(stream, landing, made.manifest, Tolerance()) if not one.holds]


def profiles(**members: Any) -> bytes:
    return export(
        {
            f"xk-{n}": profile([event(**{"correlationId": f"c-{n}", "sourceEventTime": AT + n, **members})])
            for n in range(ROWS)
        }
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(profiles(), [], id="well"),
        pytest.param(profiles(typeId="9999"), [RED], id="types of another account"),
        pytest.param(profiles(createdAt=None), [RED], id="no receipts"),
        pytest.param(profiles(createdAt=0, sourceEventTime=0), [REJECTED], id="no times"),
        pytest.param(profiles(**A_DAY_BEFORE), [("events_are_inside_window", Severity.ERROR)], id="another day"),
        pytest.param(profiles(sourceEventTime=AT + 86_400_000_000), [("clocks_agree", Severity.WARN)], id="the future"),
        pytest.param(
            profiles(correlationId="c"),
            ONE_KEY,
            id="ids",
        ),
    ],
)
def test_a_fault_that_all_profile_events_of_a_day_share_is_told(
    tmp_path: Path, body: bytes, told: list[tuple[str, Severity]]
) -> None:
    assert of_apsis(tmp_path, PROFILE_EVENTS, body) == told


def test_events_of_a_type_that_only_the_account_knows_are_no_fault(tmp_path: Path) -> None:
    own = {
        "1234": {"section": "main", "name": "Main", "events": {"1": {"discriminator": "shop.visit", "name": "Visit"}}}
    }
    assert of_apsis(tmp_path, PROFILE_EVENTS, profiles(typeId="1"), answers={"definitions": own}) == []


def emails(**fields: str) -> bytes:
    given = {"activity_id": "a-1", "type": "SENT", "server_time": str(AT + 1000)}
    rows = [
        {**given, "address": f"p{n}@x.org", "correlation_id": f"c-{n}", "event_time": str(AT + n), **fields}
        for n in range(ROWS)
    ]
    return as_csv([[one.get(name, "") for name in EMAIL_COLUMNS] for one in rows], EMAIL_COLUMNS)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(emails(), [], id="well"),
        pytest.param(emails(type="GESENDET"), [RED], id="unknown types"),
        pytest.param(emails(type=""), [RED], id="no types"),
        pytest.param(emails(address=""), [RED], id="no contacts"),
        pytest.param(emails(activity_id=""), [RED], id="no journeys"),
        pytest.param(emails(server_time="0"), [RED], id="no receipts"),
        pytest.param(emails(server_time="0", event_time="0"), [REJECTED], id="no times"),
        pytest.param(
            emails(server_time=str(AT - 2 * 86_400_000), event_time=str(AT - 2 * 86_400_000)),
            [("events_are_inside_window", Severity.ERROR)],
            id="another day",
        ),
        pytest.param(
            emails(correlation_id="c"),
            ONE_KEY,
            id="ids",
        ),
    ],
)
def test_a_fault_that_all_email_events_of_a_day_share_is_told(
    tmp_path: Path, body: bytes, told: list[tuple[str, Severity]]
) -> None:
    assert of_apsis(tmp_path, EMAIL_EVENTS, body) == told


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        pytest.param({"event_type": "page_view"}, [], id="well"),
        pytest.param({}, [], id="without a field for the action"),
        pytest.param({"event_type": "zzz"}, [RED], id="unknown actions"),
        pytest.param({"individual_id": {}}, [REJECTED], id="no contacts"),
        pytest.param({"event_time": "soon"}, [REJECTED], id="no times"),
        pytest.param(
            {"event_time": "2027-11-19T08:15:30Z"}, [("events_are_inside_window", Severity.ERROR)], id="future"
        ),
    ],
)
def test_a_fault_that_all_records_of_a_delta_share_is_told(
    tmp_path: Path, fields: dict[str, Any], told: list[tuple[str, Severity]]
) -> None:
    # An id of another kind is not taken for one where all are; a person with an id shows the field.
    records = [record(**{"individual_id": f"p-{number}", **fields}) for number in range(ROWS)]
    made = typed(tmp_path, *([record()] if told == [REJECTED] else []), *records)
    landing = LandingManifest.read(made.lake.landing_manifest(KEY, PARTITION))
    assert landing
    judged = claims(customer_journeys_stream("layerfive", START), landing, made.normalize(), Tolerance())
    assert [(one.name, one.severity) for one in judged if not one.holds] == told
