"""Streams of JSON: any length, any damage, bounded memory."""

import io
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.interchange.errors import MalformedSource
from conversations.interchange.jsonstream import JsonItems

from .exports import stream

pytestmark = pytest.mark.interchange

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class Dripping(io.BytesIO):
    """A stream that gives one byte at a time."""

    def read(self, size=-1, /):
        return super().read(min(size, 1))


def until_broken(data, **limits):
    """The items before the fault, and the fault."""
    items = []
    with pytest.raises(MalformedSource) as fault:
        items.extend(JsonItems(io.BytesIO(data), **limits))
    return items, fault.value


@given(st.lists(ANY_JSON, max_size=6), st.booleans())
def test_the_items_are_those_of_the_array(values, as_ascii):
    text = json.dumps(values, ensure_ascii=as_ascii)
    assert list(JsonItems(io.BytesIO(text.encode()))) == values


@pytest.mark.parametrize("values", [[1.5, -12, 3e7, "é😀", {"a": [1, {}]}, None, True], [7]])
def test_tokens_cut_by_a_read_are_put_together(values):
    assert list(JsonItems(Dripping(json.dumps(values, ensure_ascii=False).encode()))) == values


@pytest.mark.parametrize("width", range(1 << 20, (1 << 20) + 24))
def test_a_number_on_the_edge_of_a_chunk_stays_whole(width):
    data = b"[" + b" " * (width - 20) + b"-123456.75e2, true]"
    assert list(stream(data)) == [-12345675.0, True]


@pytest.mark.parametrize(
    ("data", "items", "pointer"),
    [
        (b"", [], ""),
        (b" \n", [], ""),
        (b"[]", [], "/0"),
        (b"{}", [{}], ""),
        (b'\xef\xbb\xbf[{"a": 1}]', [{"a": 1}], "/0"),
        (b'{"version": 3, "conversations": [1, 2], "more": {"a": []}}', [1, 2], "/conversations/0"),
        (b'{"conversations": []}', [], "/conversations/0"),
        (b'{"title": "t", "mapping": {}}', [{"title": "t", "mapping": {}}], ""),
        (b'{"conversations": {"a": 1}}', [{"conversations": {"a": 1}}], ""),
    ],
)
def test_arrays_envelopes_and_single_objects_are_taken(data, items, pointer):
    read = stream(data)
    assert list(read) == items
    assert read.pointer(0) == pointer


def test_nul_lone_surrogates_and_great_integers_stay_as_they_are():
    data = rb'["nul \u0000", "half \ud800 pair", "\ud83d\ude00", 123456789012345678901234567890, "raw	tab"]'
    assert list(stream(data)) == ["nul \0", "half \ud800 pair", "😀", 123456789012345678901234567890, "raw\ttab"]


def test_what_is_no_json_number_is_null_as_browsers_write_it():
    assert list(stream(b"[NaN, Infinity, -Infinity, 1e130000, 1.5]")) == [None, None, None, None, 1.5]


def test_of_equal_keys_the_last_wins():
    assert list(stream(b'[{"a": 1, "a": 2}]')) == [{"a": 2}]


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        (b"", "truncated_json"),
        (b', {"a": "half', "truncated_json"),
        (b', {"a": 1', "truncated_json"),
        (b", ]", "not_json"),
        (b" 3]", "not_json"),
        (b', {"a" 1}]', "not_json"),
        (b"] and more", "trailing_data"),
        (b', "\xff"]', "not_utf8"),
        (b', "\xed\xa0\x80"]', "not_utf8"),
        (b', "\xe2\x82', "not_utf8"),
        (b", " + b"[" * 100_000 + b"]" * 100_000 + b"]", "nested_too_deep"),
        (b', {"a": ' + b"7" * 5000 + b"}]", "number_too_long"),
        (b', "' + b"x" * 9_000_000 + b'"]', "item_too_large"),
    ],
    ids=lambda value: ascii(value)[:24],
)
def test_damage_is_named_after_every_item_before_it(rest, reason):
    items, fault = until_broken(b'[{"a": 1}, 2' + rest, max_item=4_000_000)
    assert (items[:2], fault.reason) == ([{"a": 1}, 2], reason)


@pytest.mark.parametrize("data", ['[{"a": 1}]'.encode("utf-16"), '[{"a": 1}]'.encode("utf-16-le"), b"%PDF-1.7", b"7"])
def test_what_is_no_json_is_refused(data):
    items, fault = until_broken(data)
    assert (items, fault.reason in ("not_utf8", "not_json")) == ([], True)


def test_a_fault_tells_its_byte_and_no_text():
    _, fault = until_broken('["é😀", secret]'.encode())
    assert fault.position == len('["é😀", '.encode())
    assert "secret" not in str(fault)


def test_progress_adds_up_to_the_size():
    data, told = json.dumps([{"n": number} for number in range(200_000)]).encode(), []
    items = JsonItems(io.BytesIO(data), on_bytes=told.append)
    next(iter(items))
    assert 0 < sum(told) < len(data)
    list(items)
    assert sum(told) == items.bytes_read == len(data)


def test_memory_is_that_of_a_chunk_however_long_the_array():
    class Endless:
        """50 MB of items of 10 kB, made as they are read."""

        left = 5_000
        item = json.dumps({"text": "x" * 10_000}).encode()

        def read(self, size, /):
            self.left -= 1
            return b"" if self.left < 0 else (b"[" if self.left == 4_999 else b",") + self.item + b"]" * (not self.left)

    tracemalloc.start()
    try:
        assert sum(1 for _ in JsonItems(Endless())) == 5_000
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()
