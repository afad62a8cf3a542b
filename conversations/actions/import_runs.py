"""Carrying an import out: read, store, report; in a request or by a worker, alike."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from chatstore import metrics
from chatstore.logs import get_logger
from chatstore.sql import fetch_all, write
from conversations.actions.import_report import ImportReport
from conversations.actions.ingest import ImportTotals, conversations_ingest
from conversations.interchange.errors import SourceError
from conversations.interchange.files import read_files, total_bytes
from conversations.interchange.readers import Found, exchanges
from conversations.interchange.records import ConversationRecord
from conversations.interchange.sources import PathLike
from conversations.models.job import JobStatus

log = get_logger("conversations.imports")

ANY_FORMAT = "auto"
_COUNTS = ImportTotals.__dataclass_fields__.keys()

# Uses the table's key. Whoever comes takes the job over: the one before, if it lives, notices at its next batch.
CLAIM = f"""
    UPDATE conversations_importjob AS j
       SET status = 'running', attempt = j.attempt + 1, resumed = j.resumed OR j.done > 0,
           started_at = coalesce(j.started_at, clock_timestamp()), heartbeat_at = clock_timestamp()
     WHERE j.user_id = %(user)s AND j.id = %(job)s AND j.status IN ('queued', 'running')
    RETURNING j.attempt, j.done, j.format_asked, j.format, j.files, {", ".join(f"j.{name}" for name in _COUNTS)}
"""
# Uses the table's key.
TOTAL = """
    UPDATE conversations_importjob AS j
       SET bytes_total = %(bytes)s
     WHERE j.user_id = %(user)s AND j.id = %(job)s AND j.attempt = %(attempt)s
"""
# Uses the table's key.
FINISH = """
    UPDATE conversations_importjob AS j
       SET status = %(status)s, reason = %(reason)s, detail = %(detail)s, total = j.done,
           finished_at = clock_timestamp(), heartbeat_at = clock_timestamp()
     WHERE j.user_id = %(user)s AND j.id = %(job)s AND j.attempt = %(attempt)s AND j.status = 'running'
    RETURNING j.id
"""
# Uses import_item_once: what went wrong stands first.
FIRST_TROUBLE = """
    SELECT i.reason, i.detail
      FROM conversations_importitem i
     WHERE i.user_id = %(user)s AND i.job_id = %(job)s AND i.outcome IN ('failed', 'skipped')
     ORDER BY i.place LIMIT 1
"""


class FormatDiffers(SourceError):
    """The file is of another format than the one that was asked for."""

    def __init__(self, asked: str, found: str) -> None:
        super().__init__("format_differs", f"It was to be {asked}, and it is {found}.")


def import_claim(*, user_id: UUID, job_id: UUID) -> dict[str, Any] | None:
    """Take an import up: its attempt, files and counts so far. None when it has ended, or its person is gone."""
    claimed = write(CLAIM, {"user": user_id, "job": job_id}, repeatable=True)
    return claimed[0] if claimed else None


def import_run(
    *,
    user_id: UUID,
    job_id: UUID,
    claim: dict[str, Any],
    paths: Sequence[PathLike],
    on_written: Callable[[], None] = lambda: None,
) -> JobStatus:
    """Carry a claimed import out, to its end: read `paths`, store what is in them, report, and say how it went.

    An attempt that follows another goes on behind the last item that was reported. What cannot be read is reported as
    such. Raises NotOurs once the job is cancelled or taken over, and what `on_written` raises: both undo the batch.
    """
    report = ImportReport(
        user_id,
        job_id,
        claim["attempt"],
        ImportTotals(**{name: claim[name] for name in _COUNTS}),
        done=claim["done"],
        format=claim["format"],
        on_written=on_written,
    )
    fault: SourceError | None = None
    try:
        total = total_bytes(paths)
        write(TOTAL, {"user": user_id, "job": job_id, "attempt": report.attempt, "bytes": total}, repeatable=True)
        found = islice(_watched(paths, report, claim["format_asked"]), report.done, None)
        for heard in conversations_ingest(
            user_id=user_id, found=found, first_index=report.done, recorder=report.record
        ):
            report.heard(heard)
    except SourceError as error:
        fault = error
    report.flush()
    return _finish(report, fault)


def import_fail(*, user: UUID, job: UUID, attempt: int, reason: str) -> None:
    """End an import that a fault of ours, or of the storage, keeps from going on."""
    told = {"status": JobStatus.FAILED.value, "reason": reason, "detail": "", "attempt": attempt}
    if write(FINISH, {"user": user, "job": job, **told}):
        _ended(job, told)


def _watched(paths: Sequence[PathLike], report: ImportReport, asked: str) -> Iterator[Found]:
    """What the readers find; meanwhile the report learns of the bytes that are read, and of the format."""

    def advance(count: int) -> None:
        report.bytes_done += count

    report.bytes_done = 0
    for index, found in enumerate(read_files(paths, on_bytes=advance)):
        if isinstance(found, ConversationRecord) and not report.format:
            if asked not in (ANY_FORMAT, found.source):
                raise FormatDiffers(asked, found.source)
            report.format = found.source
        if isinstance(found, ConversationRecord) and found.source == exchanges.NAME:
            report.count_exchanges(index, found)
        yield found


def _finish(report: ImportReport, fault: SourceError | None) -> JobStatus:
    """How it ended. Raises NotOurs."""
    status, reason, detail = JobStatus(report.totals.status), report.totals.reason, ""
    owner = {"user": report.user_id, "job": report.job_id}
    if status == JobStatus.SUCCESS and report.format == exchanges.NAME and report.totals.conversations_skipped:
        status = JobStatus.PARTIAL_SUCCESS  # an item that was left out is one that did not come in (requirement A3)
    if fault:
        status = JobStatus.PARTIAL_SUCCESS if report.totals.any_stored else JobStatus.FAILED
        reason, detail = fault.reason, fault.detail
    elif status == JobStatus.FAILED and not reason:
        reason, detail = next(((row["reason"], row["detail"]) for row in fetch_all(FIRST_TROUBLE, owner)), ("", ""))
    told = {"status": status.value, "reason": reason, "detail": detail, "attempt": report.attempt}
    write(FINISH, owner | told)
    _ended(report.job_id, told)
    return status


def _ended(job_id: UUID, told: dict[str, Any]) -> None:
    metrics.IMPORTS.labels(status=told["status"]).inc()
    log.info("import_ended", job=str(job_id), status=told["status"], reason=told["reason"], attempt=told["attempt"])
