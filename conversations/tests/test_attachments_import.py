"""Attachments on their way in: every byte is kept once, a failure leaves no file, and what is missing is said."""

import hashlib
import io
import os
import time
import tracemalloc
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from accounts.tests.factories import UserFactory
from conversations.actions import files
from conversations.actions.files import files_sweep
from conversations.actions.ingest import ImportTotals, conversations_ingest
from conversations.interchange.errors import MalformedSource
from conversations.interchange.records import AttachmentRecord, ConversationRecord, MessageRecord
from conversations.models import Attachment, Conversation, Message
from conversations.tests.people import MessageFactory, attachment_with
from conversations.tests.whole_database import Unchanged

unchanged = Unchanged()


def attachment(data=None, external_id="file-1", **fields):
    """A record; bytes are opened anew each time, as a reader's are."""
    opened = None if data is None else lambda: io.BytesIO(data)
    return AttachmentRecord(external_id=external_id, opened=opened, **fields)


def conversation(*attachments, external_id="c1", messages=1, **fields):
    """One whose first message has the attachments."""
    said = [
        MessageRecord(external_id=f"m{n}", role="user", content=f"text {n}", attachments=attachments if not n else ())
        for n in range(messages)
    ]
    return ConversationRecord(source="chatgpt", external_id=external_id, messages=tuple(said), **fields)


def ingested(user, *found, **options):
    return list(conversations_ingest(user_id=user.pk, found=found, **options))


def bytes_of(stored: Attachment) -> bytes:
    with default_storage.open(stored.file) as file:
        return file.read()


def files_there(user) -> set[str]:
    folder = Path(default_storage.path(f"attachments/{user.pk}"))
    return {f"attachments/{user.pk}/{file.name}" for file in folder.iterdir()} if folder.exists() else set()


@pytest.fixture
def committing(django_capture_on_commit_callbacks):
    """What runs on commit runs at the end of the block: the test's own transaction never commits."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


class Broken:
    """A stream that fails after its first half."""

    def __init__(self) -> None:
        self.parts = [b"half"]

    def read(self, size):
        if self.parts:
            return self.parts.pop()
        raise MalformedSource("archive_damaged", "The archive is damaged or cut off.")


class Zeros:
    """So many zeros, none of them held."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size):
        size = min(size, self.left)
        self.left -= size
        return bytes(size)


def test_bytes_and_what_is_known_of_them_are_stored(user):
    data = os.urandom(3_000_000)
    (report,) = ingested(
        user,
        conversation(
            attachment(data, name="a.png", media_type="image/png", size=7, text="read out of it", raw={"id": "file-1"})
        ),
    )
    stored = Attachment.objects.get(user=user)
    message = Message.objects.get(user=user)
    assert (report.outcome, report.attachments_stored, report.attachments_missing) == ("imported", 1, 0)
    assert bytes_of(stored) == data
    assert (stored.sha256, stored.size) == (hashlib.sha256(data).hexdigest(), len(data))  # not what the source said
    assert (stored.name, stored.media_type, stored.text, stored.raw) == (
        "a.png", "image/png", "read out of it", {"id": "file-1"},
    )  # fmt: skip
    assert (stored.message_id, stored.conversation_id) == (message.id, message.conversation_id)
    assert (stored.missing, stored.created_at) == (None, message.created_at)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a\0b", "C:\\x", "x" * 5_000, "", ".", "\ud800"])
def test_no_name_of_theirs_becomes_one_of_ours(user, name):
    (report,) = ingested(user, conversation(attachment(b"x", external_id=name or "e", name=name, media_type=name)))
    assert report.outcome == "imported"
    stored = Attachment.objects.get(user=user)
    assert files_there(user) == {stored.file}
    assert stored.file.startswith(f"attachments/{user.pk}/")
    (again,) = ingested(user, conversation(attachment(b"x", external_id=name or "e", name=name, media_type=name)))
    assert again.outcome == "unchanged"


def test_what_the_export_does_not_hold_is_said_to_be_missing_and_the_rest_kept(user):
    (report,) = ingested(user, conversation(attachment(name="a.pdf", size=9, text="read out of it")))
    stored = Attachment.objects.get(user=user)
    assert (stored.missing, stored.file, stored.sha256, stored.size) == ("not_in_export", "", None, 9)
    assert (stored.name, stored.text, report.attachments_missing) == ("a.pdf", "read out of it", 1)


def test_a_stream_that_fails_leaves_no_file_and_does_not_sink_its_conversation(user):
    broken = AttachmentRecord(external_id="file-2", opened=Broken)
    (report,) = ingested(user, conversation(attachment(b"whole"), broken))
    kept, lost = Attachment.objects.filter(user=user).order_by("external_id")
    assert (report.outcome, report.attachments_stored, report.attachments_missing) == ("imported", 2, 1)
    assert (bytes_of(kept), lost.missing, lost.file) == (b"whole", "unreadable", "")
    assert files_there(user) == {kept.file}


def test_bytes_beyond_the_limit_stay_outside(user, settings):
    settings.MAX_ATTACHMENT_BYTES = 10
    ingested(user, conversation(attachment(b"x" * 10), attachment(b"x" * 11, external_id="file-2")))
    fits, too_large = Attachment.objects.filter(user=user).order_by("external_id")
    assert (fits.size, too_large.missing) == (10, "too_large")
    assert files_there(user) == {fits.file}


def test_a_large_file_is_never_held_in_memory(user):
    tracemalloc.start()
    try:
        ingested(user, conversation(AttachmentRecord(external_id="file-1", opened=lambda: Zeros(50_000_000))))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert Attachment.objects.get(user=user).size == 50_000_000
    assert peak < 12_000_000


# --- importing again --------------------------------------------------------------------------------------------------


def test_the_same_again_writes_nothing(user):
    record = conversation(attachment(b"one"), attachment(external_id="file-2"), messages=3)
    ingested(user, record)
    before = files_there(user)
    with unchanged:
        (report,) = ingested(user, record)
    assert (report.outcome, report.attachments_stored, report.unchanged) == ("unchanged", 0, 3)
    assert files_there(user) == before


def test_bytes_that_were_missing_and_come_now_are_filled_in(user):
    ingested(user, conversation(attachment(name="a.png")))
    (report,) = ingested(user, conversation(attachment(b"here now", name="a.png")))
    stored = Attachment.objects.get(user=user)
    assert (report.outcome, report.attachments_stored, report.updated) == ("updated", 1, 0)
    assert (bytes_of(stored), stored.missing) == (b"here now", None)
    (again,) = ingested(user, conversation(attachment(name="a.png")))  # an export without them takes nothing back
    assert (again.outcome, bytes_of(Attachment.objects.get(user=user))) == ("unchanged", b"here now")


def test_attachments_of_new_messages_and_new_ones_of_known_messages_are_added(user):
    ingested(user, conversation(attachment(b"one")))
    more = MessageRecord(
        external_id="m1", parent_external_id="m0", role="user", content="more", attachments=(attachment(b"two"),)
    )
    newer = conversation(attachment(b"one"), attachment(b"three", external_id="file-3"))
    newer = ConversationRecord(source="chatgpt", external_id="c1", messages=(*newer.messages, more))
    (report,) = ingested(user, newer)
    assert (report.outcome, report.imported, report.attachments_stored) == ("updated", 1, 2)
    stored = {(a.message.external_id, a.external_id): bytes_of(a) for a in Attachment.objects.filter(user=user)}
    assert stored == {("m0", "file-1"): b"one", ("m0", "file-3"): b"three", ("m1", "file-1"): b"two"}


def test_other_bytes_of_a_newer_export_replace_those_here_and_an_older_one_does_not(user, committing):
    now = timezone.now()
    ingested(user, conversation(attachment(b"old"), updated_at=now))
    with committing():
        ingested(user, conversation(attachment(b"new"), title="x", updated_at=now + timedelta(hours=1)))
    stored = Attachment.objects.get(user=user)
    assert (bytes_of(stored), files_there(user)) == (b"new", {stored.file})
    with committing():
        (report,) = ingested(user, conversation(attachment(b"old"), updated_at=now))
    assert (report.outcome, bytes_of(Attachment.objects.get(user=user))) == ("unchanged", b"new")
    assert files_there(user) == {stored.file}


def test_a_conversation_that_comes_twice_in_one_import_keeps_one_file(user, committing):
    with committing():
        ingested(user, conversation(attachment(b"one")), conversation(attachment(b"one"), title="newer"))
    assert files_there(user) == {Attachment.objects.get(user=user).file}


def test_two_attachments_under_one_id_are_both_kept(user):
    ingested(user, conversation(attachment(b"one"), attachment(b"two"), attachment(b"one")))
    assert sorted(map(bytes_of, Attachment.objects.filter(user=user))) == [b"one", b"one", b"two"]
    with unchanged:
        ingested(user, conversation(attachment(b"one"), attachment(b"two"), attachment(b"one")))


def test_ids_with_nul_are_known_again(user):
    one = attachment(b"x", "f\0", raw={"\0": "\ud800"})
    record = ConversationRecord(
        source="chatgpt",
        external_id="c\0",
        messages=(
            MessageRecord(
                external_id="m\0",
                role="user",
                content="x",
                attachments=(one,),
            ),
        ),
    )
    ingested(user, record)
    with unchanged:
        assert [report.outcome for report in ingested(user, record)] == ["unchanged"]
    more = MessageRecord(external_id="m1", parent_external_id="m\0", role="user", content="y")
    newer = ConversationRecord(source="chatgpt", external_id="c\0", messages=(*record.messages, more))
    assert [(r.outcome, r.imported) for r in ingested(user, newer)] == [("updated", 1)]


def test_a_conversation_in_the_trash_takes_no_file(user, committing):
    ingested(user, conversation())
    Conversation.objects.filter(user=user).update(deleted_at=timezone.now())
    with committing():
        (report,) = ingested(user, conversation(attachment(b"one")))
    assert (report.outcome, files_there(user)) == ("skipped", set())


def test_the_same_file_of_two_people_is_two_files(user):
    other = UserFactory()
    for person in (user, other):
        ingested(person, conversation(attachment(b"one")))
        assert files_there(person) == {Attachment.objects.get(user=person).file}


# --- failures ---------------------------------------------------------------------------------------------------------


def bad(external_id="bad"):
    """The database refuses its id, as too long for an index."""
    message = MessageRecord(
        external_id=os.urandom(40_000).hex(), role="user", content="x", attachments=(attachment(b"lost"),)
    )
    return ConversationRecord(source="chatgpt", external_id=external_id, messages=(message,))


def test_a_conversation_that_is_refused_leaves_no_file_and_the_others_keep_theirs(user):
    reports = ingested(
        user, conversation(attachment(b"one")), bad(), conversation(attachment(b"two"), external_id="c2")
    )
    assert [report.outcome for report in reports] == ["imported", "failed", "imported"]
    assert files_there(user) == {a.file for a in Attachment.objects.filter(user=user)}
    assert sorted(map(bytes_of, Attachment.objects.filter(user=user))) == [b"one", b"two"]


def test_a_dry_run_leaves_no_file(user):
    (report,) = ingested(user, conversation(attachment(b"one")), dry_run=True)
    assert (report.outcome, report.attachments_stored) == ("imported", 1)
    assert files_there(user) == set()
    assert not Attachment.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_is_not_had_leaves_no_file(user):
    def raising(execute, sql, params, many, context):
        if "pg_advisory_xact_lock" in sql:
            sql, params = "DO $$ BEGIN RAISE lock_not_available; END $$", None
        return execute(sql, params, many, context)

    with connection.execute_wrapper(raising), pytest.raises(Exception, match="lock_not_available"):
        ingested(user, conversation(attachment(b"one")))
    assert files_there(user) == set()


def test_an_import_that_is_stopped_leaves_no_file_of_what_it_did_not_store(user):
    found = [conversation(attachment(b"one"), messages=2_500), conversation(attachment(b"two"), external_id="c2")]
    going = conversations_ingest(user_id=user.pk, found=iter(found))
    assert next(going).outcome == "imported"
    assert len(files_there(user)) == 2  # the second is written, and not stored
    going.close()
    assert files_there(user) == {Attachment.objects.get(user=user).file}


def test_a_reader_that_breaks_off_keeps_what_was_whole(user):
    def found():
        yield conversation(attachment(b"one"))
        raise MalformedSource("truncated_json", "It ends too early.")

    with pytest.raises(MalformedSource):
        list(conversations_ingest(user_id=user.pk, found=found()))
    assert files_there(user) == {Attachment.objects.get(user=user).file}


def test_a_storage_that_fails_ends_the_import_and_keeps_what_came_before(user):
    folder = Path(default_storage.path(f"attachments/{user.pk}"))

    def found():
        yield conversation(attachment(b"one"))
        (file,) = folder.iterdir()
        file.rename(folder.with_suffix(".kept"))
        folder.rmdir()
        folder.write_bytes(b"in the way")
        yield conversation(attachment(b"two"), external_id="c2")

    with pytest.raises(OSError, match="exists"):
        list(conversations_ingest(user_id=user.pk, found=found()))
    assert set(Conversation.objects.filter(user=user).values_list("external_id", flat=True)) == {"c1"}


# --- the sweep --------------------------------------------------------------------------------------------------------


def aged(name: str) -> None:
    then = time.time() - files.SWEEP_AFTER.total_seconds() - 60
    os.utime(default_storage.path(name), (then, then))


def test_the_sweep_takes_old_files_that_no_row_names_and_nothing_else(user):
    message = MessageFactory(conversation__user=user)
    named, orphan, young = (attachment_with(b"x", message, external_id=str(n)) for n in range(3))
    gone = attachment_with(b"x", MessageFactory())
    for one in (named, orphan, gone):
        aged(one.file)
    Attachment.objects.filter(id__in=[orphan.id, young.id]).delete()
    gone.user.delete()
    ours = {orphan.file, gone.file}
    assert set(files_sweep(dry_run=True)) >= ours
    assert default_storage.exists(orphan.file)
    assert ours <= set(files_sweep())
    assert not any(map(default_storage.exists, ours))
    assert default_storage.exists(named.file)
    assert default_storage.exists(young.file)


def test_totals_count_attachments_but_not_as_messages(user):
    totals = ImportTotals()
    for report in ingested(user, conversation(attachment(b"one"), attachment(external_id="file-2"), messages=3)):
        totals.add(report)
    assert (totals.imported_count, totals.attachments_stored, totals.attachments_missing) == (3, 2, 1)
    assert "attachments: 2 new or changed, 1 without bytes" in str(totals)
