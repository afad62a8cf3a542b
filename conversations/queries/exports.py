"""Reading exports: one, and a page of the list."""

import functools
from collections.abc import Sequence
from typing import Any, NoReturn
from uuid import UUID

from chatstore.sql import Row, fetch_one
from conversations.problems import ExportForbidden, ExportNotFound
from conversations.queries.columns import Columns
from conversations.queries.imports import ListPage
from conversations.queries.pages import LIMITS, Page, as_page, beyond

EXPORT = Columns(
    plain=("id", "status", "format", "conversations", "redact", "reason", "detail", "size", "sha256", "progress"),
    times=("created_at", "started_at", "finished_at", "expires_at"),
)
_SHOWN = """
    j.id, j.status, j.format, to_json(j.conversations) AS conversations, j.redact, j.reason, j.detail, j.size,
    encode(j.sha256, 'hex') AS sha256, json_build_object('done', j.done, 'total', j.total) AS progress,
    j.created_at, j.started_at, j.finished_at, j.expires_at, j.file
"""
# Uses the table's key.
EXPORT_GET = f"""
    /* export_get */
    SELECT {EXPORT.select("j")}
      FROM (SELECT {_SHOWN} FROM conversations_exportjob j WHERE j.user_id = %(user)s AND j.id = %(job)s) AS j
"""
# Uses the table's key.
EXPORT_FILE = """
    /* export_file */
    SELECT j.status, j.format, j.file, j.size, encode(j.sha256, 'hex') AS sha256,
           coalesce(j.expires_at <= statement_timestamp(), false) AS is_expired
      FROM conversations_exportjob j
     WHERE j.user_id = %(user)s AND j.id = %(job)s
"""
# Uses export_by_id.
STANDING = """
    /* resolver: rows of all owners */
    SELECT EXISTS (SELECT FROM conversations_exportjob j WHERE j.id = %(job)s) AS is_anothers
"""


def refuse_export(*, job_id: UUID) -> NoReturn:
    """Say why a statement found no such export of this person's."""
    row = fetch_one(STANDING, {"job": job_id})
    raise ExportForbidden() if row and row["is_anothers"] else ExportNotFound()


def export_get(*, user_id: UUID, job_id: UUID) -> Row:
    """One export. Raises ExportNotFound, ExportForbidden."""
    row = fetch_one(EXPORT_GET, {"user": user_id, "job": job_id})
    if row is None:
        refuse_export(job_id=job_id)
    return row


def export_file(*, user_id: UUID, job_id: UUID) -> Row:
    """What a download needs to know: status, format, file, size, sha256, is_expired. Raises as `export_get`."""
    row = fetch_one(EXPORT_FILE, {"user": user_id, "job": job_id})
    if row is None:
        refuse_export(job_id=job_id)
    return row


@functools.cache
def _page_statement(continued: bool, backwards: bool) -> str:
    """EXPORT_PAGE: uses export_by_creation, newest first."""
    direction, way = ("ASC", ">") if backwards else ("DESC", "<")
    after = f"AND (j.created_at, j.id) {way} (%(value)s::timestamptz, %(id)s::uuid)" if continued else ""
    columns = f"""{_SHOWN}"""
    source = f"""
              FROM conversations_exportjob j
             WHERE j.user_id = %(user)s {after}
             ORDER BY j.created_at {direction}, j.id {direction}"""
    page = as_page(
        EXPORT,
        rows=f"SELECT {columns} {source} {LIMITS}",
        more=beyond(source),
        value="created_at",
        direction=direction,
        backwards=backwards,
    )
    return f"""
    /* export_page */
    SELECT page.*, (SELECT count(*) FROM conversations_exportjob j WHERE j.user_id = %(user)s) AS total
      FROM ({page}) AS page
    """


def export_page(
    *, user_id: UUID, limit: int, offset: int = 0, after: Sequence[Any] | None = None, backwards: bool = False
) -> ListPage:
    """One page of a person's exports, newest first; `after` is the end of the page before."""
    position = {"value": after[0], "id": after[1]} if after else {}
    params = {"user": user_id, "limit": limit, "offset": offset, **position}
    row = fetch_one(_page_statement(after is not None, backwards), params)
    assert row is not None  # an aggregate has always its one row
    return ListPage(Page.of(row), row["total"])
