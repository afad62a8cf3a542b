"""Imports over HTTP: what is small is done at once, and says what became of each item."""

import io
import json
import time
import zipfile
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from chatstore.jobs import Interrupted
from conversations.actions import ingest
from conversations.actions.import_work import import_work, imports_tidy
from conversations.models import Conversation, ImportJob, Message
from conversations.tests.interchange import exports
from conversations.tests.test_isolation import shown
from conversations.tests.whole_database import Unchanged

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


# --- what is wrong with what was given --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "nothing_to_import"),
        (b"[]", "nothing_to_import"),
        (b'{"some": "thing"}', "format_not_recognised"),
        (b"not json", "not_json"),
        (b'[{"id": "shell"}]', "no_messages"),
        (b"PK\x03\x04 and no more", "archive_damaged"),
        (b"[" * 100_000, "nested_too_deep"),
        (b'[{"a": ' + b"9" * 5_000 + b"}]", "number_too_long"),
        ('[{"mapping": "é"}]'.encode("latin-1"), "not_utf8"),
    ],
)
def test_a_file_without_anything_to_import_is_never_a_success(owner, data, reason):
    upload = io.BytesIO(data)
    upload.name = "x.json"
    if not data:
        upload = SimpleUploadedFile("x.json", b"")
    answer = owner.post(IMPORTS, {"file": upload}, format="multipart")
    told = answer.json()
    assert (answer.status_code, told["status"]) == (200, "failed"), told
    if reason != "no_messages":
        assert told["reason"] == reason
    assert told["reason"]
    assert not Conversation.objects.exists()


def test_what_is_not_recognised_says_which_keys_were_seen(owner):
    told = owner.post(IMPORTS, {"some": "thing", "other": 1}, format="json").json()
    assert (told["status"], told["reason"]) == ("failed", "format_not_recognised")
    assert "some, other" in told["detail"]


@pytest.mark.parametrize("body", [b"{", b"nonsense", b'{"messages": [}', b"[" * 100_000, b"\xff"])
@pytest.mark.parametrize("query", ["", "?async=true"])
def test_a_body_that_is_no_json_is_400_and_leaves_nothing(owner, body, query):
    answer = owner.post(IMPORTS + query, body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
    assert not ImportJob.objects.exists()


def test_a_truncated_file_keeps_what_was_whole_and_says_so(owner):
    upload = io.BytesIO(json.dumps([exports.branch(3), exports.branch(3, id="c2")]).encode()[:-200])
    upload.name = "x.json"
    told = owner.post(IMPORTS, {"file": upload}, format="multipart").json()
    assert (told["status"], told["reason"], told["conversations_imported"]) == ("partial_success", "truncated_json", 1)


@pytest.mark.parametrize(
    ("form", "pointer", "code"),
    [
        ({}, "/file", "file_required"),
        ({"format": "nonsense"}, "/format", "format_unknown"),
        ({"async": "perhaps"}, "/async", "invalid"),
    ],
)
def test_what_is_asked_for_wrongly_is_422(owner, form, pointer, code):
    files = {} if code == "file_required" else {"file": file_of(exports.branch(2))}
    answer = owner.post(IMPORTS, {**files, **form, "x": "y"}, format="multipart")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), answer.content
    assert answer.json()["errors"][0]["code"] == code
    assert not ImportJob.objects.exists()


def test_the_format_that_was_asked_for_must_be_the_files(owner):
    asked = {"file": file_of(exports.branch(2)), "format": "chatstore"}
    told = owner.post(IMPORTS, asked, format="multipart").json()
    assert (told["status"], told["reason"], told["format_asked"]) == ("failed", "format_differs", "chatstore")
    asked = {"file": file_of(exports.branch(2)), "format": "chatgpt"}
    assert owner.post(IMPORTS, asked, format="multipart").json()["status"] == "success"


def test_one_bad_conversation_never_sinks_the_file_and_trouble_comes_first(owner):
    items = [exports.branch(2), 7, {"id": "shell", "title": "x"}, exports.branch(2, id="c2")]
    told = owner.post(IMPORTS, {"file": file_of(*items)}, format="multipart").json()
    assert (told["status"], told["failed_count"], told["skipped_count"]) == ("partial_success", 1, 1)
    assert [item["outcome"] for item in told["items"]] == ["failed", "skipped", "imported", "imported"]
    assert [item["index"] for item in told["items"]] == [1, 2, 0, 3]
    assert (told["items"][0]["pointer"], bool(told["items"][0]["reason"])) == ("/1", True)
    pages, url = [], f"{IMPORTS}/{told['id']}/items?limit=1"
    while url:
        page = owner.get(url).json()
        pages += page["results"]
        url = page["next"]
    assert (pages, page["total"]) == (told["items"], 4)


def test_several_parts_of_one_export_are_one_import(owner):
    parts = [file_of(exports.branch(2)), file_of(exports.branch(3, id="c2"))]
    told = owner.post(IMPORTS, {"file": parts}, format="multipart").json()
    assert (told["conversations_imported"], told["imported_count"]) == (2, 5)


def test_the_same_file_again_is_all_unchanged(owner):
    for expected in ((5, 0), (0, 5)):
        told = owner.post(IMPORTS, {"file": file_of(exports.branch(5))}, format="multipart").json()
        assert (told["imported_count"], told["unchanged_count"]) == expected
        assert told["status"] == "success"


def test_the_same_request_with_a_key_is_one_import(owner):
    first, second = (
        owner.post(IMPORTS, {"file": file_of(exports.branch(5))}, format="multipart", headers={"Idempotency-Key": "k"})
        for _ in range(2)
    )
    assert (second.status_code, second.json()) == (200, first.json())
    assert second["Idempotency-Replayed"] == "true"
    assert ImportJob.objects.count() == 1
    other = owner.post(
        IMPORTS, {"file": file_of(exports.branch(6))}, format="multipart", headers={"Idempotency-Key": "k"}
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


# --- queued ones ------------------------------------------------------------------------------------------------------


def queued(client, *items, **form):
    answer = client.post(f"{IMPORTS}?async=true", {"file": file_of(*items), **form}, format="multipart")
    assert answer.status_code == 202, answer.content
    return answer.json()["id"]


def test_a_large_one_is_queued_by_itself(owner, settings):
    settings.IMPORT_INLINE_BYTES = 100
    answer = owner.post(IMPORTS, {"file": file_of(exports.branch(3))}, format="multipart")
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    (name,) = ImportJob.objects.get().files
    assert default_storage.exists(name)
    assert "conversations.json" not in name


def test_one_that_is_cancelled_before_it_began_does_nothing_and_keeps_no_file(
    owner, user, django_capture_on_commit_callbacks
):
    job = queued(owner, exports.branch(3))
    (name,) = ImportJob.objects.get().files
    with django_capture_on_commit_callbacks(execute=True):
        answer = owner.post(f"{IMPORTS}/{job}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert not default_storage.exists(name)
    import_work(user_id=user.pk, job_id=job, check=lambda: None)
    assert not Conversation.objects.exists()
    assert owner.post(f"{IMPORTS}/{job}/cancel").status_code == 200
    assert shown(owner.post(f"{IMPORTS}/{job}/retry")) == (409, "import_not_retryable")


def test_cancelling_stops_at_the_next_batch_and_what_is_stored_stays(owner, user, monkeypatch):
    monkeypatch.setattr(ingest, "BATCH_MESSAGES", 4)
    job = queued(owner, *(exports.branch(4, id=f"c{n}") for n in range(5)))
    batches = []

    def check() -> None:
        batches.append(1)
        if len(batches) == 3:
            assert owner.post(f"{IMPORTS}/{job}/cancel").status_code == 200

    import_work(user_id=user.pk, job_id=job, check=check)
    told = owner.get(f"{IMPORTS}/{job}").json()
    assert (told["status"], told["reason"]) == ("cancelled", "cancelled")
    assert told["imported_count"] == Message.objects.count()
    assert told["conversations_imported"] == Conversation.objects.count() == len(told["items"])
    assert 0 < Conversation.objects.count() < 5


def test_an_interrupted_one_goes_on_where_it_was_and_counts_nothing_twice(owner, user, monkeypatch):
    monkeypatch.setattr(ingest, "BATCH_MESSAGES", 4)
    job = queued(owner, *(exports.branch(4, id=f"c{n}") for n in range(5)), 7)
    batches = []

    def check() -> None:
        batches.append(1)
        if len(batches) == 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        import_work(user_id=user.pk, job_id=job, check=check)
    told = owner.get(f"{IMPORTS}/{job}").json()
    assert (told["status"], told["imported_count"]) == ("queued", Message.objects.count())
    import_work(user_id=user.pk, job_id=job, check=lambda: None)
    told = owner.get(f"{IMPORTS}/{job}").json()
    assert (told["status"], told["resumed"]) == ("partial_success", True)
    assert (told["imported_count"], told["unchanged_count"], told["failed_count"]) == (20, 0, 1)
    assert [item["index"] for item in told["items"]] == [5, 0, 1, 2, 3, 4]
    assert Message.objects.count() == 20


def test_a_job_that_is_run_twice_is_harmless(owner, user):
    job = queued(owner, exports.branch(4))
    for _ in range(2):
        import_work(user_id=user.pk, job_id=job, check=lambda: None)
    told = owner.get(f"{IMPORTS}/{job}").json()
    assert (told["status"], told["imported_count"], len(told["items"])) == ("success", 4, 1)


def test_one_that_was_taken_over_writes_nothing_more(owner, user, monkeypatch):
    monkeypatch.setattr(ingest, "BATCH_MESSAGES", 4)
    job = queued(owner, *(exports.branch(4, id=f"c{n}") for n in range(3)))
    taken = []

    def check() -> None:
        if not taken:
            taken.append(1)
            import_work(user_id=user.pk, job_id=job, check=lambda: None)  # another worker, meanwhile

    import_work(user_id=user.pk, job_id=job, check=check)
    told = owner.get(f"{IMPORTS}/{job}").json()
    assert (told["status"], len(told["items"])) == ("success", 3)
    assert (Conversation.objects.count(), Message.objects.count()) == (3, 12)


def test_a_failed_one_can_be_tried_again_from_its_file(owner, user):
    job = queued(owner, exports.branch(4), 7)
    import_work(user_id=user.pk, job_id=job, check=lambda: None)
    told = owner.get(f"{IMPORTS}/{job}").json()
    assert (told["status"], told["can_retry"], told["imported_count"]) == ("partial_success", True, 4)
    answer = owner.post(f"{IMPORTS}/{job}/retry")
    assert (answer.status_code, answer.json()["status"], answer.json()["items"]) == (202, "queued", [])
    import_work(user_id=user.pk, job_id=job, check=lambda: None)
    told = owner.get(f"{IMPORTS}/{job}").json()
    assert (told["status"], told["imported_count"], told["unchanged_count"]) == ("partial_success", 0, 4)
    assert len(told["items"]) == 2


def test_a_success_keeps_no_file_and_cannot_be_tried_again_or_cancelled(owner, user):
    job = queued(owner, exports.branch(4))
    (name,) = ImportJob.objects.get().files
    import_work(user_id=user.pk, job_id=job, check=lambda: None)
    assert not default_storage.exists(name)
    assert shown(owner.post(f"{IMPORTS}/{job}/retry")) == (409, "import_not_retryable")
    assert shown(owner.post(f"{IMPORTS}/{job}/cancel")) == (409, "import_has_ended")


def test_a_file_that_is_gone_is_said(owner, user):
    job = queued(owner, exports.branch(4))
    default_storage.delete(ImportJob.objects.get().files[0])
    import_work(user_id=user.pk, job_id=job, check=lambda: None)
    told = owner.get(f"{IMPORTS}/{job}").json()
    assert (told["status"], told["reason"]) == ("failed", "file_gone")


def test_what_the_queue_lost_is_queued_again_and_old_files_go(owner, user):
    lost, old = queued(owner, exports.branch(4)), queued(owner, 7)
    import_work(user_id=user.pk, job_id=old, check=lambda: None)
    jobs = ImportJob.objects.filter(user=user)
    (name,) = jobs.get(id=old).files
    jobs.filter(id=old).update(finished_at=timezone.now() - timedelta(days=8))
    jobs.filter(id=lost).update(heartbeat_at=timezone.now() - timedelta(hours=1))
    imports_tidy()
    assert waiting(lost) == 1  # it is in the queue all the time: nothing is queued twice
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE args ->> 'job_id' = %s", [lost])
    imports_tidy()
    assert waiting(lost) == 1
    assert (default_storage.exists(name), jobs.get(id=old).files) == (False, [])


def waiting(job: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE args ->> 'job_id' = %s", [job])
        return cursor.fetchone()[0]


def test_the_queue_holds_ids_and_nothing_else(owner, user):
    job = queued(owner, exports.branch(4))
    with connection.cursor() as cursor:
        cursor.execute("SELECT args FROM procrastinate_jobs WHERE args ->> 'job_id' = %s", [job])
        ((args,),) = cursor.fetchall()
    assert json.loads(args) if isinstance(args, str) else args == {"user_id": str(user.pk), "job_id": job}


# --- whose it is ------------------------------------------------------------------------------------------------------

ROUTES = [("get", ""), ("get", "/items"), ("post", "/cancel"), ("post", "/retry")]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_another_persons_import_is_refused(owner, stranger, outsider, method, path):
    job = queued(owner, exports.branch(2))
    with Unchanged():
        assert shown(getattr(stranger, method)(f"{IMPORTS}/{job}{path}")) == (403, "import_forbidden")
        assert shown(getattr(stranger, method)(f"{IMPORTS}/{uuid4()}{path}")) == (404, "import_not_found")
        assert getattr(outsider, method)(f"{IMPORTS}/{job}{path}").status_code == 401
    assert stranger.get(IMPORTS).json()["results"] == []


def test_the_list_pages_newest_first(owner):
    ids = [queued(owner, exports.branch(2)) for _ in range(3)]
    first = owner.get(f"{IMPORTS}?limit=2").json()
    second = owner.get(first["next"]).json()
    assert [row["id"] for row in first["results"] + second["results"]] == ids[::-1]
    assert (first["total"], second["next"], "items" in first["results"][0]) == (3, None, False)


# --- hostile files (hostile.md 15 to 18) ------------------------------------------------------------------------------


def archive(*members: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> SimpleUploadedFile:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as file:
        for name, data in members:
            file.writestr(name, data)
    return SimpleUploadedFile("export.zip", made.getvalue())


GOOD = json.dumps([exports.branch(2)]).encode()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: archive(("conversations.json", b"[" + b" " * 50_000_000 + b"]")), "archive_too_large"),
        (lambda: archive(("a.zip", archive(("conversations.json", GOOD)).read())), "no_conversations"),
        (lambda: archive(("../../etc/conversations.json", GOOD)), "archive_unsafe"),
        (lambda: archive(("/conversations.json", GOOD)), "archive_unsafe"),
        (lambda: SimpleUploadedFile("x.zip", archive(("conversations.json", GOOD)).read()[:-30]), "archive_damaged"),
        (lambda: SimpleUploadedFile("conversations.json", b"\x89PNG\r\n\x1a\n"), None),
    ],
    ids=["bomb", "zip in zip", "slip", "absolute", "truncated", "a picture"],
)
@pytest.mark.parametrize("query", ["", "?async=true"])
def test_a_hostile_file_is_said_plainly_within_seconds(owner, user, make, reason, query):
    began = time.monotonic()
    answer = owner.post(IMPORTS + query, {"file": make()}, format="multipart")
    assert answer.status_code in (200, 202), answer.content
    if answer.status_code == 202:
        import_work(user_id=user.pk, job_id=answer.json()["id"], check=lambda: None)
    told = owner.get(f"{IMPORTS}/{answer.json()['id']}").json()
    assert time.monotonic() - began < 5
    assert told["status"] == "failed"
    assert told["reason"] == reason or (reason is None and told["reason"])
    assert not Conversation.objects.exists()
    assert owner.get(LIST).status_code == 200


def test_an_upload_beyond_the_limit_is_413(owner, settings):
    settings.IMPORT_MAX_BYTES = 10_000
    answer = owner.post(IMPORTS, {"file": SimpleUploadedFile("x.json", b"x" * 20_000)}, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert not ImportJob.objects.exists()


@pytest.mark.parametrize(
    "content_type", ["application/json", "", "multipart/form-data", "multipart/form-data; boundary=x"]
)
def test_a_request_without_anything_in_it_is_422(owner, content_type):
    for query in ("", "?async=false", "?format=%10"):
        answer = owner.generic("POST", f"{IMPORTS}{query}", b"", content_type=content_type)
        assert (answer.status_code, answer.json()["code"]) == (422, "file_required"), answer.content


# --- formats without ids ----------------------------------------------------------------------------------------------


def test_the_same_words_with_other_tools_at_hand_are_another_conversation(owner):
    """Training data repeat a refusal, word for word, for different tools."""
    turns = [{"from": "human", "value": "Order a pizza"}, {"from": "gpt", "value": "I cannot."}]
    items = [{"conversations": turns, "tools": f'[{{"name": "{name}"}}]'} for name in ("sum", "weather", "sum")]
    told = owner.post(IMPORTS, {"file": file_of(*items)}, format="multipart").json()
    assert (told["imported_count"], told["unchanged_count"]) == (4, 2)
    again = owner.post(IMPORTS, {"file": file_of(*items)}, format="multipart").json()
    assert (again["imported_count"], again["unchanged_count"]) == (0, 6)
