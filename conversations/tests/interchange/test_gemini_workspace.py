"""Gemini in Workspace, and Character.AI's dumps: small formats, each with its own traps."""

import json
from datetime import UTC, datetime

import pytest

from conversations.interchange.files import read_files
from conversations.interchange.readers import characterai, gemini_workspace

from .exports import zipped

pytestmark = pytest.mark.interchange


def user(prompt, moment="2026-01-02T03:04:05.678901Z"):
    return {"user_turn": {"prompt": prompt, "turn_last_modified": moment}}


def system(*pieces):
    return {"system_turn": {"text": [{"data": data, "citations": citations} for data, citations in pieces]}}


def workspace(*turns):
    return {"title": "T", "creation_time": "2026-01-01T00:00:00Z", "conversation_turns": list(turns)}


def test_the_system_is_gemini_and_cites_by_piece():
    (record,) = gemini_workspace.read(
        [workspace(user("q"), system(("one", []), ("two", [{"uri": "https://a", "title": "A"}])))]
    )
    question, answer = record.messages
    assert (question.role, question.content, answer.role, answer.content) == ("user", "q", "assistant", "one\ntwo")
    assert question.created_at == datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert answer.created_at is None
    assert answer.sources == [{"type": "webpage", "title": "A", "url": "https://a", "start": 4, "end": 7}]
    assert (record.title, record.raw) == ("T", {"title": "T", "creation_time": "2026-01-01T00:00:00Z"})


def test_the_id_is_in_the_name_of_a_text_file_that_is_json(tmp_path):
    data = json.dumps(workspace(user("q"))).encode()
    path = zipped(tmp_path / "w.zip", [("Gemini/Conversation History/conversation_ab12.txt", data)])
    (record,) = read_files([path])
    assert (record.source, record.external_id) == ("gemini-workspace", "ab12")


def test_an_unknown_turn_is_kept_whole():
    turn = {"tool_turn": {"x": 1}}
    (record,) = gemini_workspace.read([workspace(turn)])
    assert (record.messages[0].parts, record.messages[0].raw) == (({"type": "unknown", "raw": turn},), turn)


@pytest.mark.parametrize(
    ("item", "reason", "pointer"),
    [
        (workspace(), "no_messages", ""),
        ({"conversation_turns": 7}, "conversation_turns_not_a_list", "/conversation_turns"),
        (workspace(user("q"), None), "not_an_object", "/conversation_turns/1"),
    ],
)
def test_a_bad_file_is_a_trouble(item, reason, pointer):
    (trouble,) = gemini_workspace.read([item])
    assert (trouble.reason, trouble.pointer) == (reason, pointer)


def test_character_ai_gives_a_conversation_a_history():
    said = [
        {"src": {"is_human": False, "name": "Ada"}, "text": "Hello", "uuid": "m1", "created": "2024-01-01T00:00:00Z"},
        {"src": {"is_human": True, "name": "me"}, "text": "Hi", "id": 2},
        {"is_human": True, "text": "again"},
    ]
    histories = [{"external_id": "h1", "msgs": said}, {"external_id": "h2", "msgs": []}, 7]
    dump = {"info": {"character": {"name": "Ada"}}, "histories": {"histories": histories[:2]}}
    assert characterai.recognises(dump)
    record, shell = characterai.read([dump])
    assert (record.external_id, record.title) == ("h1", "Ada")
    assert [(m.external_id, m.role, m.content) for m in record.messages] == [
        ("m1", "assistant", "Hello"),
        ("2", "user", "Hi"),
        ("2~1", "user", "again"),
    ]
    assert (shell.reason, shell.pointer, shell.external_id) == ("no_messages", "/histories/histories/1", "h2")
    (trouble,) = characterai.read([dump | {"histories": {"histories": histories}}])
    assert (trouble.reason, trouble.pointer) == ("not_an_object", "/histories/histories/2")
