"""Files as people upload them: zips good and hostile, JSON of any vendor, damage at any place."""

import json
import stat
import struct
import zipfile

import pytest

from conversations.interchange import sources
from conversations.interchange.errors import MalformedSource, UnrecognisedSource
from conversations.interchange.files import read_files, total_bytes
from conversations.interchange.records import ConversationRecord, DocumentRecord, Trouble

from .exports import FIXTURES, branch, zipped

pytestmark = pytest.mark.interchange

ONE = json.dumps([branch(2)]).encode()
SHELL = {"id": "s", "title": "A shell", "create_time": 1.0}


def written(path, data):
    path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
    return path


def refusal(path):
    with pytest.raises(MalformedSource) as fault:
        list(read_files([path]))
    return fault.value.reason


def linked(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def test_shards_are_found_by_shape_whatever_their_names(tmp_path):
    path = zipped(
        tmp_path / "a.bin", [("user.json", b'{"id": "u"}'), ("x/y.dat", ONE), ("chat.html", b"<p>"), ("z", ONE)]
    )
    assert [type(found) for found in read_files([path])] == [ConversationRecord, ConversationRecord, DocumentRecord]


def test_an_extension_that_lies_changes_nothing(tmp_path):
    assert len(list(read_files([written(tmp_path / "export.zip", ONE)]))) == 1
    assert len(list(read_files([zipped(tmp_path / "conversations.json", [("a", ONE)])]))) == 1


def test_progress_adds_up_to_the_total_over_all_parts(tmp_path):
    paths = [*sorted(FIXTURES.glob("*.zip")), written(tmp_path / "c.json", ONE)]
    told = []
    list(read_files(paths, on_bytes=told.append))
    assert sum(told) == total_bytes(paths) > 0


def test_shells_and_other_items_before_the_first_conversation_are_scanned_past(tmp_path):
    found = list(read_files([written(tmp_path / "c.json", [7, SHELL, SHELL | {"mapping": None}, branch(1)])]))
    assert [item.reason if isinstance(item, Trouble) else "record" for item in found] == [
        "not_an_object",
        "no_messages",
        "no_messages",
        "record",
    ]
    assert [(item.index, item.pointer) for item in found[:3]] == [(0, "/0"), (1, "/1"), (2, "/2")]


def test_a_trouble_points_into_the_file(tmp_path):
    path = written(tmp_path / "c.json", {"conversations": [branch(1), branch(1) | {"mapping": []}]})
    *_, trouble = read_files([written(tmp_path / "first.json", ONE), path])
    assert (trouble.index, trouble.external_id, trouble.outcome) == (2, "c1", "failed")
    assert (trouble.reason, trouble.pointer) == ("mapping_not_an_object", "/conversations/1/mapping")


@pytest.mark.parametrize("data", [b"", b" ", b"[]", b'{"conversations": []}'])
def test_nothing_in_a_file_is_nothing_and_no_error(tmp_path, data):
    assert list(read_files([written(tmp_path / "c.json", data)])) == []


@pytest.mark.parametrize(
    "item",
    [
        {"unknown": {"fragments": [{"type": "REQUEST", "content": "hidden text"}]}},
        {"conversation_id": "c", "title": "shared", "is_anonymous": True},
        7,
    ],
    ids=["unknown", "shared_conversations", "number"],
)
def test_other_formats_are_not_taken_for_chatgpt_and_their_keys_are_told(tmp_path, item):
    with pytest.raises(UnrecognisedSource) as fault:
        list(read_files([written(tmp_path / "c.json", [item])]))
    assert fault.value.keys == (tuple(item) if isinstance(item, dict) else ())
    assert "hidden text" not in str(fault.value)


def test_keys_that_are_told_are_cut_and_made_harmless(tmp_path):
    with pytest.raises(UnrecognisedSource) as fault:
        list(read_files([written(tmp_path / "c.json", [{"\ud800" + "k" * 500: 1} | {str(n): n for n in range(99)}])]))
    assert len(fault.value.keys) == 30
    assert fault.value.keys[0] == r"\ud800" + "k" * 59


@pytest.mark.parametrize(
    "members",
    [[], [("file.dat", b"%PDF")], [("users.json", b'[{"uuid": "u"}]')], [("inner.zip", None)]],
    ids=["empty", "attachments only", "another vendor", "zip in zip"],
)
def test_an_archive_without_conversations_is_one_skipped_item(tmp_path, members):
    inner = zipped(tmp_path / "inner.zip", [("conversations.json", ONE)]).read_bytes()
    path = zipped(tmp_path / "a.zip", [(name, inner if data is None else data) for name, data in members])
    (trouble,) = read_files([path])
    assert (trouble.index, trouble.outcome, trouble.reason) == (0, "skipped", "no_conversations")


def test_an_attachment_that_only_begins_as_json_does_is_said_and_passed_over(tmp_path):
    trouble, record = read_files([zipped(tmp_path / "a.zip", [("notes.dat", b"[a link](x)"), ("c", ONE)])])
    assert (trouble.outcome, trouble.reason) == ("skipped", "not_json")
    assert isinstance(record, ConversationRecord)


def test_truncated_json_gives_what_came_before_it_whole(tmp_path):
    data = json.dumps([branch(3, id=str(number)) for number in range(5)]).encode()
    reading = read_files([written(tmp_path / "c.json", data[:-300])])
    assert [next(reading).external_id for _ in range(4)] == ["0", "1", "2", "3"]
    with pytest.raises(MalformedSource, match="truncated_json"):
        next(reading)


@pytest.mark.parametrize(
    "name", ["../c.json", "a/../../c.json", "/etc/c.json", "C:\\c.json", "..\\c.json", "\\\\host\\c"]
)
def test_names_that_lead_out_of_the_archive_are_refused(tmp_path, name):
    assert refusal(zipped(tmp_path / "a.zip", [(name, ONE)])) == "archive_unsafe"


def test_symbolic_links_are_refused(tmp_path):
    assert refusal(zipped(tmp_path / "a.zip", [(linked("c.json"), b"/etc/passwd")])) == "archive_unsafe"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_names_are_refused(tmp_path):
    assert refusal(zipped(tmp_path / "a.zip", [("c.json", ONE), ("c.json", ONE)])) == "archive_unsafe"


def test_a_bomb_is_refused_before_it_unpacks(tmp_path):
    assert refusal(zipped(tmp_path / "a.zip", [("c.json", b"[" + b" " * (30 << 20) + b"]")])) == "archive_too_large"


def test_too_many_members_and_too_much_json_are_refused(tmp_path, monkeypatch):
    path = zipped(tmp_path / "a.zip", [(str(number), ONE) for number in range(9)])
    monkeypatch.setattr(sources, "MAX_JSON_BYTES", 8 * len(ONE))
    assert refusal(path) == "archive_too_large"
    monkeypatch.setattr(sources, "MAX_MEMBERS", 8)
    assert refusal(path) == "archive_too_large"
    monkeypatch.setattr(sources, "MAX_DIRECTORY_BYTES", 100)
    assert refusal(path) == "archive_too_large"


def test_members_that_overlap_are_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", [("a", ONE), ("b", ONE)])
    data = bytearray(path.read_bytes())
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = struct.pack("<I", 10)  # its offset, now within the first
    assert refusal(written(tmp_path / "b.zip", bytes(data))) == "archive_unsafe"


def test_an_encrypted_archive_is_refused(tmp_path):
    data = bytearray(zipped(tmp_path / "a.zip", [("c.json", ONE)]).read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    assert refusal(written(tmp_path / "b.zip", bytes(data))) == "archive_encrypted"


@pytest.mark.parametrize("change", [-10, 10])
def test_sizes_that_lie_are_damage(tmp_path, change):
    data = bytearray(zipped(tmp_path / "a.zip", [("c.json", ONE)]).read_bytes())
    at = data.rindex(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", len(ONE) + change)
    assert refusal(written(tmp_path / "b.zip", bytes(data))) == "archive_damaged"


@pytest.mark.parametrize("kept", [3, 30, 200, -1, -10, -60])
def test_a_truncated_archive_is_damage_and_never_a_crash(tmp_path, kept):
    whole = zipped(tmp_path / "a.zip", [("c.json", ONE), ("d.json", ONE)]).read_bytes()
    assert refusal(written(tmp_path / "b.zip", whole[:kept])) in ("archive_damaged", "not_json")


def test_no_flipped_byte_of_an_archive_raises_anything_but_a_domain_error(tmp_path):
    whole = zipped(tmp_path / "a.zip", [("c.json", ONE), ("d.dat", b"%PDF")]).read_bytes()
    for position in range(len(whole)):
        data = bytearray(whole)
        data[position] ^= 0xFF
        try:
            list(read_files([written(tmp_path / "b.zip", bytes(data))]))
        except (MalformedSource, UnrecognisedSource):
            continue


def test_nothing_is_written_beside_the_archive(tmp_path):
    list(read_files([zipped(tmp_path / "a.zip", [("c.json", ONE)])]))
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zip"]
