"""Perplexity's two shapes: an entry is a question and its answer."""

import json
from datetime import UTC, datetime

import pytest

from conversations.interchange.files import read_files
from conversations.interchange.readers import perplexity

pytestmark = pytest.mark.interchange

MOMENT = datetime(2026, 4, 1, tzinfo=UTC)


def item(query="q", answer="a", **fields):
    return {
        "uuid": "e",
        "query": query,
        "answer": answer,
        "timestamp": "2026-04-01T00:00:00Z",
        "model": "sonar",
    } | fields


def entry(*blocks, **fields):
    return {"uuid": "e", "query_str": "q", "blocks": list(blocks), "entry_created_datetime": "2026-04-01"} | fields


def markdown(answer=None, usage="ask_text", **fields):
    return {"intended_usage": usage, "markdown_block": {"answer": answer} | fields}


def written(tmp_path, data):
    (tmp_path / "p.json").write_text(json.dumps(data))
    return list(read_files([tmp_path / "p.json"]))


def read_entries(*entries, **fields):
    (record,) = perplexity.read([{"entries": list(entries)} | fields])
    return record


@pytest.mark.parametrize("last", [True, False])
def test_the_items_of_a_file_are_one_thread_wherever_its_metadata_stands(tmp_path, last):
    about = {"metadata": {"thread_id": "t", "thread_title": "Oslo", "thread_created_at": "2026-04-01T00:00:00Z"}}
    items = {"conversations": [item(uuid="1", query="one"), item(uuid="2", query="two")]}
    (record,) = written(tmp_path, items | about if last else about | items)
    assert (record.external_id, record.title, record.created_at) == ("t", "Oslo", MOMENT)
    assert [(said.external_id, said.role) for said in record.messages] == [
        ("1:query", "user"),
        ("1:answer", "assistant"),
        ("2:query", "user"),
        ("2:answer", "assistant"),
    ]
    assert record.raw == about


def test_an_array_of_threads_gives_each(tmp_path):
    threads = [{"metadata": {"thread_title": t, "thread_id": t}, "conversations": [item()]} for t in "ab"]
    assert [record.external_id for record in written(tmp_path, threads)] == ["a", "b"]


def test_the_time_of_an_entry_is_the_questions():
    (record,) = perplexity.read([item()])
    assert [said.created_at for said in record.messages] == [MOMENT, None]


def test_sources_are_numbered_as_the_answer_marks_them():
    pages = [{"title": "A", "url": "https://a"}, {"url": "https://b"}, {"url": "https://c"}]
    (record,) = perplexity.read([item(answer="Oslo [2], yes [2][1] [99]", sources=pages)])
    assert record.messages[1].sources == [
        {"type": "webpage", "title": "A", "url": "https://a", "start": 17, "end": 20},
        {"type": "webpage", "url": "https://b", "start": 5, "end": 8},
        {"type": "webpage", "url": "https://c"},
    ]


@pytest.mark.parametrize(
    ("blocks", "text"),
    [
        ([markdown("all")], "all"),
        ([markdown("part", "ask_text_0_markdown"), markdown("all")], "all"),
        ([markdown(None, chunks=["Os", "lo", None])], "Oslo"),
        ([{"intended_usage": "sources_answer_mode"}, markdown("all")], "all"),
        ([{"intended_usage": "media"}], ""),
    ],
)
def test_the_answer_is_the_block_that_is_its_text(blocks, text):
    record = read_entries(entry(*blocks))
    assert (record.messages[1].content, record.messages[1].parts) == (text, tuple(blocks))


def test_a_thread_of_the_api_has_its_title_and_its_pages():
    web = {"web_result_block": {"web_results": [{"name": "N", "url": "https://n", "snippet": "s"}]}}
    record = read_entries(entry(markdown("a"), web, thread_url_slug="slug"), thread_metadata={"title": "T"})
    assert (record.external_id, record.title) == ("slug", "T")
    assert record.messages[1].sources == [{"type": "webpage", "title": "N", "url": "https://n", "snippet": "s"}]


def test_a_question_without_answer_is_one_message():
    assert [said.role for said in read_entries(entry()).messages] == ["user"]


@pytest.mark.parametrize(
    ("found", "outcome", "reason", "pointer"),
    [
        ({"entries": []}, "skipped", "no_messages", ""),
        ({"entries": [7]}, "failed", "not_an_object", "/entries/0"),
        (7, "failed", "not_an_object", ""),
        ({"entries": [entry(uuid="u" * 300)]}, "failed", "external_id_too_long", ""),
    ],
)
def test_a_bad_thread_is_a_trouble(found, outcome, reason, pointer):
    (trouble,) = perplexity.read([found])
    assert (trouble.outcome, trouble.reason, trouble.pointer) == (outcome, reason, pointer)
