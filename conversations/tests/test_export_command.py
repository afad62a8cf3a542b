"""`manage.py export_chats`: a whole file or none, and exit codes that tell which."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg.conninfo import make_conninfo

from chatstore.development import BASE_DIR
from conversations.actions.ingest import conversations_ingest
from conversations.models import Conversation
from conversations.queries import archive
from conversations.tests.interchange.trees import deep_tree


def run(user, path, **options):
    """The report, with the exit code."""
    out, code = StringIO(), 0
    try:
        call_command("export_chats", user=user.email, output=path, json=True, stdout=out, **options)
    except SystemExit as exit_:
        code = exit_.code
    return json.loads(out.getvalue()) | {"code": code}


@pytest.fixture
def history(user):
    found = [replace(deep_tree(4), external_id=f"c{number}", title=f"Number {number}") for number in range(3)]
    return list(conversations_ingest(user_id=user.pk, found=found))


@pytest.mark.parametrize("name", ["jsonl", "json", "markdown", "html", "pdf", "txt", "openai"])
def test_all_conversations_leave_in_one_file(user, stranger, history, tmp_path, name):
    path = tmp_path / "export"
    report = run(user, path, format=name)
    assert report == {
        "status": "success",
        "reason": "",
        "conversations": 3,
        "messages": 12,
        "bytes": path.stat().st_size,
        "missing": 0,
        "code": 0,
    }
    assert os.listdir(tmp_path) == ["export"]


def test_it_comes_in_again_as_it_was(user, history, tmp_path):
    path = tmp_path / "export.json"
    run(user, path, format="json")
    out = StringIO()
    call_command("import_chats", str(path), user=user.email, json=True, stdout=out)
    totals = json.loads(out.getvalue().splitlines()[-1])
    assert (totals["unchanged_count"], totals["imported_count"], totals["updated_count"]) == (12, 0, 0)


def test_chosen_ones_and_what_of_them_is_not_there(user, stranger, history, tmp_path):
    theirs = Conversation.objects.exclude(user=user).get().pk
    chosen = [history[2].conversation_id, history[0].conversation_id, history[0].conversation_id]
    report = run(user, tmp_path / "two", format="jsonl", conversation=chosen)
    assert (report["status"], report["conversations"], report["code"]) == ("success", 2, 0)
    report = run(user, tmp_path / "one", format="jsonl", conversation=[chosen[0], theirs, uuid4()])
    assert (report["status"], report["conversations"], report["missing"], report["code"]) == (
        "partial_success",
        1,
        2,
        2,
    )


def test_a_file_is_overwritten_only_by_force(user, history, tmp_path):
    path = tmp_path / "export"
    path.write_text("mine")
    report = run(user, path, format="jsonl")
    assert (report["status"], report["reason"], report["bytes"], report["code"]) == ("failed", "exists", 0, 1)
    assert path.read_text() == "mine"
    assert run(user, path, format="jsonl", force=True)["code"] == 0
    assert path.read_text() != "mine"


def test_an_export_that_breaks_off_leaves_nothing(user, history, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "BATCH_MESSAGES", 4)
    real, calls = archive.fetch_all, []

    def failing(*args):
        calls.append(args)
        if len(calls) > 4:
            raise RuntimeError("the server went away")
        return real(*args)

    monkeypatch.setattr(archive, "fetch_all", failing)
    with pytest.raises(RuntimeError):
        run(user, tmp_path / "export", format="jsonl")
    assert os.listdir(tmp_path) == []


def test_an_unknown_person_is_said_plainly(db, tmp_path):
    with pytest.raises(CommandError, match="no account"):
        call_command("export_chats", user="nobody@example.com", output=tmp_path / "x", format="json")
    assert os.listdir(tmp_path) == []


LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
sys.argv = sys.argv[1:]
runpy.run_path("manage.py", run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_full_disk_leaves_nothing_and_says_so(user, history, tmp_path):
    database = make_conninfo(os.environ["DATABASE_URL"], dbname=connection.settings_dict["NAME"])
    arguments = ["export_chats", "--user", user.email, "--format", "jsonl", "--output", str(tmp_path / "x"), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, "manage.py", *arguments],
        cwd=BASE_DIR,
        env={**os.environ, "DATABASE_URL": database},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["reason"] == "no_room"
    assert os.listdir(tmp_path) == []
