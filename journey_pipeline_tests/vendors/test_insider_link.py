"""A link is fetched only if it is what Insider's links are; all else gets a rule that says why not."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journey_pipeline.errors import ConfigError
from journey_pipeline.model import Judged
from journey_pipeline.vendors.insider.link import Rules, end_of, judge_call
from journey_pipeline.vendors.judges import judge_of
from journey_pipeline_tests.examples import examples

SIGNED = datetime(2026, 3, 8, 2, 14, 36, tzinfo=UTC)
HOUR = timedelta(hours=1)
FILE = "https://insider-data-export.useinsider.com/acmeshop/p/2026-03-08T02%3A14%3A09.482113907Z.parquet"
HOST = "insider-data-export.useinsider.com"
QUERY = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAEXAMPLE%2F20260308%2Feu-west-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20260308T021436Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=" + "0a" * 32
)
LINK = f"{FILE}?{QUERY}"
RULES = Rules("acmeshop")
PATH = "/acmeshop/p/2026-03-08T02%3A14%3A09.482113907Z.parquet"


def judged(said: object, *, at: datetime = SIGNED + HOUR, rules: Rules = RULES) -> Judged:
    return judge_call(said, rules, at=at)


def test_a_link_of_the_vendor_is_taken_byte_for_byte_with_its_end() -> None:
    assert judged({"url": LINK}) == Judged(link=LINK, path=PATH, ends_at=SIGNED + 24 * HOUR)
    assert judged(LINK) == judged({"url": LINK, "more": 1})
    assert end_of(LINK) == SIGNED + 24 * HOUR


@pytest.mark.parametrize(
    ("link", "rule"),
    [
        ("", "it is empty"),
        (f"{LINK}&x={'a' * 65_536}", "longer than 8192"),
        (f"{FILE}\n?{QUERY}", "character that no link has"),
        (f" {LINK}", "character that no link has"),
        (f"{LINK}#top", "character that no link has"),
        (LINK.replace("/acmeshop", "\\acmeshop"), "character that no link has"),
        (LINK.replace("https://", "https://user:word@"), "names a user"),
        (LINK.removeprefix("https:"), "scheme is missing"),
        (LINK.replace("https://", "http://"), "scheme is http, not https"),
        (LINK.replace("https://", "file://"), "scheme is file, not https"),
        (LINK.replace(".com/", ".com:444/"), "port is 444"),
        (LINK.replace(".com/", ".com:0/"), "no address"),
        (LINK.replace(".com/", ".com:99999/"), "no address"),
        (
            LINK.replace(HOST, "xn--insider-data-export-useinsider-9z8a.com"),
            "host is none",
        ),
        (LINK.replace(".com/", ".com./"), "host is none"),
        (LINK.replace("useinsider.com", "useinsider.com.example"), "host is none"),
        (LINK.replace(HOST, "[::1]"), "host is none"),
        (LINK.replace(HOST, "169.254.169.254"), "host is none"),
        ("https:///acmeshop/p/x", "no address"),
        ("https://[acmeshop/p/x", "no address"),
        ("//insider-data-export.useinsider.com/acmeshop/p/x", "scheme is missing"),
        (LINK.replace("/acmeshop/p/", "/other/p/"), "path does not begin with /acmeshop/p/"),
        (LINK.replace("/acmeshop/p/", "/acmeshop/q/"), "path does not begin"),
        (LINK.replace("/acmeshop/p/", "//acmeshop/p/"), "path does not begin"),
        (f"https://insider-data-export.useinsider.com/acmeshop/p/?{QUERY}", "path does not begin"),
        (LINK.replace("/p/", "/p/../../other/p/"), "leads elsewhere"),
        (LINK.replace("/p/", "/p/%2e%2e/"), "leads elsewhere"),
        (LINK.replace("/p/", "/p/%2Fother/"), "leads elsewhere"),
        (FILE, "signature lacks X-Amz-Algorithm, X-Amz-Credential, X-Amz-Date"),
        (LINK.replace("X-Amz-Signature=", "X-Amz-Signed="), "lacks X-Amz-Signature"),
        (f"{LINK}&X-Amz-Date=20260308T021436Z", "lacks X-Amz-Date, or has it twice"),
        (LINK.replace("021436Z", "029936Z"), "is none"),
        (LINK.replace("86400", "never"), "is none"),
    ],
)
def test_a_link_that_breaks_a_rule_is_told_the_rule(link: str, rule: str) -> None:
    assert rule in judged({"url": link}).breaks
    for secret in ("user:word", "0a0a0a", "other"):
        assert secret not in judged({"url": link}).breaks


@pytest.mark.parametrize(
    ("after", "rule"),
    [(-16 * timedelta(minutes=1), "15 minutes ahead"), (-14 * timedelta(minutes=1), ""), (24 * HOUR, "")],
)
def test_a_link_is_dated_about_now(after: timedelta, rule: str) -> None:
    found = judged(LINK, at=SIGNED + after)
    assert (rule in found.breaks) is bool(rule) or not found.breaks
    assert bool(found.breaks) is bool(rule)


def test_a_link_that_lives_for_days_is_taken_on_its_first_day_alone() -> None:
    week = LINK.replace("86400", "604800")
    assert judged(week).breaks == ""
    assert "more than 24 hours ago" in judged(week, at=SIGNED + 25 * HOUR).breaks


@pytest.mark.parametrize(
    ("url", "told"), [(7, "a number"), (None, "null"), ([], "a list"), ({}, "an object"), (True, "true or false")]
)
def test_a_url_that_is_no_text_breaks_a_rule(url: object, told: str) -> None:
    assert judged({"url": url}).breaks == f"the call's `url` is no text but {told}"


def test_a_call_without_a_url_is_the_vendors_notice() -> None:
    found = judged({"message": "too large"})
    assert (found.notice, found.breaks, found.link) == ('{"message": "too large"}', "", "")


@pytest.mark.parametrize("export_id", ["", "\ud800", "a/../b", "x" * 201])
def test_an_id_of_an_export_that_is_none_breaks_a_rule(export_id: str) -> None:
    assert judged({"export_id": export_id}).breaks == "its `export_id` is none"


def test_an_id_beside_an_error_is_the_vendors_notice() -> None:
    assert judged({"export_id": "exp_1", "error": "too large"}).notice == '"too large"'


def test_an_entry_of_the_list_with_a_scheme_allows_just_that_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIDER_PARTNER_NAME", "acmeshop")
    monkeypatch.setenv("INSIDER_DOWNLOAD_HOSTS", "http://127.0.0.1:8765,files.example")
    judge = judge_of("insider", "insider")
    for host, is_taken in {
        "http://127.0.0.1:8765": True,
        "https://files.example": True,
        "https://files.example:443": True,
        "http://127.0.0.1:8766": False,
        "https://127.0.0.1:8765": False,
        "http://files.example": False,
        "https://insider-data-export.useinsider.com": False,
    }.items():
        link = f"{host}{PATH}?{QUERY}"
        assert (judge(link, SIGNED).breaks == "") is is_taken, host


def test_a_vendor_that_does_not_call_has_no_judge() -> None:
    with pytest.raises(ConfigError, match="apsis does not call with links"):
        judge_of("apsis", "apsis")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda deeper: st.lists(deeper) | st.dictionaries(st.sampled_from(["url", "export_id"]) | st.text(), deeper),
    max_leaves=10,
)


@given(JSON)
@settings(max_examples=examples(50))
def test_whatever_is_called_with_is_judged(said: object) -> None:
    found = judged(said)
    assert found.breaks or found.notice or re.fullmatch(r"v2:[^/]+", found.link)
    assert found.path.isascii()


@given(st.text(max_size=40), st.integers(0, len(LINK)))
@settings(max_examples=examples(100))
def test_a_link_with_anything_put_in_is_no_other_hosts_link(put_in: str, where: int) -> None:
    found = judged(LINK[:where] + put_in + LINK[where:])
    assert found.breaks or re.match(rf"https://{HOST}(:443)?/acmeshop/p/[^?]", found.link)
