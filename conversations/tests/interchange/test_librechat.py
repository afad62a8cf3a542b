"""LibreChat's conversations and messages, field by field."""

from datetime import UTC, datetime

import pytest

from conversations.interchange.readers import librechat
from conversations.interchange.records import MAX_EXTERNAL_ID, ConversationRecord, Trouble

pytestmark = pytest.mark.interchange

BEGINNING = "00000000-0000-0000-0000-000000000000"


def said(key, parent=BEGINNING, by_user=True, **fields):
    own = {"messageId": key, "parentMessageId": parent, "isCreatedByUser": by_user, "text": "hello"}
    return own | {"createdAt": "2024-04-09T14:32:05.230Z"} | fields


def chat(*messages, **fields):
    own = {"conversationId": "c1", "title": "A title", "exportAt": "16:33:32 GMT+0200", "options": {"model": "gpt-4o"}}
    return own | {"messages": list(messages)} | fields


def read_one(item):
    (found,) = librechat.read([item])
    assert isinstance(found, ConversationRecord), found
    return found


def read_message(**fields):
    (message,) = read_one(chat(said("m", by_user=False, **fields))).messages
    return message


def tree(record):
    return {message.external_id: message.parent_external_id for message in record.messages}


NESTED = [said("q", children=[said("a", "q", False, children=[]), said("b", "q", False, children=[said("c", "b")])])]
FLAT = [said("q"), said("a", "q", False), said("b", "q", False), said("c", "b")]


@pytest.mark.parametrize(
    "item",
    [chat(*NESTED, recursive=True), chat(*FLAT, branches=True), chat(messagesTree=NESTED, messages=None)],
    ids=["nested", "flat", "older name"],
)
def test_nested_and_flat_exports_give_the_same_tree(item):
    record = read_one(item)
    assert tree(record) == {"q": None, "a": "q", "b": "q", "c": "b"}
    assert [message.role for message in record.messages] == ["user", "assistant", "assistant", "user"]
    assert record.current_external_id == "c"


def test_a_single_branch_without_links_is_a_chain():
    messages = [{"messageId": key, "text": key, "isCreatedByUser": False} for key in "abc"]
    assert tree(read_one(chat(*messages))) == {"a": None, "b": "a", "c": "b"}


@pytest.mark.parametrize("nothing", [BEGINNING, None, "gone", "a"])
def test_a_parent_that_is_none_begins_a_branch(nothing):
    assert tree(read_one(chat(said("a", nothing), said("b", "a")))) == {"a": None, "b": "a"}


def test_nesting_tells_the_parent_where_the_link_is_wrong():
    record = read_one(chat(said("a", children=[said("b", "gone"), None, said("a", "a")]), None))
    assert tree(record) == {"a": None, "b": "a", "a~1": "a"}


def test_the_leaf_is_the_newest_and_of_equals_the_last():
    early, late = {"createdAt": "2024-05-28T18:00:00Z"}, {"createdAt": "2024-05-28T19:00:00Z"}
    branches = said("q", **early), said("a", "q", **late), said("b", "q", **early), said("c", "q", **late)
    assert read_one(chat(*branches[:3])).current_external_id == "a"
    assert read_one(chat(*branches)).current_external_id == "c"


def test_a_message_without_text_keeps_its_place_and_its_answers():
    record = read_one(chat(said("a"), said("b", "a", text="", content=None), said("c", "b")))
    assert tree(record) == {"a": None, "b": "a", "c": "b"}


def test_40_000_messages_nested_in_one_another_are_no_recursion():
    message = said("m39999")
    for number in range(39_998, -1, -1):
        message = said(f"m{number}", children=[message])
    record = read_one(chat(message, recursive=True))
    assert (len(record.messages), record.messages[-1].parent_external_id) == (40_000, "m39998")
    while message := next(iter(message.pop("children", [])), None):  # freed level by level: freeing recurses as well
        pass


def test_a_branch_of_40_000_messages_comes_whole():
    record = read_one(chat(*(said(f"m{n}", f"m{n - 1}") for n in range(40_000))))
    assert (len(record.messages), record.current_external_id) == (40_000, "m39999")


def test_text_wins_and_where_it_is_empty_the_text_parts_speak():
    parts = [
        {"type": "think", "think": "hm"},
        {"type": "text", "text": "one"},
        {"type": "text", "text": {"value": "two"}},
    ]
    assert read_message(text="said", content=parts).content == "said"
    assert read_message(text="", content=parts).content == "one\ntwo"
    assert read_message(text="", content="bare").content == "bare"
    assert read_message(text="nul \0 half \ud800").content == "nul \0 half \ud800"


def test_parts_are_kept_verbatim_and_the_unknown_as_data():
    parts = [{"type": "think", "think": "hm"}, {"type": "text", "text": "one"}, {"type": "of_tomorrow"}, None]
    assert read_message(content=parts).parts == (
        *parts[:2],
        {"type": "unknown", "raw": {"type": "of_tomorrow"}},
        {"type": "unknown", "raw": None},
    )
    assert read_message(content=[{"type": "text", "text": "one"}]).parts == ()


def test_a_tool_call_is_the_call_and_its_result():
    calls = [
        {"type": "tool_call", "tool_call": {"id": "t1", "name": "search", "args": '{"q":1}', "output": "found"}},
        {"type": "tool_call", "tool_call": {"id": "t2", "name": "draw", "args": {"a": 1}, "output": ""}},
        {
            "type": "tool_call",
            "tool_call": {"id": "t3", "type": "function", "function": {"name": "f", "arguments": "x"}},
        },
    ]
    message = read_message(content=calls)
    assert [(call["id"], call["function"]) for call in message.tool_calls] == [
        ("t1", {"name": "search", "arguments": '{"q":1}'}),
        ("t2", {"name": "draw", "arguments": '{"a": 1}'}),
        ("t3", {"name": "f", "arguments": "x"}),
    ]
    assert message.tool_results == [{"tool_call_id": "t1", "name": "search", "content": "found"}]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"error": False, "unfinished": False}, "complete"),
        ({"error": True}, "failed"),
        ({"unfinished": True}, "interrupted"),
        ({"finish_reason": "incomplete"}, "interrupted"),
        ({"finish_reason": ["odd"]}, "complete"),
    ],
)
def test_status(fields, status):
    assert read_message(**fields).status == status


@pytest.mark.parametrize(
    ("fields", "role"),
    [
        ({"isCreatedByUser": True, "sender": "GPT-4"}, "user"),
        ({"isCreatedByUser": False, "sender": "User"}, "assistant"),
        ({"isCreatedByUser": None, "sender": "User"}, "user"),
        ({"isCreatedByUser": None, "sender": "GPT-4"}, "assistant"),
    ],
)
def test_the_flag_decides_the_role_and_the_label_only_without_it(fields, role):
    assert read_message(**fields).role == role


def test_files_and_what_tools_found():
    message = read_message(
        files=[{"file_id": "f1", "filename": "a.pdf", "type": "application/pdf", "bytes": 9, "text": "read"}, None],
        attachments=[
            {"file_id": "f1", "filename": "plot.png", "type": "image/png"},
            {
                "type": "web_search",
                "web_search": {"organic": [{"title": "T", "link": "https://x"}], "topStories": None},
            },
            {
                "type": "file_search",
                "file_search": {"sources": [{"fileId": "f9", "fileName": "b.pdf", "relevance": 0.5}]},
            },
        ],
        content=[{"type": "image_file", "image_file": {"file_id": "i1", "filename": "i.png"}}],
    )
    assert [(file.external_id, file.name, file.size, file.text) for file in message.attachments] == [
        ("f1", "a.pdf", 9, "read"),
        ("file-1", "", None, ""),
        ("f1~1", "plot.png", None, ""),
        ("i1", "i.png", None, ""),
    ]
    assert message.sources == [
        {"type": "webpage", "title": "T", "url": "https://x"},
        {"type": "file", "title": "b.pdf", "id": "f9", "relevance": 0.5},
    ]


def test_tokens_model_times_and_facts():
    item = chat(
        said("q", tokenCount=9, sender="User", updatedAt="2024-04-09T14:33:00Z"),
        said("a", "q", False, tokenCount=110, feedback={"rating": "thumbsUp"}),
        said("b", "a", False, model="o3"),
        endpoint="openAI",
        options={"model": "gpt-4o", "promptPrefix": "Be brief"},
    )
    record = read_one(item)
    ask, answer, other = record.messages
    assert (ask.tokens_in, ask.tokens_out, answer.tokens_in, answer.tokens_out) == (9, None, None, 110)
    assert [said.model for said in record.messages] == ["", "gpt-4o", "o3"]
    assert ask.created_at == datetime(2024, 4, 9, 14, 32, 5, 230_000, tzinfo=UTC)
    assert ask.updated_at == datetime(2024, 4, 9, 14, 33, tzinfo=UTC)
    assert (record.created_at, record.updated_at) == (ask.created_at, other.created_at)  # exportAt has no date
    assert answer.metadata == {"feedback": {"rating": "thumbsUp"}}
    assert record.metadata == {
        "endpoint": "openAI",
        "exportAt": "16:33:32 GMT+0200",
        "options": {"model": "gpt-4o", "promptPrefix": "Be brief"},
        "system_prompt": "Be brief",
    }


def test_raw_is_the_source_without_the_messages_nested_in_it():
    nested = said("b", "a", of_tomorrow=1)
    item = chat(said("a", children=[nested, "odd"]), 7)
    record = read_one(item)
    assert [message.raw for message in record.messages] == [{**said("a"), "children": ["odd"]}, nested]
    assert record.raw == {**item, "messages": [7]}
    assert item["messages"][0]["children"] == [nested, "odd"]


@pytest.mark.parametrize(
    ("item", "outcome", "reason"),
    [
        (chat(), "skipped", "no_messages"),
        (chat(None), "skipped", "no_messages"),
        (chat(messages="x"), "failed", "messages_not_a_list"),
        (chat(said("x" * (MAX_EXTERNAL_ID + 1))), "failed", "external_id_too_long"),
    ],
)
def test_an_item_that_gives_no_record_says_why(item, outcome, reason):
    (trouble,) = librechat.read([item])
    assert isinstance(trouble, Trouble)
    assert (trouble.external_id, trouble.outcome, trouble.reason) == ("c1", outcome, reason)
