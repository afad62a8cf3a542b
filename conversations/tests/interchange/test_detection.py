"""Formats that look alike are told apart by shape, and what none of them is says which keys it has."""

import json

import pytest

from conversations.interchange.errors import UnrecognisedSource
from conversations.interchange.files import read_files
from conversations.interchange.readers import READERS

from .exports import branch, zipped

pytestmark = pytest.mark.interchange

TALK = {"role": "user", "content": "hi"}
UI = {"id": "m", "role": "user", "parts": [{"type": "text", "text": "hi"}]}
SHAPES = [
    ("chatgpt", branch(1)),
    ("openai", {"messages": [TALK]}),
    ("openai", {"messages": [TALK], "id": "x", "model": "m", "tools": []}),
    ("openai", [TALK]),
    ("openai", [TALK | {"id": "m"}]),
    ("threads", {"title": None, "messages": [TALK]}),
    ("threads", {"threads": [{"title": "T", "messages": [TALK]}]}),
    ("exchanges", {"messages": [{"session_id": "s", "query": "q", "response": "r"}]}),
    ("exchanges", [{"session_id": "s", "query": "q", "response": "r"}]),
    ("sharegpt", [{"conversations": [{"from": "human", "value": "hi"}]}]),
    ("sharegpt", {"conversations": [{"from": "human", "value": "hi"}], "tools": "[]"}),
    ("sharegpt", [{"messages": [TALK], "images": []}]),
    ("langchain", [{"type": "human", "data": {"content": "hi"}}]),
    ("langchain", [{"lc": 1, "type": "constructor", "id": ["HumanMessage"], "kwargs": {"content": "hi"}}]),
    ("ai-sdk", [UI]),
    ("ai-sdk", {"id": "c", "title": "T", "messages": [UI]}),
    ("ai-sdk", [TALK | {"id": "m", "createdAt": "2026-01-01T00:00:00Z"}]),
    ("chainlit", {"id": "t", "createdAt": "x", "steps": [{"type": "user_message", "output": "hi"}]}),
    ("lmstudio", {"name": "N", "messages": [{"versions": [{"role": "user"}], "currentlySelected": 0}]}),
    (
        "sillytavern",
        [{"user_name": "A", "character_name": "B", "chat_metadata": {}}, {"mes": "hi", "name": "B", "is_user": False}],
    ),
    ("lobechat", {"exportType": "all", "state": {"messages": [{"id": "m", "role": "user", "content": "hi"}]}}),
    (
        "lobechat",
        {"mode": "pglite", "schemaHash": "h", "data": {"messages": [{"id": "m", "role": "user", "content": "hi"}]}},
    ),
    ("oasst", [{"message_tree_id": "t", "prompt": {"text": "hi", "role": "prompter"}}]),
    ("oasst", [{"user_message_id": "m", "text": "hi", "role": "prompter"}]),
]


@pytest.mark.parametrize(("source", "shape"), SHAPES, ids=lambda value: value if isinstance(value, str) else "")
def test_each_shape_is_known_by_itself_as_json_lines_and_in_a_zip(tmp_path, source, shape):
    items = shape if isinstance(shape, list) else [shape]
    lines = "\n".join(json.dumps(item) for item in [*items, *items])
    for name, text in (("export", json.dumps(shape)), ("lines", lines)):
        (tmp_path / name).write_text(text)
        archive = zipped(tmp_path / f"{name}.zip", [("whatever.dat", text.encode())])
        for path in (tmp_path / name, archive):
            assert {record.source for record in read_files([path])} == {source}


@pytest.mark.parametrize(("source", "shape"), SHAPES, ids=lambda value: value if isinstance(value, str) else "")
def test_the_first_reader_that_knows_a_shape_is_the_right_one(source, shape):
    first = shape[0] if isinstance(shape, list) else shape
    if "conversations" in first and not isinstance(shape, list):
        first = first["conversations"][0]  # an envelope, to the stream
    assert next(reader.NAME for reader in READERS if reader.recognises(first)) == source


@pytest.mark.parametrize(
    "item",
    [
        {
            "conversationId": "c",
            "title": "LibreChat",
            "endpoint": "openAI",
            "messages": [{"messageId": "m", "text": "hi"}],
        },
        {"conversationId": "c", "title": "LibreChat", "messages": []},
        {"uuid": "c", "name": "Claude", "chat_messages": []},
        {
            "uuid": "c",
            "title": "Claude design",
            "project": {},
            "messages": [{"uuid": "m", "role": "user", "content": {}}],
        },
        {"id": "c", "chat": {"history": {"messages": {}}}, "user_id": "u"},
        {"version": 4, "history": [{"id": "c", "messages": [TALK]}], "folders": [], "prompts": []},
        {"id": "m", "chatId": "c", "role": "user", "content": "Le Chat", "contentChunks": None, "createdAt": "x"},
        {"runSettings": {}, "chunkedPrompt": {"chunks": [{"role": "user", "text": "AI Studio"}]}},
        {"header": "Gemini Apps", "title": "Prompted x", "time": "2026-01-01T00:00:00Z"},
        {"id": "d", "title": "DeepSeek", "inserted_at": "x", "mapping": {}},
        {"metadata": {"thread_title": "Perplexity"}, "entries": [{"query_str": "q"}]},
        {"type": "human", "data": 7},
        {"messages": 7},
        {},
        7,
    ],
    ids=lambda item: ascii(item)[:40],
)
def test_what_is_another_formats_or_nobodys_is_not_taken(item):
    assert [reader.NAME for reader in READERS if reader.NAME in SOURCES and reader.recognises(item)] == []


SOURCES = {source for source, _ in SHAPES}


def test_not_recognised_says_the_keys_of_all_lines_and_no_values(tmp_path):
    (tmp_path / "a").write_text('{"alpha": "secret"}\n{"beta": 1}\noops\n')
    with pytest.raises(UnrecognisedSource) as fault:
        list(read_files([tmp_path / "a"]))
    assert fault.value.keys == ("alpha", "beta")
    assert "secret" not in str(fault.value)
