"""SillyTavern's chats: swipes, dates, hidden messages."""

from datetime import UTC, datetime

import pytest

from conversations.interchange.readers import sillytavern
from conversations.interchange.readers.sillytavern import send_date

from .exports import links, one_record, said, troubles_of

pytestmark = pytest.mark.interchange

HEADER = {"user_name": "Ann", "character_name": "Sera", "create_date": "2026-3-7@10h30m05s", "chat_metadata": {"a": 1}}


def line(text, **fields):
    return {"name": "Sera", "is_user": False, "is_system": False, "mes": text} | fields


@pytest.mark.parametrize(
    ("spelling", "moment"),
    [
        ("March 7, 2026 10:30am", datetime(2026, 3, 7, 10, 30, tzinfo=UTC)),
        ("March 7, 2026 12:05 PM", datetime(2026, 3, 7, 12, 5, tzinfo=UTC)),
        ("2026-03-07T09:32:00.000Z", datetime(2026, 3, 7, 9, 32, tzinfo=UTC)),
        (1772876000000, datetime(2026, 3, 7, 9, 33, 20, tzinfo=UTC)),
        ("2026-3-7 @10h 40m 00s 123ms", datetime(2026, 3, 7, 10, 40, 0, 123000, tzinfo=UTC)),
        ("2026-3-7@10h30m05s", datetime(2026, 3, 7, 10, 30, 5, tzinfo=UTC)),
        ("2026-13-7@10h30m05s", None),
        ("2026-3-7@99h30m05s", None),
        ("some day", None),
        (None, None),
        ({}, None),
    ],
)
def test_every_spelling_of_a_date_is_read_and_nothing_else(spelling, moment):
    assert send_date(spelling) == moment


def test_all_lines_are_one_conversation_under_the_characters_name():
    record = one_record(sillytavern, HEADER, line("hello"), line("hi", is_user=True, name="Ann"))
    assert (record.title, record.created_at.minute, record.raw) == ("Sera", 30, HEADER)
    assert said(record) == [("assistant", "hello"), ("user", "hi")]
    assert links(record) == {"1": None, "2": "1"}


def test_swipes_are_siblings_in_their_order_and_the_shown_one_goes_on():
    infos = [{"send_date": 1772876000000, "extra": {"model": "old"}}]
    record = one_record(
        sillytavern, HEADER, line("b", swipes=["a", "b", "c"], swipe_id=1, swipe_info=infos), line("next", is_user=True)
    )
    assert links(record) == {"1.0": None, "1": None, "1.2": None, "2": "1"}
    assert [text for _, text in said(record)] == ["a", "b", "c", "next"]
    assert (record.messages[0].model, record.messages[0].created_at.year) == ("old", 2026)
    assert (record.messages[2].created_at, record.current_external_id) == (None, "2")


@pytest.mark.parametrize("fields", [{"swipes": ["b"], "swipe_id": 0}, {"swipes": None}, {"swipes": [], "swipe_id": 9}])
def test_one_swipe_is_no_branch(fields):
    assert links(one_record(sillytavern, HEADER, line("b", **fields))) == {"1": None}


def test_what_is_kept_from_the_model_is_hidden():
    (message,) = one_record(sillytavern, HEADER, line("note", is_system=True)).messages
    assert (message.role, message.hidden, message.content) == ("system", True, "note")


def test_reasoning_model_and_count_are_taken():
    (message,) = one_record(
        sillytavern, line("a", extra={"reasoning": "hm", "model": "m", "token_count": 7, "api": "x"})
    ).messages
    assert (message.parts, message.model, message.tokens_used) == (({"type": "reasoning", "text": "hm"},), "m", 7)
    assert message.metadata == {"author_name": "Sera", "api": "x"}


def test_bad_lines_are_told_and_a_chat_of_a_header_is_a_shell():
    assert troubles_of(sillytavern, [HEADER, line("a"), 7, line("b")]) == [(2, "failed", "not_an_object", "")]
    assert troubles_of(sillytavern, [HEADER]) == [(0, "skipped", "no_messages", "")]
