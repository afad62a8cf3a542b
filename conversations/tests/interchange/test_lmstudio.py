"""LM Studio's conversations: versions, steps, tools."""

import pytest

from conversations.interchange.readers import lmstudio

from .exports import links, one_record, said, troubles_of

pytestmark = pytest.mark.interchange


def single(text, role="user"):
    return {"type": "singleStep", "role": role, "content": [{"type": "text", "text": text}]}


def multi(*steps):
    return {"type": "multiStep", "role": "assistant", "steps": list(steps)}


def block(*content, **fields):
    return {"type": "contentBlock", "content": list(content)} | fields


def place(*versions, selected=0):
    return {"versions": list(versions), "currentlySelected": selected}


def chat(*places, **fields):
    return {"name": "N", "createdAt": 1760000000000, "messages": list(places)} | fields


def test_versions_are_siblings_and_the_next_place_follows_the_selected_one():
    record = one_record(lmstudio, chat(place(single("a"), single("b"), selected=1), place(single("c", "assistant"))))
    assert links(record) == {"0.0": None, "0.1": None, "1.0": "0.1"}
    assert record.current_external_id == "1.0"


@pytest.mark.parametrize("selected", [None, 7, -1])
def test_a_selection_of_nothing_is_the_last_version(selected):
    assert one_record(lmstudio, chat(place(single("a"), single("b"), selected=selected))).current_external_id == "0.1"


def test_thoughts_are_parts_and_figures_are_those_of_the_answer():
    thought = block({"type": "text", "text": "hm"}, style={"type": "thinking"})
    stats = {"promptTokensCount": 5, "predictedTokensCount": 3, "totalTokensCount": 8, "tokensPerSecond": 30.1}
    answer = block({"type": "text", "text": "hello"}, genInfo={"identifier": "qwen", "stats": stats})
    (message,) = one_record(lmstudio, chat(place(multi(thought, answer)))).messages
    assert (message.content, message.parts, message.model) == ("hello", ({"type": "reasoning", "text": "hm"},), "qwen")
    assert (message.tokens_in, message.tokens_out, message.tokens_used) == (5, 3, 8)
    assert message.metadata["tokensPerSecond"] == 30.1


def test_calls_results_and_unknown_steps_are_kept():
    call = {"type": "toolCallRequest", "toolCallRequestId": "c", "name": "f", "parameters": {"a": 1}}
    result = {"type": "toolCallResult", "toolCallRequestId": "c", "content": "[1]"}
    debug = {"type": "debugInfoBlock", "debugInfo": "x"}
    (message,) = one_record(lmstudio, chat(place(multi(block(call), block(result), debug)))).messages
    assert message.tool_calls == [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}]
    assert message.tool_results == [{"tool_call_id": "c", "name": None, "content": "[1]"}]
    assert message.parts == (call, result, {"type": "unknown", "raw": debug})


def test_the_system_prompt_the_model_and_the_mark_are_the_conversations():
    fields = [{"key": "llm.prediction.systemPrompt", "value": "Be kind"}]
    item = chat(
        place(single("a")), perChatPredictionConfig={"fields": fields}, lastUsedModel={"identifier": "q"}, pinned=True
    )
    record = one_record(lmstudio, item)
    assert (record.metadata["system_prompt"], record.model, record.starred) == ("Be kind", "q", True)
    assert record.raw == {key: value for key, value in item.items() if key != "messages"}


def test_a_version_of_another_shape_is_data():
    (message,) = one_record(lmstudio, chat(place(7))).messages
    assert (message.role, message.parts, message.raw["version"]) == ("assistant", ({"type": "unknown", "raw": 7},), 7)


def test_bad_items_are_told():
    assert troubles_of(lmstudio, [chat(), 7, chat(7), chat() | {"messages": 7}, chat(place())]) == [
        (0, "skipped", "no_messages", ""),
        (1, "failed", "not_an_object", ""),
        (2, "failed", "message_not_an_object", "/messages/0"),
        (3, "failed", "messages_not_a_list", "/messages"),
        (4, "skipped", "no_messages", ""),
    ]


def test_texts_stay():
    assert said(one_record(lmstudio, chat(place(single("nul \0 \ud800"))))) == [("user", "nul \0 \ud800")]
