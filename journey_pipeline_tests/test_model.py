"""Windows, partitions and their names."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journey_pipeline.errors import ConfigError
from journey_pipeline.model import Granularity, Window, iso, partition_window

times = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - zone follows
spans = st.builds(lambda at, s: Window(at, at + timedelta(seconds=s)), times, st.integers(2, 10**6))


@given(times, st.sampled_from(Granularity))
def test_a_partitions_name_gives_its_window_back(at: datetime, granularity: Granularity) -> None:
    day = Window(at.replace(hour=0, minute=0, second=0, microsecond=0), at + timedelta(days=2))
    window = day.partitions(granularity)[0]
    assert partition_window(window.partition) == window


@given(spans)
def test_the_halves_of_a_window_are_the_window(window: Window) -> None:
    first, second = window.halves()
    assert (first.start, first.end, second.end) == (window.start, second.start, window.end)


@given(spans, st.sampled_from(Granularity))
def test_partitions_are_whole_inside_and_leave_no_gap(window: Window, granularity: Granularity) -> None:
    found = window.partitions(granularity)
    assert all(window.start <= each.start and each.end <= window.end for each in found)
    assert all(one.end == other.start for one, other in itertools.pairwise(found))
    if found:
        assert found[0].start - window.start < granularity.duration
        assert window.end - found[-1].end < granularity.duration


def test_a_window_is_kept_in_utc() -> None:
    stockholm = timezone(timedelta(hours=1))
    window = Window(datetime(2026, 11, 1, 6, tzinfo=stockholm), datetime(2026, 11, 1, 7, tzinfo=stockholm))
    assert window.partition == "2026-11-01T05"


@pytest.mark.parametrize("name", ["2026-11-01T5", "2026-11-01T05:00", "yesterday", "", "2026-13-01"])
def test_a_wrong_partition_is_told_how_to_be_written(name: str) -> None:
    with pytest.raises(ConfigError, match="2026-11-01T05"):
        partition_window(name)


def test_a_window_without_a_zone_is_refused() -> None:
    with pytest.raises(ConfigError, match="zone"):
        Window(datetime(2026, 11, 1), datetime(2026, 11, 2))  # noqa: DTZ001 - that is the point


def test_an_instant_is_written_with_z_and_milliseconds_where_it_has_any() -> None:
    at = datetime(2026, 11, 1, 5, tzinfo=UTC)
    assert (iso(at), iso(at.replace(microsecond=204000))) == ("2026-11-01T05:00:00Z", "2026-11-01T05:00:00.204Z")
