"""Exports from order to events, over HTTP, with the ledger in SQLite: the life cycle and all that goes wrong in it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from journey_pipeline.errors import (
    ConfigError,
    ContractError,
    ExportExpired,
    ExportFailed,
    LakeError,
    PermanentVendorError,
    TransientVendorError,
)
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.orders import give_up
from journey_pipeline.exports.policy import Backoff, ExportPolicy
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.landing import Progress, watched_by
from journey_pipeline.model import Window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.transport.retry import Timeouts, no_waiting
from journey_pipeline_tests.loading.made_exports import DAY, PATIENT, PROFILES, Backfills, days

pytestmark = pytest.mark.slow(reason="an export goes all its way in each test")

NOW = datetime(2026, 11, 20, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def running_vendor() -> Iterator[Sandbox]:
    world = World(rows_per_hour=20, contacts=100, late_share=0.05, steady=True)
    with serve(world, clock=SandboxClock.frozen(NOW)) as sandbox:
        yield sandbox


@pytest.fixture
def backfills(running_vendor: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backfills]:
    running_vendor.clock.freeze(NOW)
    running_vendor.faults.clear()
    running_vendor.calls.clear()
    running_vendor.options.change(SandboxOptions().model_dump_json().encode())
    running_vendor.apsis.exports.clear()
    for name, value in running_vendor.environment().items():
        monkeypatch.setenv(name, value)
    with no_waiting():
        yield Backfills(running_vendor, Lake(tmp_path))


@pytest.mark.parametrize("generation", ["v1", "v2", "both", "other_name", "location"])
def test_an_export_is_ordered_polled_landed_and_made_events_of(backfills: Backfills, generation: Any) -> None:
    backfills.sandbox.options.apsis.url_fields = generation
    backfills.sandbox.options.apsis.pending_s = 60.0
    backfills.arrive(DAY)
    backfills.check_truth(DAY)
    assert len(backfills.calls("profile_order")) == 1
    (export,) = backfills.exports()
    assert backfills.edges(export.id) == ["ask", "answer", "deliver", "land"]
    (attempt,) = backfills.manifest().attempts
    assert attempt.started_at == export.asked_at
    told = attempt.answers["exports"][0]
    assert told["polls"] == export.polls > 2
    assert told["ready_at"]
    assert "http" not in str(attempt.request) + str(attempt.answers["exports"])


def test_email_events_of_both_sections_land_under_one_manifest(backfills: Backfills) -> None:
    (outcome,) = backfills.arrive(DAY, stream="email_events")
    (attempt,) = backfills.manifest(stream="email_events").attempts
    assert len(attempt.files) == len(backfills.calls("email_order")) == 2
    truth = list(backfills.sandbox.apsis.email_truth(DAY, backfills.sandbox.clock.now()))
    assert outcome.rows == len(truth) > 0
    assert set(backfills.states()) == {"landed"}


def test_a_day_whose_landing_is_past_mending_takes_no_other_with_it(backfills: Backfills) -> None:
    first, second = days(DAY, 2)
    backfills.arrive(first)
    landed = backfills.lake.landing_dir(PROFILES.key, first.partition)
    for file in (landed / "manifest.json", *landed.glob("*/attempt.json")):
        file.write_text("garbage")
    broken, whole = backfills.load(first, second, kept_since=NOW - timedelta(days=1))
    assert isinstance(broken.error, LakeError)
    assert f"Restore {landed} from a backup; or move it away" in str(broken.error)
    assert whole.error is None
    landed.rename(landed.with_name("moved away"))
    backfills.arrive(first)
    backfills.check_truth(first, second)


def test_what_the_vendor_never_acknowledges_is_lost_after_a_day_and_ordered_again(backfills: Backfills) -> None:
    backfills.policy = replace(backfills.policy, polling=Backoff(longest=timedelta(hours=1)))
    backfills.sandbox.options.apsis.pending_s = 3 * 86_400.0
    asked = backfills.backfill(DAY, waits=False)
    assert [type(outcome.error) for outcome in asked.outcomes()] == [TransientVendorError]
    backfills.sandbox.options.apsis.pending_s = 3.0
    backfills.arrive(DAY)
    (export,) = backfills.exports()
    assert (export.attempt, export.losses) == (2, 1)
    first, second = backfills.calls("profile_order")
    assert second.at - first.at >= timedelta(hours=24)
    backfills.check_truth(DAY)


def test_an_export_that_is_gone_is_ordered_again(backfills: Backfills) -> None:
    backfills.load(DAY, waits=False)
    backfills.sandbox.clock.move(timedelta(days=1, minutes=1))
    backfills.arrive(DAY)
    assert len(backfills.calls("profile_order")) == 2
    assert "ask_again" in backfills.edges(1)


def test_a_file_that_is_gone_when_it_is_fetched_is_ordered_again(backfills: Backfills) -> None:
    with backfills.exports_opened() as exports:
        list(backfills.load(DAY, waits=False))
        backfills.sandbox.clock.move(timedelta(minutes=1))
        exports.move_due()
    assert backfills.states() == ["ready"]
    backfills.sandbox.clock.move(timedelta(days=1))
    backfills.arrive(DAY)
    assert backfills.edges(1) == ["ask", "answer", "deliver", "ask_again", "ask", "answer", "deliver", "land"]
    backfills.check_truth(DAY)


def test_an_export_that_failed_once_is_ordered_again_after_it_has_cooled_down(backfills: Backfills) -> None:
    backfills.sandbox.faults.add("apsis/profile_order:fail_export@1")
    backfills.arrive(DAY)
    first, second = backfills.calls("profile_order")
    assert second.at - first.at >= PATIENT.cool_down.shortest / 2
    assert (backfills.exports()[0].failures, backfills.states()) == (1, ["landed"])
    backfills.check_truth(DAY)


def test_an_export_that_failed_twice_comes_in_halves_under_one_manifest(backfills: Backfills) -> None:
    backfills.sandbox.faults.add("apsis/profile_order:fail_export@1-2")
    backfills.arrive(DAY)
    root, *halves = backfills.exports()
    assert backfills.edges(root.id)[-2:] == ["split", "land"]
    assert [half.window for half in halves] == list(DAY.halves())
    assert len(backfills.manifest().attempts[0].files) == 2
    backfills.check_truth(DAY)


def test_a_vendor_who_makes_nothing_of_any_piece_is_not_asked_for_ever_smaller_ones(backfills: Backfills) -> None:
    backfills.sandbox.faults.add("apsis/profile_order:fail_export")
    backfills.most_pieces = 6
    (outcome,) = backfills.load(DAY)
    assert isinstance(outcome.error, ExportFailed)
    assert "needs a person" in str(outcome.error)
    assert "503" in str(outcome.error)
    assert "stopped" in backfills.states()
    assert len(backfills.exports()) <= 7
    assert len(backfills.calls("profile_order")) <= 21
    assert not (backfills.lake.home / "raw").exists()
    backfills.sandbox.faults.clear()
    backfills.sandbox.clock.freeze(NOW + timedelta(days=3))
    backfills.arrive(DAY)
    backfills.check_truth(DAY)


@pytest.mark.parametrize("stream", ["profile_events", "email_events"])
def test_what_is_too_large_comes_in_parts_all_or_none(backfills: Backfills, stream: str) -> None:
    backfills.sandbox.options.apsis.most_events = 120
    seen: list[int] = []
    landing = backfills.lake.home / "raw" / "apsis" / stream
    backfills.on_nap = lambda: seen.append(len(list(landing.rglob("part-*"))) if landing.exists() else 0)
    (outcome,) = backfills.arrive(DAY, stream=stream)
    (attempt,) = backfills.manifest(stream=stream).attempts
    assert len(attempt.files) > 2
    assert set(seen) == {0}
    assert outcome.events
    assert outcome.events.unaccounted == 0
    if stream == "profile_events":
        backfills.check_truth(DAY)


def test_of_parts_of_which_one_fails_for_good_nothing_lands(backfills: Backfills) -> None:
    backfills.sandbox.faults.add("apsis/email_order:fail_export#2026-11-18")
    (outcome,) = backfills.load(DAY, stream="email_events")
    assert isinstance(outcome.error, ExportFailed | PermanentVendorError)
    assert list((backfills.lake.home / "raw").rglob("manifest.json")) == []


@pytest.mark.parametrize("retry_after_s", [30, None])
def test_a_full_vendor_is_asked_again_later_and_nobody_is_overtaken(
    backfills: Backfills, retry_after_s: int | None
) -> None:
    options = backfills.sandbox.options.apsis
    options.pending_limit, options.pending_retry_after_s, options.pending_s = 1, retry_after_s, 120.0
    apart = [days(DAY, 1)[0], Window(DAY.start - timedelta(days=3), DAY.start - timedelta(days=2))]
    apart.append(Window(DAY.start - timedelta(days=6), DAY.start - timedelta(days=5)))
    backfills.arrive(*apart)
    taken = [call.body["events"]["start_at"][:10] for call in backfills.calls("profile_order") if call.status == 202]
    assert taken == sorted(window.partition for window in apart)
    assert [call.status for call in backfills.calls("profile_order")].count(429) >= 2
    assert {export.attempt > 1 for export in backfills.exports()} == {True, False}


def test_where_a_vendor_takes_one_order_a_day_one_brings_all_that_is_missing(backfills: Backfills) -> None:
    backfills.policy = replace(PATIENT, asks_per_day=1)
    first, between, last = days(DAY, 3)
    backfills.arrive(first, last)
    (order,) = [call for call in backfills.calls("profile_order") if call.status == 202]
    assert order.body["events"] == {"start_at": "2026-11-18T00:00:00Z", "end_at": "2026-11-21T00:00:00Z"}
    assert sorted(backfills.states()) == ["landed", "replaced"]
    backfills.arrive(between, kept_since=NOW)
    assert len(backfills.calls("profile_order")) == 1
    backfills.check_truth(first, between, last)


def test_too_many_sections_stop_at_once_and_say_what_to_configure(backfills: Backfills) -> None:
    backfills.sandbox.options.apsis.extra_sections = 30
    (outcome,) = backfills.load(DAY, stream="email_events")
    assert isinstance(outcome.error, PermanentVendorError)
    assert outcome.error.status == 413
    assert "Name the sections that are needed under `sections`" in str(outcome.error)
    (again,) = backfills.load(DAY, stream="email_events", waits=False)
    assert isinstance(again.error, ExportFailed)
    assert "`sections`" in str(again.error)


def test_an_order_whose_answer_was_lost_is_ordered_again_after_ten_minutes(backfills: Backfills) -> None:
    backfills.sandbox.faults.add("apsis/profile_order:order_then_reset@1")
    backfills.arrive(DAY)
    first, second = backfills.calls("profile_order")
    assert second.at - first.at >= timedelta(minutes=10)
    assert backfills.edges(1)[:3] == ["ask", "ask_again", "ask"]
    backfills.check_truth(DAY)


@pytest.mark.parametrize("generation", ["v1", "v2"])
@pytest.mark.parametrize("stream", ["profile_events", "email_events"])
def test_the_next_poll_is_made_when_the_vendor_says_and_not_earlier(
    backfills: Backfills, generation: Any, stream: str
) -> None:
    options = backfills.sandbox.options.apsis
    options.url_fields, options.pending_s, options.poll_retry_after_s = generation, 1500.0, 1000
    backfills.arrive(DAY, stream=stream)
    polls = backfills.calls({"profile_events": "profile_poll", "email_events": "email_status"}[stream])
    for address in {call.path for call in polls}:
        first, second, third = [call.at for call in polls if call.path == address][:3]
        assert second - first >= timedelta(seconds=1000)
        assert third - second >= timedelta(seconds=1000)
        assert third - first < timedelta(seconds=2100)


def test_a_failed_export_is_ordered_again_when_the_vendor_says_if_that_is_later(backfills: Backfills) -> None:
    backfills.sandbox.faults.add("apsis/profile_order:fail_export@1")
    backfills.sandbox.options.apsis.poll_retry_after_s = 5000
    backfills.arrive(DAY)
    first, second = backfills.calls("profile_order")
    assert second.at - first.at >= timedelta(seconds=5000)
    backfills.check_truth(DAY)


def test_a_poll_that_hangs_is_given_up_and_made_again_later(backfills: Backfills) -> None:
    backfills.timeouts = Timeouts(first_byte_s=0.3)
    backfills.sandbox.faults.add("apsis/profile_poll:slow_first_byte=30@1-2")
    backfills.arrive(DAY)
    assert (len(backfills.calls("profile_order")), backfills.exports()[0].attempt) == (1, 1)
    assert [call.fault for call in backfills.calls("profile_poll")[:3]] == ["slow_first_byte", "slow_first_byte", None]
    backfills.check_truth(DAY)


@pytest.mark.parametrize("cut", ["cut_record=reset", "cut_gzip", "gzip_no_trailer"])
def test_a_cut_file_is_fetched_again_from_the_same_address(backfills: Backfills, cut: str) -> None:
    backfills.sandbox.options.apsis.pending_s = 0.0
    backfills.sandbox.faults.add(f"apsis/profile_poll:{cut}@2-6")
    backfills.arrive(DAY)
    assert len(backfills.calls("profile_order")) == 1
    assert len({call.path for call in backfills.calls("profile_poll")}) == 1
    assert backfills.edges(1) == ["ask", "answer", "deliver", "land"]
    backfills.check_truth(DAY)


@pytest.mark.parametrize("stream", ["profile_events", "email_events"])
def test_a_file_that_is_broken_with_the_same_bytes_is_fetched_twice_and_then_ordered_again(
    backfills: Backfills, stream: str
) -> None:
    backfills.sandbox.options.apsis.pending_s = 0.0
    route = "profile_poll" if stream == "profile_events" else "email_file"
    backfills.sandbox.faults.add(f"apsis/{route}:gzip_bad_crc")
    (outcome,) = backfills.load(DAY, stream=stream)
    assert isinstance(outcome.error, ContractError | ExportFailed)
    assert "The same bytes came twice" in str(outcome.error)
    broken = {export.id: export.failures for export in backfills.exports() if export.failures}
    assert max(broken.values()) == PATIENT.failure_ceiling
    polls_that_took_it = sum(broken.values()) if stream == "profile_events" else 0
    assert len(backfills.calls(route)) == 2 * sum(broken.values()) + polls_that_took_it


def test_a_link_that_has_ended_is_asked_for_again(backfills: Backfills) -> None:
    backfills.sandbox.options.apsis.link_life_s = 0
    (outcome,) = backfills.load(DAY, stream="email_events")
    assert isinstance(outcome.error, PermanentVendorError)
    backfills.sandbox.options.apsis.link_life_s = 900
    orders = len(backfills.calls("email_order"))
    backfills.arrive(DAY, stream="email_events")
    assert len(backfills.calls("email_order")) > orders


def test_a_gateways_page_in_place_of_a_poll_says_nothing_of_the_export(backfills: Backfills) -> None:
    backfills.sandbox.faults.add("apsis/email_status:html_200@1-2")
    backfills.arrive(DAY, stream="email_events")
    assert len(backfills.calls("email_order")) == 2
    assert {export.losses + export.failures for export in backfills.exports()} == {0}


def test_a_file_that_is_no_file_is_kept_as_evidence_and_ordered_again(backfills: Backfills) -> None:
    backfills.sandbox.options.apsis.pending_s = 0.0
    backfills.sandbox.faults.add("apsis/profile_poll:html_200@1-2")
    backfills.arrive(DAY)
    assert len(backfills.calls("profile_order")) == 2
    assert len(list((backfills.lake.home / "evidence").rglob("*.txt"))) == 1


def test_a_poll_that_finds_the_file_is_its_download(backfills: Backfills) -> None:
    backfills.sandbox.options.apsis.pending_s = 60.0
    backfills.arrive(DAY)
    (export,) = backfills.exports()
    polls = backfills.calls("profile_poll")
    assert [call.status for call in polls] == [404] * (export.polls - 1) + [200]
    assert export.polls > 2
    backfills.check_truth(DAY)
    (attempt,) = (path for path in (backfills.lake.home / "raw").rglob("*Z-*") if path.is_dir())
    assert attempt.name == backfills.manifest().attempts[0].attempt


def test_a_file_that_ends_too_early_though_the_wire_says_it_is_whole_names_where_its_evidence_lies(
    backfills: Backfills,
) -> None:
    backfills.sandbox.options.apsis.pending_s = 0.0
    backfills.sandbox.faults.add("apsis/profile_poll:cut_file")
    backfills.policy = ExportPolicy(overdue_after=timedelta(hours=2))
    (outcome,) = backfills.load(DAY)
    assert outcome.error
    kept = [str(path.relative_to(backfills.lake.home)) for path in (backfills.lake.home / "evidence").rglob("*.txt")]
    assert any(path in str(outcome.error) for path in kept), outcome.error


def interrupt() -> None:
    raise KeyboardInterrupt


def test_a_file_whose_export_is_given_up_while_it_comes_leaves_nothing_behind(backfills: Backfills) -> None:
    class GivesUp(Progress):
        def received(self, count: int) -> None:
            del count
            if backfills.states() == ["pending"]:
                give_up(backfills.ledger, 1, at=backfills.sandbox.clock.now())

    with watched_by(GivesUp()):
        (outcome,) = backfills.load(DAY)
    assert isinstance(outcome.error, ExportFailed)
    assert [path for path in (backfills.lake.home / "raw").rglob("*Z-*") if path.is_dir()] == []


def test_an_interrupted_backfill_goes_on_with_the_exports_that_it_made(backfills: Backfills) -> None:
    backfills.on_nap = interrupt
    with pytest.raises(KeyboardInterrupt):
        list(backfills.backfill(*days(DAY, 2)).outcomes())
    assert backfills.states() == ["pending"]
    backfills.on_nap = lambda: None
    backfills.arrive(*days(DAY, 2))
    assert len(backfills.calls("profile_order")) == 1
    backfills.check_truth(*days(DAY, 2))


def test_an_export_that_is_given_up_while_it_is_waited_for_is_an_error_and_ordered_anew_the_next_time(
    backfills: Backfills,
) -> None:
    backfills.on_nap = lambda: give_up(backfills.ledger, 1, at=backfills.sandbox.clock.now())
    (outcome,) = backfills.load(DAY)
    assert isinstance(outcome.error, ExportFailed)
    assert "given up" in str(outcome.error)
    backfills.on_nap = lambda: None
    backfills.arrive(DAY)
    assert len(backfills.calls("profile_order")) == 2
    backfills.check_truth(DAY)


def test_a_download_that_is_interrupted_keeps_nobody_waiting(backfills: Backfills) -> None:
    backfills.sandbox.options.apsis.pending_s = 0.0

    class Interrupted:
        def received(self, _: int) -> None:
            raise KeyboardInterrupt

    backfills.load(DAY, waits=False)
    backfills.sandbox.clock.move(timedelta(seconds=10))
    with backfills.exports_opened() as exports:
        exports.move_due()
        collection = exports.queue.lease_to_fetch(1)
        assert collection
        landing = exports.landing(backfills.lake, collection.root)
        landing.progress = Interrupted()  # type: ignore[assignment]
        with pytest.raises(KeyboardInterrupt):
            exports.land(collection, landing)
    before = backfills.sandbox.clock.now()
    backfills.arrive(DAY)
    assert backfills.sandbox.clock.now() - before < timedelta(seconds=10)
    assert len(backfills.calls("profile_order")) == 1


def test_two_at_once_make_one_export_and_both_see_it_land(backfills: Backfills) -> None:
    backfills.stride = timedelta(seconds=1)
    other = replace(backfills)
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda one: one.arrive(*days(DAY, 2)), [backfills, other]))
    assert [len(outcomes) for outcomes in done] == [2, 2]
    assert len(backfills.calls("profile_order")) == 1
    assert len(backfills.manifest().attempts) == 1
    backfills.check_truth(*days(DAY, 2))


def test_a_landing_that_the_ledger_missed_is_collected_again_and_no_event_counts_twice(backfills: Backfills) -> None:
    backfills.sandbox.options.apsis.pending_s = 0.0
    backfills.load(DAY, waits=False)
    backfills.sandbox.clock.move(timedelta(seconds=10))
    with backfills.exports_opened() as exports:
        exports.move_due()
        collection = exports.queue.lease_to_fetch(1)
        assert collection
        # All that happens before the ledger is told; then the process is gone.
        exports._fetch(collection, exports.landing(backfills.lake, collection.root))
    assert (len(backfills.manifest().attempts), backfills.states()) == (1, ["ready"])
    backfills.sandbox.clock.move(PATIENT.fetch_lease)
    backfills.arrive(DAY)
    assert (len(backfills.manifest().attempts), backfills.states()) == (2, ["landed"])
    assert len(backfills.calls("profile_order")) == 1
    backfills.check_truth(DAY)


def test_a_range_is_one_export_for_each_31_days_and_the_first_day_covers_the_others(backfills: Backfills) -> None:
    first = Window(NOW.replace(hour=0) - timedelta(days=40), NOW.replace(hour=0) - timedelta(days=39))
    windows = days(first, 33)
    backfills.arrive(*windows)
    bodies = [call.body["events"] for call in backfills.calls("profile_order")]
    assert [body["start_at"][:10] for body in bodies] == [windows[0].partition, windows[31].partition]
    held_by = [backfills.manifest(window).covered_by for window in windows]
    assert held_by == [None, *[windows[0].partition] * 30, None, windows[31].partition]
    backfills.check_truth(*windows)


def test_days_of_an_export_whose_manifests_are_lacking_are_not_ordered_again(backfills: Backfills) -> None:
    windows = days(DAY, 3)
    backfills.arrive(*windows)
    before = [backfills.manifest(window) for window in windows]
    for window in windows:
        backfills.lake.landing_manifest(before[0].key, window.partition).unlink()
    backfills.arrive(*windows[1:], kept_since=DAY.start - timedelta(days=9))
    backfills.arrive(*windows, kept_since=DAY.start - timedelta(days=9))
    assert len(backfills.calls("profile_order")) == 1
    assert [backfills.manifest(window) for window in windows] == before


def test_two_stretches_of_one_export_both_come_to_their_end(backfills: Backfills) -> None:
    windows = days(DAY, 3)[:3]
    past = [Window(window.start - timedelta(days=5), window.end - timedelta(days=5)) for window in windows]
    backfills.load(*past, waits=False)
    backfills.arrive(past[0], past[2])
    assert len(backfills.calls("profile_order")) == 1


def test_days_asked_again_add_what_came_late_and_replace_nothing(backfills: Backfills) -> None:
    backfills.sandbox.clock.freeze(DAY.end + timedelta(hours=2))
    backfills.arrive(DAY)
    early = set(backfills.events())
    backfills.sandbox.clock.freeze(DAY.end + timedelta(days=2))
    backfills.arrive(DAY)
    assert early < set(backfills.events())
    assert len(backfills.manifest().attempts) == 2
    backfills.check_truth(DAY)


def test_a_day_that_the_vendor_no_longer_keeps_is_not_asked_for(backfills: Backfills) -> None:
    old = Window(NOW.replace(hour=0) - timedelta(days=95), NOW.replace(hour=0) - timedelta(days=94))
    gone, come = backfills.load(old, DAY)
    assert isinstance(gone.error, ExportExpired)
    assert come.error is None
    assert len(backfills.calls("profile_order")) == 1


def test_an_export_that_was_ordered_in_time_is_fetched_although_its_day_is_too_old_meanwhile(
    backfills: Backfills,
) -> None:
    edge = NOW - PROFILES.retention
    oldest = Window(edge.replace(hour=0) + timedelta(days=1), edge.replace(hour=0) + timedelta(days=2))
    backfills.load(oldest, waits=False)
    backfills.sandbox.clock.move(timedelta(hours=12))
    backfills.arrive(oldest)
    assert len(backfills.calls("profile_order")) == 1


def test_a_deleted_ledger_costs_another_order_and_no_event(backfills: Backfills) -> None:
    backfills.arrive(DAY)
    backfills.load(*days(DAY, 2), waits=False)
    backfills.ledger.close()
    for file in backfills.lake.home.glob("exports.db*"):
        file.unlink()
    backfills.ledger = open_ledger(f"sqlite:///{backfills.lake.home / 'exports.db'}")
    backfills.arrive(*days(DAY, 2))
    backfills.check_truth(*days(DAY, 2))


def test_definitions_that_can_not_be_had_are_the_outcome_of_every_window(backfills: Backfills) -> None:
    backfills.sandbox.faults.add("apsis/sections:503")
    outcomes = backfills.load(*days(DAY, 2))
    assert [type(outcome.error) for outcome in outcomes] == [TransientVendorError] * 2
    assert backfills.exports() == []


def test_definitions_that_can_not_be_had_after_the_file_let_it_be_fetched_again(backfills: Backfills) -> None:
    backfills.sandbox.faults.add("apsis/sections:503@2-5")
    backfills.arrive(DAY)
    assert len(backfills.calls("profile_order")) == 1
    backfills.check_truth(DAY)


def test_a_missing_variable_is_the_outcome_of_every_window(
    backfills: Backfills, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("APSIS_CLIENT_SECRET")
    outcomes = backfills.load(*days(DAY, 2))
    assert [type(outcome.error) for outcome in outcomes] == [ConfigError] * 2
    assert "APSIS_CLIENT_SECRET" in str(outcomes[0].error)


def test_a_full_disk_is_the_outcome_at_once(backfills: Backfills) -> None:
    (backfills.lake.home / "raw").write_text("in the way")
    (outcome,) = backfills.load(DAY)
    assert isinstance(outcome.error, LakeError)
    (backfills.lake.home / "raw").unlink()
    backfills.arrive(DAY)
    assert len(backfills.calls("profile_order")) == 1


def test_a_vendor_at_whom_nothing_moves_is_given_up_after_a_while(backfills: Backfills) -> None:
    backfills = replace(backfills, policy=ExportPolicy(overdue_after=timedelta(hours=1)))
    backfills.sandbox.faults.add("apsis/profile_order:503")
    began_at = backfills.sandbox.clock.now()
    (outcome,) = backfills.load(DAY)
    assert isinstance(outcome.error, TransientVendorError)
    assert outcome.error.status == 503
    assert timedelta(hours=1) <= backfills.sandbox.clock.now() - began_at < timedelta(hours=2)


def test_a_run_that_does_not_wait_lands_the_older_export_though_a_newer_one_is_on_its_way(
    backfills: Backfills,
) -> None:
    one, two, three = days(Window(DAY.start - timedelta(days=2), DAY.start - timedelta(days=1)), 3)
    backfills.load(one, two, waits=False)
    backfills.sandbox.clock.move(timedelta(minutes=1))
    with backfills.exports_opened() as exports:
        exports.move_due()
    backfills.sandbox.options.apsis.pending_s = 3600.0
    backfills.load(two, three, kept_since=NOW, waits=False)
    assert sorted(backfills.states()) in (["landed", "pending"], ["pending", "ready"])
    outcomes = backfills.load(one, two, kept_since=NOW, waits=False)
    assert [outcome.error for outcome in outcomes] == [None, None]


def test_what_landed_is_kept_by_the_clock_that_it_landed_by_whatever_the_machine_says(backfills: Backfills) -> None:
    ahead = timedelta(days=366 * 50)
    backfills.sandbox.clock.freeze(NOW + ahead)
    day = Window(DAY.start + ahead, DAY.end + ahead)
    backfills.arrive(day)
    backfills.sandbox.calls.clear()
    backfills.arrive(day, kept_since=NOW)
    assert backfills.calls("profile_order") == []


def test_where_there_is_time_for_polls_alone_orders_are_left_for_the_next_time(backfills: Backfills) -> None:
    first, second = days(DAY, 2)
    with backfills.exports_opened() as exports:
        list(exports.want(PROFILES, [first]))
        exports.move_due()
        backfills.sandbox.clock.move(timedelta(minutes=1))
        list(exports.want(PROFILES, [second]))
        exports.move_due(may_order=lambda: False)
        assert sorted(backfills.states()) == ["ready", "wanted"]
        exports.move_due()
    assert sorted(backfills.states()) == ["pending", "ready"]


def test_a_contract_error_names_its_evidence_relative_to_the_home(backfills: Backfills) -> None:
    backfills.sandbox.options.apsis.pending_s = 0.0
    backfills.sandbox.faults.add("apsis/profile_poll:html_200")
    (outcome,) = backfills.load(DAY)
    assert isinstance(outcome.error, ContractError)
    assert outcome.error.evidence
    assert outcome.error.evidence in str(outcome.error)
    assert (backfills.lake.home / outcome.error.evidence).exists()


def test_what_is_left_when_the_time_is_over_is_left_for_the_next_time(backfills: Backfills) -> None:
    apart = [Window(DAY.start - timedelta(days=n), DAY.end - timedelta(days=n)) for n in (0, 2, 4)]
    with backfills.exports_opened() as exports:
        list(exports.want(PROFILES, apart))
        over = iter([False, True])
        assert exports.move_due(is_over=lambda: next(over)) == 1
        assert sorted(backfills.states()) == ["pending", "wanted", "wanted"]
        assert exports.move_due() == 2
    assert backfills.states() == ["pending"] * 3
