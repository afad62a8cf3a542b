"""Claude's conversations, messages and blocks, field by field."""

import json
from datetime import UTC, datetime

import pytest

from conversations.interchange.files import read_files
from conversations.interchange.readers import claude
from conversations.interchange.records import MAX_EXTERNAL_ID, ConversationRecord, DocumentRecord, Trouble

pytestmark = pytest.mark.interchange

PLACEHOLDER = "\n```\nThis block is not supported on your current device yet.\n```\n"


def said(uuid="m1", sender="human", **fields):
    return {"uuid": uuid, "sender": sender, "text": "hello", "created_at": "2026-03-01T10:00:00.123456Z"} | fields


def chat(*messages, **fields):
    own = {"uuid": "c1", "name": "A title", "created_at": "2026-03-01T10:00:00Z", "updated_at": "2026-03-01T11:00:00Z"}
    return own | {"chat_messages": list(messages)} | fields


def text(words, **fields):
    return {"type": "text", "text": words} | fields


def read_one(item):
    (found,) = claude.read([item])
    assert isinstance(found, ConversationRecord), found
    return found


def read_trouble(item):
    (found,) = claude.read([item])
    assert isinstance(found, Trouble), found
    return found


def read_message(*blocks, **fields):
    (message,) = read_one(chat(said(content=list(blocks), **fields))).messages
    return message


@pytest.mark.parametrize(
    ("fields", "content"),
    [
        ({"text": "old style"}, "old style"),
        ({"text": "old style", "content": None}, "old style"),
        ({"text": "old style", "content": []}, "old style"),
        ({"text": "", "content": [text("only here")]}, "only here"),
        ({"text": "thoughtanswer", "content": [{"type": "thinking", "thinking": "thought"}, text("answer")]}, "answer"),
        ({"text": PLACEHOLDER, "content": [text("one"), {"type": "token_budget"}, text("two")]}, "one\n\ntwo"),
        ({"text": PLACEHOLDER, "content": [{"type": "tool_use", "id": None, "name": "x", "input": {}}]}, ""),
        ({"text": "glued", "content": "bare text"}, "bare text"),
        (
            {"text": "nul \0 half \ud800 <antThinking>hm</antThinking>"},
            "nul \0 half \ud800 <antThinking>hm</antThinking>",
        ),
        ({"text": None, "content": None}, ""),
        ({"text": 7, "content": 7}, ""),
    ],
)
def test_blocks_win_and_text_speaks_only_without_them(fields, content):
    assert read_one(chat(said(**fields))).messages[0].content == content


def test_blocks_are_kept_verbatim_in_order_and_plain_text_not_twice():
    thinking = {"type": "thinking", "thinking": "hm", "signature": "c2ln", "summaries": [{"summary": "s"}]}
    budget, voice = {"type": "token_budget"}, {"type": "voice_note", "title": "t", "text": "v"}
    assert read_message(text("plain", citations=[])).parts == ()
    assert read_message(thinking, text("a"), budget, voice).parts == (thinking, text("a"), budget, voice)


@pytest.mark.parametrize(
    "block", [{"type": "hologram", "x": [1]}, {"x": 1}, "bare", None, 7, {"type": "text"}], ids=repr
)
def test_blocks_of_tomorrow_are_data(block):
    message = read_message(block, text("readable"))
    assert message.content == "readable"
    assert message.parts[0] == {"type": "unknown", "raw": block}


def use(tool_id, name, **arguments):
    return {"type": "tool_use", "id": tool_id, "name": name, "input": arguments}


def result(tool_id, name, words, **fields):
    return {"type": "tool_result", "tool_use_id": tool_id, "name": name, "content": [text(words)]} | fields


def test_a_call_and_its_result_are_paired_by_id():
    message = read_message(use("t2", "a"), use("t1", "b", q="ø"), result("t1", "b", "of b"), result("t2", "a", "of a"))
    assert message.tool_calls == [
        {"id": "t2", "type": "function", "function": {"name": "a", "arguments": "{}"}},
        {"id": "t1", "type": "function", "function": {"name": "b", "arguments": '{"q": "ø"}'}},
    ]
    assert message.tool_results == [
        {"tool_call_id": "t1", "name": "b", "content": "of b"},
        {"tool_call_id": "t2", "name": "a", "content": "of a"},
    ]


def test_without_ids_calls_and_results_are_paired_by_name_and_order():
    message = read_message(
        use(None, "search"),
        use(None, "fetch"),
        use(None, "search"),
        result(None, "fetch", "f"),
        result(None, "search", "s1"),
        result(None, "search", "s2", is_error=True),
        result(None, "search", "one too many"),
    )
    assert [call["id"] for call in message.tool_calls] == ["m1:0", "m1:1", "m1:2"]
    assert message.tool_results == [
        {"tool_call_id": "m1:1", "name": "fetch", "content": "f"},
        {"tool_call_id": "m1:0", "name": "search", "content": "s1"},
        {"tool_call_id": "m1:2", "name": "search", "content": "s2", "is_error": True},
        {"tool_call_id": None, "name": "search", "content": "one too many"},
    ]


def test_ids_that_repeat_are_told_apart_and_answered_in_order():
    message = read_message(use("x:0", "a"), result("x:0", "a", "1"), use("x:0", "a"), result("x:0", "a", "2"))
    first, second = (call["id"] for call in message.tool_calls)
    assert first == "x:0" != second
    assert [(answer["tool_call_id"], answer["content"]) for answer in message.tool_results] == [
        (first, "1"),
        (second, "2"),
    ]


def test_a_turn_of_tools_alone_is_kept():
    record = read_one(chat(said("a"), said("b", "assistant", content=[use(None, "x")]), said("c")))
    assert [message.external_id for message in record.messages] == ["a", "b", "c"]


def test_citations_are_sources_with_offsets_in_the_whole_text():
    cited = {
        "uuid": "k",
        "start_index": 0,
        "end_index": 4,
        "details": {"type": "web_search_citation", "url": "https://o"},
    }
    page = {"type": "knowledge", "title": "Oslo", "url": "https://o", "text": "…"}
    message = read_message(
        result("t", "web_search", "", content=[page]), text("First."), text("Oslo is it.", citations=[cited, None])
    )
    assert message.sources == [
        {"type": "web_search_citation", "title": "Oslo", "url": "https://o", "id": "k", "start": 8, "end": 12},
        {"type": "citation"},
    ]
    assert message.content[8:12] == "Oslo"


def test_attachments_have_their_text_and_no_bytes():
    message = read_message(
        attachments=[
            {"id": "a1", "file_name": "n.txt", "file_size": 11, "file_type": "text/plain", "extracted_content": "x"},
            {"file_name": "n.txt", "file_type": "txt"},
        ],
        files=[{"file_name": "p.png", "file_uuid": "f1"}, {"file_name": "old.png"}, None],
        files_v2=[{"file_uuid": "f1", "file_name": "p.png", "size_bytes": 9}, {"file_uuid": "f2", "file_name": "q"}],
    )
    assert [(file.external_id, file.name, file.media_type, file.size, file.text) for file in message.attachments] == [
        ("a1", "n.txt", "text/plain", 11, "x"),
        ("attachment-1", "n.txt", "", None, ""),
        ("f1", "p.png", "", 9, ""),
        ("file-1", "old.png", "", None, ""),
        ("file-2", "", "", None, ""),
        ("f2", "q", "", None, ""),
    ]
    assert all(file.opened is None for file in message.attachments)


def test_edits_are_siblings_and_the_leaf_is_the_last_written():
    root = "00000000-0000-4000-8000-000000000000"
    record = read_one(
        chat(
            said("q", parent_message_uuid=root),
            said("a", "assistant", parent_message_uuid="q"),
            said("b", "assistant", parent_message_uuid="q"),
            said("c", parent_message_uuid="a"),
        )
    )
    parents = {message.external_id: message.parent_external_id for message in record.messages}
    assert parents == {"q": None, "a": "q", "c": "a", "b": "q"}
    assert [message.external_id for message in record.messages] == ["q", "a", "c", "b"]
    assert record.current_external_id == "c"


@pytest.mark.parametrize(("declared", "leaf"), [("b", "b"), ("a", "a"), ("gone", "b"), (None, "b"), (7, "b")])
def test_a_declared_leaf_wins_if_it_exists(declared, leaf):
    messages = said("a", parent_message_uuid=None), said("b", parent_message_uuid="a")
    assert read_one(chat(*messages, current_leaf_message_uuid=declared)).current_external_id == leaf


def test_without_links_each_answers_the_one_before():
    record = read_one(chat(said("a"), said("b"), said("c")))
    assert [message.parent_external_id for message in record.messages] == [None, "a", "b"]


def test_cycles_dangling_parents_and_repeated_ids_lose_nothing():
    record = read_one(
        chat(
            said("a", parent_message_uuid="b"),
            said("b", parent_message_uuid="a"),
            said("c", parent_message_uuid="gone"),
            said("c", parent_message_uuid="c"),
            said(None, parent_message_uuid="c"),
        )
    )
    parents = {message.external_id: message.parent_external_id for message in record.messages}
    assert parents == {"a": None, "b": "a", "c": None, "c~1": "c", "message-4": "c"}


def test_a_branch_of_40_000_messages_is_read_in_linear_time():
    messages = [said(f"m{n}", parent_message_uuid=f"m{n - 1}") for n in range(40_000)]
    record = read_one(chat(*messages))
    assert (len(record.messages), record.current_external_id) == (40_000, "m39999")


def test_the_conversations_fields():
    record = read_one(
        chat(
            said("a", "human"),
            said("b", "assistant"),
            summary="About.",
            is_starred=True,
            is_temporary=False,
            model="claude-sonnet-4-5",
            project={"uuid": "p", "name": "Proj"},
            settings={"x": None},
            account={"uuid": "u"},
        )
    )
    assert (record.source, record.external_id, record.title, record.starred) == ("claude", "c1", "A title", True)
    assert record.created_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert record.updated_at == datetime(2026, 3, 1, 11, tzinfo=UTC)
    assert record.messages[0].created_at == datetime(2026, 3, 1, 10, 0, 0, 123456, tzinfo=UTC)
    assert record.model == "claude-sonnet-4-5"
    assert [message.model for message in record.messages] == [
        "",
        "claude-sonnet-4-5",
    ]
    assert record.metadata == {
        "summary": "About.",
        "is_temporary": False,
        "project": {"uuid": "p", "name": "Proj"},
        "settings": {"x": None},
        "account": {"uuid": "u"},
    }


def test_raw_is_the_source_untouched():
    item = chat(said("a", of_tomorrow=[1]), None, "odd", of_tomorrow={"x": 1})
    before = json.dumps(item)
    record = read_one(item)
    assert record.raw == {**item, "chat_messages": [None, "odd"]}
    assert record.messages[0].raw == item["chat_messages"][0]
    assert json.dumps(item) == before


@pytest.mark.parametrize(
    ("fields", "status"),
    [({}, "complete"), ({"truncated": True}, "interrupted"), ({"stop_reason": "user_canceled"}, "interrupted")],
)
def test_what_was_cut_off_is_interrupted(fields, status):
    assert read_message(text("x"), **fields).status == status


@pytest.mark.parametrize(
    ("item", "outcome", "reason", "pointer"),
    [
        (chat(), "skipped", "no_messages", ""),
        (chat(chat_messages=None), "skipped", "no_messages", ""),
        (chat(None, 7), "skipped", "no_messages", "/chat_messages"),
        (chat(chat_messages={"a": 1}), "failed", "messages_not_a_list", "/chat_messages"),
        (chat(said("x" * (MAX_EXTERNAL_ID + 1))), "failed", "external_id_too_long", "/chat_messages"),
    ],
)
def test_an_item_that_gives_no_record_says_why(item, outcome, reason, pointer):
    trouble = read_trouble(item)
    assert (trouble.external_id, trouble.outcome, trouble.reason, trouble.pointer) == ("c1", outcome, reason, pointer)


def test_one_bad_conversation_never_sinks_the_file():
    found = list(claude.read([7, chat(said()), chat(chat_messages="x"), chat(said(), uuid="c2")]))
    assert [getattr(one, "external_id", None) for one in found] == [None, "c1", "c1", "c2"]
    assert [(one.index, one.reason) for one in found if isinstance(one, Trouble)] == [
        (0, "not_an_object"),
        (2, "messages_not_a_list"),
    ]


def test_a_design_chat_is_a_conversation():
    record = read_one(
        {
            "uuid": "d1",
            "title": "Page",
            "created_at": "2026-07-01T00:00:00Z",
            "project": {"uuid": "p", "name": "Site"},
            "messages": [
                {
                    "uuid": "1",
                    "role": "user",
                    "content": {
                        "role": "user",
                        "content": "Make it",
                        "authorName": "Ann",
                        "timestamp": "2026-07-01T00:00:00.500Z",
                    },
                },
                {
                    "uuid": "2",
                    "role": "assistant",
                    "content": {
                        "role": "assistant",
                        "turnInputTokens": 12,
                        "contentBlocks": [
                            {"type": "thinking", "thinking": "hm"},
                            text("Done"),
                            {"type": "user_interjection", "text": "wait"},
                            {
                                "type": "tool_call",
                                "toolCall": {"id": "t", "name": "edit", "input": {"p": 1}, "output": "ok"},
                            },
                            {"type": "of_tomorrow"},
                        ],
                    },
                },
            ],
        }
    )
    ask, answer = record.messages
    assert (record.source, record.external_id, record.title, record.metadata["kind"]) == (
        "claude",
        "d1",
        "Page",
        "design_chat",
    )
    assert (ask.role, ask.content, ask.parts) == ("user", "Make it", ())
    assert ask.created_at == datetime(2026, 7, 1, 0, 0, 0, 500_000, tzinfo=UTC)
    assert (answer.role, answer.content, answer.tokens_in, answer.parent_external_id) == ("assistant", "Done", 12, "1")
    assert answer.tool_calls == [{"id": "t", "type": "function", "function": {"name": "edit", "arguments": '{"p": 1}'}}]
    assert answer.tool_results == [{"tool_call_id": "t", "name": "edit", "content": "ok"}]
    assert answer.parts[-1] == {"type": "unknown", "raw": {"type": "of_tomorrow"}}
    assert record.raw["messages"] == []


@pytest.mark.parametrize(
    ("item", "kind", "external_id", "title"),
    [
        ({"uuid": "p", "name": "Proj", "docs": [], "prompt_template": "t"}, "project", "p", "Proj"),
        ({"account_uuid": "a", "conversations_memory": "Likes tea."}, "memory", "a", ""),
        ({"uuid": "u", "full_name": "Ann", "email_address": "a@b"}, "user", "u", "Ann"),
        ({"account_uuid": None, "project_memories": {}}, "memory", "memory-0", ""),
    ],
)
def test_what_lies_beside_the_chats_is_a_document(item, kind, external_id, title):
    assert claude.recognises(item)
    assert list(claude.read([item])) == [
        DocumentRecord(source="claude", kind=kind, external_id=external_id, title=title, raw=item)
    ]


def test_a_file_is_recognised_past_its_empty_chats(tmp_path):
    path = tmp_path / "anything.json"
    path.write_text(json.dumps([chat(), chat(chat_messages=None), chat(said())]))
    assert [type(found).__name__ for found in read_files([path])] == ["Trouble", "Trouble", "ConversationRecord"]
