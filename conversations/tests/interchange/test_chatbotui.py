"""chatbot-ui's chats, folders and prompts."""

import json

import pytest

from conversations.interchange.files import read_files
from conversations.interchange.readers import chatbotui
from conversations.interchange.records import ConversationRecord, DocumentRecord

pytestmark = pytest.mark.interchange

TURNS = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi \0 \ud800"}]


def chat(*messages, **fields):
    own = {
        "id": "c1",
        "name": "A title",
        "model": {"id": "gpt-4", "name": "GPT-4"},
        "prompt": "Be nice",
        "temperature": 1,
    }
    return own | {"messages": list(messages), "folderId": "f1"} | fields


def export(*chats, **fields):
    return {"version": 4, "history": list(chats), "folders": [], "prompts": []} | fields


def read_one(item):
    (found,) = chatbotui.read([export(item)])
    assert isinstance(found, ConversationRecord), found
    return found


def test_a_chat_is_one_branch_without_times():
    record = read_one(chat(*TURNS))
    assert [(said.external_id, said.parent_external_id, said.role, said.content) for said in record.messages] == [
        ("message-0", None, "user", "Hello"),
        ("message-1", "message-0", "assistant", "Hi \0 \ud800"),
    ]
    assert (record.external_id, record.title, record.current_external_id) == ("c1", "A title", "message-1")
    assert (record.created_at, record.updated_at, record.messages[0].created_at) == (None, None, None)
    assert (record.model, [said.model for said in record.messages]) == ("gpt-4", ["", "gpt-4"])
    assert [said.raw for said in record.messages] == TURNS
    assert record.raw == chat()


def test_the_prompt_and_the_folder_are_metadata():
    (record, folder, prompt) = chatbotui.read(
        [
            export(
                chat(*TURNS), folders=[{"id": "f1", "name": "Work"}], prompts=[{"id": "p", "name": "P", "content": "x"}]
            )
        ]
    )
    assert record.metadata == {
        "temperature": 1,
        "folderId": "f1",
        "system_prompt": "Be nice",
        "model_name": "GPT-4",
        "folder": "Work",
    }
    assert folder == DocumentRecord(
        source="chatbotui", kind="folder", external_id="f1", title="Work", raw={"id": "f1", "name": "Work"}
    )
    assert (prompt.kind, prompt.external_id, prompt.raw["content"]) == ("prompt", "p", "x")


def test_messages_of_any_shape_are_kept():
    images = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "https://x"}}]
    listed, bare, critic = read_one(chat({"role": "user", "content": images}, "bare", {"role": "critic"})).messages
    assert (listed.content, listed.parts) == ("see", tuple(images))
    assert (bare.role, bare.content, bare.parts) == ("assistant", "bare", ({"type": "unknown", "raw": "bare"},))
    assert (critic.role, critic.metadata) == ("assistant", {"author_role": "critic"})


def test_one_bad_chat_never_sinks_the_file_and_is_pointed_at(tmp_path):
    path = tmp_path / "export.json"
    path.write_text(json.dumps(export(7, chat(), chat(messages="x"), chat(*TURNS), chat(id="x" * 300))))
    found = list(read_files([path]))
    assert [(getattr(one, "reason", "read"), getattr(one, "pointer", None)) for one in found] == [
        ("not_an_object", "/history/0"),
        ("no_messages", "/history/1"),
        ("messages_not_a_list", "/history/2/messages"),
        ("read", None),
        ("external_id_too_long", "/history/4"),
    ]


@pytest.mark.parametrize(
    ("item", "recognised"),
    [
        (export(), True),
        ({"history": [], "folders": []}, True),
        ({"version": 4, "history": {"messages": {}}}, False),
        ([], False),
        (None, False),
    ],
)
def test_the_shape_is_recognised(item, recognised):
    assert chatbotui.recognises(item) is recognised
