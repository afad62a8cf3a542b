"""Imports over HTTP: what is small is done at once, and says what became of each item."""

import io
import json
import zipfile
from typing import Any

import pytest
from django.core.management import call_command

from conversations.models import Conversation, ImportJob, Message
from conversations.tests.interchange import exports

IMPORTS = "/api/v1/imports"
LIST = "/api/v1/conversations"

pytestmark = pytest.mark.django_db


def file_of(*items: Any, name: str = "conversations.json") -> io.BytesIO:
    """An upload of these items."""
    upload = io.BytesIO(json.dumps(items).encode())
    upload.name = name
    return upload


def test_a_small_file_is_imported_at_once(owner):
    answer = owner.post(IMPORTS, {"file": file_of(exports.branch(4), exports.branch(3, id="c2"))}, format="multipart")
    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert (told["status"], told["format"], told["reason"]) == ("success", "chatgpt", "")
    assert (told["conversations_imported"], told["imported_count"]) == (2, 7)
    assert (told["updated_count"], told["unchanged_count"], told["skipped_count"], told["failed_count"]) == (0, 0, 0, 0)
    assert [(item["index"], item["outcome"]) for item in told["items"]] == [(0, "imported"), (1, "imported")]
    listed = {c["id"] for c in owner.get(LIST).json()["results"]}
    assert {item["conversation_id"] for item in told["items"]} == listed
    assert owner.get(f"{IMPORTS}/{told['id']}").json() == told


def test_json_of_a_known_shape_is_imported_as_a_body(owner):
    answer = owner.post(IMPORTS, [exports.branch(4)], format="json")
    assert (answer.status_code, answer.json()["imported_count"]) == (200, 4)


@pytest.mark.django_db(transaction=True)
def test_a_worker_carries_out_what_was_queued(owner):
    answer = owner.post(f"{IMPORTS}?async=true", {"file": file_of(exports.branch(4))}, format="multipart")
    assert answer.status_code == 202, answer.content
    told = answer.json()
    assert (told["status"], told["imported_count"]) == ("queued", 0)
    assert answer["Location"] == f"{IMPORTS}/{told['id']}"
    call_command("run_jobs", once=True)
    told = owner.get(answer["Location"]).json()
    assert (told["status"], told["imported_count"], told["resumed"]) == ("success", 4, False)
    assert told["progress"]["bytes_done"] == told["progress"]["bytes_total"] > 0
    assert (told["progress"]["done"], told["progress"]["total"]) == (1, 1)
    job = ImportJob.objects.get()
    assert job.files == []
