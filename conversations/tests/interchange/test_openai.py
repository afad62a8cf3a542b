"""OpenAI's chat messages, as fine-tuning files, LLaMA-Factory and scripts have them."""

import pytest

from conversations.interchange.readers import openai

from .exports import links, one_record, records_of, said, troubles_of

pytestmark = pytest.mark.interchange

HI = {"role": "user", "content": "hi"}


def read_message(message):
    return one_record(openai, {"messages": [message]}).messages[0]


@pytest.mark.parametrize(
    ("role", "ours", "noted"),
    [
        ("developer", "system", "developer"),
        ("function", "tool", "function"),
        ("tool", "tool", None),
        ("critic", "assistant", "critic"),
        (7, "assistant", None),
    ],
)
def test_roles_are_mapped_and_others_kept_by_name(role, ours, noted):
    message = read_message({"role": role, "content": "x"})
    assert (message.role, message.metadata.get("author_role")) == (ours, noted)


@pytest.mark.parametrize(
    ("content", "text", "parts"),
    [
        ("plain", "plain", 0),
        (None, "", 0),
        ([{"type": "text", "text": "one"}], "one", 0),
        ([{"type": "text", "value": "LLaMA-Factory"}], "LLaMA-Factory", 0),
        ([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "u"}}], "a", 2),
        ([{"type": "text", "text": "a"}, "bare", None, 7], "a\nbare", 4),
        ([{"type": "text", "text": "a", "cache_control": {}}], "a", 1),
        ({"odd": 1}, "", 1),
    ],
)
def test_content_of_any_shape_gives_its_text_and_keeps_its_structure(content, text, parts):
    message = read_message({"role": "user", "content": content})
    assert (message.content, len(message.parts)) == (text, parts)
    assert message.raw == {"role": "user", "content": content}


def test_calls_and_results_are_paired_old_style_and_new():
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    record = one_record(
        openai,
        {
            "messages": [
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": "new"},
                {"role": "assistant", "function_call": {"name": "g", "arguments": "{}"}},
                {"role": "function", "name": "g", "content": "old"},
                {"role": "assistant", "tool_calls": [{"function": {"name": "h", "arguments": {"b": "é"}}}]},
            ]
        },
    )
    first, answer, second, old_answer, ollama = record.messages
    assert first.tool_calls == [call]
    assert answer.tool_results == [{"tool_call_id": "c1", "name": None}]
    assert second.tool_calls[0]["id"] == old_answer.tool_results[0]["tool_call_id"]
    assert ollama.tool_calls[0]["function"] == {"name": "h", "arguments": '{"b": "é"}'}


def test_blocks_of_llama_factory_give_calls_and_reasoning():
    content = [{"type": "reasoning", "value": "hm"}, {"type": "tool_call", "value": '{"name": "f", "arguments": {}}'}]
    message = read_message({"role": "assistant", "content": content, "loss_weight": 0.5})
    assert (message.content, message.parts, message.metadata) == ("", tuple(content), {"loss_weight": 0.5})
    assert message.tool_calls[0]["function"] == {"name": "f", "arguments": "{}"}


def test_reasoning_and_refusals_beside_the_content_are_parts():
    message = read_message({"role": "assistant", "content": "a", "reasoning_content": "why", "refusal": "no"})
    assert message.parts == ({"type": "reasoning", "text": "why"}, {"type": "refusal", "refusal": "no"})


def test_citations_keep_their_offsets():
    cited = {"start_index": 2, "end_index": 5, "title": "T", "url": "https://x"}
    message = read_message(
        {"role": "assistant", "content": "a", "annotations": [{"type": "url_citation", "url_citation": cited}]}
    )
    assert message.sources == [{"type": "url_citation", "title": "T", "url": "https://x", "start": 2, "end": 5}]


def test_pictures_inside_the_file_can_be_opened_and_others_are_missing():
    inside = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}}
    outside = {"type": "image_url", "image_url": {"url": "https://x/a.png?size=1"}}
    one, two = read_message({"role": "user", "content": [inside, outside]}).attachments
    assert (one.media_type, one.opened().read(99)) == ("image/png", b"hello")
    assert (two.name, two.opened) == ("a.png", None)


def test_a_bare_array_of_messages_is_one_conversation():
    record = one_record(openai, HI, {"role": "assistant", "content": "hello"})
    assert said(record) == [("user", "hi"), ("assistant", "hello")]
    assert (record.external_id, links(record), record.current_external_id) == (None, {"0": None, "1": "0"}, "1")


def test_ids_that_repeat_are_made_unique():
    record = one_record(openai, HI | {"id": "m"}, HI | {"id": "m"}, HI | {"id": ""})
    assert list(links(record)) == ["m", "m~1", "2"]


def test_what_stands_beside_the_messages_is_kept():
    item = {"messages": [HI], "tools": [{"type": "function"}], "parallel_tool_calls": False}
    record = one_record(openai, item)
    assert record.raw == {"tools": [{"type": "function"}], "parallel_tool_calls": False}
    assert record.metadata == {"parallel_tool_calls": False}


def test_bad_items_are_told_and_the_others_read():
    items = [{"messages": [HI]}, {"messages": []}, 7, {"messages": "no"}, {"messages": [HI, 7]}, {"a": 1}]
    assert troubles_of(openai, items) == [
        (1, "skipped", "no_messages", ""),
        (2, "failed", "not_an_object", ""),
        (3, "failed", "messages_not_a_list", "/messages"),
        (4, "failed", "message_not_an_object", "/messages/1"),
        (5, "failed", "messages_not_a_list", "/messages"),
    ]


def test_a_bad_message_in_a_bare_array_does_not_sink_the_others():
    assert troubles_of(openai, [HI, 7, HI]) == [(1, "failed", "not_an_object", "")]
    assert troubles_of(openai, [HI | {"id": "x" * 300}]) == [(0, "failed", "external_id_too_long", "")]


def test_a_long_conversation_is_read_in_one_pass():
    (record,) = records_of(openai, [{"messages": [HI] * 20_000}])
    assert len(record.messages) == 20_000
