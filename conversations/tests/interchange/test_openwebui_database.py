"""`webui.db`: its rows are what the export says."""

import json
import sqlite3

import pytest

from conversations.interchange.files import read_files
from conversations.interchange.records import ConversationRecord, Trouble

from .exports import FIXTURES

pytestmark = pytest.mark.interchange

# Open WebUI 0.6, as its migrations leave them; `auth` is not read.
SCHEMA = """
    CREATE TABLE auth (id VARCHAR PRIMARY KEY, email VARCHAR, password TEXT, active BOOLEAN);
    CREATE TABLE chat (id VARCHAR PRIMARY KEY, user_id VARCHAR, title TEXT, share_id TEXT, archived INTEGER,
                       created_at DATETIME, updated_at DATETIME, chat JSON, pinned BOOLEAN, meta JSON, folder_id TEXT);
"""
COLUMNS = ("id", "user_id", "title", "archived", "created_at", "updated_at", "chat", "pinned", "meta", "folder_id")


def database(path, *items):
    connection = sqlite3.connect(path)
    with connection:
        connection.executescript(SCHEMA)
        for item in items:
            values = [item.get(name) for name in COLUMNS]
            told = [json.dumps(value) if isinstance(value, dict) else value for value in values]
            connection.execute(f"INSERT INTO chat ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(told))})", told)
    connection.close()
    return path


def chat(**fields):
    messages = {
        "u": {"id": "u", "parentId": None, "childrenIds": ["a"], "role": "user", "content": "q"},
        "a": {"id": "a", "parentId": "u", "childrenIds": [], "role": "assistant", "content": "a"},
    }
    own = {"id": "c1", "user_id": "p1", "title": "T", "created_at": 1760000000, "updated_at": 1760000100}
    return own | {"chat": {"title": "T", "history": {"messages": messages, "currentId": "a"}}} | fields


def test_the_rows_give_what_the_export_gives(tmp_path):
    export = json.loads((FIXTURES / "openwebui_export.json").read_text())
    path = database(tmp_path / "webui.db", *export)
    from_rows = [found for found in read_files([path]) if isinstance(found, ConversationRecord)]
    from_export = list(read_files([FIXTURES / "openwebui_export.json"]))
    facts = [(r.source, r.external_id, r.title, r.created_at, r.updated_at, r.messages) for r in from_export]
    assert [(r.source, r.external_id, r.title, r.created_at, r.updated_at, r.messages) for r in from_rows] == facts


def test_flags_and_tags_are_read(tmp_path):
    path = database(tmp_path / "webui.db", chat(pinned=1, archived=1, meta={"tags": ["x"]}), chat(id="c2", pinned=0))
    first, second = read_files([path])
    assert (first.starred, first.archived, first.tags) == (True, True, ("x",))
    assert (second.starred, second.archived, second.tags) == (False, False, ())


def test_a_links_copy_is_left_out_and_a_damaged_chat_is_told(tmp_path):
    items = (chat(), chat(id="copy", user_id="shared-c1"), chat(id="c3", chat="{"), chat(id="c4", chat="[" * 100_000))
    found = list(read_files([database(tmp_path / "webui.db", *items)]))
    assert [one.external_id for one in found] == ["c1", "c3", "c4"]
    assert [one.reason for one in found if isinstance(one, Trouble)] == ["chat_not_an_object"] * 2
