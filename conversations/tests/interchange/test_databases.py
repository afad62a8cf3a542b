"""SQLite from strangers: read and nothing else, bounded, and never a crash."""

import sqlite3
import time

import pytest

from conversations.interchange import databases
from conversations.interchange.databases import opened_database
from conversations.interchange.errors import MalformedSource, UnrecognisedSource
from conversations.interchange.files import read_files, total_bytes

pytestmark = pytest.mark.interchange


def made(path, *statements):
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path


def whole_log(path):
    return made(
        path,
        "CREATE TABLE conversations (id TEXT PRIMARY KEY, name TEXT, model TEXT)",
        "CREATE TABLE responses (id TEXT PRIMARY KEY, prompt TEXT, response TEXT, conversation_id TEXT)",
        "INSERT INTO conversations VALUES ('c', 'A title', 'm')",
        "INSERT INTO responses VALUES ('r', 'question', 'answer', 'c')",
    )


def refusal(path):
    with pytest.raises(MalformedSource) as fault:
        list(read_files([path]))
    return fault.value.reason


def test_a_database_is_known_by_its_first_bytes_whatever_its_name(tmp_path):
    (record,) = read_files([whole_log(tmp_path / "conversations.json")])
    assert (record.source, record.title) == ("llm", "A title")


def test_a_name_that_is_no_plain_url_is_opened_all_the_same(tmp_path):
    (record,) = read_files([whole_log(tmp_path / "a b?mode=rwc#%41é.db")])
    assert record.title == "A title"


def test_progress_adds_up(tmp_path):
    path, told = whole_log(tmp_path / "logs.db"), []
    list(read_files([path], on_bytes=told.append))
    assert sum(told) == total_bytes([path]) == path.stat().st_size


def test_nothing_is_written_in_the_file_or_beside_it(tmp_path):
    path = whole_log(tmp_path / "logs.db")
    before = path.read_bytes()
    with opened_database(path) as database, pytest.raises(MalformedSource):
        list(database.rows("DELETE FROM responses"))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_another_applications_database_is_named_by_its_tables(tmp_path):
    path = made(tmp_path / "x.db", "CREATE TABLE moz_places (url TEXT)", "CREATE TABLE bookmarks (a)")
    with pytest.raises(UnrecognisedSource) as fault:
        list(read_files([path]))
    assert fault.value.keys == ("bookmarks", "moz_places")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW responses AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id FROM n",
        "CREATE VIRTUAL TABLE responses USING fts5(id, prompt)",
        "CREATE TABLE responses (id TEXT, prompt TEXT AS (hex(zeroblob(9000))))",
    ],
    ids=["view", "virtual table", "generated column"],
)
def test_what_would_run_the_files_own_expressions_is_no_table_to_us(tmp_path, statement):
    path = made(tmp_path / "x.db", "CREATE TABLE conversations (id TEXT)", statement)
    with pytest.raises(UnrecognisedSource):
        list(read_files([path]))


def test_a_reading_that_goes_on_for_ever_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(databases, "STEPS_FREE", 100_000)
    monkeypatch.setattr(databases, "STEPS_PER_BYTE", 0)
    twice = "(SELECT 1 UNION ALL SELECT 2)"
    with opened_database(whole_log(tmp_path / "x.db")) as database, pytest.raises(MalformedSource) as fault:
        sum(1 for _ in database.rows("SELECT 1 FROM " + ", ".join([twice] * 24)))
    assert fault.value.reason == "database_too_large"


def test_texts_that_are_no_utf8_and_values_of_any_type_are_taken(tmp_path):
    path = whole_log(tmp_path / "x.db")
    made(
        path,
        "INSERT INTO responses VALUES ('s', CAST(x'68ff69' AS TEXT), CAST(x'eda080' AS TEXT), 'c')",
        "INSERT INTO responses VALUES ('t', 7, x'00ff', 'c')",
        "INSERT INTO responses VALUES (x'07', 9e999, NULL, 'c')",
    )
    (record,) = read_files([path])
    texts = [message.content for message in record.messages]
    assert set(texts) == {"question", "answer", "h\udcffi", "\ud800", "7", "Inf", ""}
    assert len(texts) == 8


def test_too_many_tables_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(databases, "MAX_TABLES", 1)
    assert refusal(whole_log(tmp_path / "x.db")) == "database_too_large"


@pytest.mark.parametrize("kept", [16, 100, 500, 5000, -1])
def test_a_truncated_database_is_damage(tmp_path, kept):
    whole = whole_log(tmp_path / "whole.db").read_bytes()
    (tmp_path / "cut.db").write_bytes(whole[:kept])
    assert refusal(tmp_path / "cut.db") == "database_damaged"


def test_no_changed_bytes_raise_anything_but_a_domain_error(tmp_path):
    whole, path = whole_log(tmp_path / "whole.db").read_bytes(), tmp_path / "changed.db"
    began = time.monotonic()
    for position in [*range(16, 400), *range(4000, len(whole), 41)]:
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        try:
            list(read_files([path]))
        except (MalformedSource, UnrecognisedSource):
            continue
    assert time.monotonic() - began < 60
