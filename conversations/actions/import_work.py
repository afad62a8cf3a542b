"""Imports as the workers see them: one taken from the queue, those left behind, files that nobody needs any more."""

from collections.abc import Callable
from uuid import UUID

from django.conf import settings
from django.db import transaction

from chatstore.jobs import Interrupted, enqueue
from chatstore.logs import get_logger
from chatstore.problems import as_domain_error
from chatstore.sql import fetch_all, write
from conversations.actions.import_report import NotOurs
from conversations.actions.import_runs import import_claim, import_fail, import_run
from conversations.actions.imports import TASK
from conversations.files import delete_files, local_paths
from conversations.models.job import JobStatus

log = get_logger("conversations.imports")

# Uses the table's key.
REQUEUE = """
    UPDATE conversations_importjob AS j SET status = 'queued', heartbeat_at = clock_timestamp()
     WHERE j.user_id = %(user)s AND j.id = %(job)s AND j.attempt = %(attempt)s AND j.status = 'running'
"""
# Uses the table's key.
RELEASE = """
    UPDATE conversations_importjob AS j SET files = '{}'
     WHERE j.user_id = %(user)s AND j.id = %(job)s AND j.status = ANY(%(statuses)s::text[])
    RETURNING j.id
"""
# Uses import_open: few rows, of everybody. Jobs that the queue has lost, as after a restore of a part of the database.
LEFT_BEHIND = """
    /* resolver: rows of all owners */
    SELECT j.user_id, j.id
      FROM conversations_importjob j
     WHERE j.status IN ('queued', 'running') AND j.heartbeat_at < now() - make_interval(secs => %(seconds)s)
       AND NOT EXISTS (SELECT FROM procrastinate_jobs q
                        WHERE q.status IN ('todo', 'doing') AND q.args ->> 'job_id' = j.id::text)
"""
# Uses import_with_files.
EXPIRED = """
    /* resolver: rows of all owners */
    SELECT j.user_id, j.id, j.files
      FROM conversations_importjob j
     WHERE j.files <> '{}' AND j.finished_at < now() - make_interval(days => %(days)s)
     LIMIT 100
"""
ENDED = [status.value for status in JobStatus if status not in (JobStatus.QUEUED, JobStatus.RUNNING)]


def import_work(*, user_id: UUID, job_id: UUID, check: Callable[[], None]) -> None:
    """Take an import up and carry it out to its end, unless it has ended already.

    `check` is called with each batch, and raises Interrupted when the worker is to stop: the import is queued again
    then, and that is raised. So is what says that the database is away. Every other fault ends the import.
    """
    claim = import_claim(user_id=user_id, job_id=job_id)
    if claim is None:
        return
    ours = {"user": user_id, "job": job_id, "attempt": claim["attempt"]}
    log.info("import_begun", job=str(job_id), attempt=claim["attempt"], done=claim["done"])
    try:
        with local_paths(claim["files"]) as paths:
            status = import_run(user_id=user_id, job_id=job_id, claim=claim, paths=paths, on_written=check)
    except NotOurs:
        log.info("import_left", job=str(job_id), attempt=claim["attempt"])
    except Interrupted:
        write(REQUEUE, ours)
        raise
    except FileNotFoundError:
        import_fail(**ours, reason="file_gone")
    except Exception as error:
        if as_domain_error(error) is not None:
            raise
        log.exception("import_failed", job=str(job_id))
        import_fail(**ours, reason="internal_error")
    else:
        if status == JobStatus.SUCCESS:
            _release(user_id, job_id, claim["files"])


def imports_tidy() -> int:
    """Queue again what the queue has lost, and delete the files of imports that ended long ago: how many there were."""
    lost = fetch_all(LEFT_BEHIND, {"seconds": 2 * settings.JOBS_STALLED_SECONDS})
    for row in lost:
        with transaction.atomic():
            enqueue(TASK, user_id=row["user_id"], job_id=row["id"])
    expired = fetch_all(EXPIRED, {"days": settings.IMPORT_KEEP_DAYS})
    for row in expired:
        _release(row["user_id"], row["id"], row["files"])
    return len(lost) + len(expired)


def _release(user_id: UUID, job_id: UUID, names: list[str]) -> None:
    """Delete the files of an import that has ended: first from the row, so that nobody tries again meanwhile."""
    if write(RELEASE, {"user": user_id, "job": job_id, "statuses": ENDED}):
        delete_files(names)
