"""Reading a conversation: one index range where it never branched, a walk from the leaf where it did."""

from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, NamedTuple
from uuid import UUID

from accounts.queries import CALLER_IS_LIVE
from chatstore.problems import InvalidCursor
from chatstore.sql import fetch_one
from conversations.queries.columns import MESSAGE, message_probe
from conversations.queries.pages import LIMITS, Page, as_page, beyond
from conversations.queries.standing import refuse_conversation, refuse_message

Order = Literal["asc", "desc"]


class Position(NamedTuple):
    """Where a page ends: the time and id of its last message, and the leaf of the branch when it was walked."""

    created_at: str
    id: str
    leaf: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """A page of messages, how many there are in all, and the conversation's version."""

    page: Page
    total: int
    version: int
    leaf: str | None = None  # of a walked branch


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """What to read. `after` continues in reading direction; `backwards` goes the other way, to the page before."""

    user_id: UUID
    conversation_id: UUID
    session_id: UUID | None = None  # accounts.queries.CALLER_IS_LIVE
    limit: int = 50
    order: Order = "asc"
    offset: int = 0
    after: Position | None = None
    backwards: bool = False
    include_hidden: bool = False
    branch: UUID | Literal["all"] | None = None

    @property
    def reading(self) -> "Reading":
        """Which of the statements reads it."""
        return (self.order == "asc") is not self.backwards, self.after is not None, self.backwards

    def params(self) -> dict[str, Any]:
        return {
            "user": self.user_id,
            "session": self.session_id,
            "conversation": self.conversation_id,
            "limit": self.limit,
            "offset": self.offset,
            "after_at": self.after.created_at if self.after else None,
            "after_id": self.after.id if self.after else None,
            "hidden": self.include_hidden,
            "leaf": self.branch if isinstance(self.branch, UUID) else (self.after.leaf if self.after else None),
        }


_HEADER = "c.version AS c_version, c.linear AS c_linear, c.message_count AS c_count, c.hidden_count AS c_hidden"


def _linear_statement(*, ascending: bool, continued: bool, backwards: bool, whole_tree: bool) -> str:
    """Uses message_reading_order: one range scan, no sort. The owner is in the key, not in a second query.

    A row comparison, not "created_at > x OR (…)": the planner takes it as one index condition.
    """
    direction, way = ("ASC", ">") if ascending else ("DESC", "<")
    after = f"AND (m.created_at, m.id) {way} (%(after_at)s::timestamptz, %(after_id)s::uuid)" if continued else ""
    source = f"""
              FROM conversations_message m
             WHERE m.user_id = %(user)s AND m.conversation_id = %(conversation)s AND m.deleted_at IS NULL
               AND (%(hidden)s OR NOT m.hidden) {after}
             ORDER BY m.created_at {direction}, m.id {direction}"""
    total = "c.message_count - CASE WHEN %(hidden)s THEN 0 ELSE c.hidden_count END"
    page = as_page(
        MESSAGE,
        rows=f"SELECT m.* {source} {LIMITS}",
        more=beyond(source) if continued else f"{total} > %(offset)s::bigint + %(limit)s::int",
        value="created_at",
        direction=direction,
        backwards=backwards,
    )
    return f"""
    /* history_page */
    SELECT {_HEADER}, page.*
      FROM conversations_conversation c
      LEFT JOIN LATERAL ({page}) AS page ON {"true" if whole_tree else "c.linear"}
     WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NULL AND {CALLER_IS_LIVE}
    """


Reading = tuple[bool, bool, bool]  # ascending, continued, backwards
READINGS: list[Reading] = [(a, c, b) for a, c, b in product((True, False), repeat=3)]
LINEAR = {
    (reading, whole_tree): _linear_statement(
        ascending=reading[0], continued=reading[1], backwards=reading[2], whole_tree=whole_tree
    )
    for reading in READINGS
    for whole_tree in (True, False)
}

# From the leaf to its root. `steps` counts from the leaf; places are counted from the root, where they never change:
# a branch grows only at its end. Messages in the trash are walked through, and not shown.
PATH = f"""
    RECURSIVE path AS (
        SELECT m.id, m.parent_id, m.created_at, m.hidden, m.deleted_at, 0 AS steps
          FROM conversations_message m
         WHERE m.user_id = %(user)s AND m.conversation_id = %(conversation)s
           AND m.id = coalesce(%(leaf)s::uuid, (SELECT c.current_message_id FROM conversations_conversation c
                                                 WHERE c.user_id = %(user)s AND c.id = %(conversation)s))
         UNION ALL
        SELECT m.id, m.parent_id, m.created_at, m.hidden, m.deleted_at, path.steps + 1
          FROM path
          CROSS JOIN {message_probe("path.parent_id")}
    )
"""


def _walk_statement(*, ascending: bool, continued: bool, backwards: bool) -> str:
    """Uses the key of messages: one probe for each message of the branch."""
    direction, way = ("DESC", "<") if ascending else ("ASC", ">")
    after = f"AND path.steps {way} (SELECT p.steps FROM path p WHERE p.id = %(after_id)s::uuid)" if continued else ""
    source = f"FROM shown AS path WHERE true {after} ORDER BY path.steps {direction}"
    rows = f"""
            SELECT m.*, page.steps
              FROM (SELECT path.id, path.steps {source} {LIMITS}) AS page
              CROSS JOIN {message_probe("page.id")}"""
    page = as_page(
        MESSAGE,
        rows=rows,
        more=beyond(source),
        value="created_at",
        direction=direction,
        backwards=backwards,
        order="steps",
    )
    return f"""
    /* branch_page */
    WITH {PATH},
    shown AS (SELECT path.* FROM path WHERE path.deleted_at IS NULL AND (%(hidden)s OR NOT path.hidden))
    SELECT {_HEADER}, (SELECT count(*) FROM shown) AS c_total,
           (SELECT path.id FROM path WHERE path.steps = 0) AS c_leaf,
           (SELECT path.deleted_at IS NOT NULL FROM path WHERE path.steps = 0) AS c_leaf_in_trash,
           {"(SELECT count(*) FROM path WHERE path.id = %(after_id)s::uuid)" if continued else "1"} AS c_known, page.*
      FROM conversations_conversation c
      LEFT JOIN LATERAL ({page}) AS page ON true
     WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NULL AND {CALLER_IS_LIVE}
    """


WALK = {
    reading: _walk_statement(ascending=reading[0], continued=reading[1], backwards=reading[2]) for reading in READINGS
}


def history_page(request: HistoryRequest) -> HistoryPage:
    """One page of a branch, or of the whole tree, in the order asked for, as JSON.

    Raises the refusals of the conversation, those of a message for a branch that is none, InvalidCursor.
    """
    whole_tree = request.branch == "all"
    if not isinstance(request.branch, UUID) and not (request.after and request.after.leaf):
        row = fetch_one(LINEAR[request.reading, whole_tree], request.params())
        if row is None:
            refuse_conversation(user_id=request.user_id, conversation_id=request.conversation_id)
        if whole_tree or row["c_linear"]:
            total = row["c_count"] - (0 if request.include_hidden else row["c_hidden"])
            return HistoryPage(Page.of(row), total, row["c_version"])
    return _walked_page(request)


def _walked_page(request: HistoryRequest) -> HistoryPage:
    row = fetch_one(WALK[request.reading], request.params())
    if row is None:
        refuse_conversation(user_id=request.user_id, conversation_id=request.conversation_id)
    if isinstance(request.branch, UUID) and row["c_leaf_in_trash"] is not False:  # None: there is no such message
        refuse_message(user_id=request.user_id, conversation_id=request.conversation_id, message_id=request.branch)
    if not row["c_known"]:
        raise InvalidCursor("The branch that this list ran along is no longer the active one.")
    return HistoryPage(Page.of(row), row["c_total"], row["c_version"], row["c_leaf"])
