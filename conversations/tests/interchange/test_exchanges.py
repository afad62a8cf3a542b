"""Questions and answers that a web app kept in the browser (requirement A3)."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from conversations.interchange.files import read_files
from conversations.interchange.readers import exchanges

from .exports import links, one_record, records_of, said, troubles_of

pytestmark = pytest.mark.interchange


def exchange(**fields):
    own = {"session_id": "s1", "query": "q", "response": "r", "timestamp": "2026-01-01T00:00:00Z"}
    return own | fields


def test_an_item_is_a_question_and_an_answer_with_its_figures():
    item = exchange(
        model_used="m", tokens_used=7, cost_cents=0.25, response_cached=False, response_time_ms=12.6, mood="x"
    )
    record = one_record(exchanges, {"messages": [item]})
    question, answer = record.messages
    assert (record.external_id, said(record), record.model) == ("s1", [("user", "q"), ("assistant", "r")], "m")
    assert question.created_at == answer.created_at == record.created_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert (answer.model, answer.tokens_used, answer.cost_cents) == ("m", 7, Decimal("0.25"))
    assert (answer.response_cached, answer.response_time_ms, answer.metadata) == (False, 13, {"mood": "x"})
    assert (question.tokens_used, question.raw) == (None, item)


def test_what_is_not_said_is_null_and_zero_is_zero():
    silent, zero = records_of(
        exchanges, [{"messages": [exchange(), exchange(session_id="s2", cost_cents=0, tokens_used=0)]}]
    )
    assert (silent.messages[1].cost_cents, silent.messages[1].tokens_used) == (None, None)
    assert (zero.messages[1].cost_cents, zero.messages[1].tokens_used) == (0, 0)


def test_each_session_is_a_conversation_in_the_order_of_its_times():
    listed = [
        exchange(query="late", timestamp=1767225700),
        exchange(session_id=2, query="other"),
        exchange(query="early", timestamp=1767225600000),
    ]
    first, second = records_of(exchanges, [{"messages": listed}])
    assert [text for _, text in said(first)] == ["early", "r", "late", "r"]
    assert len(set(links(first).values())) == 4  # a chain
    assert (second.external_id, said(second)[0]) == ("2", ("user", "other"))


def test_a_question_without_an_answer_stands_alone():
    assert said(one_record(exchanges, {"messages": [exchange(response=None)]})) == [("user", "q")]


def test_the_next_batch_of_a_session_has_other_ids_and_the_same_one_the_same():
    first, again = (one_record(exchanges, {"messages": [exchange()]}) for _ in range(2))
    following = one_record(exchanges, {"messages": [exchange(query="another")]})
    assert first == again
    assert links(first).keys().isdisjoint(links(following))


def test_two_equal_items_are_both_kept_and_own_ids_are_taken():
    assert len(one_record(exchanges, {"messages": [exchange(), exchange()]}).messages) == 4
    assert list(links(one_record(exchanges, {"messages": [exchange(id=5)]}))) == ["5:query", "5:response"]


@pytest.mark.parametrize(
    ("item", "reason", "pointer"),
    [
        (7, "not_an_object", ""),
        (exchange(session_id=None), "session_id_missing", "/session_id"),
        (exchange(session_id=True), "session_id_missing", "/session_id"),
        (exchange(session_id="s" * 256), "session_id_too_long", "/session_id"),
        (exchange(id="i" * 256), "id_too_long", "/id"),
        (exchange(query=""), "query_missing", "/query"),
        (exchange(query=7), "query_missing", "/query"),
        (exchange(response=7), "response_invalid", "/response"),
        (exchange(timestamp="soon"), "timestamp_invalid", "/timestamp"),
        (exchange(tokens_used=-1), "tokens_used_invalid", "/tokens_used"),
        (exchange(tokens_used=True), "tokens_used_invalid", "/tokens_used"),
        (exchange(tokens_used=2**31), "tokens_used_invalid", "/tokens_used"),
        (exchange(response_time_ms=1e300), "response_time_ms_invalid", "/response_time_ms"),
        (exchange(cost_cents=-1), "cost_cents_invalid", "/cost_cents"),
        (exchange(cost_cents="NaN"), "cost_cents_invalid", "/cost_cents"),
        (exchange(cost_cents="1e99"), "cost_cents_invalid", "/cost_cents"),
        (exchange(cost_cents=True), "cost_cents_invalid", "/cost_cents"),
        (exchange(response_cached="yes"), "response_cached_invalid", "/response_cached"),
    ],
)
def test_an_invalid_item_is_skipped_with_its_reason_and_place(item, reason, pointer):
    listed = [exchange(), item, exchange(query="second")]
    assert troubles_of(exchanges, [{"messages": listed}]) == [(0, "skipped", reason, f"/messages/1{pointer}")]
    assert len(list(exchanges.read([{"messages": listed}]))) == 2


def test_an_empty_list_is_nothing_and_no_error(tmp_path):
    (tmp_path / "a").write_text('{"messages": []}')
    assert list(read_files([tmp_path / "a"])) == []


def test_a_list_whose_first_item_is_invalid_is_known_all_the_same(tmp_path):
    (tmp_path / "a").write_text(json.dumps({"messages": [7, {}, exchange()]}))
    *troubles, record = read_files([tmp_path / "a"])
    assert [(trouble.index, trouble.pointer) for trouble in troubles] == [
        (0, "/messages/0"),
        (1, "/messages/1/session_id"),
    ]
    assert record.source == "exchanges"
