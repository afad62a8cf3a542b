"""The readers of SDKs' and local tools' formats against figures counted by another script (samples/README.md)."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conversations.interchange.files import read_files
from conversations.interchange.records import ConversationRecord, MessageRecord
from conversations.interchange.tree import faults, normalised

from .exports import FIXTURES, SAMPLES

pytestmark = pytest.mark.interchange

OWN = {
    "langchain-core_dumpd.json": "langchain",
    "langchain-core_messages_to_dict.json": "langchain",
    "llm-0.26_logs.db": "llm",
    "llm-0.36_logs.db": "llm",
    "ai_sdk_uimessages.json": "ai-sdk",
    "chainlit_thread.json": "chainlit",
    "lmstudio_1760000000000.conversation.json": "lmstudio",
    "openai_chat_messages.jsonl": "openai",
    "sillytavern_chat.jsonl": "sillytavern",
}
OTHERS = {
    "oasst/realistic_seed_data.json": "oasst",
    "openai_messages/llamafactory_v1_sft_demo.jsonl": "openai",
    "openai_messages/llamafactory_v1_multimodal_demo.jsonl": "openai",
    "sharegpt/llamafactory_glaive_toolcall_en_demo.json": "sharegpt",
    "sharegpt/llamafactory_mllm_demo.json": "sharegpt",
}
# The figures count what was chosen: its alternatives are messages here, on branches of their own.
ALTERNATIVES = {"unselected_versions", "extra_swipes"}
UNTIMED = {"sillytavern_chat.jsonl"}  # whoever counted did not read its four spellings

Figures = dict[str, Any]


def sample(name: str) -> tuple[Path, Figures]:
    if name in OWN:
        return FIXTURES / name, json.loads((FIXTURES / "TRUTH_B.json").read_text())[name]
    if not (SAMPLES / name).exists():
        pytest.skip(f"{name} is absent: the real samples are others' and no part of this repository")
    return SAMPLES / name, json.loads((SAMPLES / "TRUTH.json").read_text())[name]


@pytest.fixture(params=[*OWN, *OTHERS])
def read_sample(request: pytest.FixtureRequest) -> tuple[str, list[ConversationRecord], Figures]:
    path, truth = sample(request.param)
    found = list(read_files([path]))
    assert all(isinstance(record, ConversationRecord) for record in found), found
    return request.param, found, truth


def active_path(record: ConversationRecord) -> Iterator[MessageRecord]:
    by_id = {message.external_id: message for message in record.messages}
    current = record.current_external_id
    while current is not None:
        yield by_id[current]
        current = by_id[current].parent_external_id


def digest(messages: list[MessageRecord]) -> str:
    texts = sorted(f"{message.role}\x1f{message.content}" for message in messages)
    return hashlib.sha256("".join(f"{text}\x1e" for text in texts).encode("utf-8", "surrogatepass")).hexdigest()


def test_every_figure_of_the_truth_is_reproduced(read_sample):
    name, records, truth = read_sample
    messages = [message for record in records for message in record.messages]
    active = [message for record in records for message in active_path(record)]
    alternatives = sum(truth.get(key, 0) for key in ALTERNATIVES)
    counted = active if alternatives else messages
    times = [message.created_at.isoformat(timespec="microseconds") for message in messages if message.created_at]
    figures = {
        "conversations": len(records),
        "messages_total": len(messages) - alternatives,
        "messages_by_role": dict(Counter(message.role for message in counted)),
        "active_total": len(active),
        "active_by_role": dict(Counter(message.role for message in active)),
        "text_chars": sum(len(message.content) for message in counted),
        "text_sha256_sorted": digest(counted),
        "first_message_at": min(times, default=None),
        "last_message_at": max(times, default=None),
        "tool_calls": sum(len(message.tool_calls or ()) for message in messages),
    }
    if name in UNTIMED:
        del figures["first_message_at"], figures["last_message_at"]
    assert {"conversations", "messages_total", "messages_by_role"} <= truth.keys()
    assert {key: figure for key, figure in figures.items() if key in truth} == {
        key: truth[key] for key in figures if key in truth
    }


def test_each_conversation_has_its_title_its_messages_and_its_leaf(read_sample):
    _, records, truth = read_sample
    told = truth.get("per_conversation", [])
    for record, figures in zip(records, told, strict=bool(told)) if told else ():
        assert record.title == figures["title"]
        assert len(list(active_path(record))) == figures["active_messages"]
        assert figures["active_leaf"] in (None, record.current_external_id)
    titles = truth.get("titles", [])
    assert [record.title for record in records][: len(titles)] == titles


def test_trees_are_sound_and_normalising_changes_nothing(read_sample):
    _, records, _ = read_sample
    for record in records:
        assert faults(record) == []
        assert normalised(record) == record


def test_each_sample_is_known_by_its_shape_whatever_its_name(read_sample, tmp_path):
    name, records, _ = read_sample
    shutil.copy(sample(name)[0], tmp_path / "conversations.json")
    assert list(read_files([tmp_path / "conversations.json"])) == records
    assert {record.source for record in records} == {(OWN | OTHERS)[name]}


def test_reading_again_gives_the_same(read_sample):
    name, records, _ = read_sample
    assert list(read_files([sample(name)[0]])) == records


def test_raw_of_the_messages_and_of_the_conversation_give_back_the_file():
    rebuilt = [
        record.raw | {"messages": [message.raw for message in record.messages]}
        for record in read_files([FIXTURES / "openai_chat_messages.jsonl"])
    ]
    lines = (FIXTURES / "openai_chat_messages.jsonl").read_text().splitlines()
    assert rebuilt == [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    "name",
    ["langchain-core_dumpd.json", "langchain-core_messages_to_dict.json", "ai_sdk_uimessages.json"],
)
def test_raw_of_the_messages_is_the_array(name):
    (record,) = read_files([FIXTURES / name])
    assert [message.raw for message in record.messages] == json.loads((FIXTURES / name).read_text())
