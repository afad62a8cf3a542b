"""Formats that look like each other are told apart by shape, whatever their files are called."""

import json

import pytest

from conversations.interchange.detect import recognised
from conversations.interchange.errors import UnrecognisedSource
from conversations.interchange.files import read_files
from conversations.interchange.readers import READERS

from .exports import branch, stream

pytestmark = pytest.mark.interchange

SHAPES = {
    "chatgpt": branch(1),
    "deepseek": {"id": "d", "title": "D", "inserted_at": "2026-01-01", "mapping": {"root": {}}},
    "grok": {"conversation": {"id": "g"}, "responses": []},
    "gemini-takeout": {"header": "Gemini Apps", "title": "Prompted q", "time": "2026-01-01T00:00:00Z"},
    "aistudio": {"chunkedPrompt": {"chunks": []}, "runSettings": {}},
    "gemini-workspace": {"title": "T", "conversation_turns": []},
    "lechat": {"id": "1", "chatId": "c", "role": "user", "content": "", "contentChunks": []},
    "perplexity": {"uuid": "e", "query": "q", "answer": "a"},
    "characterai": {"info": {"character": {}}, "histories": {"histories": []}},
}
VARIANTS = [
    ("deepseek", {"mapping": {"1": {"message": {"fragments": []}}}}),
    ("deepseek", {"mapping": {"1": {"message": {"inserted_at": "2025-01-01", "content": "old"}}}}),
    ("deepseek", {"id": "d", "title": "shell", "inserted_at": "x", "updated_at": "y"}),
    ("chatgpt", {"id": "c", "title": "shell", "default_model_slug": None}),
    ("chatgpt", {"mapping": {}}),
    ("chatgpt", {"mapping": {"1": {"message": {"content": {"parts": ["fragments"]}}}}}),
    ("lechat", {"role": "assistant", "contentChunks": None}),
    ("gemini-takeout", {"header": "Search", "title": "Searched", "products": ["Search"]}),
    ("perplexity", {"status": "success", "entries": [{"query_str": "q"}]}),
]
NEITHER = [
    {"role": "user", "content": "a message of the API"},
    {"conversations": [{"from": "human", "value": "ShareGPT"}]},
    {"uuid": "c", "chat_messages": [], "name": "Claude"},
    {"conversationId": "c", "messages": [], "title": "LibreChat"},
    {"id": "c", "title": "T", "chat": {"history": {}}},
    {"query": "q", "response": "a", "session_id": "s"},
    {"id": "c", "conversation_id": "c", "title": "T", "is_anonymous": True},
    {"entries": []},
    {"header": "a table's", "time": 1},
]


@pytest.mark.parametrize(("name", "item"), [*SHAPES.items(), *VARIANTS])
@pytest.mark.parametrize("wrap", [lambda item: item, lambda item: [item], lambda item: [None, {}, item]])
def test_each_shape_is_its_own_alone_in_an_array_and_after_blanks(name, item, wrap):
    recognition = recognised(stream(wrap(item)))
    found = recognition.reader and recognition.reader.NAME
    assert found == name


@pytest.mark.parametrize(("name", "item"), [*SHAPES.items(), *VARIANTS])
def test_no_other_vendors_reader_claims_it(name, item):
    claimed = {reader.NAME for reader in READERS if reader.recognises(item)}
    assert claimed == {name}


@pytest.mark.parametrize("item", NEITHER)
def test_other_formats_are_claimed_by_none_of_these(item):
    names = set(SHAPES)
    assert [reader.NAME for reader in READERS if reader.NAME in names and reader.recognises(item)] == []


@pytest.mark.parametrize("value", [None, 7, "x", [], {}, {"mapping": None}, {"conversation": 7, "responses": 7}])
def test_no_value_makes_a_reader_raise(value):
    assert not any(reader.recognises(value) for reader in READERS)
    for reader in READERS:
        assert all(found is not None for found in reader.read([value]))


def test_a_name_that_lies_changes_nothing(tmp_path):
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([SHAPES["lechat"]]))
    assert next(read_files([path])).source == "lechat"
    path.write_text(json.dumps([{"mapping": 1}]))
    with pytest.raises(UnrecognisedSource):
        list(read_files([path]))
