from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journey_pipeline.formats.json_object import ObjectSplitter
from journey_pipeline.formats.json_scan import BrokenError, CutError, DocumentError, NoRecordsError, OversizedError
from journey_pipeline_tests.examples import examples
from journey_pipeline_tests.formats.json_texts import NAMES, OBJECTS, TEXTS, VALUES, WAYS, pieces, written

Pairs = list[tuple[str, Any]]
BOUNDED = settings(max_examples=examples(40))
SIZES = st.sampled_from([1, 7, 64])
BUFFERS = st.sampled_from([30, 200, 1000])
HINTS = st.sampled_from([None, "sections"])

# What is inside of every member begins with the hint, as in the exports that this is for; deeper down it may come too.
MEMBERS = st.builds(lambda inside, more: {"sections": inside, **more}, OBJECTS, OBJECTS)
GIANTS = st.lists(st.tuples(NAMES, MEMBERS), max_size=8)


def pairs(text: bytes) -> Pairs:
    """The members with every repetition, as the standard library reads them."""
    with_inner_dicts: list[Pairs] = []

    def hook(found: Pairs) -> Any:
        with_inner_dicts.append(found)
        return dict(found)

    json.loads(text, object_pairs_hook=hook)
    return with_inner_dicts[-1]


def split(text: bytes, size: int = 1 << 20, **options: Any) -> Iterator[tuple[str, Any]]:
    splitter = ObjectSplitter("profiles", pairs, **{"longest_bytes": 1 << 20, **options})
    for members in splitter.split(pieces(text, size)):
        assert members.fault is None
        yield from members.decoded or []


def document(giant: Pairs, way: dict[str, Any], before: Any = 1, after: Any = None) -> bytes:
    return b"".join(parts(giant, way, before, after))


def parts(giant: Pairs, way: dict[str, Any], before: Any = 1, after: Any = None) -> list[bytes]:
    """An export in which keys may repeat, which no dict can hold: what comes before, member by member, after."""
    mark = "only here, once"
    text = written({"created": before, "profiles": mark, "metadata": after}, way)
    comma, colon = (separator.encode() for separator in way["separators"] or (", ", ": "))
    members = [written(key, way) + colon + written(value, way) + comma for key, value in giant]
    if members:
        members[-1] = members[-1].removesuffix(comma)
    head, tail = text.split(written(mark, way))
    return [head + b"{", *members, b"}" + tail]


@BOUNDED
@given(GIANTS, WAYS, SIZES, BUFFERS, HINTS)
@pytest.mark.slow(reason="many examples")
def test_members_are_those_that_the_standard_library_reads(
    giant: Pairs, way: dict[str, Any], size: int, buffer_bytes: int, hint: str | None
) -> None:
    text = document(giant, way)
    assert list(split(text, size, buffer_bytes=buffer_bytes, hint=hint)) == giant


@BOUNDED
@given(st.lists(st.tuples(TEXTS, VALUES), max_size=8), WAYS, SIZES, BUFFERS, HINTS)
def test_members_need_not_begin_alike(
    giant: Pairs, way: dict[str, Any], size: int, buffer_bytes: int, hint: str | None
) -> None:
    text = document(giant, way)
    assert list(split(text, size, buffer_bytes=buffer_bytes, hint=hint)) == giant


@BOUNDED
@given(GIANTS, MEMBERS, WAYS, SIZES, BUFFERS)
def test_members_of_other_objects_are_never_taken_for_its_own(
    giant: Pairs, other: Any, way: dict[str, Any], size: int, buffer_bytes: int
) -> None:
    others = {f"k{number}": other for number in range(4)}
    text = document(giant, way, before=others, after=others)
    splitter = ObjectSplitter("profiles", pairs, hint="sections", buffer_bytes=buffer_bytes, longest_bytes=1 << 20)
    found = [one for members in splitter.split(pieces(text, size)) for one in members.decoded or []]
    assert found == giant
    assert splitter.small.values == {"created": others, "metadata": others}


@BOUNDED
@given(GIANTS, WAYS, BUFFERS, HINTS, st.data())
def test_a_cut_document_is_noticed_and_what_was_whole_is_given(
    giant: Pairs, way: dict[str, Any], buffer_bytes: int, hint: str | None, data: st.DataObject
) -> None:
    texts = parts(giant, way)
    text = b"".join(texts)
    end = data.draw(st.integers(0, len(text) - 1))
    found: Pairs = []
    with pytest.raises(CutError) as caught:
        found.extend(split(text[:end], 64, buffer_bytes=buffer_bytes, hint=hint))
    whole = sum(1 for number in range(2, len(texts)) if len(b"".join(texts[:number]).rstrip()) <= end)
    assert len(found) in {whole, whole - 1}  # the last one's comma may be what is missing
    assert found == giant[: len(found)]
    assert caught.value.at == end


@BOUNDED
@given(GIANTS, WAYS, HINTS, st.data())
def test_what_is_no_json_is_noticed(giant: Pairs, way: dict[str, Any], hint: str | None, data: st.DataObject) -> None:
    text = bytearray(document(giant, way))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at : at + data.draw(st.integers(0, 2))] = data.draw(
        st.sampled_from([b"", b'"', b"\\", b"]", b"}", b",", b"1"])
    )
    try:
        expected = [value for name, value in pairs(bytes(text)) if name == "profiles"]
    except (ValueError, IndexError):
        expected = None
    splitter = ObjectSplitter("profiles", pairs, hint=hint, buffer_bytes=50)
    try:
        given_ = list(splitter.split(pieces(bytes(text), 9)))
    except DocumentError:
        assert not (expected and isinstance(expected[-1], dict))
        return
    if any(members.fault for members in given_):
        assert expected is None
    else:
        assert expected
        assert dict(one for members in given_ for one in members.decoded or []) == expected[-1]


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def test_a_wrong_guess_is_refused_and_nothing_of_the_outside_gets_in() -> None:
    inner = {f"k{number}": {"sections": {"x": "y" * 20}} for number in range(20)}
    text = compact({"profiles": {"one": {"sections": {}, "deep": inner}, "two": {"sections": 1}}, "metadata": inner})
    for buffer_bytes in range(10, len(text), 7):
        found = dict(split(text, 13, hint="sections", buffer_bytes=buffer_bytes))
        assert found == {"one": {"sections": {}, "deep": inner}, "two": {"sections": 1}}


def test_a_member_that_the_decoder_refuses_is_given_alone_and_spoils_no_other() -> None:
    text = b'{"profiles":{"a":{"n":1},"b":{"n":"lone \\ud800"},"c":{"n":\xff},"d":{"n" 1},"e":{"n":2}}}'
    splitter = ObjectSplitter("profiles", msgspec.json.Decoder(dict[str, dict[str, Any]]).decode)
    found = list(splitter.split([text]))
    assert [members.decoded for members in found if members.fault is None] == [{"a": {"n": 1}}, {"e": {"n": 2}}]
    refused = [members.raw for members in found if members.fault]
    assert refused == [b'{"b":{"n":"lone \\ud800"}}', b'{"c":{"n":\xff}}', b'{"d":{"n" 1}}']
    assert not any(word in str(members.fault) for members in found for word in ("lone", "ud800"))


@pytest.mark.parametrize("size", [3, 100, 1 << 20])
@pytest.mark.parametrize("hint", ["sections", None])
def test_a_member_that_is_too_long_is_cut_in_its_array(size: int, hint: str | None) -> None:
    events = [{"id": number, "data": {"events": [{"text": '"events":[{'}], "n": number}} for number in range(200)]
    attributes = {"1": {"value": "ana"}}
    hot = {"sections": {"7": {"attributes": attributes, "events": events}, "8": {"events": events[:2]}}}
    calm: dict[str, Any] = {"sections": {}}
    text = compact({"profiles": {"calm": calm, "hot": hot, "late": calm}})
    found = list(split(text, size, hint=hint, array="events", buffer_bytes=500, longest_bytes=2000))
    assert [key for key, _ in found] == ["calm", *["hot"] * (len(found) - 2), "late"]
    assert len(found) > 20
    sections = [value["sections"] for key, value in found if key == "hot"]
    assert [event for section in sections for event in section.get("7", {}).get("events", ())] == events
    assert [event for section in sections for event in section.get("8", {}).get("events", ())] == events[:2]
    assert all(section["7"]["attributes"] == attributes for section in sections if "7" in section)


@pytest.mark.parametrize("array", [None, "other"])
def test_a_member_that_is_too_long_and_may_not_be_cut_is_an_error(array: str | None) -> None:
    text = compact({"profiles": {"hot": {"events": [{"id": number} for number in range(1000)]}}})
    with pytest.raises(OversizedError, match="longer than 2000 bytes"):
        list(split(text, 100, array=array, buffer_bytes=500, longest_bytes=2000))


def test_an_element_that_is_too_long_is_an_error() -> None:
    text = compact({"profiles": {"hot": {"events": [{"id": 1}, {"text": "x" * 5000}]}}})
    with pytest.raises(OversizedError):
        list(split(text, 100, array="events", buffer_bytes=500, longest_bytes=2000))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (b"<html>", 0),
        (b"[1]", 0),
        (b'{"profiles":{"a":1},"b":2} x', 26),
        (b'{"profiles":{"a":1} 7,"b":2}', 19),
        (b'{"profiles":{"a":1]}', 18),
        (b'{"profiles":{"a":1,}}', 19),
        (b'{"profiles":{,"a":1}}', 13),
        (b'{"profiles":{"a":1,,"b":2}}', 19),
        (b'{"profiles":{},"b":yes}', 19),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_a_broken_document_says_at_which_byte_it_broke(text: bytes, at: int, size: int) -> None:
    with pytest.raises(BrokenError, match=f"byte {at}") as caught:
        list(split(text, size))
    assert caught.value.at == at


@pytest.mark.parametrize("size", [1, 1000])
def test_a_document_without_the_object_tells_its_members(size: int) -> None:
    with pytest.raises(NoRecordsError, match="without 'profiles'; its members: error, code"):
        list(split(b'{"error":"too much","code":413}', size))


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize("text", [b'{"profiles":{}}', b' {"profiles" : { } , "metadata":{}} ', b'{"profiles":null}'])
def test_an_object_may_be_empty(text: bytes, size: int) -> None:
    assert list(split(text, size)) == []


@pytest.mark.slow(reason="a big document is read")
def test_memory_does_not_grow_with_the_document() -> None:
    profile = compact({"sections": {"7": {"events": [{"data": "x" * 500}] * 20}}})

    def chunks() -> Iterator[bytes]:
        yield b'{"profiles":{"first":' + profile
        for number in range(60):
            yield b"".join(b',"key %d-%d":%s' % (number, inner, profile) for inner in range(100))
        yield b"}}"

    longest = members = 0
    tracemalloc.start()
    try:
        for block in ObjectSplitter("profiles", pairs, hint="sections").split(chunks()):
            longest = max(longest, len(block.raw))
            members += len(block.decoded or [])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert members == 6001
    assert longest < 4 << 20
    assert peak < 40 << 20
