"""ChatGPT's export beside its conversations: attachments, documents, and parts that are missing."""

import json

import pytest

from conversations.interchange.files import read_files, total_bytes
from conversations.interchange.records import ConversationRecord, DocumentRecord, Trouble
from conversations.tests.interchange.test_chatgpt_truth import SHARDED, sample

from .exports import branch, conversation, message, node, read_message, zipped

pytestmark = pytest.mark.interchange

HEX = "file_00000000aaaa1111bbbb2222cccc3333"


def pointer(text, **fields):
    return {"content_type": "image_asset_pointer", "asset_pointer": text, **fields}


def with_parts(*parts, **metadata):
    content = {"content_type": "multimodal_text", "parts": list(parts)}
    return message(content=content, metadata=metadata, id="own")


def read(tmp_path, *archives):
    paths = []
    for number, members in enumerate(archives):
        data = {name: value if isinstance(value, bytes) else json.dumps(value).encode() for name, value in members}
        paths.append(zipped(tmp_path / f"part-{number}.zip", data.items()))
    told = []
    found = list(read_files(paths, on_bytes=told.append))
    assert sum(told) == total_bytes(paths)
    return found


def read_attachments(tmp_path, said, *members):
    """Of the one message, in one part; the rest in another. With the bytes, read while the export is open."""
    paths = [
        zipped(tmp_path / "1.zip", [("conversations-000.json", json.dumps([conversation({"n": node(None, said)})]))]),
        zipped(tmp_path / "2.zip", [*members, ("filler.bin", b"x")]),
    ]
    record = next(found for found in read_files(paths) if isinstance(found, ConversationRecord))
    reading = read_files(paths)
    record = next(reading)
    return [
        (file.external_id, file.name, file.media_type, file.size, file.opened and file.opened().read(99))
        for file in record.messages[0].attachments
    ]


def test_the_sharded_export_gives_both_files_their_names_and_bytes_from_the_part_that_has_them():
    paths, _ = sample(SHARDED)
    found = {}
    for record in read_files(paths):
        for said in getattr(record, "messages", ()):
            for file in said.attachments:
                data = file.opened().read(99)[:4] if file.opened else None
                found[file.external_id] = (said.external_id, file.name, file.media_type, data)
    assert found == {
        HEX: ("u1", "chart.png", "image/png", b"\x89PNG"),
        "file_00000000dddd4444eeee5555ffff6666": ("a-s01", "report.pdf", "application/pdf", b"%PDF"),
        "file_ss": ("co", "", "", None),  # a screenshot that the export does not hold
    }


@pytest.mark.parametrize(
    ("pointed", "member", "external_id"),
    [
        (f"sediment://{HEX}", f"{HEX}.dat", HEX),
        (f"sediment://{HEX}", f"user-abc/{HEX}-sanitized.png", HEX),
        ("file-service://file-AbC123", "file-AbC123-photo.png", "file-AbC123"),
        ("file-service://file-AbC123", "dalle-generations/file-AbC123-1f2e.webp", "file-AbC123"),
    ],
)
def test_a_pointer_finds_its_bytes_under_every_name_that_exports_have_used(tmp_path, pointed, member, external_id):
    said = with_parts(pointer(pointed, size_bytes=5), "text")
    assert read_attachments(tmp_path, said, (member, b"bytes")) == [(external_id, "", "", 5, b"bytes")]


def test_what_the_message_says_of_a_file_comes_first_and_each_file_once(tmp_path):
    said = with_parts(
        pointer("file-service://file-A1", size_bytes=5),
        attachments=[{"id": "file-A1", "name": "a.png", "mime_type": "image/png", "size": 7}, None, {"id": "file-B2"}],
    )
    sidecars = (
        ("conversation_asset_file_names.json", json.dumps({"file-A1.dat": "other.png", "file-B2.dat": "b.txt"})),
        ("library_files.json", json.dumps([{"file_id": "file-B2", "mime_type": "text/plain", "file_size_bytes": 2}])),
        ("file-B2.dat", b"[1"),
    )
    assert read_attachments(tmp_path, said, *sidecars) == [
        ("file-A1", "a.png", "image/png", 7, None),
        ("file-B2", "b.txt", "text/plain", 2, b"[1"),
    ]


def test_pointers_are_found_at_any_depth_and_in_results_of_the_interpreter():
    video = {
        "content_type": "real_time_user_audio_video_asset_pointer",
        "audio_asset_pointer": {"asset_pointer": "sediment://file_1", "size_bytes": 1},
        "frames_asset_pointers": [{"asset_pointer": "sediment://file_2"}],
    }
    run = {"messages": [{"message_type": "image", "image_url": "file-service://file-3"}]}
    said = read_message(with_parts(video, "see file-service://file-9 in prose", aggregate_result=run))
    assert [file.external_id for file in said.attachments] == ["file_1", "file_2", "file-3"]
    assert all(file.opened is None for file in said.attachments)
    assert said.attachments[0].raw == {"pointer": video["audio_asset_pointer"]}


def test_a_file_that_only_the_library_knows_comes_with_the_message_it_names(tmp_path):
    library = json.dumps([{"file_id": "file_9", "file_name": "r.pdf", "origination_message_id": "own"}])
    files = read_attachments(tmp_path, with_parts("x"), ("library_files.json", library))
    assert files == [("file_9", "r.pdf", "", None, None)]


def test_the_other_files_become_documents_after_all_conversations(tmp_path):
    members = [
        ("user.json", {"id": "user-x", "email": "someone@example.com"}),
        ("message_feedback.json", [{"id": "f1", "conversation_id": "c", "rating": "thumbs_up"}]),
        ("shared_conversations.json", [{"id": "sh", "conversation_id": "c", "title": "T", "is_anonymous": True}]),
        ("conversations.json", [branch(1)]),
        ("user_settings.json", [{"user_id": "user-x", "settings": {}}]),
        ("memories.json", {"memories": [{"text": "likes tea"}]}),
        ("codex.json", [{"id": "task", "title": "Fix"}]),
        ("group_chats.json", {"chats": []}),
        ("empty.json", []),
        ("conversation_asset_file_names.json", {"file_1.dat": "a.json"}),
        ("library_files.json", []),
        ("export_manifest.json", {"export_files": []}),
    ]
    record, *documents = read(tmp_path, members)
    assert isinstance(record, ConversationRecord)
    assert all(isinstance(document, DocumentRecord) and document.source == "chatgpt" for document in documents)
    assert [(document.kind, document.title) for document in documents] == [
        ("user", ""),
        ("message_feedback", ""),
        ("shared_conversation", "T"),
        ("user_settings", ""),
        ("memories", ""),
        ("codex", "Fix"),
        ("group_chats", ""),
    ]
    assert [document.external_id for document in documents][:3] == ["user-x", "f1", "sh"]
    assert documents[4].raw == {"memories": [{"text": "likes tea"}]}
    assert len({document.external_id for document in documents[4:]}) == 3


def test_a_document_without_an_id_is_the_same_on_every_reading(tmp_path):
    members = [("c.json", [branch(1)]), ("memories.json", {"memories": ["tea"]})]
    first, second = read(tmp_path, members)[1], read(tmp_path, members)[1]
    assert first == second


@pytest.mark.parametrize("name", ["file_1.dat", f"{HEX}.dat"])
def test_a_json_file_that_came_with_a_message_is_neither_document_nor_conversation(tmp_path, name):
    members = [
        ("conversations.json", [branch(1)]),
        ("conversation_asset_file_names.json", {name: "backup.json"}),
        (name, [branch(3, id="someone else's")]),
        ("file-AbC-notes.json", {"a": 1}),
    ]
    (record,) = read(tmp_path, members)
    assert record.external_id == "c1"


def test_a_missing_part_is_said_once_with_a_count_and_no_names(tmp_path):
    files = ["conversations-000.json", "conversations-001.json", "my secret plan.dat", "file_2.dat", "none.json"]
    listed = [{"path": path, "size_bytes": 0 if path == "none.json" else 9} for path in files]
    part = [("export_manifest.json", {"version": 1, "export_files": listed}), ("conversations-000.json", [branch(1)])]
    record, trouble = read(tmp_path, part)
    assert isinstance(record, ConversationRecord)
    assert (trouble.index, trouble.outcome, trouble.reason, trouble.pointer) == (1, "skipped", "missing_part", None)
    assert "3 of the 4 files" in trouble.detail
    assert "secret" not in trouble.detail
    whole = read(
        tmp_path, part, [("conversations-001.json", [branch(1)]), ("my secret plan.dat", b"x")], [("file_2.dat", b"x")]
    )
    assert [type(found) for found in whole] == [ConversationRecord, ConversationRecord]


def test_a_part_that_is_of_no_use_to_the_export_is_said(tmp_path):
    record, trouble = read(tmp_path, [("c.json", [branch(1)])], [("holiday.jpg", b"x")])
    assert isinstance(record, ConversationRecord)
    assert isinstance(trouble, Trouble)
    assert (trouble.index, trouble.reason) == (1, "no_conversations")


def test_broken_side_cars_cost_names_and_nothing_else(tmp_path):
    said = with_parts(pointer(f"sediment://{HEX}"))
    broken = [("conversation_asset_file_names.json", b'{"a'), ("library_files.json", b"[7, null]")]
    assert read_attachments(tmp_path, said, *broken, (f"{HEX}.dat", b"b")) == [(HEX, "", "", None, b"b")]
