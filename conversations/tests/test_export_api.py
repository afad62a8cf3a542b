"""Exports of many conversations over HTTP: queued, written by a worker, downloaded as a whole or in parts."""

import hashlib
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.utils import timezone

from conversations.actions.exports import export_work, exports_tidy
from conversations.models import ExportJob
from conversations.tests.test_isolation import LIST, SAID, shown

EXPORTS = "/api/v1/exports"

pytestmark = pytest.mark.django_db


def body(answer: Any) -> bytes:
    return answer.getvalue()


@pytest.fixture
def made(owner, user):
    """An export of two conversations, whose file is there."""
    ids = [owner.post(LIST, {"messages": [SAID] * n}, format="json").json()["id"] for n in (1, 2)]
    answer = owner.post(EXPORTS, {"format": "jsonl"}, format="json")
    assert answer.status_code == 202, answer.content
    assert answer["Location"] == f"{EXPORTS}/{answer.json()['id']}"
    assert (answer.json()["status"], answer.json()["size"]) == ("queued", None)
    export_work(user_id=user.pk, job_id=answer.json()["id"], check=lambda: None)
    return {**owner.get(answer["Location"]).json(), "ids": ids}


def test_the_whole_account_comes_as_one_file(owner, made):
    assert (made["status"], made["progress"]) == ("success", {"done": 2, "total": 2})
    answer = owner.get(f"{EXPORTS}/{made['id']}/download")
    data = body(answer)
    assert (answer.status_code, len(data)) == (200, made["size"])
    assert hashlib.sha256(data).hexdigest() == made["sha256"]
    assert all(wanted.encode() in data for wanted in made["ids"])
    assert answer["Content-Disposition"] == f'attachment; filename="chatstore-{made["id"]}.jsonl"'
    assert (answer["ETag"], answer["Accept-Ranges"]) == (f'"{made["sha256"]}"', "bytes")
    assert "sandbox" in answer["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [("bytes=0-9", 0, 10), ("bytes=5-", 5, None), ("bytes=-7", -7, None), ("bytes=3-99999999", 3, None)],
)
def test_a_part_of_it(owner, made, asked, first, end):
    url = f"{EXPORTS}/{made['id']}/download"
    whole = body(owner.get(url))
    answer = owner.get(url, headers={"Range": asked})
    assert (answer.status_code, body(answer)) == (206, whole[first:end])
    start = first % len(whole)
    assert answer["Content-Range"] == f"bytes {start}-{(end or len(whole)) - 1}/{len(whole)}"
    assert int(answer["Content-Length"]) == len(whole[first:end])


def test_what_is_no_range_gives_the_whole_and_one_beyond_the_end_is_refused(owner, made):
    url = f"{EXPORTS}/{made['id']}/download"
    for asked in ("bytes=9-3", "bytes=-", "lines=1-2", "bytes=0-1,4-5", "bytes=١-٢", "x"):
        answer = owner.get(url, headers={"Range": asked})
        assert (answer.status_code, len(body(answer))) == (200, made["size"]), asked
    for asked in (f"bytes={made['size']}-", "bytes=-0"):
        answer = owner.get(url, headers={"Range": asked})
        assert shown(answer) == (416, "range_not_satisfiable")
        assert answer["Content-Range"] == f"bytes */{made['size']}"


def test_a_part_only_of_the_file_that_the_client_knows(owner, made):
    url = f"{EXPORTS}/{made['id']}/download"
    same, other = f'"{made["sha256"]}"', '"0"'
    assert len(body(owner.get(url, headers={"Range": "bytes=0-9", "If-Range": same}))) == 10
    assert len(body(owner.get(url, headers={"Range": "bytes=0-9", "If-Range": other}))) == made["size"]
    assert owner.get(url, headers={"If-None-Match": same}).status_code == 304


def test_chosen_ones_and_those_that_are_not_there(owner, user, made, stranger):
    theirs = stranger.get(LIST).json()["results"][0]["id"]
    wanted = {"format": "jsonl", "conversations": [made["ids"][0], theirs, str(uuid4())]}
    job = owner.post(EXPORTS, wanted, format="json").json()["id"]
    export_work(user_id=user.pk, job_id=job, check=lambda: None)
    told = owner.get(f"{EXPORTS}/{job}").json()
    assert (told["status"], told["reason"]) == ("partial_success", "conversations_not_found")
    data = body(owner.get(f"{EXPORTS}/{job}/download"))
    assert made["ids"][0].encode() in data
    assert theirs.encode() not in data


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"format": "docx"}, "format_unknown"),
        ({"format": "jsonl", "redact": True}, "not_supported_yet"),
        ({}, "invalid"),
        ({"format": "jsonl", "conversations": ["x"]}, "invalid"),
    ],
)
def test_what_cannot_be_exported_is_refused(owner, wanted, code):
    assert shown(owner.post(EXPORTS, wanted, format="json")) == (422, code)
    assert not ExportJob.objects.exists()


def test_a_file_expires_and_is_deleted(owner, user, made):
    job = ExportJob.objects.get(user=user)
    assert default_storage.exists(job.file)
    ExportJob.objects.filter(user=user).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert shown(owner.get(f"{EXPORTS}/{made['id']}/download")) == (410, "export_expired")
    exports_tidy()
    assert not default_storage.exists(job.file)
    assert shown(owner.get(f"{EXPORTS}/{made['id']}/download")) == (410, "export_expired")


def test_before_its_end_there_is_nothing_to_download(owner):
    job = owner.post(EXPORTS, {"format": "jsonl"}, format="json").json()["id"]
    assert shown(owner.get(f"{EXPORTS}/{job}/download")) == (409, "export_not_ready")


def test_a_job_that_is_run_twice_makes_one_file(user, made):
    before = ExportJob.objects.filter(user=user).values().get()
    export_work(user_id=user.pk, job_id=made["id"], check=lambda: None)
    assert ExportJob.objects.filter(user=user).values().get() == before


def test_the_list_pages_newest_first(owner, user):
    ids = [owner.post(EXPORTS, {"format": "jsonl"}, format="json").json()["id"] for _ in range(3)]
    first = owner.get(f"{EXPORTS}?limit=2").json()
    second = owner.get(first["next"]).json()
    assert [row["id"] for row in first["results"] + second["results"]] == ids[::-1]
    assert (first["total"], second["next"]) == (3, None)


def test_the_same_request_with_a_key_is_one_export(owner):
    first, second = (
        owner.post(EXPORTS, {"format": "jsonl"}, format="json", headers={"Idempotency-Key": "k"}) for _ in range(2)
    )
    assert (first.json(), first.status_code) == (second.json(), second.status_code)
    assert second["Idempotency-Replayed"] == "true"
    assert ExportJob.objects.count() == 1


@pytest.mark.parametrize("path", ["", "/download"])
def test_another_persons_export_is_refused(stranger, outsider, made, path):
    url = f"{EXPORTS}/{made['id']}{path}"
    assert shown(stranger.get(url)) == (403, "export_forbidden")
    assert shown(stranger.get(f"{EXPORTS}/{uuid4()}{path}")) == (404, "export_not_found")
    assert outsider.get(url).status_code == 401
    assert stranger.get(EXPORTS).json()["results"] == []


@pytest.mark.django_db(transaction=True)
def test_a_worker_writes_what_was_queued(owner):
    owner.post(LIST, {"messages": [SAID]}, format="json")
    answer = owner.post(EXPORTS, {"format": "markdown"}, format="json")
    call_command("run_jobs", once=True)
    assert owner.get(answer["Location"]).json()["status"] == "success"
