"""Open WebUI's chats and messages, field by field."""

import base64
import json
from datetime import UTC, datetime

import pytest

from conversations.interchange.readers import openwebui
from conversations.interchange.records import MAX_EXTERNAL_ID, ConversationRecord, Trouble

pytestmark = pytest.mark.interchange

PNG = b"\x89PNG\r\n\x1a\n"
DATA_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


def said(key, parent=None, role="user", content="hello", **fields):
    return {"id": key, "parentId": parent, "childrenIds": [], "role": role, "content": content} | fields


def history(*messages, current=None):
    return {"messages": {message["id"]: message for message in messages}, "currentId": current}


def chat(*messages, current=None, of_chat=None, **fields):
    inner = {"title": "A title", "models": ["llama3"], "history": history(*messages, current=current)}
    own = {"id": "c1", "user_id": "u", "title": "A title", "created_at": 1760000000, "updated_at": 1760000010}
    return own | {"chat": inner | (of_chat or {})} | fields


def read_one(item):
    (found,) = openwebui.read([item])
    assert isinstance(found, ConversationRecord), found
    return found


def read_trouble(item):
    (found,) = openwebui.read([item])
    assert isinstance(found, Trouble), found
    return found


def read_message(**fields):
    (message,) = read_one(chat(said("m", **{"role": "assistant"} | fields))).messages
    return message


def tree(record):
    return {message.external_id: message.parent_external_id for message in record.messages}


def test_the_tree_is_the_parents_alone_and_answers_of_several_models_are_siblings():
    record = read_one(
        chat(
            said("q", childrenIds=["b", "a"]),
            said("a", "q", "assistant", modelIdx=0, model="llama3"),
            said("b", "q", "assistant", modelIdx=1),
            said("c", "a"),
            current="c",
            of_chat={"models": ["llama3", "gpt-4o"]},
        )
    )
    assert tree(record) == {"q": None, "b": "q", "a": "q", "c": "a"}
    assert [message.external_id for message in record.messages] == ["q", "b", "a", "c"]  # as the question lists them
    assert [message.model for message in record.messages] == ["", "gpt-4o", "llama3", ""]
    assert (record.current_external_id, record.model) == ("c", "llama3")


def test_cycles_dangling_parents_and_damaged_entries_lose_no_message():
    damaged = {"error": {"message": "provider refused"}}
    item = chat(said("a", "b"), said("b", "a"), said("c", "gone"), said("d", "k"), said("e", "e"), current="k")
    item["chat"]["history"]["messages"] |= {"k": {**damaged, "parentId": "c"}, "null": None}
    record = read_one(item)
    assert tree(record) == {"a": None, "b": "a", "c": None, "d": "c", "e": None}
    assert record.current_external_id == "c"  # the damaged entry's nearest ancestor that says something
    assert record.metadata["damaged_entries"] == 2
    assert record.raw["chat"]["history"]["messages"] == {"k": {**damaged, "parentId": "c"}, "null": None}


@pytest.mark.parametrize(
    ("current", "at_top", "leaf"),
    [("a", "b", "a"), (None, "a", "a"), ("gone", "a", "a"), ("gone", None, "b"), (None, None, "b"), (7, [], "b")],
)
def test_the_leaf_is_the_current_message_or_the_newest(current, at_top, leaf):
    messages = said("q"), said("b", "q", timestamp=1760000002), said("a", "q", timestamp=1760000001)
    assert read_one(chat(*messages, current=current, current_message_id=at_top)).current_external_id == leaf


@pytest.mark.parametrize("content", ["plain", "nul \0 half \ud800", "<details>kept</details> so"], ids=ascii)
def test_text_is_the_content_as_it_is(content):
    assert read_message(content=content).content == content
    assert read_message(content=content).parts == ()


def test_a_content_that_is_a_list_gives_its_texts_its_parts_and_its_images():
    image = {"type": "image_url", "image_url": {"url": DATA_URL}}
    parts = [{"type": "text", "text": "look"}, image, {"type": "of_tomorrow"}, {"type": "text", "text": "here"}]
    message = read_message(content=parts)
    assert message.content == "look\nhere"
    assert message.parts == (parts[0], image, {"type": "unknown", "raw": {"type": "of_tomorrow"}}, parts[3])
    (attached,) = message.attachments
    assert (attached.external_id, attached.media_type, attached.opened().read(100)) == ("image-1", "image/png", PNG)
    assert read_message(content=[{"type": "text", "text": "alone"}]).parts == ()


OUTPUT = [
    {"type": "reasoning", "content": [{"type": "output_text", "text": "hm"}], "summary": None, "duration": 3},
    {"type": "function_call", "call_id": "search:0", "name": "search", "arguments": '{"q": 1}'},
    {"type": "function_call_output", "call_id": "search:0", "output": [{"type": "input_text", "text": "one"}]},
    {"type": "function_call", "call_id": "search:0", "name": "search", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "search:0", "output": "two"},
    {
        "type": "message",
        "content": [
            {
                "type": "output_text",
                "text": "It is so.",
                "annotations": [
                    {"type": "url_citation", "url": "https://x", "title": "X", "start_index": 0, "end_index": 2}
                ],
            }
        ],
    },
]


def test_output_gives_reasoning_to_the_parts_and_tools_in_pairs():
    message = read_message(content="<details>hm</details>It is so.", output=OUTPUT)
    assert message.content == "<details>hm</details>It is so."
    assert message.parts == tuple(OUTPUT)
    first, second = message.tool_calls
    assert first == {"id": "search:0", "type": "function", "function": {"name": "search", "arguments": '{"q": 1}'}}
    assert first["id"] != second["id"]  # models count their calls anew each round
    assert message.tool_results == [
        {"tool_call_id": first["id"], "name": "search", "content": "one"},
        {"tool_call_id": second["id"], "name": "search", "content": "two"},
    ]
    (cited,) = message.sources
    assert cited == {"type": "url_citation", "url": "https://x", "title": "X", "start": 21, "end": 23}
    assert message.content[21:23] == "It"


def test_where_there_is_no_content_output_is_the_text_and_unknown_items_are_data():
    message = read_message(content="", output=[*OUTPUT, {"type": "of_tomorrow"}])
    assert message.content == "It is so."
    assert message.parts[-1] == {"type": "unknown", "raw": {"type": "of_tomorrow"}}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"done": True}, "complete"),
        ({}, "complete"),
        ({"done": False}, "interrupted"),
        ({"error": {"content": "upstream 500"}}, "failed"),
        ({"error": True, "done": True}, "failed"),
        ({"error": None}, "complete"),
    ],
)
def test_an_error_is_a_failed_answer(fields, status):
    assert read_message(**fields).status == status


def test_a_provider_error_is_a_part_of_the_message_that_has_no_text():
    message = read_message(content="", error={"content": "upstream 500"})
    assert message.parts == ({"type": "error", "error": {"content": "upstream 500"}},)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}, (3, 4, 7)),
        ({"input_tokens": 3, "output_tokens": 0}, (3, 0, None)),
        ({"prompt_eval_count": 3, "eval_count": 4}, (3, 4, None)),
        ({"prompt_tokens": -1, "completion_tokens": True, "total_tokens": 1 << 40}, (None, None, None)),
        (None, (None, None, None)),
    ],
)
def test_usage_is_tokens(usage, tokens):
    message = read_message(usage=usage)
    assert (message.tokens_in, message.tokens_out, message.tokens_used) == tokens


def test_retrieved_chunks_are_sources_each_place_once():
    web = {
        "source": {"name": "oslo", "type": "web_search"},
        "document": ["a", "b", "c"],
        "metadata": [
            {"source": "https://o/1", "title": "One"},
            {"source": "https://o/2"},
            {"source": "https://o/1", "title": "One"},
        ],
    }
    file = {"source": {"id": "f1", "name": "x.pdf"}, "metadata": [{"page": 1, "source": "x.pdf"}], "distances": [0.2]}
    assert read_message(sources=[web, file, None]).sources == [
        {"type": "web_search", "title": "One", "url": "https://o/1"},
        {"type": "web_search", "title": "oslo", "url": "https://o/2"},
        {"type": "document", "title": "x.pdf", "id": "f1", "page": 1, "distance": 0.2},
        {"type": "document"},
    ]


def test_files_without_bytes_are_missing_and_those_in_data_urls_are_there():
    files = [
        {"type": "file", "id": "f1", "name": "x.pdf", "file": {"meta": {"content_type": "application/pdf", "size": 9}}},
        {"type": "image", "url": DATA_URL},
        {"type": "image", "url": "data:image/png;base64,!"},
        {"type": "doc", "id": "f1", "name": "again", "file": {"data": {"content": "read"}}},
        None,
    ]
    found = read_message(files=files).attachments
    assert [file.external_id for file in found] == ["f1", "file-1", "file-2", "f1~1", "file-4"]
    assert (found[0].name, found[0].media_type, found[0].size, found[0].opened) == ("x.pdf", "application/pdf", 9, None)
    assert (found[1].media_type, found[1].opened().read(100), found[1].raw) == ("image/png", PNG, files[1])
    assert (found[2].opened, found[3].text) == (None, "read")


def test_annotation_and_follow_ups_are_metadata():
    facts = {"annotation": {"rating": 1, "tags": ["x"]}, "followUps": ["And?"], "modelName": "Llama"}
    assert read_message(**facts).metadata == facts


def test_seconds_and_milliseconds_stand_in_one_file():
    record = read_one(chat(said("a", timestamp=1760000001.25), updated_at=1760000010000))
    assert record.created_at == datetime(2025, 10, 9, 8, 53, 20, tzinfo=UTC)
    assert record.updated_at == datetime(2025, 10, 9, 8, 53, 30, tzinfo=UTC)
    assert record.messages[0].created_at == datetime(2025, 10, 9, 8, 53, 21, 250_000, tzinfo=UTC)


def test_the_conversations_fields():
    record = read_one(
        chat(
            said("a"),
            archived=True,
            pinned=True,
            meta={"tags": ["t1", "t2"]},
            folder_id="fold",
            share_id=None,
            of_chat={"tags": ["t2", "t3", 7], "params": {"system": "Be nice", "seed": 1}, "timestamp": 1760000000123},
        )
    )
    assert (record.source, record.external_id, record.title) == ("openwebui", "c1", "A title")
    assert (record.archived, record.starred, record.tags) == (True, True, ("t1", "t2", "t3"))
    assert record.metadata == {
        "folder_id": "fold",
        "user_id": "u",
        "models": ["llama3"],
        "params": {"system": "Be nice", "seed": 1},
        "system_prompt": "Be nice",
    }


def test_a_chat_downloaded_alone_is_the_inner_object():
    inner = {"id": "", "title": "Alone", "history": history(said("a"), current="a"), "timestamp": 1760000000123}
    assert openwebui.recognises(inner)
    record = read_one(inner)
    assert (record.external_id, record.title, record.current_external_id) == (None, "Alone", "a")
    assert record.created_at == datetime(2025, 10, 9, 8, 53, 20, 123_000, tzinfo=UTC)
    assert record.raw == {**inner, "history": {"messages": {}, "currentId": "a"}}


@pytest.mark.parametrize("of_history", [{"messages": {}, "currentId": None}, {}, None], ids=repr)
def test_the_oldest_chats_are_a_list_alone(of_history):
    listed = [{"role": "user", "content": "old"}, None, {"role": "assistant", "content": "answer"}]
    record = read_one(chat(of_chat={"history": of_history, "messages": listed}))
    assert tree(record) == {"message-0": None, "message-1": "message-0"}
    assert [message.model for message in record.messages] == ["", "llama3"]
    assert record.raw["chat"]["messages"] == [None]
    assert [message.raw for message in record.messages] == [listed[0], listed[2]]


def test_raw_is_the_source_and_holds_the_copy_of_the_branch_only_where_it_says_more():
    copy, stale = {"id": "a", "role": "user"}, {"id": "a", "content": "before the edit"}
    item = chat(said("a", of_tomorrow=1), of_chat={"messages": [copy, stale, {"id": "gone"}], "of_tomorrow": [1]})
    before = json.dumps(item)
    record = read_one(item)
    assert record.raw["chat"]["messages"] == [stale, {"id": "gone"}]
    assert record.raw["chat"]["of_tomorrow"] == [1]
    assert record.messages[0].raw == item["chat"]["history"]["messages"]["a"]
    assert json.dumps(item) == before


def test_a_branch_of_40_000_messages_comes_whole():
    record = read_one(chat(*(said(f"m{n}", f"m{n - 1}" if n else None) for n in range(40_000)), current="m39999"))
    assert (len(record.messages), record.current_external_id) == (40_000, "m39999")


@pytest.mark.parametrize(
    ("item", "outcome", "reason", "pointer"),
    [
        (chat(), "skipped", "no_messages", ""),
        (chat(chat={}), "skipped", "no_messages", ""),
        (chat(chat=None), "failed", "chat_not_an_object", "/chat"),
        (chat(said("x" * (MAX_EXTERNAL_ID + 1))), "failed", "external_id_too_long", "/chat/history/messages"),
    ],
)
def test_an_item_that_gives_no_record_says_why(item, outcome, reason, pointer):
    trouble = read_trouble(item)
    assert (trouble.external_id, trouble.outcome, trouble.reason, trouble.pointer) == ("c1", outcome, reason, pointer)


def test_one_bad_chat_never_sinks_the_file():
    found = list(openwebui.read([None, chat(chat=7), chat(said("a"), id="c2")]))
    assert [(getattr(one, "reason", "read"), one.external_id) for one in found] == [
        ("not_an_object", None),
        ("chat_not_an_object", "c1"),
        ("read", "c2"),
    ]
