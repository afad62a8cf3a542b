"""Reading documents: what imports brought beside conversations."""

import functools
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from accounts.errors import TokenRevoked
from accounts.queries import CALLER_IS_LIVE
from chatstore.sql import fetch_one
from conversations.queries.columns import DOCUMENT
from conversations.queries.pages import LIMITS, Page, as_page, beyond

FILTERS = {"source": "d.source = %(source)s", "kind": "d.kind = %(kind)s"}


@dataclass(frozen=True, slots=True)
class DocumentRequest:
    """What to list. `after` is the time and the id of the row that the page continues from."""

    user_id: UUID
    session_id: UUID | None = None  # accounts.queries.CALLER_IS_LIVE
    limit: int = 20
    offset: int = 0
    filters: dict[str, Any] = field(default_factory=dict)  # of FILTERS
    after: tuple[str, str] | None = None
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """A page of documents, and how many there are in all."""

    page: Page
    total: int


@functools.cache
def _page_statement(filters: tuple[str, ...], continued: bool, backwards: bool) -> str:
    """DOCUMENT_PAGE: uses document_by_creation, from its newest end."""
    direction, way = ("ASC", ">") if backwards else ("DESC", "<")
    where = " AND ".join(["d.user_id = %(user)s", *(FILTERS[name] for name in filters)])
    after = f"AND (d.created_at, d.id) {way} (%(after_at)s::timestamptz, %(after_id)s::uuid)" if continued else ""
    source = f"""
              FROM conversations_document d
             WHERE {where} {after}
             ORDER BY d.created_at {direction}, d.id {direction}"""
    page = as_page(
        DOCUMENT,
        rows=f"SELECT d.* {source} {LIMITS}",
        more=beyond(source),
        value="created_at",
        direction=direction,
        backwards=backwards,
    )
    return f"""
    /* document_page */
    SELECT page.*, (SELECT count(*) FROM conversations_document d WHERE {where}) AS total
      FROM ({page}) AS page
     WHERE {CALLER_IS_LIVE}
    """


def documents_page(request: DocumentRequest) -> DocumentPage:
    """One page of a person's documents, newest first, as JSON."""
    statement = _page_statement(tuple(sorted(request.filters)), request.after is not None, request.backwards)
    params = {
        "user": request.user_id,
        "session": request.session_id,
        "limit": request.limit,
        "offset": request.offset,
        "after_at": request.after[0] if request.after else None,
        "after_id": request.after[1] if request.after else None,
        **request.filters,
    }
    row = fetch_one(statement, params)
    if row is None:  # a list has always its one row, even an empty list
        raise TokenRevoked()
    return DocumentPage(Page.of(row), row["total"])
