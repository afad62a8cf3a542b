"""Exports of many conversations: queued by a request, written by a worker, kept for a while."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.db import IntegrityError, transaction

from chatstore import metrics
from chatstore.jobs import Interrupted, enqueue
from chatstore.logs import get_logger
from chatstore.owned import new_id
from chatstore.problems import as_domain_error
from chatstore.rendering import encode_json
from chatstore.sql import Row, fetch_all, write
from conversations.actions.idempotency import Once, answer_keep, once_claim, raise_answer_given
from conversations.actions.import_report import NotOurs
from conversations.files import delete_files, folder_of, keep_files
from conversations.interchange.errors import WriterError
from conversations.interchange.records import ConversationRecord
from conversations.interchange.sinks import FileSink, SinkError
from conversations.interchange.writers import WRITERS
from conversations.models import ExportJob
from conversations.problems import FormatUnknown, NotSupportedYet
from conversations.queries import archive
from conversations.queries.exports import export_get

TASK = "conversations.export_work"
PROGRESS_SECONDS = 0.5

log = get_logger("conversations.exports")

# Uses the table's key. Whoever comes takes the job over: the one before, if it lives, notices when it reports.
CLAIM = """
    UPDATE conversations_exportjob AS j
       SET status = 'running', attempt = j.attempt + 1, done = 0,
           started_at = coalesce(j.started_at, clock_timestamp()), heartbeat_at = clock_timestamp()
     WHERE j.user_id = %(user)s AND j.id = %(job)s AND j.status IN ('queued', 'running')
    RETURNING j.attempt, j.format, j.conversations::text[] AS conversations
"""
# Uses the table's key. No row: another worker has taken the job up since, or its person is gone.
PROGRESS = """
    UPDATE conversations_exportjob AS j
       SET done = %(done)s, total = %(total)s, heartbeat_at = clock_timestamp()
     WHERE j.user_id = %(user)s AND j.id = %(job)s AND j.attempt = %(attempt)s AND j.status = 'running'
    RETURNING j.id
"""
# Uses the table's key.
FINISH = """
    UPDATE conversations_exportjob AS j
       SET status = %(status)s, reason = %(reason)s, detail = %(detail)s, done = %(done)s, total = %(done)s,
           file = %(file)s, size = %(size)s, sha256 = %(sha256)s, finished_at = clock_timestamp(),
           expires_at = clock_timestamp() + make_interval(hours => %(hours)s), heartbeat_at = clock_timestamp()
     WHERE j.user_id = %(user)s AND j.id = %(job)s AND j.attempt = %(attempt)s AND j.status = 'running'
    RETURNING j.id
"""
# Uses the table's key.
REQUEUE = """
    UPDATE conversations_exportjob AS j SET status = 'queued', heartbeat_at = clock_timestamp()
     WHERE j.user_id = %(user)s AND j.id = %(job)s AND j.attempt = %(attempt)s AND j.status = 'running'
"""
# Uses export_open: few rows, of everybody.
LEFT_BEHIND = """
    /* resolver: rows of all owners */
    SELECT j.user_id, j.id
      FROM conversations_exportjob j
     WHERE j.status IN ('queued', 'running') AND j.heartbeat_at < now() - make_interval(secs => %(seconds)s)
       AND NOT EXISTS (SELECT FROM procrastinate_jobs q
                        WHERE q.status IN ('todo', 'doing') AND q.args ->> 'job_id' = j.id::text)
"""
# Uses export_with_file.
EXPIRED = """
    /* resolver: rows of all owners */
    SELECT j.user_id, j.id, j.file
      FROM conversations_exportjob j
     WHERE j.file <> '' AND j.expires_at < now()
     LIMIT 100
"""
# Uses the table's key.
RELEASE = "UPDATE conversations_exportjob SET file = '' WHERE user_id = %(user)s AND id = %(job)s"


def export_create(
    *, user_id: UUID, format: str, conversations: Sequence[UUID] = (), redact: bool = False, once: Once | None = None
) -> Row:
    """Queue an export of the chosen conversations, or of all. What others own is not there, and gives nothing.

    Raises FormatUnknown, NotSupportedYet, IdempotencyKeyReused, AnswerGiven.
    """
    if format not in WRITERS:
        raise FormatUnknown(pointer="/format")
    if redact:
        raise NotSupportedYet("Texts cannot be redacted yet.", pointer="/redact")
    raise_answer_given(user_id=user_id, once=once)
    job_id = new_id()
    try:
        with transaction.atomic():
            once_claim(user_id=user_id, once=once)
            ExportJob.objects.create(id=job_id, user_id=user_id, format=format, conversations=list(conversations))
            enqueue(TASK, user_id=user_id, job_id=job_id)
            row = export_get(user_id=user_id, job_id=job_id)
            answer_keep(user_id=user_id, once=once, status=202, body=encode_json(row).decode())
            return row
    except IntegrityError as error:
        if (
            getattr(getattr(error.__cause__, "diag", None), "constraint_name", "")
            == "conversations_idempotencykey_pkey"
        ):
            raise_answer_given(user_id=user_id, once=once)  # the same request, sent twice at once: the other was first
        raise


def export_work(*, user_id: UUID, job_id: UUID, check: Callable[[], None]) -> None:
    """Take an export up and carry it out to its end, unless it has ended already.

    `check` is called while it is written, and raises Interrupted when the worker is to stop: the export is queued again
    then, and that is raised. So is what says that the database is away. Every other fault ends the export.
    """
    claimed = write(CLAIM, {"user": user_id, "job": job_id}, repeatable=True)
    if not claimed:
        return
    run = _Run(user_id, job_id, claimed[0], check)
    try:
        run.write()
    except NotOurs:
        log.info("export_left", job=str(job_id), attempt=run.attempt)
    except Interrupted:
        write(REQUEUE, run.ours)
        raise
    except (WriterError, SinkError) as fault:
        run.finish("failed", reason=fault.reason, detail=fault.detail)
    except Exception as error:
        if as_domain_error(error) is not None:
            raise
        log.exception("export_failed", job=str(job_id))
        run.finish("failed", reason="internal_error")


class _Run:
    """One attempt at an export."""

    def __init__(self, user_id: UUID, job_id: UUID, claim: Row, check: Callable[[], None]) -> None:
        self.attempt: int = claim["attempt"]
        self.ours = {"user": user_id, "job": job_id, "attempt": self.attempt}
        self._user_id, self._job_id, self._check = user_id, job_id, check
        self._writer = WRITERS[claim["format"]]
        self._ids = [UUID(text) for text in claim["conversations"]] or None
        self._done, self._told_at = 0, 0.0
        self._total = archive.archive_size(user_id=user_id, ids=self._ids)

    def write(self) -> None:
        """The file, into the storage, and the end of the job. Nothing is kept when it is not ours any more."""
        settings.UPLOAD_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
        with TemporaryDirectory(dir=settings.UPLOAD_DIR, prefix="export-") as folder:
            path, digest = Path(folder) / "export", hashlib.sha256()
            with FileSink(path) as sink:
                for chunk in self._writer.write(self._records()):
                    digest.update(chunk)
                    sink.write(chunk)
            kept = _Moved(path)
            with suppress(FileNotFoundError), kept:
                names = keep_files(folder_of("exports", user_id=self._user_id, job_id=self._job_id), [kept])
        missing = len(set(self._ids)) - self._done if self._ids else 0
        ended = self.finish(
            "partial_success" if missing else "success",
            reason="conversations_not_found" if missing else "",
            file=names[0],
            size=sink.size,
            sha256=digest.digest(),
        )
        if not ended:
            delete_files(names)

    def _records(self) -> Iterator[ConversationRecord]:
        for record in archive.conversations(user_id=self._user_id, ids=self._ids):
            self._tell()
            yield record
            self._done += 1

    def _tell(self) -> None:
        """How far it is. Raises NotOurs, Interrupted."""
        if time.monotonic() - self._told_at < PROGRESS_SECONDS:
            return
        self._told_at = time.monotonic()
        self._check()
        if not write(PROGRESS, {**self.ours, "done": self._done, "total": self._total}, repeatable=True):
            raise NotOurs

    def finish(
        self, status: str, *, reason: str = "", detail: str = "", file: str = "", size: int | None = None,
        sha256: bytes | None = None,
    ) -> bool:  # fmt: skip
        """Say how it ended; False when it is not ours to say."""
        told: dict[str, Any] = {"status": status, "reason": reason, "detail": detail, "done": self._done}
        made = {"file": file, "size": size, "sha256": sha256, "hours": settings.EXPORT_KEEP_HOURS}
        ended = bool(write(FINISH, {**self.ours, **told, **made}))
        if ended:
            metrics.EXPORTS.labels(status=status).inc()
            log.info("export_ended", job=str(self._job_id), status=status, reason=reason, attempt=self.attempt)
        return ended


class _Moved(File):  # type: ignore[type-arg]  # generic in the stubs alone
    """A file of our own that FileSystemStorage takes away instead of copying it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb"), "export")
        self._path = path

    def temporary_file_path(self) -> str:
        return str(self._path)


def exports_tidy() -> int:
    """Queue again what the queue has lost, and delete the files whose time is over: how many there were."""
    lost = fetch_all(LEFT_BEHIND, {"seconds": 2 * settings.JOBS_STALLED_SECONDS})
    for row in lost:
        with transaction.atomic():
            enqueue(TASK, user_id=row["user_id"], job_id=row["id"])
    expired = fetch_all(EXPIRED, {})
    for row in expired:
        write(RELEASE, {"user": row["user_id"], "job": row["id"]})
        delete_files([row["file"]])
    return len(lost) + len(expired)
