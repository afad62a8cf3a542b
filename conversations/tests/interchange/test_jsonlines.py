"""JSON Lines: an item a line, blank lines, broken lines, and what only looks like it."""

import io
import json
import tracemalloc

import pytest

from conversations.interchange import jsonstream
from conversations.interchange.errors import MalformedSource
from conversations.interchange.files import read_files
from conversations.interchange.jsonstream import JsonItems
from conversations.interchange.records import ConversationRecord, Trouble

from .exports import branch, conversation, zipped

pytestmark = pytest.mark.interchange


def told(data):
    """The items, the troubles of broken lines, and where the items are said to stand."""
    broken = []
    items = JsonItems(io.BytesIO(data), on_broken=broken.append)
    read = list(items)
    return read, broken, [items.pointer(index) for index in range(len(read))]


@pytest.mark.parametrize(
    ("data", "items"),
    [
        (b'{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        (b'\xef\xbb\xbf\r\n{"a": 1}\r\n\r\n \r\n{"a": 2}\r\n\r\n', [{"a": 1}, {"a": 2}]),
        (
            b'{"conversations": [{"from": "x"}]}\n{"conversations": []}',
            [{"conversations": [{"from": "x"}]}, {"conversations": []}],
        ),
        (b'{"a": 1}\n7\n[2]\nnull', [{"a": 1}, 7, [2], None]),
        (b'{"a": NaN}\n{"a": "half \\ud800"}', [{"a": None}, {"a": "half \ud800"}]),
    ],
)
def test_each_line_is_an_item(data, items):
    assert told(data) == (items, [], [f"/{index}" for index in range(len(items))])


@pytest.mark.parametrize(
    "data", [b'{"a": 1}', b'{"a": 1}\n\n  \n', b'{\n"a": {}}\n', b'{"a":\n[{"b": {}},\n{"c": 1}]}']
)
def test_one_object_is_one_item_however_it_is_laid_out(data):
    assert told(data) == ([json.loads(data)], [], [""])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": 1', "not_json"),
        (b'{"a": "unterminated', "not_json"),
        (b"oops", "not_json"),
        (b'{"a": 1} {"b": 2}', "not_json"),
        (b'{"a": ' + b"[" * 5000 + b"}", "nested_too_deep"),
        (b'{"a": ' + b"7" * 5000 + b"}", "number_too_long"),
    ],
    ids=lambda value: ascii(value)[:20],
)
@pytest.mark.parametrize("place", [1, 3])
def test_a_broken_line_is_told_and_the_next_is_read(line, reason, place):
    lines = [b'{"n": 0}', b'{"n": 1}', b"", b'{"n": 2}']
    items, (trouble,), pointers = told(b"\n".join([*lines[:place], line, *lines[place:]]))
    assert items == [{"n": 0}, {"n": 1}, {"n": 2}]
    at = 1 if place == 1 else 2  # the blank line is none
    assert (trouble.outcome, trouble.reason, trouble.index, trouble.pointer) == ("failed", reason, at, f"/{at}")
    assert trouble.detail.startswith(f"Line {place + 1}: ")
    assert pointers == [f"/{index + (index >= at)}" for index in range(3)]


def test_the_first_line_may_be_broken_too():
    items, (trouble,), pointers = told(b'{"a": oops}\n{"a": 2}\n')
    assert (items, trouble.pointer, pointers) == ([{"a": 2}], "/0", ["/1"])


def test_a_file_cut_off_in_its_last_line_gives_all_before_it():
    items, (trouble,), _ = told(b'{"a": 1}\n{"a": 2}\n{"a": "ha')
    assert (items, trouble.detail[:7]) == ([{"a": 1}, {"a": 2}], "Line 3:")


def test_a_broken_line_ends_a_reading_that_has_no_place_to_tell_it():
    items = []
    with pytest.raises(MalformedSource, match="not_json"):
        items.extend(JsonItems(io.BytesIO(b'{"a": 1}\noops\n{"a": 2}')))
    assert items == [{"a": 1}]


def test_broken_lines_without_end_end_the_reading(monkeypatch):
    monkeypatch.setattr(jsonstream, "MAX_BROKEN_LINES", 3)
    sparse = b'{"a": 1}\n' + b"oops\noops\noops\n{}\n" * 5
    assert len(told(sparse)[0]) == 6
    with pytest.raises(MalformedSource, match="not_json"):
        told(sparse + b"oops\n" * 4)


def test_a_fault_in_the_bytes_comes_after_every_line_before_it():
    items, broken = [], []
    with pytest.raises(MalformedSource, match="not_utf8"):
        items.extend(JsonItems(io.BytesIO(b'{"a": 1}\n{"a": 2}\n{"a": "\xff"}\n{}'), on_broken=broken.append))
    assert (items, broken) == ([{"a": 1}, {"a": 2}], [])


@pytest.mark.parametrize("width", [(1 << 20) - 3, 1 << 20, 5 << 20])
def test_lines_of_any_length_and_on_the_edge_of_a_chunk(width):
    long = {"a": "x" * width}
    data = json.dumps(long).encode() + b"\n" + json.dumps(long).encode() + b"\noops\n{}"
    items, (trouble,), _ = told(data)
    assert items == [long, long, {}]
    assert trouble.detail.startswith("Line 3: ")


def test_memory_is_that_of_a_chunk_however_many_lines():
    class Endless:
        left = 5_000
        line = json.dumps({"text": "x" * 10_000}).encode() + b"\n"

        def read(self, size, /):
            self.left -= 1
            return b"" if self.left < 0 else self.line

    tracemalloc.start()
    try:
        assert sum(1 for _ in JsonItems(Endless())) == 5_000
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


def outline(found):
    return [(item.index, item.pointer) if isinstance(item, Trouble) else item.external_id for item in found]


def test_troubles_of_lines_and_of_items_stand_in_the_order_of_the_file(tmp_path):
    items = [branch(1, id="a"), conversation({}, id="shell"), branch(1, id="b"), branch(1, id="c") | {"mapping": 7}]
    first, shell, second, failed = (json.dumps(item).encode() for item in items)
    data = b"\n".join([first, b"oops", shell, b"oops", second, b"", failed, b"oops"])
    expected = ["a", (1, "/1"), (2, "/2"), (3, "/3"), "b", (5, "/5/mapping"), (6, "/6")]
    for path in (tmp_path / "c.jsonl", zipped(tmp_path / "c.zip", [("some name", data)])):
        if path.suffix == ".jsonl":
            path.write_bytes(data)
        found = list(read_files([path]))
        assert outline(found) == expected
        assert sum(isinstance(item, ConversationRecord) for item in found) == 2
