"""What holds for every landing, whatever lands."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journey_pipeline.normalize.session import NormalizeLimits
from journey_pipeline_tests.examples import examples
from journey_pipeline_tests.lake.made_landing import MadeLanding, as_csv

pytestmark = pytest.mark.slow(reason="a landing is normalized for each example")

BOUNDED = settings(max_examples=examples(12))
AT = "2026-11-20T09:00:00Z"
HEADER = b"Id,At,Who,Text\r\n"

ODD_TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.text(
    st.sampled_from('",\r\n\\;\t\x00 åé'), max_size=8
)

# A record of few ids and contents, so that keys repeat within a file, between files and between attempts.
IDS = st.sampled_from(["", "", "1", "2", "3", "4"])
GOOD = st.builds(lambda one, who: as_csv([[one, AT, who, "x"]]).split(b"\r\n", 1)[1], IDS, st.sampled_from("ab"))
BAD = st.sampled_from(
    [
        b"9,short\r\n",
        b"9,too,many,fields,here\r\n",
        b"9,yesterday,C,x\r\n",
        b"9,%s,C\xff,x\r\n" % AT.encode(),
        b'8,"a\n,b"\n',
    ]
)
FILES = st.lists(GOOD | GOOD | BAD, max_size=8)
ATTEMPTS = st.lists(st.lists(FILES, min_size=1, max_size=2), min_size=1, max_size=3)


@BOUNDED
@given(st.data(), st.integers(1, 3))
def test_any_table_of_odd_text_comes_through_exactly(data: st.DataObject, extra: int) -> None:
    header = ["Id", "At", "Who", "Text", *(f"extra {number}" for number in range(extra))]
    cells = st.lists(ODD_TEXT, min_size=extra + 2, max_size=extra + 2)
    table = data.draw(st.lists(cells, max_size=12))
    rows = [[str(number), AT, *values] for number, values in enumerate(table)]
    with tempfile.TemporaryDirectory() as folder:
        made = MadeLanding(Path(folder))
        made.land(as_csv(rows, header))
        manifest = made.normalize(NormalizeLimits(block_bytes=data.draw(st.sampled_from([1 << 7, 1 << 20]))))
        found = made.events("contact_id, journey_name, properties")
    assert (manifest.events.rows, manifest.rejects, manifest.unaccounted) == (len(rows), None, 0)
    for (who, text, properties), values, number in zip(found, table, range(len(rows)), strict=True):
        assert [who or "", text or ""] == values[:2]
        expected = {name: value for name, value in zip(header[4:], values[2:], strict=True) if value}
        assert json.loads(properties) == {"id": str(number), **expected}


@BOUNDED
@given(ATTEMPTS)
def test_every_landed_record_is_an_event_a_reject_or_a_duplicate(attempts: list[list[list[bytes]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = MadeLanding(Path(folder))
        for files in attempts:
            made.land(*(HEADER + b"".join(file) for file in files), rows=[len(file) for file in files])
        manifest = made.normalize()
        active = made.manifest().active
        rejected = manifest.rejects.rows if manifest.rejects else 0
        assert manifest.landed == sum(file.rows for attempt in active for file in attempt.files)
        assert manifest.landed == manifest.events.rows + rejected + manifest.duplicates
        assert manifest.unaccounted == 0
        assert len(made.events("distinct event_key")) == len(made.events()) == manifest.events.rows
        assert len(made.rejects()) == rejected


def expected_events(attempts: list[list[list[bytes]]]) -> Counter[bytes]:
    """How many events of each key the union of attempts has: ids once, records without one as often as any says."""
    union: Counter[bytes] = Counter()
    for files in attempts:
        good = [record for file in files for record in file if record.count(b",") == 3 and record.endswith(b",x\r\n")]
        good = [record for record in good if b"\xff" not in record and AT.encode() in record]
        keys = Counter(record if record.startswith(b",") else record.split(b",")[0] for record in good)
        union |= Counter({key: count if key.startswith(b",") else 1 for key, count in keys.items()})
    return union


@BOUNDED
@given(ATTEMPTS)
def test_adding_an_attempt_never_loses_an_event(attempts: list[list[list[bytes]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = MadeLanding(Path(folder))
        before: set[object] = set()
        for number, files in enumerate(attempts, start=1):
            made.land(*(HEADER + b"".join(file) for file in files), rows=[len(file) for file in files])
            manifest = made.normalize()
            keys = set(made.events("event_key"))
            assert before <= keys
            before = keys
            assert manifest.events.rows == expected_events(attempts[:number]).total()


@BOUNDED
@given(ATTEMPTS)
def test_normalizing_twice_gives_the_same_bytes(attempts: list[list[list[bytes]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = MadeLanding(Path(folder))
        for files in attempts:
            made.land(*(HEADER + b"".join(file) for file in files), rows=[len(file) for file in files])
        made.normalize()
        first = made.files()
        made.normalize()
        assert made.files() == first
