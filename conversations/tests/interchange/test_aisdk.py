"""UI messages of Vercel's AI SDK, version 5 and later and version 4."""

import pytest

from conversations.interchange.readers import aisdk

from .exports import one_record, said, troubles_of

pytestmark = pytest.mark.interchange


def ui(*parts, **fields):
    return {"id": "m", "role": "assistant", "parts": list(parts)} | fields


def read_message(item):
    return one_record(aisdk, item).messages[0]


def tool(state, **fields):
    return {"type": "tool-weather", "toolCallId": "c", "state": state, "input": {"city": "Paris"}} | fields


def test_texts_are_the_content_and_other_parts_are_kept():
    parts = [
        {"type": "step-start"},
        {"type": "reasoning", "text": "hm"},
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
    ]
    message = read_message(ui(*parts, metadata={"model": "gpt", "mood": 1}))
    assert (message.content, message.parts, message.model, message.metadata) == (
        "a\nb",
        tuple(parts),
        "gpt",
        {"mood": 1},
    )
    assert read_message(ui(parts[0], parts[2])).parts == ()


@pytest.mark.parametrize(
    ("part", "result"),
    [
        (tool("output-available", output={"c": 18}), {"tool_call_id": "c", "name": "weather", "content": '{"c": 18}'}),
        (tool("output-available", output="18C"), {"tool_call_id": "c", "name": "weather", "content": "18C"}),
        (
            tool("output-error", errorText="boom"),
            {"tool_call_id": "c", "name": "weather", "content": "boom", "is_error": True},
        ),
        (
            tool("output-denied", approval={"reason": "no"}),
            {"tool_call_id": "c", "name": "weather", "content": "no", "is_error": True},
        ),
        (tool("input-available"), None),
        (tool("approval-requested"), None),
    ],
)
def test_a_tool_part_is_a_call_and_its_result_once_there_is_one(part, result):
    message = read_message(ui(part))
    assert message.tool_calls == [
        {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
    ]
    assert message.tool_results == (None if result is None else [result])
    assert message.parts == (part,)


def test_dynamic_tools_have_their_names_beside():
    message = read_message(
        ui(
            {
                "type": "dynamic-tool",
                "toolName": "mcp_x",
                "toolCallId": "c2",
                "state": "output-error",
                "input": {},
                "errorText": "e",
            }
        )
    )
    assert (message.tool_calls[0]["function"]["name"], message.tool_results[0]["is_error"]) == ("mcp_x", True)


@pytest.mark.parametrize("with_parts", [True, False])
def test_version_4_has_content_and_invocations_once_or_twice(with_parts):
    invocation = {"state": "result", "toolCallId": "c", "toolName": "f", "args": {"a": 1}, "result": [1]}
    item = {
        "id": "m",
        "role": "assistant",
        "content": "done",
        "createdAt": "2026-01-01T00:00:00Z",
        "toolInvocations": [invocation],
    }
    if with_parts:
        item["parts"] = [{"type": "tool-invocation", "toolInvocation": invocation}, {"type": "text", "text": "done"}]
    message = read_message(item)
    assert (message.content, message.created_at.year) == ("done", 2026)
    assert [call["function"]["arguments"] for call in message.tool_calls] == ['{"a": 1}']
    assert [result["content"] for result in message.tool_results] == ["[1]"]


def test_files_are_attachments_and_sources_are_sources():
    message = read_message(
        ui(
            {"type": "file", "mediaType": "image/png", "filename": "a.png", "url": "data:image/png;base64,aGk="},
            {"type": "source-url", "sourceId": "s", "url": "https://x", "title": "X"},
            {"type": "source-document", "sourceId": "d", "title": "D", "mediaType": "application/pdf"},
        )
    )
    (file,) = message.attachments
    assert (file.name, file.media_type, file.opened().read(9)) == ("a.png", "image/png", b"hi")
    assert [(source["type"], source["id"]) for source in message.sources] == [("webpage", "s"), ("document", "d")]


def test_a_message_saved_while_it_was_written_is_interrupted():
    assert read_message(ui({"type": "text", "text": "ha", "state": "streaming"})).status == "interrupted"


def test_an_apps_chat_is_a_conversation_of_its_own():
    chat = {
        "id": "chat",
        "title": "T",
        "createdAt": "2026-01-01T00:00:00Z",
        "messages": [ui({"type": "text", "text": "a"})],
    }
    record = one_record(aisdk, chat)
    assert (record.external_id, record.title, said(record)) == ("chat", "T", [("assistant", "a")])


def test_bad_items_are_told():
    assert troubles_of(aisdk, [ui(), 7]) == [(1, "failed", "not_an_object", "")]
    assert troubles_of(aisdk, [{"messages": [ui()]}, {"id": "c", "messages": []}])[0][1:3] == ("skipped", "no_messages")
