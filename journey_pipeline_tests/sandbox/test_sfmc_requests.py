"""S3 to S8: which requests are taken, which are refused, and what they select."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import timedelta
from itertools import product
from typing import Any

from journey_pipeline.model import Window, iso
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.sfmc.rows import COLUMNS
from journey_pipeline_tests.sandbox.cases import Case

ALL = ",".join(COLUMNS)
DEFAULTS = [
    "TransactionTime",
    "ContactKey",
    "Status",
    "DefinitionId",
    "DefinitionName",
    "ActivityId",
    "ActivityName",
    "ActivityType",
]
HISTORY = "/interaction/v1/interactions/journeyhistory"


def test_any_other_path_is_not_found_in_the_envelope(caller: Any, case: Case) -> None:
    for path in ["/nowhere", "/interaction/v1/interactions/journeyhistory/nothing", "/v2/other"]:
        with case(path=path):
            answer = caller.session.get(caller.base + path, headers=caller.headers(), timeout=30)
            assert (answer.status_code, answer.json()["errorcode"]) == (404, 404)
            assert {"message", "errorcode", "documentation"} <= set(answer.json())


def test_a_wrong_method_is_not_allowed(caller: Any, case: Case) -> None:
    for method, path in [
        ("GET", "/v2/token"),
        ("GET", f"{HISTORY}/download"),
        ("PUT", f"{HISTORY}/estimate"),
        ("POST", f"{HISTORY}/freshness"),
        ("DELETE", "/interaction/v1/interactions"),
    ]:
        with case(method=method, path=path):
            answer = caller.session.request(method, caller.base + path, headers=caller.headers(), timeout=30)
            assert answer.status_code == 405
            assert "message" in answer.json()


def test_a_body_that_is_no_json_object_is_refused(caller: Any, case: Case) -> None:
    for route, (content_type, body, refused) in product(
        ["estimate", "download"],
        [
            ("application/json", "{not json", (400, 10004)),
            ("application/json", "[]", (400, 10001)),
            ("text/plain", "{}", (415, None)),
            ("application/x-www-form-urlencoded", "start=1", (415, None)),
        ],
    ):
        with case(route=route, content_type=content_type, body=body, refused=refused):
            headers = caller.headers(**{"Content-Type": content_type, "x-direct-pipe": "true"})
            answer = caller.session.post(f"{caller.base}{HISTORY}/{route}", data=body, headers=headers, timeout=30)
            assert (answer.status_code, answer.json().get("errorcode")) == refused


def test_a_download_without_direct_pipe_is_refused_and_an_estimate_is_not(caller: Any, asked: Any) -> None:
    answer = caller.download(asked, headers={"x-direct-pipe": "false"})
    assert (answer.status_code, answer.json()["errorcode"]) == (400, 10002)
    assert "x-direct-pipe" in answer.json()["message"]
    assert caller.download(asked, headers={"x-direct-pipe": "TRUE"}).status_code == 200
    assert caller.estimate(asked).status_code == 200


def test_a_download_without_direct_pipe_can_be_cut_after_a_megabyte(sandbox: Sandbox, caller: Any) -> None:
    sandbox.options.sfmc.direct_pipe_missing = "cut"
    body = f'{{"start":"{iso(sandbox.clock.now() - timedelta(hours=20))}","end":"{iso(sandbox.clock.now())}"}}'
    head, _, rest = caller.on_the_wire(body, **{"x-direct-pipe": "no"}).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert 1_000_000 <= len(rest) < 1_001_000  # the size of each chunk comes on top
    assert not rest.endswith(b"0\r\n\r\n")


def test_without_columns_the_eight_defaults_come_in_the_order_of_the_page(caller: Any, asked: Any) -> None:
    assert list(caller.rows(asked)[0]) == DEFAULTS


def test_columns_come_in_the_order_they_were_asked_for(caller: Any, asked: Any) -> None:
    assert list(caller.rows(asked, columns="Result.Messages,Id,Status")[0]) == ["Result.Messages", "Id", "Status"]
    assert list(caller.rows(asked, columns="Id%2CContactKey")[0]) == ["Id", "ContactKey"]


def test_csv_and_tsv_hold_the_same_rows(caller: Any, asked: Any) -> None:
    answer = caller.download(asked, columns=ALL, format="tsv")
    assert answer.headers["Content-Type"].startswith("text/tab-separated-values")
    tsv = list(csv.DictReader(io.StringIO(answer.content.decode(), newline=""), delimiter="\t"))
    assert tsv == caller.rows(asked, columns=ALL, format="csv") == caller.rows(asked, columns=ALL)
    assert len(tsv) > 200


def test_a_wrong_parameter_is_refused_by_name(caller: Any, asked: Any, case: Case) -> None:
    for route, (parameters, named) in product(
        ["estimate", "download"],
        [
            ({"format": "json"}, "format"),
            ({"columns": "Id,DefintionId"}, "DefintionId"),
            ({"columns": "CilentStatus"}, "CilentStatus"),
            ({"columns": "id"}, "id"),
        ],
    ):
        with case(route=route, parameters=parameters, named=named):
            answer = getattr(caller, route)(asked, **parameters)
            assert (answer.status_code, answer.json()["errorcode"]) == (400, 10005)
            assert named in answer.json()["message"]


def test_an_unknown_column_can_be_dropped_instead(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    sandbox.options.sfmc.unknown_column = "drop"
    assert list(caller.rows(asked, columns="Id,Nonsense,Status")[0]) == ["Id", "Status"]


FILTERS = {
    "contactKeys": "ContactKey",
    "activityTypes": "ActivityType",
    "definitionIds": "DefinitionId",
    "statuses": "Status",
    "definitionInstanceIds": "DefinitionInstanceId",
    "activityIds": "ActivityId",
}


def test_each_filter_selects_the_rows_that_have_one_of_its_values(caller: Any, asked: Any, case: Case) -> None:
    for name, column in FILTERS.items():
        with case(name=name, column=column):
            rows = caller.rows(asked, columns=ALL)
            wanted = sorted({row[column] for row in rows})[:2]
            expected = [row for row in rows if row[column].lower() in {value.lower() for value in wanted}]
            assert 0 < len(expected) < len(rows)
            assert caller.rows(asked | {name: wanted}, columns=ALL) == expected
            assert caller.estimate(asked | {name: wanted}, columns=ALL).json()["rowCount"] == len(expected)


def test_only_contact_keys_tell_upper_from_lower_case(caller: Any, asked: Any, case: Case) -> None:
    for name, column in FILTERS.items():
        with case(name=name, column=column):
            value = next(row[column] for row in caller.rows(asked, columns=ALL) if row["ContactKey"].startswith("C-1"))
            found = caller.rows(asked | {name: [value.swapcase()]}, columns=ALL)
            assert bool(found) is (name != "contactKeys")


def test_filters_together_select_what_fits_all_of_them(caller: Any, asked: Any) -> None:
    rows = caller.rows(asked, columns=ALL)
    wanted = {"statuses": ["FAILED", "Bypassed"], "activityTypes": ["SmsSync"]}
    expected = [r for r in rows if r["Status"] in {"Failed", "Bypassed"} and r["ActivityType"].lower() == "smssync"]
    assert expected
    assert caller.rows(asked | wanted, columns=ALL) == expected


def test_no_row_has_a_tag_and_an_empty_list_is_no_filter(caller: Any, asked: Any) -> None:
    assert caller.rows(asked | {"tags": ["spring"]}) == []
    assert caller.rows(asked | {"statuses": []}) == caller.rows(asked)


def test_a_wrong_field_of_the_body_is_refused(caller: Any, asked: Any, case: Case) -> None:
    for changes, code in [
        ({"start": "yesterday"}, 10005),
        ({"end": "2026-13-01T00:00:00Z"}, 10005),
        ({"start": 1795168691204}, 10001),
        ({"start": "2026-11-19T00:00:00Z"}, 10005),
        ({"statuses": "Failed"}, 10001),
        ({"contactKeys": [7]}, 10001),
    ]:
        with case(changes=changes, code=code):
            for route in (caller.estimate, caller.download):
                answer = route(asked | changes)
                assert (answer.status_code, answer.json()["errorcode"]) == (400, code)
            assert next(iter(changes)) in answer.json()["message"]


def test_an_empty_body_means_the_last_24_hours(sandbox: Sandbox, caller: Any) -> None:
    now = sandbox.clock.now()
    day = Window(now - timedelta(hours=24), now)
    assert len(caller.rows({})) == sum(1 for _ in sandbox.sfmc.truth(day, visible_at=now)) > 5_000


def test_a_bound_may_have_milliseconds_an_offset_or_no_zone(caller: Any, asked: Any, case: Case) -> None:
    for form in ["2026-11-18T09:00:00.000Z", "2026-11-18T10:00:00+01:00", "2026-11-18T09:00:00"]:
        with case(form=form):
            assert caller.rows(asked | {"start": form}) == caller.rows(asked)


def test_the_bounds_are_half_open_and_rows_lie_exactly_on_them(caller: Any, hour: Window, asked: Any) -> None:
    times = Counter(row["TransactionTime"] for row in caller.rows(asked))
    assert times["2026-11-18T09:00:00.000Z"]
    assert not times["2026-11-18T10:00:00.000Z"]
    after = caller.rows({"start": iso(hour.end), "end": iso(hour.end + timedelta(hours=1))})
    assert Counter(row["TransactionTime"] for row in after)["2026-11-18T10:00:00.000Z"]


def test_the_end_can_be_inclusive_and_the_start_exclusive(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    before = caller.rows(asked, columns="Id,TransactionTime")
    on_start = [row for row in before if row["TransactionTime"] == "2026-11-18T09:00:00.000Z"]
    sandbox.options.sfmc.end_inclusive = True
    sandbox.options.sfmc.start_exclusive = True
    after = caller.rows(asked, columns="Id,TransactionTime")
    added = [row for row in after if row not in before]
    assert added
    assert {row["TransactionTime"] for row in added} == {"2026-11-18T10:00:00.000Z"}
    assert [row for row in before if row not in after] == on_start
    assert caller.estimate(asked).json()["rowCount"] == len(after)
