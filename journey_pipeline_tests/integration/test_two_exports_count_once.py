"""Both exports of APSIS One in one warehouse, against what the vendor knows: each e-mail event counts once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from journey_pipeline.lake.layout import Lake
from journey_pipeline.model import Granularity, Window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.transport.retry import no_waiting
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.contract.declaration import ContractStream
from journey_pipeline_tests.contract.exports import EMAIL_EVENTS, PROFILE_EVENTS
from journey_pipeline_tests.contract.loads import Order
from journey_pipeline_tests.warehouse.made_lake import dump, rows_of

pytestmark = pytest.mark.slow(reason="days of two streams are loaded in each test")

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0)
NOW = datetime(2024, 3, 5, 12, 30, tzinfo=UTC)  # nothing late is still to come
TWO_DAYS = Window(datetime(2024, 2, 28, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC))
ACTIONS = {
    "email-sent": "send",
    "email-delivered": "deliver",
    "email-open": "open",
    "email-click": "click",
    "email-bounce": "bounce",
    "email-unsubscribe": "unsubscribe",
    "email-abuse": "complain",
}
TYPES = {
    "SENT": "send",
    "DELIVERED": "deliver",
    "OPENED": "open",
    "CLICKED": "click",
    "BOUNCED": "bounce",
    "UNSUBSCRIBED": "unsubscribe",
    "ABUSE": "complain",
}

# Which thing happened, and on which day it counts.
Told: TypeAlias = dict[tuple[str, str], str]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    world = World(rows_per_hour=20, contacts=300, late_share=0.05, steady=True)
    with serve(world, clock=SandboxClock.frozen(NOW)) as running:
        yield running


@pytest.fixture
def lake(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    sandbox.clock.freeze(NOW)
    sandbox.apsis.exports.clear()
    sandbox.options.change(SandboxOptions().model_dump_json().encode())
    sandbox.options.change(b'{"apsis": {"pending_s": 0, "profile_gap": 0.05, "email_gap": 0.1}}')
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    with no_waiting():
        yield Lake(tmp_path)


def load(sandbox: Sandbox, lake: Lake, stream: ContractStream) -> None:
    order = Order(lake, tuple(TWO_DAYS.partitions(Granularity.DAY)), sandbox.clock)
    for outcome in stream.load(order):
        assert outcome.error is None, outcome.error
    assert sync(lake, SMALL).broken == ()


def day_of(record: dict[str, Any]) -> str:
    return datetime.fromtimestamp(record["occurred_ms"] / 1000, UTC).date().isoformat()


def in_profiles(sandbox: Sandbox) -> tuple[Told, Counter[str]]:
    """The e-mail events of profiles, and how many others there are each day."""
    told: Told = {}
    others: Counter[str] = Counter()
    for record in sandbox.apsis.profile_truth(TWO_DAYS, NOW):
        action = ACTIONS.get((record["discriminator"] or "").rpartition(".")[2])
        if action:
            told[record["correlation_id"], action] = day_of(record)
        else:
            others[day_of(record)] += 1
    return told, others


def in_emails(sandbox: Sandbox) -> Told:
    return {
        (record["correlation_id"], TYPES[record["type"]]): day_of(record)
        for record in sandbox.apsis.email_truth(TWO_DAYS, NOW)
    }


def by_day_and_action(told: Told) -> Counter[tuple[str, str]]:
    return Counter((day, action) for (_, action), day in told.items())


def counted(lake: Lake) -> Counter[tuple[str, str]]:
    rows = rows_of(
        warehouse_file(lake),
        "select occurred_on::varchar, action, sum(events)::bigint from marts.journey_daily "
        "where channel = 'email' group by all",
    )
    return Counter({(day, action): events for day, action, events in rows})


@pytest.mark.parametrize(("first", "second"), [(PROFILE_EVENTS, EMAIL_EVENTS), (EMAIL_EVENTS, PROFILE_EVENTS)], ids=str)
def test_the_mart_counts_the_union_of_both_exports_once(
    sandbox: Sandbox, lake: Lake, first: ContractStream, second: ContractStream
) -> None:
    profiles, others = in_profiles(sandbox)
    emails = in_emails(sandbox)
    assert len(profiles.keys() & emails.keys()) > len(profiles.keys() - emails.keys()) > 0
    assert emails.keys() - profiles.keys()
    load(sandbox, lake, first)
    assert counted(lake) == by_day_and_action(profiles if first is PROFILE_EVENTS else emails)
    load(sandbox, lake, second)
    assert counted(lake) == by_day_and_action(profiles | emails)
    in_all = "select occurred_on::varchar, sum(events)::bigint from marts.journey_daily group by all"
    union = Counter((profiles | emails).values()) + others
    assert Counter(dict(rows_of(warehouse_file(lake), in_all))) == union
    synced = dump(lake)
    rebuild(lake, SMALL)
    assert dump(lake) == synced


def test_the_table_of_agreement_says_what_each_export_lacks(sandbox: Sandbox, lake: Lake) -> None:
    load(sandbox, lake, PROFILE_EVENTS)
    load(sandbox, lake, EMAIL_EVENTS)
    profiles, _ = in_profiles(sandbox)
    emails = in_emails(sandbox)
    expected: dict[str, list[int]] = {}
    for key, day in (profiles | emails).items():
        place = 0 if key in profiles and key in emails else 1 if key in profiles else 2
        expected.setdefault(day, [0, 0, 0])[place] += 1
    held = rows_of(
        warehouse_file(lake),
        "select occurred_on::varchar, in_both, only_in_stream, only_in_twin, connection, stream, twin_stream "
        "from ops.agreement",
    )
    assert {row[0]: list(row[1:4]) for row in held} == expected
    assert {row[4:] for row in held} == {("apsis", "profile_events", "email_events")}
