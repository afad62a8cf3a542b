"""Le Chat: a conversation a file, newest message first, text in chunks."""

import json
from datetime import UTC, datetime

import pytest

from conversations.interchange.files import read_files
from conversations.interchange.readers import lechat
from conversations.interchange.records import ConversationRecord

from .exports import zipped

pytestmark = pytest.mark.interchange


def message(own, second=0, role="user", content="x", chunks=None, **fields):
    created = f"2026-02-01T10:00:{second:02}.000Z"
    said = {"id": own, "chatId": "c", "role": role, "content": content, "contentChunks": chunks, "createdAt": created}
    return said | {"files": []} | fields


def read_one(*items, **fields):
    (found,) = lechat.read(items, **fields)
    assert isinstance(found, ConversationRecord), found
    return found


def test_newest_first_becomes_oldest_first_and_equal_times_keep_their_order():
    record = read_one(message("d", 2), message("c", 1), message("b", 0), message("a", 0))
    assert [(said.external_id, said.parent_external_id) for said in record.messages] == [
        ("a", None),
        ("b", "a"),
        ("c", "b"),
        ("d", "c"),
    ]
    assert (record.external_id, record.title, record.current_external_id) == ("c", None, "d")
    assert record.created_at == datetime(2026, 2, 1, 10, tzinfo=UTC)


def test_text_is_put_together_of_chunks_with_calls_results_and_references_in_their_places():
    chunks = [
        {"type": "text", "text": "Bon"},
        {"type": "tool_call", "id": "t", "name": "search", "publicArguments": {"q": 1}, "publicResult": {"n": 1}},
        {"type": "text", "text": "jour"},
        {"type": "reference", "referenceIds": [1, 2]},
        {"type": "custom_element", "x": 1},
    ]
    (said,) = read_one(message("a", role="assistant", content="", chunks=chunks)).messages
    assert (said.content, said.parts) == ("Bonjour", tuple(chunks))
    assert said.tool_calls == [{"id": "t", "type": "function", "function": {"name": "search", "arguments": '{"q": 1}'}}]
    assert said.tool_results == [{"tool_call_id": "t", "name": "search", "content": {"n": 1}}]
    assert said.sources == [{"type": "reference", "reference_ids": [1, 2], "start": 7, "end": 7}]


def test_content_wins_over_chunks():
    (said,) = read_one(message("a", content="Salut", chunks=[{"type": "text", "text": "other"}])).messages
    assert (said.content, said.parts) == ("Salut", ())


def test_the_id_is_in_the_messages_else_in_the_files_name():
    nameless = message("a") | {"chatId": None}
    assert read_one(nameless, name="x/chat-6f1c-22.json").external_id == "6f1c-22"
    assert read_one(message("a"), name="chat-other.json").external_id == "c"
    assert read_one(nameless, name="upload").external_id is None


def test_files_are_found_in_the_chats_folder_and_never_read_as_chats(tmp_path):
    files = [{"type": "image", "name": "p.png"}, {"type": "document", "name": "gone.pdf"}]
    path = zipped(
        tmp_path / "l.zip",
        [
            ("out/chat-c.json", json.dumps([message("a", files=files)]).encode()),
            ("out/chat-c-files/p.png", b"png"),
            ("out/chat-c-files/chat-d.json", json.dumps([message("z", chatId="someone else's")]).encode()),
        ],
    )
    reading = read_files([path])
    found, gone = next(reading).messages[0].attachments
    assert (found.external_id, found.size, found.opened().read(9), gone.opened) == ("p.png", 3, b"png", None)
    assert list(reading) == []


def test_a_member_that_is_no_message_is_a_trouble_and_the_chat_goes_on():
    trouble, record = lechat.read([7, message("a")])
    assert (trouble.outcome, trouble.reason, trouble.index) == ("failed", "not_an_object", 0)
    assert len(record.messages) == 1
    (trouble,) = lechat.read([message("a" * 300)])
    assert trouble.reason == "external_id_too_long"


def test_marks_and_unknown_roles_are_kept():
    (said,) = read_one(message("a", role="bot", reaction="like", canvas=[{"id": 1}], version=2)).messages
    assert said.role == "assistant"
    assert said.metadata == {"reaction": "like", "canvas": [{"id": 1}], "version": 2, "author_role": "bot"}
