"""What APSIS One lists, landed as it came, is found in the warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journey_pipeline.loading.lists import pull_dimensions
from journey_pipeline.model import StreamKey
from journey_pipeline.vendors.apsis.definitions import Page
from journey_pipeline.vendors.apsis.lists import ALL
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file
from journey_pipeline.warehouse.schema import LISTED
from journey_pipeline.warehouse.sync import rebuild, sync
from journey_pipeline_tests.warehouse.made_lake import MadeLake, dump, rows_of, write_parquet

pytestmark = pytest.mark.slow(reason="a warehouse is made in each test")

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0)
NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
DEFINITIONS = StreamKey("apsis", "brand_b", "definitions")
MAIN = "usercreated.sections.main-x1"
Item = dict[str, Any]


def pull(made: MadeLake, *pages: tuple[str, str | None, Sequence[Item]], at: datetime = NOW) -> None:
    bodies = [Page(kind, section, list(items)).body for kind, section, items in pages]
    pull_dimensions(made.lake, DEFINITIONS, bodies, ALL, now=lambda: at)


def rows(made: MadeLake, sql: str) -> list[tuple[Any, ...]]:
    return rows_of(warehouse_file(made.lake), sql)


def field(number: int, name: str, **others: str) -> Item:
    return {"discriminator": f"usercreated.{name}", "name": name, "version_id": number, **others}


def test_what_an_account_has_defined_is_in_tables_with_its_vendor_and_connection(made: MadeLake) -> None:
    pull(
        made,
        ("sections", None, [{"discriminator": MAIN, "name": "Main", "id": 1234}]),
        ("attributes", MAIN, [field(88, "email", type="string")]),
        ("tags", MAIN, [field(7731, "vip")]),
        ("events", MAIN, [field(5512, "open") | {"versions": [{"id": 5511, "schema": {"a": 1}}]}]),
        ("topics", MAIN, [{"discriminator": "t-1", "name": "News"}]),
        ("segments", None, [{"discriminator": "s-1", "name": "Customers"}]),
    )
    assert sync(made.lake, SMALL).broken == ()
    account = ("apsis", "brand_b")
    sections = "select vendor, connection, section_id, section, section_name, first_seen_at from core.sections"
    assert rows(made, sections) == [(*account, "1234", MAIN, "Main", NOW)]
    fields = "select vendor, connection, section, attribute_id, attribute, is_tag, value_type from core.profile_fields"
    assert rows(made, f"{fields} order by is_tag") == [
        (*account, MAIN, "88", "usercreated.email", False, "string"),
        (*account, MAIN, "7731", "usercreated.vip", True, None),
    ]
    types = "select vendor, connection, section, type_id, event_type, data_schema from core.event_types order by 4"
    assert rows(made, types) == [
        (*account, MAIN, "5511", "usercreated.open", '{"a":1}'),
        (*account, MAIN, "5512", "usercreated.open", None),
    ]
    assert rows(made, "select vendor, connection, topic, topic_name from core.topics") == [(*account, "t-1", "News")]
    segments = "select vendor, connection, segment, segment_name from core.segments"
    assert rows(made, segments) == [(*account, "s-1", "Customers")]


def test_a_version_that_is_no_longer_listed_keeps_its_name_beside_the_new_one(made: MadeLake) -> None:
    section = ("sections", None, [{"discriminator": MAIN, "name": "Main", "id": 1234}])
    pull(made, section, ("attributes", MAIN, [field(88, "email")]))
    pull(made, section, ("attributes", MAIN, [field(89, "address")]), at=NOW + timedelta(days=1))
    sync(made.lake, SMALL)
    listed = "select attribute_id, attribute_name, last_seen_at from core.profile_fields order by 1"
    assert rows(made, listed) == [("88", "email", NOW), ("89", "address", NOW + timedelta(days=1))]
    synced = dump(made.lake)
    rebuild(made.lake, SMALL)
    assert dump(made.lake) == synced


@pytest.mark.parametrize("missing", [None, "section"])
def test_a_file_that_repeats_a_key_or_lacks_a_part_of_it_is_named_and_what_was_loaded_stays(
    made: MadeLake, missing: str | None
) -> None:
    pull(made, ("attributes", MAIN, [field(88, "email")]))
    sync(made.lake, SMALL)
    columns = LISTED["profile_fields"].columns
    empty = dict.fromkeys((column.name for column in columns), None)
    row = empty | {"connection": "brand_b", "section": MAIN, "attribute_id": "90"}
    bad = [row | {missing: None}] if missing else [row, row]
    write_parquet(made.lake.dimension_file("brand_b", "profile_fields"), columns, bad)
    (broken,) = sync(made.lake, SMALL).broken
    assert broken.path == "dimensions/brand_b/profile_fields.parquet"
    assert rows(made, "select attribute_id from core.profile_fields") == [("88",)]


def test_a_dimension_file_of_an_earlier_version_gets_its_vendor_when_it_is_next_listed(made: MadeLake) -> None:
    pull(made, ("attributes", MAIN, [field(88, "email")]))
    file = made.lake.dimension_file("brand_b", "profile_fields")
    columns = [column for column in LISTED["profile_fields"].columns if column.name != "vendor"]
    old = dict.fromkeys((column.name for column in columns), None) | {"connection": "brand_b", "section": MAIN}
    write_parquet(file, columns, [old | {"attribute_id": "7", "first_seen_at": NOW, "last_seen_at": NOW}])
    pull(made, ("attributes", MAIN, [field(88, "email")]), at=NOW + timedelta(days=1))
    sync(made.lake, SMALL)
    assert rows(made, "select vendor, attribute_id from core.profile_fields order by 2") == [
        ("apsis", "7"),
        ("apsis", "88"),
    ]


def test_json_of_an_earlier_version_is_loaded_and_is_text_in_the_file_when_it_is_next_listed(made: MadeLake) -> None:
    file = made.lake.dimension_file("brand_b", "event_types")
    columns = LISTED["event_types"].columns
    old = dict.fromkeys((column.name for column in columns), None)
    known = {"connection": "brand_b", "section": MAIN, "type_id": "5511", "data_schema": '{"a":1}'}
    write_parquet(file, columns, [old | known | {"first_seen_at": NOW, "last_seen_at": NOW}])
    schemas = "select type_id, data_schema from core.event_types order by 1"
    assert sync(made.lake, SMALL).broken == ()
    assert rows(made, schemas) == [("5511", '{"a":1}')]
    assert pq.read_schema(file).field("data_schema").type != pa.string()
    pull(made, ("events", MAIN, [field(5512, "open", schema="text")]), at=NOW + timedelta(days=1))
    assert pq.read_schema(file).field("data_schema").type == pa.string()
    assert sync(made.lake, SMALL).broken == ()
    assert rows(made, schemas) == [("5511", '{"a":1}'), ("5512", '"text"')]
