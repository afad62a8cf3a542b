"""LangChain's messages, as dictionaries and as dumps."""

import pytest

from conversations.interchange.readers import langchain

from .exports import one_record, records_of, said, troubles_of

pytestmark = pytest.mark.interchange


def as_dict(kind, content="x", **data):
    return {"type": kind, "data": {"content": content, "type": kind, **data}}


def dumped(of_class, content="x", **kwargs):
    return {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", of_class],
        "kwargs": {"content": content, **kwargs},
    }


@pytest.mark.parametrize(
    ("item", "role", "noted"),
    [
        (as_dict("human"), "user", None),
        (as_dict("ai"), "assistant", None),
        (as_dict("AIMessageChunk"), "assistant", None),
        (as_dict("function"), "tool", None),
        (as_dict("chat", role="system"), "system", None),
        (as_dict("chat", role="critic"), "assistant", "critic"),
        (dumped("HumanMessage"), "user", None),
        (dumped("ToolMessage", type="tool"), "tool", None),
        (dumped("OfTomorrow"), "assistant", "OfTomorrow"),
    ],
)
def test_kinds_are_mapped_and_others_kept_by_name(item, role, noted):
    (message,) = one_record(langchain, item).messages
    assert (message.role, message.metadata.get("author_role"), message.raw) == (role, noted, item)


def test_calls_with_broken_arguments_are_calls_too_and_results_are_paired():
    calls = [{"name": "f", "args": {"a": 1}, "id": "c1"}]
    broken = [{"name": "g", "args": "{oops", "id": None, "error": "no JSON"}]
    record = one_record(
        langchain,
        as_dict("ai", "", tool_calls=calls, invalid_tool_calls=broken, id="m"),
        as_dict("tool", "18C", tool_call_id="c1", name="f", status="error"),
    )
    call, result = record.messages
    assert [made["function"]["arguments"] for made in call.tool_calls] == ['{"a": 1}', "{oops"]
    assert [made["id"] for made in call.tool_calls] == ["c1", "m:1"]
    assert (result.tool_results, result.status) == ([{"tool_call_id": "c1", "name": "f"}], "failed")


def test_usage_and_model_are_taken():
    usage = {"input_tokens": 10, "output_tokens": 0, "total_tokens": 10}
    record = one_record(langchain, as_dict("ai", usage_metadata=usage, response_metadata={"model_name": "gpt"}))
    (message,) = record.messages
    assert (message.tokens_in, message.tokens_out, message.tokens_used) == (10, 0, 10)
    assert message.model == record.model == "gpt"


def test_a_state_of_messages_is_one_conversation_each():
    records = records_of(
        langchain, [{"messages": [as_dict("human", "q")], "step": 1}, {"messages": [dumped("AIMessage", "a")]}]
    )
    assert [(said(record), record.raw) for record in records] == [
        ([("user", "q")], {"step": 1}),
        ([("assistant", "a")], {}),
    ]


def test_bad_items_are_told():
    assert troubles_of(langchain, [as_dict("human"), 7]) == [(1, "failed", "not_an_object", "")]
    assert troubles_of(langchain, [{"messages": []}, {"messages": [7]}]) == [
        (0, "skipped", "no_messages", ""),
        (1, "failed", "message_not_an_object", "/messages/0"),
    ]
