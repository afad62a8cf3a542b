"""Reading imports: one with the beginning of its report, a page of the list, a page of a report."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import UUID

from chatstore.sql import Row, fetch_one
from conversations.problems import ImportForbidden, ImportNotFound
from conversations.queries.columns import Columns
from conversations.queries.pages import LIMITS, Page, as_page, beyond

ITEMS_SHOWN = 100  # of the report, with the import itself

IMPORT = Columns(
    plain=(
        "id",
        "status",
        "format",
        "format_asked",
        "reason",
        "detail",
        "resumed",
        "conversations_imported",
        "conversations_updated",
        "conversations_unchanged",
        "imported_count",
        "updated_count",
        "unchanged_count",
        "attachments_stored",
        "attachments_missing",
        "documents_imported",
        "documents_updated",
        "documents_unchanged",
        "skipped_count",
        "failed_count",
        "progress",
        "can_retry",
    ),
    times=("created_at", "started_at", "finished_at"),
)
ITEM = Columns(
    plain=("index", "external_id", "outcome", "reason", "detail", "pointer", "conversation_id"),
    times=(),
)

# What an answer says of an import that is not a column of its own.
_SHOWN = """
    j.*, j.conversations_skipped AS skipped_count, j.conversations_failed + j.documents_failed AS failed_count,
    json_build_object('done', j.done, 'total', j.total,
                      'bytes_done', least(j.bytes_done, j.bytes_total), 'bytes_total', j.bytes_total) AS progress,
    j.files <> '{}' AND j.status NOT IN ('queued', 'running') AS can_retry
"""
# Uses import_item_once.
_ITEMS = f"""
    SELECT coalesce(json_agg({ITEM.as_json("i")} ORDER BY i.place), '[]'::json)
      FROM (SELECT i.* FROM conversations_importitem i
             WHERE i.user_id = %(user)s AND i.job_id = %(job)s ORDER BY i.place LIMIT {ITEMS_SHOWN}) AS i
"""
# Uses the table's key.
IMPORT_GET = f"""
    /* import_get */
    SELECT {IMPORT.select("j")}, ({_ITEMS}) AS items
      FROM (SELECT {_SHOWN} FROM conversations_importjob j WHERE j.user_id = %(user)s AND j.id = %(job)s) AS j
"""
# Uses import_by_id.
STANDING = """
    /* resolver: rows of all owners */
    SELECT EXISTS (SELECT FROM conversations_importjob j WHERE j.id = %(job)s) AS is_anothers
"""


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page, and how many there are in all."""

    page: Page
    total: int


def refuse_import(*, job_id: UUID) -> NoReturn:
    """Say why a statement found no such import of this person's."""
    row = fetch_one(STANDING, {"job": job_id})
    raise ImportForbidden() if row and row["is_anothers"] else ImportNotFound()


def import_get(*, user_id: UUID, job_id: UUID) -> Row:
    """One import, with the first ITEMS_SHOWN of its report. Raises ImportNotFound, ImportForbidden."""
    row = fetch_one(IMPORT_GET, {"user": user_id, "job": job_id})
    if row is None:
        refuse_import(job_id=job_id)
    return row


@functools.cache
def _page_statement(continued: bool, backwards: bool) -> str:
    """IMPORT_PAGE: uses import_by_creation, newest first."""
    direction, way = ("ASC", ">") if backwards else ("DESC", "<")
    after = f"AND (j.created_at, j.id) {way} (%(value)s::timestamptz, %(id)s::uuid)" if continued else ""
    columns = f"""{_SHOWN}"""
    source = f"""
              FROM conversations_importjob j
             WHERE j.user_id = %(user)s {after}
             ORDER BY j.created_at {direction}, j.id {direction}"""
    page = as_page(
        IMPORT,
        rows=f"SELECT {columns} {source} {LIMITS}",
        more=beyond(source),
        value="created_at",
        direction=direction,
        backwards=backwards,
    )
    return f"""
    /* import_page */
    SELECT page.*, (SELECT count(*) FROM conversations_importjob j WHERE j.user_id = %(user)s) AS total
      FROM ({page}) AS page
    """


@functools.cache
def _items_statement(continued: bool, backwards: bool) -> str:
    """IMPORT_ITEMS: uses import_item_once."""
    direction, way = ("DESC", "<") if backwards else ("ASC", ">")
    after = f"AND i.place {way} %(value)s::bigint" if continued else ""
    columns = f"""{ITEM.select("i")}, i.id, i.place AS rank"""
    source = f"""
              FROM conversations_importitem i
             WHERE i.user_id = %(user)s AND i.job_id = %(job)s {after}
             ORDER BY i.place {direction}"""
    page = as_page(
        ITEM,
        rows=f"SELECT {columns} {source} {LIMITS}",
        more=beyond(source),
        value="rank",
        direction=direction,
        backwards=backwards,
    )
    return f"""
    /* import_items */
    SELECT page.*, (SELECT count(*) FROM conversations_importitem i
                     WHERE i.user_id = %(user)s AND i.job_id = %(job)s) AS total
      FROM conversations_importjob j
      CROSS JOIN LATERAL ({page}) AS page
     WHERE j.user_id = %(user)s AND j.id = %(job)s
    """


def import_page(
    *, user_id: UUID, limit: int, offset: int = 0, after: Sequence[Any] | None = None, backwards: bool = False
) -> ListPage:
    """One page of a person's imports, newest first, without their reports; `after` is the end of the page before."""
    params = {"user": user_id, "limit": limit, "offset": offset, **_position(after)}
    row = fetch_one(_page_statement(after is not None, backwards), params)
    assert row is not None  # an aggregate has always its one row
    return ListPage(Page.of(row), row["total"])


def import_items(
    *,
    user_id: UUID,
    job_id: UUID,
    limit: int,
    offset: int = 0,
    after: Sequence[Any] | None = None,
    backwards: bool = False,
) -> ListPage:
    """One page of a report: what failed, what was skipped, then the rest. Raises ImportNotFound, ImportForbidden."""
    params = {"user": user_id, "job": job_id, "limit": limit, "offset": offset, **_position(after)}
    row = fetch_one(_items_statement(after is not None, backwards), params)
    if row is None:
        refuse_import(job_id=job_id)
    return ListPage(Page.of(row), row["total"])


def _position(after: Sequence[Any] | None) -> dict[str, Any]:
    return {"value": after[0], "id": after[1]} if after else {}
