"""Reading a conversation: one index range where it never branched, a walk from the leaf where it did."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from uuid import UUID

from chatstore.problems import InvalidCursor
from chatstore.sql import Row, fetch_all
from conversations.queries.columns import MESSAGE
from conversations.queries.standing import refuse_conversation, refuse_message

Order = Literal["asc", "desc"]


class Position(NamedTuple):
    """Where a page ends: the time and id of its last message, and the leaf of the branch when it was walked."""

    created_at: str
    id: str
    leaf: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Messages in the order asked for, how many there are in all, and whether more lie beyond either end."""

    messages: list[Row]
    total: int
    version: int
    has_more: bool
    leaf: str | None = None  # of a walked branch


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """What to read. `after` continues in reading direction; `backwards` goes the other way, to the page before."""

    user_id: UUID
    conversation_id: UUID
    limit: int = 50
    order: Order = "asc"
    offset: int = 0
    after: Position | None = None
    backwards: bool = False
    include_hidden: bool = False
    branch: UUID | Literal["all"] | None = None

    @property
    def ascending(self) -> bool:
        return (self.order == "asc") is not self.backwards

    def params(self) -> dict[str, Any]:
        return {
            "user": self.user_id,
            "conversation": self.conversation_id,
            "limit": self.limit + 1,
            "offset": self.offset,
            "after_at": self.after.created_at if self.after else None,
            "after_id": self.after.id if self.after else None,
            "hidden": self.include_hidden,
            "leaf": self.branch if isinstance(self.branch, UUID) else (self.after.leaf if self.after else None),
        }


_HEADER = """c.version AS c_version, c.linear AS c_linear, c.message_count AS c_count, c.hidden_count AS c_hidden"""
_HEADER_NAMES = ("c_version", "c_linear", "c_count", "c_hidden")


def _linear_statement(*, ascending: bool, continued: bool, whole_tree: bool) -> str:
    """Uses message_reading_order: one range scan, no sort. The owner is in the key, not in a second query.

    A row comparison, not "created_at > x OR (…)": the planner takes it as one index condition.
    """
    direction, beyond = ("ASC", ">") if ascending else ("DESC", "<")
    after = f"AND (m.created_at, m.id) {beyond} (%(after_at)s::timestamptz, %(after_id)s::uuid)" if continued else ""
    return f"""
    /* history_page */
    SELECT {_HEADER}, page.*
      FROM conversations_conversation c
      LEFT JOIN LATERAL (
           SELECT {MESSAGE.select("m")}
             FROM conversations_message m
            WHERE m.user_id = %(user)s AND m.conversation_id = %(conversation)s AND m.deleted_at IS NULL
              AND (%(hidden)s OR NOT m.hidden) {after}
            ORDER BY m.created_at {direction}, m.id {direction}
            LIMIT %(limit)s OFFSET %(offset)s
           ) AS page ON {"true" if whole_tree else "c.linear"}
     WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NULL
    """


LINEAR = {
    (ascending, continued, whole_tree): _linear_statement(
        ascending=ascending, continued=continued, whole_tree=whole_tree
    )
    for ascending in (True, False)
    for continued in (True, False)
    for whole_tree in (True, False)
}

# From the leaf to its root. `steps` counts from the leaf; places are counted from the root, where they never change:
# a branch grows only at its end. Messages in the trash are walked through, and not shown.
PATH = """
    RECURSIVE path AS (
        SELECT m.id, m.parent_id, m.created_at, m.hidden, m.deleted_at, 0 AS steps
          FROM conversations_message m
         WHERE m.user_id = %(user)s AND m.conversation_id = %(conversation)s
           AND m.id = coalesce(%(leaf)s::uuid, (SELECT c.current_message_id FROM conversations_conversation c
                                                 WHERE c.user_id = %(user)s AND c.id = %(conversation)s))
         UNION ALL
        SELECT m.id, m.parent_id, m.created_at, m.hidden, m.deleted_at, path.steps + 1
          FROM path
          JOIN conversations_message m
            ON m.user_id = %(user)s AND m.conversation_id = %(conversation)s AND m.id = path.parent_id
    )
"""


def _walk_statement(*, ascending: bool, continued: bool) -> str:
    """Uses the key of messages: one probe for each message of the branch."""
    direction, beyond = ("DESC", "<") if ascending else ("ASC", ">")
    after = f"AND path.steps {beyond} (SELECT p.steps FROM path p WHERE p.id = %(after_id)s::uuid)" if continued else ""
    return f"""
    /* branch_page */
    WITH {PATH},
    shown AS (SELECT path.* FROM path WHERE path.deleted_at IS NULL AND (%(hidden)s OR NOT path.hidden)),
    page AS (
        SELECT path.id, path.steps FROM shown AS path WHERE true {after}
         ORDER BY path.steps {direction} LIMIT %(limit)s OFFSET %(offset)s
    )
    SELECT {_HEADER}, (SELECT count(*) FROM shown) AS c_total,
           (SELECT path.id FROM path WHERE path.steps = 0) AS c_leaf,
           {"(SELECT count(*) FROM path WHERE path.id = %(after_id)s::uuid)" if continued else "1"} AS c_known,
           {MESSAGE.select("m")}
      FROM conversations_conversation c
      LEFT JOIN (page JOIN conversations_message m
                   ON m.user_id = %(user)s AND m.conversation_id = %(conversation)s AND m.id = page.id) ON true
     WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NULL
     ORDER BY page.steps {direction}
    """


WALK = {
    (ascending, continued): _walk_statement(ascending=ascending, continued=continued)
    for ascending in (True, False)
    for continued in (True, False)
}


def history_page(request: HistoryRequest) -> HistoryPage:
    """One page of a branch, or of the whole tree, in the order asked for; values as text, ready to render.

    Raises the refusals of the conversation, MessageNotFound for a branch that is none, InvalidCursor.
    """
    whole_tree = request.branch == "all"
    if not isinstance(request.branch, UUID) and not (request.after and request.after.leaf):
        continued = request.after is not None
        rows = fetch_all(LINEAR[request.ascending, continued, whole_tree], request.params())
        if not rows:
            refuse_conversation(user_id=request.user_id, conversation_id=request.conversation_id)
        if whole_tree or rows[0]["c_linear"]:
            header = rows[0]
            total = header["c_count"] - (0 if request.include_hidden else header["c_hidden"])
            return _page(request, rows, total)
    return _walked_page(request)


def _walked_page(request: HistoryRequest) -> HistoryPage:
    rows = fetch_all(WALK[request.ascending, request.after is not None], request.params())
    if not rows:
        refuse_conversation(user_id=request.user_id, conversation_id=request.conversation_id)
    header = rows[0]
    if isinstance(request.branch, UUID) and header["c_leaf"] is None:
        refuse_message(user_id=request.user_id, conversation_id=request.conversation_id, message_id=request.branch)
    if not header["c_known"]:
        raise InvalidCursor("The branch that this list ran along is no longer the active one.")
    leaf = header["c_leaf"]
    total = header["c_total"]
    for row in rows:
        del row["c_total"], row["c_leaf"], row["c_known"]
    return _page(request, rows, total, leaf)


def _page(request: HistoryRequest, rows: list[Row], total: int, leaf: str | None = None) -> HistoryPage:
    version = rows[0]["c_version"]
    for row in rows:
        for name in _HEADER_NAMES:
            del row[name]
    messages = [row for row in rows if row["id"] is not None]
    has_more = len(messages) > request.limit
    messages = messages[: request.limit]
    if request.backwards:
        messages.reverse()
    return HistoryPage(messages, total, version, has_more, leaf)
