"""ShareGPT and LLaMA-Factory's dialects of it."""

import json

import pytest

from conversations.interchange.files import read_files
from conversations.interchange.readers import sharegpt

from .exports import links, one_record, said, troubles_of

pytestmark = pytest.mark.interchange

TURNS = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]


@pytest.mark.parametrize(
    ("speaker", "role"),
    [
        ("human", "user"),
        ("gpt", "assistant"),
        ("chatgpt", "assistant"),
        ("bing", "assistant"),
        ("bard", "assistant"),
        ("system", "system"),
        ("observation", "tool"),
        ("tool", "tool"),
        ("of tomorrow", "assistant"),
    ],
)
def test_speakers_are_mapped_and_keep_their_names(speaker, role):
    (message,) = one_record(sharegpt, {"conversations": [{"from": speaker, "value": "x"}]}).messages
    assert (message.role, message.metadata.get("author_role")) == (role, speaker if speaker != role else None)


def test_a_call_and_its_observation_are_paired_and_the_text_stays():
    written = '{"name": "f", "arguments": {"a": 1}}'
    turns = [{"from": "function_call", "value": written}, {"from": "observation", "value": "[]"}]
    call, result = one_record(sharegpt, {"conversations": turns, "tools": "[]"}).messages
    assert (call.role, call.content, call.tool_calls[0]["function"]) == (
        "assistant",
        written,
        {"name": "f", "arguments": '{"a": 1}'},
    )
    assert (result.role, result.tool_results[0]["tool_call_id"]) == ("tool", call.tool_calls[0]["id"])


@pytest.mark.parametrize("wrap", [lambda text: text, lambda text: {"from": "gpt", "value": text}], ids=["text", "turn"])
def test_chosen_and_rejected_are_siblings_and_the_chosen_is_shown(wrap):
    record = one_record(sharegpt, {"conversations": TURNS[:1], "chosen": wrap("good"), "rejected": wrap("bad")})
    assert links(record) == {"0": None, "chosen": "0", "rejected": "0"}
    assert record.current_external_id == "chosen"
    assert said(record)[1:] == [("assistant", "good"), ("assistant", "bad")]


def test_a_system_prompt_beside_the_turns_comes_first():
    record = one_record(sharegpt, {"id": "i", "system": "be brief", "conversations": TURNS})
    assert (record.external_id, said(record)[0]) == ("i", ("system", "be brief"))
    assert links(record) == {"system": None, "0": "system", "1": "0"}


def test_pictures_go_to_the_texts_that_have_their_places():
    turns = [
        {"role": "user", "content": "<image>a<image>"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "<image>"},
    ]
    record = one_record(sharegpt, {"messages": turns, "images": ["x/1.jpg", "x/2.jpg", "x/3.jpg"]})
    assert [[file.name for file in message.attachments] for message in record.messages] == [
        ["1.jpg", "2.jpg"],
        [],
        ["3.jpg"],
    ]
    assert record.messages[0].attachments[0].opened is None
    assert record.messages[0].content == "<image>a<image>"


def test_one_conversation_alone_in_a_file_and_one_a_line(tmp_path):
    (tmp_path / "one").write_text(json.dumps({"conversations": TURNS}))
    (tmp_path / "lines").write_text("\n".join(json.dumps({"conversations": TURNS, "tools": "t"}) for _ in range(3)))
    assert [said(record) for record in read_files([tmp_path / "one"])] == [[("user", "q"), ("assistant", "a")]]
    assert [record.raw for record in read_files([tmp_path / "lines"])] == [{"tools": "t"}] * 3


@pytest.mark.parametrize("turns_come_first", [True, False])
def test_one_conversation_alone_keeps_what_stands_beside_its_turns(tmp_path, turns_come_first):
    beside = {"id": "i", "tools": "[]", "system": "be brief"}
    turns = {"conversations": TURNS}
    (tmp_path / "one").write_text(json.dumps(turns | beside if turns_come_first else beside | turns))
    (record,) = read_files([tmp_path / "one"])
    assert (record.external_id, record.raw) == ("i", beside)
    assert said(record) == [("system", "be brief"), ("user", "q"), ("assistant", "a")]


def test_bad_items_are_told():
    items = [{"conversations": TURNS}, {"conversations": []}, {"conversations": 7}, {"conversations": [7]}, 7]
    assert troubles_of(sharegpt, items) == [
        (1, "skipped", "no_messages", ""),
        (2, "failed", "conversations_not_a_list", "/conversations"),
        (3, "failed", "message_not_an_object", "/conversations/0"),
        (4, "failed", "not_an_object", ""),
    ]
    assert troubles_of(sharegpt, [TURNS[0], 7]) == [(1, "failed", "message_not_an_object", "")]
