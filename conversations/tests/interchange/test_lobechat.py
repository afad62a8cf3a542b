"""LobeChat's exports, both versions."""

import pytest

from conversations.interchange.readers import lobechat
from conversations.interchange.records import DocumentRecord

from .exports import links, one_record, records_of, said, troubles_of

pytestmark = pytest.mark.interchange


def row(name, role="user", at=0, **fields):
    return {
        "id": name,
        "role": role,
        "content": f"text {name}",
        "topicId": "t",
        "createdAt": 1760000000000 + at,
    } | fields


def first(*messages, **tables):
    own = {"messages": list(messages), "topics": [{"id": "t", "title": "T", "sessionId": "s", "favorite": True}]}
    return {
        "exportType": "all",
        "version": 7,
        "state": own | {"sessions": [{"id": "s", "meta": {"title": "S"}}]} | tables,
    }


def second(*messages, **tables):
    own = {"messages": list(messages), "topics": [{"id": "t", "title": "T", "createdAt": "2026-01-01T00:00:00Z"}]}
    return {"mode": "pglite", "schemaHash": "h", "data": own | tables}


@pytest.mark.parametrize("export", [first, second])
def test_a_topic_is_a_conversation_in_the_order_of_its_times(export):
    record = one_record(lobechat, export(row("b", "assistant", 2000), row("a"), row("c", at=3000)))
    assert (record.external_id, record.title) == ("t", "T")
    assert [text for _, text in said(record)] == ["text a", "text b", "text c"]
    assert links(record) == {"a": None, "b": "a", "c": "b"}


def test_answers_to_one_question_are_siblings_and_a_missing_parent_is_the_one_before():
    rows = [
        row("a"),
        row("b", "assistant", 1, parentId="a"),
        row("c", "assistant", 2, parentId="a"),
        row("d", at=3, parentId="gone"),
    ]
    record = one_record(lobechat, first(*rows))
    assert links(record) == {"a": None, "b": "a", "c": "a", "d": "c"}
    assert record.current_external_id == "d"


def test_messages_without_a_topic_are_their_sessions():
    record = one_record(lobechat, first(row("a", topicId=None, sessionId="s"), topics=[]))
    assert (record.external_id, record.title) == ("session:s", "S")


def test_a_tools_call_is_found_in_the_plugins_table():
    asked = {"id": "call_1", "identifier": "weather", "apiName": "now", "arguments": '{"a":1}'}
    plugin = {"id": "b", "toolCallId": "call_1", "identifier": "weather", "apiName": "now"}
    record = one_record(
        lobechat, second(row("a", "assistant", tools=[asked]), row("b", "tool", 1), messagePlugins=[plugin])
    )
    call, result = record.messages
    assert call.tool_calls == [
        {"id": "call_1", "type": "function", "function": {"name": "weather____now", "arguments": '{"a":1}'}}
    ]
    assert result.tool_results == [{"tool_call_id": "call_1", "name": "weather____now"}]
    assert result.raw["plugin"] == plugin


def test_reasoning_sources_errors_and_figures_are_taken():
    (message,) = one_record(
        lobechat,
        second(
            row(
                "a",
                "assistant",
                reasoning={"content": "hm"},
                search={"citations": [{"title": "X", "url": "https://x"}]},
                error={"type": "boom"},
                metadata={"totalInputTokens": 1, "totalOutputTokens": 2, "totalTokens": 3},
                model="m",
            )
        ),
    ).messages
    assert (message.parts, message.status, message.model) == (({"type": "reasoning", "text": "hm"},), "failed", "m")
    assert message.sources == [{"type": "webpage", "title": "X", "url": "https://x"}]
    assert (message.tokens_in, message.tokens_out, message.tokens_used) == (1, 2, 3)


def test_agents_are_documents():
    _, document = lobechat.read([second(row("a"), agents=[{"id": "g", "title": "Poet"}])])
    assert (type(document), document.kind, document.title) == (DocumentRecord, "agent", "Poet")


def test_bad_rows_and_empty_topics_are_told():
    export = first(row("a"), 7, topics=[{"id": "t"}, {"id": "empty"}])
    assert troubles_of(lobechat, [export, 7]) == [
        (0, "failed", "not_an_object", "/state/messages/1"),
        (0, "skipped", "no_messages", "/state/topics"),
        (1, "failed", "not_an_object", ""),
    ]
    assert len(records_of(lobechat, [first(row("a"))])) == 1
