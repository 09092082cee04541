"""When a claim about a partition holds, and how bad it is if not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from journey_pipeline.lake.manifest import Attempt, EventsManifest, LandedFile, LandingManifest, ParquetFile
from journey_pipeline.loading.checks import CLAIMS, claims, claims_of
from journey_pipeline.loading.claims import Claim, Severity, Tolerance
from journey_pipeline.normalize.inspection import Overlap
from journey_pipeline.vendors.layerfive.customer_journeys.stream import customer_journeys_stream
from journey_pipeline.vendors.sfmc.journey_history.stream import journey_history_stream

WINDOW = "2026-11-01T05:00:00Z/2026-11-01T06:00:00Z"
END = datetime(2026, 11, 1, 6, tzinfo=UTC)
HOURS = journey_history_stream("sfmc", END)
DELTAS = customer_journeys_stream("layerfive", END)
WHOSE = {"vendor": "sfmc", "connection": "sfmc", "stream": "journey_history", "partition": "2026-11-01T05"}


def landing(rows: int, estimate: int | None, asked_after: timedelta) -> LandingManifest:
    at = END + asked_after
    file = LandedFile(name="part-0.csv.gz", sha256="", bytes=1, raw_bytes=1, rows=rows, received_as="gzip")
    attempt = Attempt(
        attempt="a", started_at=at, landed_at=at, package_version="0", estimate_rows=estimate, files=(file,)
    )
    return LandingManifest(window=WINDOW, attempts=(attempt,), **WHOSE)


def events(**given: Any) -> EventsManifest:
    facts: dict[str, Any] = {
        "window": WINDOW,
        "attempts": ("a",),
        "recipe": "r",
        "package_version": "0",
        "landed_at": END,
        "events": ParquetFile(sha256="", bytes=1, rows=10),
        "landed": 10,
    }
    return EventsManifest(**WHOSE, **(facts | given))


def judged(name: str, landed: LandingManifest, made: EventsManifest, tolerance: Tolerance | None = None) -> Claim:
    return next(claim for claim in claims(HOURS, landed, made, tolerance or Tolerance()) if claim.name == name)


def judged_of_deltas(name: str, made: EventsManifest, overlap: Overlap | None = None) -> Claim:
    """Of a stream whose answers overlap."""
    of = claims(DELTAS, landing(10, None, LATE), made, Tolerance(), lambda: overlap)
    assert [claim.name for claim in of] == list(claims_of(DELTAS)) == [*CLAIMS, *DELTAS.claims]
    return next(claim for claim in of if claim.name == name)


def test_what_an_answer_of_moving_reach_lacks_and_should_have_is_a_warning() -> None:
    claim = judged_of_deltas("no_row_is_lost", events(withdrawn=3))
    assert (claim.holds, claim.severity) == (False, Severity.WARN)
    assert "the vendor's newest answer lacks 3 of the events, and they are kept" in claim.says


def test_the_window_of_deltas_is_told_with_its_reach() -> None:
    claim = judged_of_deltas("events_are_inside_window", events(outside_window=2))
    assert not claim.holds
    assert "91 days before" in claim.says


@pytest.mark.parametrize(("lacking", "holds"), [(0, True), (1, False)])
def test_an_answer_repeats_what_the_one_before_had(lacking: int, holds: bool) -> None:
    overlap = Overlap(earlier="2026-10-31", shared=7, lacking=lacking)
    claim = judged_of_deltas("earlier_answer_is_repeated", events(), overlap)
    assert (claim.holds, claim.severity) == (holds, Severity.WARN)
    assert {name: claim.facts[name] for name in ("earlier", "shared", "lacking")} == {
        "earlier": "2026-10-31",
        "shared": 7,
        "lacking": lacking,
    }


@pytest.mark.parametrize(("people", "gone", "narrow"), [(20, 10, True), (20, 4, False), (100, 10, False), (5, 5, True)])
def test_an_answer_without_many_people_of_the_one_before_is_called_narrow(people: int, gone: int, narrow: bool) -> None:
    overlap = Overlap("2026-10-31", 70, 30, people, gone)
    says = judged_of_deltas("earlier_answer_is_repeated", events(), overlap).says
    assert ("set `overlap_days: 89` in defs.yaml" in says) == narrow
    assert (f"{gone} of {people} people are missing" in says) == narrow


@pytest.mark.parametrize(
    ("before", "mappings", "changed"),
    [
        ({}, [{"occurred_at": "event_time"}], ""),
        ({"occurred_at": "event_time"}, [{"occurred_at": "event_time", "channel": "medium"}], ""),
        ({"occurred_at": "event_time", "channel": "medium"}, [{"occurred_at": "event_time"}], ""),
        ({"occurred_at": "event_time"}, [{"occurred_at": "hit_time"}], "occurred_at"),
        ({}, [{"contact_id": "user_id"}, {"contact_id": "email"}], "contact_id"),
    ],
)
def test_a_column_that_is_read_from_another_field_than_before_is_a_warning_with_what_to_declare(
    before: dict[str, str], mappings: list[dict[str, str]], changed: str
) -> None:
    overlap = Overlap("2026-10-31", 0, 0, mapping=before)
    claim = judged_of_deltas("columns_are_read_alike", events(mappings=mappings), overlap)
    assert (claim.holds, claim.facts["changed"]) == (not changed, changed)
    if changed:
        old = (before or mappings[0])[changed]
        assert f"`fields: {{{changed}: {old}}}`" in claim.says


def test_without_an_earlier_answer_there_is_nothing_to_repeat() -> None:
    assert judged_of_deltas("earlier_answer_is_repeated", events()).holds


SOON, LATE = timedelta(minutes=30), timedelta(days=2)


@pytest.mark.parametrize(
    ("rows", "estimate", "asked", "holds", "severity"),
    [
        (1000, 1000, SOON, True, Severity.WARN),
        (1004, 1000, SOON, True, Severity.WARN),
        (996, 1000, SOON, True, Severity.WARN),
        (900, 1000, SOON, False, Severity.WARN),
        (1100, 1000, LATE, False, Severity.WARN),
        (1001, 1000, LATE, True, Severity.WARN),
        (999, 1000, LATE, False, Severity.ERROR),
        (0, 0, LATE, True, Severity.WARN),
        (1001, None, LATE, True, Severity.WARN),
        (0, None, LATE, True, Severity.WARN),
        (2000, None, LATE, False, Severity.WARN),
    ],
)
def test_rows_are_compared_with_the_estimate(
    rows: int,
    estimate: int | None,
    asked: timedelta,
    holds: bool,
    severity: Severity,
) -> None:
    claim = judged("rows_match_estimate", landing(rows, estimate, asked), events())
    assert (claim.holds, claim.severity) == (holds, severity)


def test_the_difference_to_the_estimate_is_a_figure() -> None:
    claim = judged("rows_match_estimate", landing(996, 1000, SOON), events())
    assert claim.facts == {"rows": 996, "estimate": 1000, "difference": -4}


def test_a_row_that_is_unaccounted_for_is_an_error() -> None:
    claim = judged("no_row_is_lost", landing(10, 10, LATE), events(landed=11, unaccounted=1))
    assert (claim.holds, claim.severity) == (False, Severity.ERROR)


def test_an_event_that_the_vendor_took_back_is_a_warning() -> None:
    claim = judged("no_row_is_lost", landing(10, 10, LATE), events(withdrawn=2))
    assert (claim.holds, claim.severity) == (False, Severity.WARN)


def test_rejects_and_duplicates_are_not_lost() -> None:
    rejects = ParquetFile(sha256="", bytes=1, rows=2)
    assert judged("no_row_is_lost", landing(15, 15, LATE), events(landed=15, rejects=rejects, duplicates=3)).holds


@pytest.mark.parametrize(("outside", "severity"), [(1, Severity.WARN), (9, Severity.WARN), (10, Severity.ERROR)])
def test_an_event_outside_of_the_window_is_a_warning_and_all_of_them_are_an_error(
    outside: int, severity: Severity
) -> None:
    claim = judged("events_are_inside_window", landing(10, 10, LATE), events(outside_window=outside))
    assert (claim.holds, claim.severity) == (False, severity)


@pytest.mark.parametrize(
    ("conflicts", "of", "severity"),
    [(1, 10, Severity.WARN), (9, 10, Severity.WARN), (10, 1000, Severity.WARN), (11, 1000, Severity.ERROR)],
)
def test_a_key_with_two_contents_is_a_warning_and_a_share_of_them_is_an_error(
    conflicts: int, of: int, severity: Severity
) -> None:
    made = events(events=ParquetFile(sha256="", bytes=1, rows=of), conflicts=conflicts)
    claim = judged("keys_are_unique", landing(10, 10, LATE), made)
    assert (claim.holds, claim.severity) == (False, severity)


SECOND = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rows", "records", "facts", "holds", "severity"),
    [
        (100, 100, {"one_contact": True}, False, Severity.WARN),
        (99, 99, {"one_contact": True}, True, Severity.WARN),
        (100, 100, {"first_at": SECOND, "last_at": SECOND}, False, Severity.WARN),
        (100, 100, {"first_at": SECOND, "last_at": SECOND + timedelta(seconds=1)}, True, Severity.WARN),
        (1, 10, {}, False, Severity.ERROR),
        (2, 10, {}, True, Severity.WARN),
        (1, 9, {}, True, Severity.WARN),
        (0, 25, {"people": 25}, True, Severity.WARN),  # a list of people, of whom it tells no events
        (1, 35, {"people": 25}, False, Severity.ERROR),
    ],
)
def test_events_that_are_all_alike_are_told(
    rows: int, records: int, facts: dict[str, Any], holds: bool, severity: Severity
) -> None:
    made = events(events=ParquetFile(sha256="", bytes=1, rows=rows), **facts)
    claim = judged("events_differ", landing(records, records, LATE), made)
    assert (claim.holds, claim.severity) == (holds, severity)


@pytest.mark.parametrize(
    ("setting", "holds", "severity"),
    [("keep", True, Severity.WARN), ("warn", False, Severity.WARN), ("stop", False, Severity.ERROR)],
)
def test_what_a_new_column_means_is_a_setting(setting: str, holds: bool, severity: Severity) -> None:
    made = events(unknown_columns=("LoyaltyTier",))
    claim = judged("schema_is_known", landing(10, 10, LATE), made, Tolerance(new_column=setting))
    assert (claim.holds, claim.severity) == (holds, severity)
    assert "LoyaltyTier" in claim.says


def test_every_claim_that_is_documented_is_judged() -> None:
    assert [claim.name for claim in claims(HOURS, landing(1, 1, LATE), events(), Tolerance())] == list(CLAIMS)


@pytest.mark.parametrize(
    ("rows", "rejects", "holds", "severity"),
    [
        (1000, 0, True, Severity.WARN),
        (1000, 1, False, Severity.WARN),
        (1000, 10, False, Severity.WARN),
        (1000, 11, False, Severity.ERROR),
        (12, 12, False, Severity.ERROR),
        (0, 0, True, Severity.WARN),
    ],
)
def test_rejects_are_a_warning_and_above_a_share_of_the_newest_answer_an_error(
    rows: int, rejects: int, holds: bool, severity: Severity
) -> None:
    claim = judged("rejects_are_few", landing(rows, rows, LATE), events(rejects_of_newest=rejects))
    assert claim.holds == holds
    assert holds or claim.severity is severity


def test_an_answer_of_rejects_alone_is_an_error_whatever_share_is_allowed() -> None:
    tolerance = Tolerance(rejects_share=1)
    claim = judged("rejects_are_few", landing(12, 12, LATE), events(rejects_of_newest=12), tolerance)
    assert (claim.holds, claim.severity) == (False, Severity.ERROR)


@pytest.mark.parametrize(
    ("facts", "holds"),
    [
        ({"lacking": {"contact_id": 10}}, False),
        ({"lacking": {"received_at": 10}}, False),
        ({"lacking": {"contact_id": 9, "received_at": 9, "activity_type": 9}}, True),
        ({"unknown_codes": {"activity_type=a": 4, "activity_type=*": 6}, "lacking": {"activity_type": 0}}, False),
        ({"unknown_codes": {"activity_type=a": 4}, "lacking": {"activity_type": 6}}, False),
        ({"unknown_codes": {"vendor_action=b": 10}, "lacking": {"vendor_action": 0}}, False),
        ({"unknown_codes": {"activity_type=a": 9, "reason=b": 10}, "lacking": {"activity_type": 0}}, True),
    ],
)
def test_a_field_that_all_events_lack_is_an_error(facts: dict[str, Any], holds: bool) -> None:
    claim = judged("fields_are_filled", landing(10, 10, LATE), events(**facts))
    assert (claim.holds, claim.severity) == (holds, Severity.ERROR)


def test_of_a_few_events_all_may_lack_a_field_by_chance() -> None:
    few = events(events=ParquetFile(sha256="", bytes=1, rows=1), lacking={"contact_id": 1})
    claim = judged("fields_are_filled", landing(1, 1, LATE), few)
    assert (claim.holds, claim.severity) == (False, Severity.WARN)


def test_events_that_were_received_before_they_happened_are_a_warning_that_says_by_how_much() -> None:
    claim = judged("clocks_agree", landing(10, 10, LATE), events(received_early=3, longest_early_s=21_600))
    assert (claim.holds, claim.severity) == (False, Severity.WARN)
    assert "3 of 10 events" in claim.says
    assert "by up to 6:00:00" in claim.says


def test_events_of_an_answer_that_is_gone_from_the_landing_are_a_warning() -> None:
    claim = judged("every_answer_is_readable", landing(10, None, LATE), events(kept_events=2, kept_rejects=1))
    assert (claim.holds, claim.severity) == (False, Severity.WARN)
    assert "3 records are kept of answers that are missing in the landing" in claim.says


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (
            "/St. Gallen/a. b/at-7/part-0.csv.gz is cut after 1.5 GB. Look at it.",
            "/St. Gallen/a. b/at-7/part-0.csv.gz is cut after 1.5 GB",
        ),
        ("an answer of 1.5 GB came. Ask the vendor.", "an answer of 1.5 GB came"),
        ("it is empty.", "it is empty"),
    ],
)
def test_the_reason_of_an_older_answer_is_told_whole_and_without_its_advice(reason: str, told: str) -> None:
    landed = landing(10, None, LATE)
    (newer,) = landed.attempts
    older = newer.model_copy(update={"attempt": "at-7", "unreadable": reason})
    both = landed.model_copy(update={"attempts": (older, newer.model_copy(update={"attempt": "at-8"}))})
    claim = judged("every_answer_is_readable", both, events())
    assert (claim.holds, claim.severity) == (False, Severity.WARN)
    assert f"at-7 is set aside: {told}. A newer answer" in claim.says
