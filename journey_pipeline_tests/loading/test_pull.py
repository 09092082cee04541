"""One window from the vendor into the landing, over HTTP."""

from __future__ import annotations

import gzip
from datetime import timedelta

import duckdb
import pytest

from journey_pipeline.errors import (
    ExportExpired,
    PermanentVendorError,
    TransientVendorError,
)
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt
from journey_pipeline.loading.landing import StoppedError, pull
from journey_pipeline.model import Window, partition_window
from journey_pipeline.normalize.run import normalize
from journey_pipeline.normalize.session import NormalizeLimits
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.vendors.sfmc.journey_history.stream import LEAN_COLUMNS, Filters, JourneyHistory
from journey_pipeline_tests.loading.conftest import NOW, OpenSource

HOUR = partition_window("2026-11-20T05")


def landed(lake: Lake, source: JourneyHistory, window: Window = HOUR) -> Attempt:
    return pull(lake, source, source.plan(window), now=lambda: NOW).attempts[-1]


def bytes_of(lake: Lake, source: JourneyHistory, attempt: Attempt) -> list[bytes]:
    folder = lake.landing_dir(source.stream.key, HOUR.partition) / attempt.attempt
    return [gzip.decompress((folder / file.name).read_bytes()) for file in attempt.files]


def test_an_hour_lands_with_its_estimate_and_its_request(lake: Lake, open_source: OpenSource, sandbox: Sandbox) -> None:
    attempt = landed(lake, open_source())
    (file,) = attempt.files
    assert file.rows == attempt.estimate_rows == sandbox.sfmc.count(HOUR, visible_at=NOW)
    assert attempt.request["body"] == {"start": "2026-11-20T05:00:00Z", "end": "2026-11-20T06:00:00Z"}
    assert file.received_as == "gzip"


def test_the_estimate_is_asked_with_the_columns_and_filters_of_the_download(
    lake: Lake, open_source: OpenSource, sandbox: Sandbox
) -> None:
    landed(lake, open_source(filters=Filters(statuses=("Failed",))))
    (estimate,), (download,) = sandbox.calls.to("estimate"), sandbox.calls.to("download")
    assert estimate.query == download.query
    assert estimate.body == download.body
    assert download.body["statuses"] == ["Failed"]
    assert download.headers["x-direct-pipe"] == "true"
    assert "x-direct-pipe" not in estimate.headers


def test_a_column_that_a_filter_fixes_is_not_downloaded_and_comes_back_in_the_events(
    lake: Lake, open_source: OpenSource, sandbox: Sandbox
) -> None:
    source = open_source(filters=Filters(statuses=("failed",)))
    attempt = landed(lake, source)
    assert "Status" not in sandbox.calls.to("download")[0].query["columns"].split(",")
    assert "Status" not in attempt.files[0].columns
    assert attempt.constants == {"Status": "Failed"}
    events = normalize(lake, source.stream.key, HOUR.partition, source.stream.recipe, NormalizeLimits())
    failed = [row for row in sandbox.sfmc.truth(HOUR, visible_at=NOW) if row["Status"] == "Failed"]
    assert events.events.rows == len(failed) > 0
    file = lake.events_file(source.stream.key, HOUR.partition)
    assert duckdb.execute("select distinct vendor_action from read_parquet(?)", [str(file)]).fetchall() == [("Failed",)]


def test_a_lean_connection_asks_for_the_vendors_defaults_and_the_id(
    lake: Lake, open_source: OpenSource, sandbox: Sandbox
) -> None:
    landed(lake, open_source(columns=LEAN_COLUMNS))
    assert len(sandbox.calls.to("download")[0].query["columns"].split(",")) == 9


@pytest.mark.parametrize("limit", [{"most_rows": 60}, {"most_compressed_bytes": 6000}])
def test_a_window_above_the_limit_is_halved_until_it_fits_and_its_parts_land_under_one_manifest(
    lake: Lake, open_source: OpenSource, sandbox: Sandbox, limit: dict[str, int]
) -> None:
    source = open_source(**limit)
    attempt = landed(lake, source)
    assert len(attempt.files) >= 4
    assert sum(file.rows for file in attempt.files) == sandbox.sfmc.count(HOUR, visible_at=NOW)
    starts = [(file.window or "").split("/") for file in attempt.files]
    assert [end for _, end in starts[:-1]] == [start for start, _ in starts[1:]]
    events = normalize(lake, source.stream.key, HOUR.partition, source.stream.recipe, NormalizeLimits())
    assert events.events.rows == attempt.estimate_rows


def test_a_window_that_can_not_be_made_smaller_says_what_to_do(
    lake: Lake, open_source: OpenSource, sandbox: Sandbox
) -> None:
    with pytest.raises(PermanentVendorError, match=r"can't be made smaller .* filters in defs\.yaml"):
        landed(lake, open_source(most_rows=0))
    assert sandbox.calls.count("download") == 0


def test_only_the_part_that_failed_starts_over(lake: Lake, open_source: OpenSource, sandbox: Sandbox) -> None:
    sandbox.faults.add("download:cut_gzip@2")
    attempt = landed(lake, open_source(most_rows=120))
    parts = len(attempt.files)
    assert parts >= 2
    assert sandbox.calls.count("download") == parts + 1


def test_a_window_that_is_cut_off_each_time_is_asked_for_in_halves(
    lake: Lake, open_source: OpenSource, sandbox: Sandbox
) -> None:
    sandbox.faults.add("download:gzip_no_trailer@1-4")
    attempt = landed(lake, open_source())
    assert len(attempt.files) == 2
    assert sum(file.rows for file in attempt.files) == sandbox.sfmc.count(HOUR, visible_at=NOW)


def test_an_expired_window_is_refused_before_any_request(lake: Lake, open_source: OpenSource, sandbox: Sandbox) -> None:
    expired = partition_window((NOW - timedelta(days=30)).strftime("%Y-%m-%dT%H"))
    with pytest.raises(ExportExpired, match="can no longer be downloaded"):
        landed(lake, open_source(), expired)
    assert len(sandbox.calls) == 0
    assert list(lake.home.iterdir()) == []


def test_the_oldest_window_that_the_vendor_keeps_is_pulled(
    lake: Lake, open_source: OpenSource, sandbox: Sandbox
) -> None:
    oldest = partition_window((NOW - timedelta(days=30) + timedelta(hours=2)).strftime("%Y-%m-%dT%H"))
    source = open_source()
    assert landed(lake, source, oldest).files[0].rows == sandbox.sfmc.count(oldest, visible_at=NOW)


def test_zero_bytes_are_an_empty_hour_only_if_the_estimate_says_so(
    lake: Lake, open_source: OpenSource, sandbox: Sandbox
) -> None:
    sandbox.options.sfmc.empty_body = True
    nobody = Filters(contact_keys=("nobody has this key",))
    assert landed(lake, open_source(filters=nobody)).files[0].rows == 0
    sandbox.options.sfmc.estimate_drift_rows = 5
    with pytest.raises(TransientVendorError, match="not a byte came"):
        landed(lake, open_source(filters=nobody))


def test_a_second_answer_adds_and_never_takes_away(lake: Lake, open_source: OpenSource, sandbox: Sandbox) -> None:
    source = open_source()
    sandbox.clock.freeze(HOUR.end)
    first = landed(lake, source)
    sandbox.clock.freeze(NOW)
    second = pull(lake, source, source.plan(HOUR), now=lambda: NOW + timedelta(seconds=1))
    assert second.attempts[0].attempt == first.attempt
    assert len(second.attempts) == 2
    assert bytes_of(lake, source, first) != bytes_of(lake, source, second.attempts[1])


def test_work_that_is_told_to_stop_leaves_nothing(lake: Lake, open_source: OpenSource) -> None:
    source = open_source()
    with pytest.raises(StoppedError):
        pull(lake, source, source.plan(HOUR), now=lambda: NOW, stopped=lambda: True)
    assert list((lake.home / "raw").rglob("*.gz*")) == []
