"""Reading conversations: one, and a page of the list."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from accounts.errors import TokenRevoked
from accounts.queries import CALLER_IS_LIVE
from chatstore.sql import Row, fetch_one
from chatstore.storable import MARK
from conversations.queries.columns import CONVERSATION
from conversations.queries.pages import LIMITS, Page, as_page, beyond
from conversations.queries.standing import refuse_conversation

# Uses the table's key.
CONVERSATION_GET = f"""
    /* conversation_get */
    SELECT {CONVERSATION.select("c")}, c.version
      FROM conversations_conversation c
     WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NULL AND {CALLER_IS_LIVE}
"""

# Uses the table's key: all that an unchanged answer needs to know.
CONVERSATION_VERSION = f"""
    /* conversation_version */
    SELECT c.version
      FROM conversations_conversation c
     WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NULL AND {CALLER_IS_LIVE}
"""

_BEFORE = "\ufdd1"  # a noncharacter: the mark before a character
_CHARACTER = re.compile(f"{MARK}[0-9a-f]{{4}}|.", re.DOTALL)
_LIKE = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})

FILTERS = {
    "archived": "c.archived = %(archived)s",
    "starred": "c.starred = %(starred)s",
    "tag": "c.tags @> ARRAY[%(tag)s::text]",
    "model": "c.model = %(model)s",
    "created_after": "c.created_at > %(created_after)s",
    "created_before": "c.created_at < %(created_before)s",
    "updated_after": "c.updated_at > %(updated_after)s",
    "updated_before": "c.updated_at < %(updated_before)s",
    # A stored escape is one character, U+0000 say, and no part of it is what somebody looks for: where a title has one,
    # it is compared once more with a mark before each of its characters, so that nothing matches from within.
    "q": rf"""c.title ILIKE %(q)s ESCAPE '\'
         AND (strpos(c.title, '{MARK}') = 0
              OR regexp_replace(c.title, '({MARK}[0-9a-f]{{4}}|.)', '{_BEFORE}\1', 'g')
                 ILIKE %(q_by_character)s ESCAPE '\')""",
}
ORDERINGS = {"updated_at": "timestamptz", "created_at": "timestamptz", "title": "text"}


class Ordering(NamedTuple):
    """`updated_at`, `created_at` or `title`, and which end comes first."""

    column: str = "updated_at"
    descending: bool = True

    @classmethod
    def named(cls, text: str) -> "Ordering | None":
        """From `-updated_at` and the like; None for what is not offered."""
        column = text.removeprefix("-")
        return cls(column, text.startswith("-")) if column in ORDERINGS and text.count("-") <= 1 else None


NEWEST_FIRST = Ordering()


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What to list; texts in their stored form. `after`: value of the ordering and id of the row to continue from."""

    user_id: UUID
    session_id: UUID | None = None  # accounts.queries.CALLER_IS_LIVE
    limit: int = 20
    offset: int = 0
    ordering: Ordering = NEWEST_FIRST
    in_trash: bool = False
    filters: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, str] | None = None
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page of conversations, and how many there are in all."""

    page: Page
    total: int


@functools.cache
def _page_statement(
    filters: tuple[str, ...], in_trash: bool, column: str, descending: bool, continued: bool, backwards: bool
) -> str:
    """CONVERSATION_PAGE: uses conversation_by_activity (or conversation_by_creation, conversation_in_trash).

    One text for each set of filters: with `x IS NULL OR …` for each, one plan would have to serve them all.
    """
    direction, way = ("DESC", "<") if descending else ("ASC", ">")
    where = " AND ".join(
        [
            "c.user_id = %(user)s",
            f"c.deleted_at IS {'NOT NULL' if in_trash else 'NULL'}",
            *(FILTERS[name] for name in filters),
        ]
    )
    kind = ORDERINGS[column]
    after = f"AND (c.{column}, c.id) {way} (%(after_value)s::{kind}, %(after_id)s::uuid)" if continued else ""
    source = f"""
              FROM conversations_conversation c
             WHERE {where} {after}
             ORDER BY c.{column} {direction}, c.id {direction}"""
    page = as_page(
        CONVERSATION,
        rows=f"SELECT c.* {source} {LIMITS}",
        more=beyond(source) if continued else "every.total > %(offset)s::bigint + %(limit)s::int",
        value=column,
        direction=direction,
        backwards=backwards,
    )
    return f"""
    /* conversation_page */
    SELECT page.*, every.total
      FROM (SELECT count(*) AS total FROM conversations_conversation c WHERE {where}) AS every
      CROSS JOIN LATERAL ({page}) AS page
     WHERE {CALLER_IS_LIVE}
    """


def _title_patterns(words: str) -> dict[str, str]:
    """Words in their stored form as patterns for LIKE, plain and character by character."""
    apart = "".join(f"{_BEFORE}{found[0].translate(_LIKE)}" for found in _CHARACTER.finditer(words))
    return {"q": f"%{words.translate(_LIKE)}%", "q_by_character": f"%{apart}%"}


def conversation_page(request: ListRequest) -> ListPage:
    """One page of a person's conversations, without messages, as JSON."""
    params = {
        "user": request.user_id,
        "session": request.session_id,
        "limit": request.limit,
        "offset": request.offset,
        **request.filters,
        **(_title_patterns(request.filters["q"]) if "q" in request.filters else {}),
        **({"after_value": request.after[0], "after_id": request.after[1]} if request.after else {}),
    }
    statement = _page_statement(
        tuple(sorted(request.filters)),
        request.in_trash,
        request.ordering.column,
        request.ordering.descending is not request.backwards,
        request.after is not None,
        request.backwards,
    )
    row = fetch_one(statement, params)
    if row is None:  # a list has always its one row, even an empty list
        raise TokenRevoked()
    return ListPage(Page.of(row), row["total"])


def conversation_get(*, user_id: UUID, conversation_id: UUID, session_id: UUID | None = None) -> Row:
    """One conversation with its `version`. Raises ConversationNotFound, ConversationForbidden, ConversationInTrash."""
    params = {"user": user_id, "session": session_id, "conversation": conversation_id}
    row = fetch_one(CONVERSATION_GET, params)
    if row is None:
        refuse_conversation(user_id=user_id, conversation_id=conversation_id)
    return row


def conversation_version(*, user_id: UUID, conversation_id: UUID, session_id: UUID | None = None) -> int:
    """What the ETags of a conversation and its pages are made of. Raises as `conversation_get`."""
    version = version_if_any(user_id=user_id, conversation_id=conversation_id, session_id=session_id)
    if version is None:
        refuse_conversation(user_id=user_id, conversation_id=conversation_id)
    return version


def version_if_any(*, user_id: UUID, conversation_id: UUID, session_id: UUID | None = None) -> int | None:
    """The same; None where there is something to refuse."""
    params = {"user": user_id, "session": session_id, "conversation": conversation_id}
    row = fetch_one(CONVERSATION_VERSION, params)
    return row["version"] if row else None
