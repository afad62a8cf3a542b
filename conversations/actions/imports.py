"""Imports: begun in a request, carried out there or by a worker, cancelled, tried again.

A small one is a single transaction with its answer: killed half-way, nothing of it is there. A large one is kept as a
file and queued; each of its batches is a transaction.
"""

from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, OperationalError, transaction

from chatstore.jobs import enqueue
from chatstore.owned import new_id
from chatstore.problems import Malformed
from chatstore.rendering import encode_json
from chatstore.sql import ROLLED_BACK, Row, write
from conversations.actions.idempotency import Once, answer_keep, once_claim, raise_answer_given
from conversations.actions.import_runs import ANY_FORMAT, import_claim, import_run
from conversations.files import delete_files, folder_of, keep_files
from conversations.interchange.errors import MalformedSource, SourceError
from conversations.interchange.files import total_bytes
from conversations.interchange.jsonstream import JsonItems
from conversations.interchange.readers import DATABASE_READERS, READERS
from conversations.models import ImportJob
from conversations.problems import FileRequired, FormatUnknown, ImportHasEnded, ImportNotRetryable
from conversations.queries.imports import import_get
from conversations.uploads import SpooledUpload

TASK = "conversations.import_work"
FORMATS = {ANY_FORMAT, *(reader.NAME for reader in READERS), *(reader.NAME for reader in DATABASE_READERS)}
ATTEMPTS = 3
# What makes a body no JSON at all.
NO_JSON = {"not_utf8", "not_json", "truncated_json", "trailing_data", "nested_too_deep", "number_too_long"}

# Uses the table's key. The worker notices at its next batch, which is undone.
CANCEL = """
    UPDATE conversations_importjob AS j
       SET status = 'cancelled', reason = 'cancelled', total = j.done, finished_at = clock_timestamp(), files = '{}'
      FROM (SELECT f.files FROM conversations_importjob f
             WHERE f.user_id = %(user)s AND f.id = %(job)s FOR UPDATE) AS kept
     WHERE j.user_id = %(user)s AND j.id = %(job)s AND j.status IN ('queued', 'running')
    RETURNING kept.files
"""
# Uses the table's key. A new beginning: what came in the first time is found unchanged.
RETRY = """
    UPDATE conversations_importjob AS j
       SET status = 'queued', reason = '', detail = '', resumed = false, done = 0, total = NULL, bytes_done = 0,
           started_at = NULL, finished_at = NULL, heartbeat_at = clock_timestamp(), conversations_imported = 0,
           conversations_updated = 0, conversations_unchanged = 0, conversations_skipped = 0, conversations_failed = 0,
           imported_count = 0, updated_count = 0, unchanged_count = 0, attachments_stored = 0, attachments_missing = 0,
           documents_imported = 0, documents_updated = 0, documents_unchanged = 0, documents_failed = 0
     WHERE j.user_id = %(user)s AND j.id = %(job)s AND j.files <> '{}' AND j.status IN ('failed', 'partial_success')
    RETURNING j.id
"""
# Uses import_item_once.
FORGET_ITEMS = "DELETE FROM conversations_importitem WHERE user_id = %(user)s AND job_id = %(job)s"


def import_create(
    *,
    user_id: UUID,
    uploads: Sequence[SpooledUpload],
    format_asked: str = ANY_FORMAT,
    is_body: bool = False,
    by_worker: bool = False,
    once: Once | None = None,
) -> tuple[Row, bool]:
    """Import files, now or, if they are large or `by_worker` is set, by a worker: the import, and whether it is queued.

    What is wrong with a file is said by the import. With `is_body` it came as the request's own JSON, and what is no
    JSON raises Malformed. Raises FileRequired, FormatUnknown, IdempotencyKeyReused, AnswerGiven.
    """
    if not uploads:
        raise FileRequired(pointer="/file")
    if format_asked not in FORMATS:
        raise FormatUnknown(pointer="/format")
    raise_answer_given(user_id=user_id, once=once)
    try:
        if by_worker or not _is_small(uploads):
            if is_body:
                _refuse_what_is_no_json(uploads)
            return _queued(user_id, uploads, format_asked, once), True
        return _carried_out(user_id, uploads, format_asked, is_body, once), False
    except IntegrityError as error:
        if (
            getattr(getattr(error.__cause__, "diag", None), "constraint_name", "")
            == "conversations_idempotencykey_pkey"
        ):
            raise_answer_given(user_id=user_id, once=once)  # the same request, sent twice at once: the other was first
        raise


def _is_small(uploads: Sequence[SpooledUpload]) -> bool:
    if sum(upload.size or 0 for upload in uploads) > settings.IMPORT_INLINE_BYTES:
        return False
    try:
        return total_bytes([upload.temporary_file_path() for upload in uploads]) <= settings.IMPORT_INLINE_BYTES
    except SourceError:
        return True  # it takes no time to say so


def _refuse_what_is_no_json(uploads: Sequence[SpooledUpload]) -> None:
    try:
        for upload in uploads:
            for _ in JsonItems(upload.file):
                pass
            upload.file.seek(0)
    except MalformedSource as fault:
        raise Malformed(fault.detail) from None


def _queued(user_id: UUID, uploads: Sequence[SpooledUpload], format_asked: str, once: Once | None) -> Row:
    job_id = new_id()
    names = keep_files(folder_of("imports", user_id=user_id, job_id=job_id), uploads)
    try:
        with transaction.atomic():
            once_claim(user_id=user_id, once=once)
            ImportJob.objects.create(
                id=job_id,
                user_id=user_id,
                format_asked=format_asked,
                files=names,
                bytes_total=sum(upload.size or 0 for upload in uploads),
            )
            enqueue(TASK, user_id=user_id, job_id=job_id)
            row = import_get(user_id=user_id, job_id=job_id)
            answer_keep(user_id=user_id, once=once, status=202, body=encode_json(row).decode())
    except BaseException:
        delete_files(names)
        raise
    return row


def _carried_out(
    user_id: UUID, uploads: Sequence[SpooledUpload], format_asked: str, is_body: bool, once: Once | None
) -> Row:
    """All of it in one transaction; again when others wrote to the same conversations, and it was rolled back."""
    for _ in range(1, ATTEMPTS):
        with suppress(_RolledBack):
            return _in_transaction(user_id, uploads, format_asked, is_body, once)
    return _in_transaction(user_id, uploads, format_asked, is_body, once)


class _RolledBack(OperationalError):
    """A deadlock, or the like: a second try may pass."""


def _in_transaction(
    user_id: UUID, uploads: Sequence[SpooledUpload], format_asked: str, is_body: bool, once: Once | None
) -> Row:
    try:
        with transaction.atomic():
            once_claim(user_id=user_id, once=once)
            job = ImportJob.objects.create(user_id=user_id, format_asked=format_asked)
            claim = import_claim(user_id=user_id, job_id=job.id)
            assert claim is not None  # nobody else knows of it yet
            paths = [upload.temporary_file_path() for upload in uploads]
            import_run(user_id=user_id, job_id=job.id, claim=claim, paths=paths)
            row = import_get(user_id=user_id, job_id=job.id)
            if is_body and row["reason"] in NO_JSON:
                raise Malformed(row["detail"])
            answer_keep(user_id=user_id, once=once, status=200, body=encode_json(row).decode())
            return row
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) in ROLLED_BACK:
            raise _RolledBack(*error.args) from error.__cause__
        raise


def import_cancel(*, user_id: UUID, job_id: UUID) -> Row:
    """Stop an import at its next batch: what is stored stays, and is reported. Twice is as good as once.

    Raises ImportNotFound, ImportForbidden, ImportHasEnded.
    """
    cancelled = write(CANCEL, {"user": user_id, "job": job_id}, repeatable=True)
    row = import_get(user_id=user_id, job_id=job_id)
    if row["status"] != "cancelled":
        raise ImportHasEnded()
    for kept in cancelled:
        transaction.on_commit(lambda names=kept["files"]: delete_files(names))  # type: ignore[misc]
    return row


def import_retry(*, user_id: UUID, job_id: UUID) -> Row:
    """Begin a failed import anew, from the file that is still kept.

    Raises ImportNotFound, ImportForbidden, ImportNotRetryable.
    """
    with transaction.atomic():
        if not write(RETRY, {"user": user_id, "job": job_id}):
            import_get(user_id=user_id, job_id=job_id)
            raise ImportNotRetryable()
        write(FORGET_ITEMS, {"user": user_id, "job": job_id})
        enqueue(TASK, user_id=user_id, job_id=job_id)
    return import_get(user_id=user_id, job_id=job_id)
