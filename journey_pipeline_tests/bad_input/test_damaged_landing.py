"""Landed parts that were deleted, cut, emptied or altered: seen, pulled again, told of where the vendor has no more."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from journey_pipeline.components.standing_checks import wholeness_result
from journey_pipeline.errors import LakeError
from journey_pipeline.lake.landing import mark_covered, read_landing
from journey_pipeline.loading.load import LoadAtOnce
from journey_pipeline.loading.partition import LoadSettings, PartitionOutcome
from journey_pipeline.loading.plan import State, inspect_landing, is_due, survey
from journey_pipeline.normalize.run import normalize
from journey_pipeline.normalize.session import NormalizeLimits
from journey_pipeline_tests.bad_input.bad_vendor import (
    DOWNLOAD,
    HOUR,
    NEXT_HOUR,
    NOW,
    STREAM,
    BadVendor,
    Line,
    open_source,
    row,
    table,
)

pytestmark = pytest.mark.slow(reason="each test loads, damages and heals")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


EVERYTHING = datetime.min.replace(tzinfo=UTC)
SIZES = [Path.unlink, cut, empty]


@pytest.fixture
def part(line: Line, vendor: BadVendor) -> Path:
    vendor.gives(table([row(1), row(2)]), rows=2)
    line.load()
    (path,) = line.lake.landing_dir(STREAM.key, HOUR.partition).glob("*/part-*")
    return path


def day_of_its_share() -> timedelta:
    return next(timedelta(days=n) for n in range(20) if is_due(STREAM, HOUR, NOW + timedelta(days=n)))


@pytest.mark.parametrize("damage", SIZES)
def test_a_part_of_another_size_is_named_and_pulled_again(
    line: Line, vendor: BadVendor, part: Path, damage: Callable[[Path], None]
) -> None:
    damage(part)
    found = survey(line.lake, STREAM, HOUR, NOW)
    assert found.states == {HOUR: State.LANDED}
    assert str(part) in found.damage[HOUR]
    assert "journey-pipeline backfill" in found.damage[HOUR]
    (outcome,) = line.load(again=False)
    assert outcome.error is None
    assert vendor.server.count(DOWNLOAD) == 2
    assert survey(line.lake, STREAM, HOUR, NOW).states == {HOUR: State.COMPLETE}
    landing = read_landing(line.lake, STREAM.key, HOUR.partition)
    assert landing
    assert sorted(bool(one.unreadable) for one in landing.attempts) == [False, True]
    assert line.ids() == ["id-1", "id-2"]


def test_a_flipped_bit_is_found_on_the_day_of_its_share_and_remembered(
    line: Line, vendor: BadVendor, part: Path
) -> None:
    flip_a_bit(part)
    assert survey(line.lake, STREAM, HOUR, NOW).states == {HOUR: State.COMPLETE}
    verdict = wholeness_result(inspect_landing(line.lake, STREAM, NOW + day_of_its_share()))
    assert not verdict.passed
    assert str(part) in str(verdict.description)
    found = survey(line.lake, STREAM, HOUR, NOW)
    assert found.states == {HOUR: State.MISSING}
    assert str(part) in found.damage[HOUR]
    assert [outcome.error for outcome in line.load(again=False)] == [None]
    assert vendor.server.count(DOWNLOAD) == 2
    assert wholeness_result(inspect_landing(line.lake, STREAM, NOW + day_of_its_share())).passed


@pytest.mark.parametrize(
    "looks",
    [
        pytest.param(lambda line: line.load(again=False), id="backfill"),
        pytest.param(lambda line: inspect_landing(line.lake, STREAM, NOW), id="the daily check"),
    ],
)
def test_a_part_that_is_put_back_counts_again_although_normalizing_found_its_damage(
    line: Line, vendor: BadVendor, part: Path, looks: Callable[[Line], object]
) -> None:
    flip_a_bit(part)
    with pytest.raises(LakeError, match="other content than landed"):
        normalize(line.lake, STREAM.key, HOUR.partition, STREAM.recipe)
    told = survey(line.lake, STREAM, HOUR, NOW).damage[HOUR]
    assert told.count("journey-pipeline backfill") == 1
    assert ".." not in told
    flip_a_bit(part)
    looks(line)
    assert vendor.server.count(DOWNLOAD) == 1
    landing = read_landing(line.lake, STREAM.key, HOUR.partition)
    assert landing
    assert (len(landing.active), landing.set_aside) == (1, ())


def test_once_a_newer_answer_is_there_nothing_is_advised_that_was_done(line: Line, part: Path) -> None:
    flip_a_bit(part)
    with pytest.raises(LakeError):
        normalize(line.lake, STREAM.key, HOUR.partition, STREAM.recipe)
    (outcome,) = line.load(again=False)
    (claim,) = [claim for claim in outcome.claims if claim.name == "every_answer_is_readable"]
    assert not claim.holds
    assert f"{part} has other content than landed. A newer answer is readable" in claim.says
    assert "backfill" not in claim.says


def test_a_damaged_part_that_the_vendor_no_longer_has_is_told_of_and_its_events_stay(line: Line, part: Path) -> None:
    whole = part.read_bytes()
    flip_a_bit(part)
    part.write_bytes(part.read_bytes()[:-1])
    late = NOW + STREAM.retention
    work = LoadAtOnce(
        line.lake,
        STREAM,
        [HOUR],
        line.settings,
        open_source,
        kept_since=NOW - timedelta(days=999),
        now=lambda: late,
    )
    (outcome,) = work.outcomes()
    assert str(part) in str(outcome.error)
    found = survey(line.lake, STREAM, HOUR, late)
    assert found.states == {HOUR: State.EXPIRED}
    assert str(part) in found.damage[HOUR]
    assert not wholeness_result(inspect_landing(line.lake, STREAM, late)).passed
    assert line.ids() == ["id-1", "id-2"]
    part.write_bytes(whole)
    restored = LoadAtOnce(line.lake, STREAM, [HOUR], line.settings, lambda: pytest.fail("asked"), pull=False)
    assert [one.error for one in restored.outcomes()] == [None]
    assert survey(line.lake, STREAM, HOUR, late).states == {HOUR: State.COMPLETE}


def test_every_hour_is_of_a_share_twice_within_the_retention() -> None:
    days = [NOW + timedelta(days=n) for n in range(STREAM.retention // timedelta(days=1))]
    assert sum(is_due(STREAM, HOUR, day) for day in days) >= 2


@pytest.mark.parametrize("pull", [True, False])
def test_a_manifest_that_did_not_come_back_is_made_of_the_notes_and_the_vendor_is_not_asked(
    line: Line, vendor: BadVendor, part: Path, *, pull: bool
) -> None:
    assert part.exists()
    shutil.rmtree(line.lake.events_root)
    line.lake.landing_manifest(STREAM.key, HOUR.partition).unlink()
    assert survey(line.lake, STREAM, HOUR, NOW).states == {HOUR: State.LANDED}
    (outcome,) = line.load(again=False) if pull else normalized(line)
    assert outcome.error is None
    assert vendor.server.count(DOWNLOAD) == 1
    assert line.ids() == ["id-1", "id-2"]


def test_normalizing_reads_an_answer_that_was_set_aside_once_the_limits_allow_it(line: Line, vendor: BadVendor) -> None:
    vendor.gives(table([row(1, Message="x" * 5000)]), rows=1)
    low = LoadSettings(limits=NormalizeLimits(longest_record_bytes=1000, block_bytes=512))
    pulled = LoadAtOnce(line.lake, STREAM, [HOUR], low, open_source, kept_since=EVERYTHING, now=lambda: NOW)
    (outcome,) = pulled.outcomes()
    assert "longer than" in str(outcome.error)
    assert survey(line.lake, STREAM, HOUR, NOW).states == {HOUR: State.MISSING}
    (outcome,) = normalized(line)
    assert outcome.error is None
    assert survey(line.lake, STREAM, HOUR, NOW).states == {HOUR: State.COMPLETE}
    assert line.ids() == ["id-1"]


def normalized(line: Line) -> list[PartitionOutcome]:
    return list(
        LoadAtOnce(line.lake, STREAM, [HOUR], LoadSettings(), open_source, pull=False, now=lambda: NOW).outcomes()
    )


@pytest.mark.parametrize("damage", SIZES)
def test_an_hour_is_pulled_by_itself_where_the_answer_that_held_it_too_is_damaged(
    line: Line, vendor: BadVendor, part: Path, damage: Callable[[Path], None]
) -> None:
    mark_covered(line.lake, STREAM.key, [NEXT_HOUR], by=HOUR, attempt=part.parent.name)
    line.load(NEXT_HOUR, again=False)
    assert vendor.server.count(DOWNLOAD) == 1
    assert survey(line.lake, STREAM, NEXT_HOUR, NOW).states == {NEXT_HOUR: State.COMPLETE}
    damage(part)
    assert survey(line.lake, STREAM, NEXT_HOUR, NOW).states == {NEXT_HOUR: State.LANDED}
    (outcome,) = line.load(NEXT_HOUR, again=False)
    assert outcome.error is None
    assert vendor.server.count(DOWNLOAD) == 2
    assert survey(line.lake, STREAM, NEXT_HOUR, NOW).states == {NEXT_HOUR: State.COMPLETE}


def test_an_hour_is_pulled_by_itself_where_nothing_tells_what_held_it(
    line: Line, vendor: BadVendor, part: Path
) -> None:
    mark_covered(line.lake, STREAM.key, [NEXT_HOUR], by=HOUR, attempt=part.parent.name)
    for path in (line.lake.landing_manifest(STREAM.key, HOUR.partition), part.with_name("attempt.json")):
        path.write_bytes(b"{")
    (outcome,) = line.load(NEXT_HOUR, again=False)
    assert outcome.error is None
    assert vendor.server.count(DOWNLOAD) == 2


def test_an_hour_that_landed_by_a_clock_a_year_ahead_can_be_asked_for_again(line: Line, vendor: BadVendor) -> None:
    vendor.gives(table([row(1)]), rows=1)
    right = NOW - timedelta(days=365)
    for clock in (NOW, right):
        (outcome,) = LoadAtOnce(
            lake=line.lake,
            stream=STREAM,
            windows=[HOUR],
            settings=LoadSettings(),
            open=open_source,
            kept_since=right,
            now=partial(datetime.fromtimestamp, clock.timestamp(), UTC),
        ).outcomes()
        assert outcome.landing
    assert vendor.server.count(DOWNLOAD) == 2
    line.load(again=False)
    assert vendor.server.count(DOWNLOAD) == 2
