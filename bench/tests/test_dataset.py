"""The data set: the same every time, and what the product itself would have written."""

from collections import Counter

import pytest

from bench.dataset import DEEP_MESSAGES, TABLES, Rows, conversation_lengths, people
from bench.plan import ROOT, Sizes
from bench.servers import PRODUCT, command

SIZES = Sizes(3, 60, 3_000)


@pytest.fixture(scope="module")
def loaded() -> list[Rows]:
    return list(people(SIZES))


def table(rows: list[Rows], name: str) -> list[dict[str, str]]:
    names = TABLES[name].split(", ")
    return [dict(zip(names, line.split("\t"), strict=True)) for one in rows for line in one.lines[name]]


def test_it_is_the_same_every_time(loaded):
    assert [rows.lines for rows in people(SIZES)] == [rows.lines for rows in loaded]


def test_there_are_as_many_as_asked_for(loaded):
    counts = {name: len(table(loaded, name)) for name in TABLES}
    assert counts["accounts_user"] == counts["conversations_changecounter"] == 3
    assert (counts["conversations_conversation"], counts["conversations_message"]) == (60, 3_000)
    assert counts["conversations_change"] == 3_060
    assert sum(conversation_lengths(Sizes(4, 500, 50_000))) == 50_000
    assert max(conversation_lengths(Sizes(4, 500, 50_000))) >= DEEP_MESSAGES


def test_texts_have_the_length_asked_for(loaded):
    contents = [row["content"] for row in table(loaded, "conversations_message")]
    assert 360 <= sum(map(len, contents)) / len(contents) <= 440
    assert all(contents)


def test_figures_of_a_conversation_are_those_of_its_messages(loaded):
    messages = table(loaded, "conversations_message")
    counts = Counter(row["conversation_id"] for row in messages)
    last = {row["conversation_id"]: row for row in messages}  # in the order of their times
    parents = {row["id"]: row["parent_id"] for row in messages}
    for row in table(loaded, "conversations_conversation"):
        newest = last[row["id"]]
        assert int(row["message_count"]) == counts[row["id"]]
        assert row["current_message_id"] == newest["id"]
        assert row["last_message_at"] == row["updated_at"] == newest["created_at"]
        steps, at = 0, row["current_message_id"]
        while at != r"\N":
            steps, at = steps + 1, parents[at]
        assert (steps == counts[row["id"]]) is (row["linear"] == "t")


def test_some_conversations_are_branched(loaded):
    assert any(row["linear"] == "f" for row in table(loaded, "conversations_conversation"))


def test_changes_are_numbered_without_gaps(loaded):
    for rows in loaded:
        numbers = [int(row["id"]) for row in table([rows], "conversations_change")]
        assert numbers == list(range(1, len(numbers) + 1))
        assert int(table([rows], "conversations_changecounter")[0]["value"]) == len(numbers)


def test_the_product_is_served_as_in_production():
    words, _ = command(PRODUCT, 8000, 1)
    compose = (ROOT / "compose.yaml").read_text()
    for option in ("interface=wsgi", "http=1", "blocking-threads=", "backpressure=", "chatstore.wsgi:application"):
        said = next(word for word in words if option in word)
        assert said in compose, f"compose.yaml no longer says {said}"
