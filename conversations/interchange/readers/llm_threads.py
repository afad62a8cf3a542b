"""Threads of llm 0.32 and later: chains of messages from the end of a turn up to the first message.

`threads`: {id, name, tip_message_hash, forked_from, datetime_utc}; `turns`: {id, thread_id, parent_message_hash,
tip_message_hash, model, …}; `messages`: {hash, parent_hash, role}; `parts`: {message_hash, position, type, text,
payload}. The messages of a thread are all that its tip and the tips of its turns descend from. A turn says when its
answer came, and no message does: so that is metadata (`turn_at`), and no message's time.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from conversations.interchange.databases import Database, Row, Value, plain
from conversations.interchange.readers.conversation_facts import count_or_none, model_in_use
from conversations.interchange.readers.llm_attachments import Shelf, decoded, function_call
from conversations.interchange.readers.unusable import UnusableError, check_ids, no_messages, short_id
from conversations.interchange.records import ConversationRecord, Json, MessageRecord, Role, Trouble
from conversations.interchange.shapes import as_dict, plain_facts, text_or_none
from conversations.interchange.times import parse_time
from conversations.interchange.tree import grown

_ROLES: Mapping[Value, Role] = {"user": "user", "assistant": "assistant", "system": "system", "tool": "tool"}
_MAPPED_OF_TURN = {
    *("id", "thread_id", "parent_message_hash", "tip_message_hash", "model", "resolved_model", "input_tokens"),
    *("output_tokens", "duration_ms", "datetime_utc", "response_json"),
}


class _Link(NamedTuple):
    rowid: Value
    parent: str | None


class _Store:
    """Where each row is: the links of all messages are held, their texts are not."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.shelf = Shelf(database)
        self.part_attachments = self.shelf.linked("part_attachments", "part_id", "attachment_id")
        self.links: dict[str, _Link] = {}
        for row in database.rows("SELECT rowid AS place, hash AS hash, parent_hash AS parent FROM messages"):
            if isinstance(name := row["hash"], str):
                parent = row["parent"]
                self.links[name] = _Link(row["place"], parent if isinstance(parent, str) else None)
        self.parts = self._grouped("SELECT rowid AS place, message_hash AS owner FROM parts ORDER BY position, rowid")
        self.turns = self._grouped("SELECT rowid AS place, thread_id AS owner FROM turns ORDER BY datetime_utc, rowid")

    def _grouped(self, statement: str) -> dict[Value, list[Value]]:
        found: dict[Value, list[Value]] = {}
        for row in self.database.rows(statement):
            found.setdefault(row["owner"], []).append(row["place"])
        return found

    def chain(self, tip: Value, seen: Mapping[str, object]) -> list[str]:
        """The messages from the tip up to one that was seen, oldest first."""
        names: dict[str, None] = {}  # a set that remembers its order
        while isinstance(tip, str) and tip in self.links and tip not in seen and tip not in names:
            names[tip] = None
            tip = self.links[tip].parent
        return list(names)[::-1]


def read_threads(database: Database, *, source: str) -> Iterator[ConversationRecord | Trouble]:
    store = _Store(database)
    for index, thread in enumerate(database.rows("SELECT * FROM threads ORDER BY rowid")):
        facts = plain(thread)
        try:
            check_ids(facts.get("id"))
            yield _conversation(store, facts, source)
        except UnusableError as fault:
            yield fault.trouble(index, short_id(facts.get("id")))


def _conversation(store: _Store, thread: dict[str, Json], source: str) -> ConversationRecord:
    turns = [
        store.database.row("SELECT * FROM turns WHERE rowid = ?", place) for place in store.turns.get(_key(thread), [])
    ]
    tip = thread.get("tip_message_hash")
    tips = [*(turn.get("tip_message_hash") for turn in turns), tip if isinstance(tip, str) else None]
    names: dict[str, None] = {}
    for end in tips:
        names.update(dict.fromkeys(store.chain(end, names)))
    if not names:
        raise no_messages()
    check_ids(*names)
    tree = grown({name: store.links[name].parent for name in names}, bearing=names)
    by_tip = {turn.get("tip_message_hash"): turn for turn in turns}
    messages = {name: _message(store, name, tree.anchors[name], by_tip.get(name, {})) for name in tree.order}
    current = next((end for end in reversed(tips) if isinstance(end, str) and end in messages), tree.order[-1])
    return ConversationRecord(
        source=source,
        external_id=short_id(thread.get("id")),
        title=text_or_none(thread.get("name")),
        created_at=parse_time(thread.get("datetime_utc")),
        updated_at=_latest(thread, turns),
        model=model_in_use(messages, current),
        metadata=plain_facts({"forked_from": thread.get("forked_from")}),
        current_external_id=current,
        messages=tuple(messages.values()),
        raw={"thread": thread},
    )


def _message(store: _Store, name: str, parent: str | None, turn: Row) -> MessageRecord:
    row = plain(store.database.row("SELECT * FROM messages WHERE rowid = ?", store.links[name].rowid))
    rows = [store.database.row("SELECT * FROM parts WHERE rowid = ?", place) for place in store.parts.get(name, [])]
    parts = [_part(store.shelf, part) for part in rows]
    texts = [text for part in parts if part["type"] == "text" and (text := text_or_none(part.get("text")))]
    results = [part for part in parts if part["type"] == "tool_result"]
    outputs = [text_or_none(part.get("output")) or "" for part in results]
    calls = [part for part in parts if part["type"] == "tool_call"]
    said_by_text = len(parts) <= 1 and all(part.keys() == {"type", "text"} and texts for part in parts)
    facts = plain(turn)
    return MessageRecord(
        external_id=name,
        parent_external_id=parent,
        role=_ROLES.get(text_or_none(row.get("role")), "assistant"),
        content="\n\n".join(texts or outputs),
        parts=() if said_by_text else tuple(parts),
        model=text_or_none(facts.get("resolved_model")) or text_or_none(facts.get("model")) or "",
        tool_calls=[_call(f"{name}:{number}", call) for number, call in enumerate(calls)] or None,
        tool_results=_results(results),
        metadata=_facts(row, facts),
        tokens_in=count_or_none(facts.get("input_tokens")),
        tokens_out=count_or_none(facts.get("output_tokens")),
        response_time_ms=count_or_none(facts.get("duration_ms")),
        attachments=store.shelf.attachments(
            attachment for part in rows for attachment in store.part_attachments.get(part.get("id"), [])
        ),
        raw={"message": row, "parts": [plain(part) for part in rows], **({"turn": facts} if turn else {})},
    )


def _part(shelf: Shelf, row: Row) -> dict[str, Json]:
    """A part as llm itself puts it together: its type, its text, and the rest from the payload."""
    facts = plain(row)
    part: dict[str, Json] = {"type": facts.get("type"), **as_dict(decoded(row.get("payload")))}
    if isinstance(facts.get("text"), str):
        part["text"] = facts["text"]
    elif isinstance(pieces := part.get("text_ref"), list):
        part["text"] = "".join(_piece(shelf, as_dict(piece)) for piece in pieces)
    return part


def _piece(shelf: Shelf, piece: dict[str, Json]) -> str:
    if isinstance(literal := piece.get("literal"), str):
        return literal
    number = piece.get("fragment")
    return text_or_none(plain(shelf.fragment(number if isinstance(number, int) else None)).get("content")) or ""


def _call(name: str, part: dict[str, Json]) -> Json:
    return function_call(
        text_or_none(part.get("tool_call_id")) or name, text_or_none(part.get("name")), part.get("arguments")
    )


def _results(parts: list[dict[str, Json]]) -> list[Json] | None:
    """A message of several results has the text of all as its content, and each its own beside its id."""
    found: list[Json] = []
    for part in parts:
        own: dict[str, Json] = {"content": part.get("output")} if len(parts) > 1 else {}
        found.append({"tool_call_id": part.get("tool_call_id"), "name": part.get("name"), **own})
    return found or None


def _facts(row: dict[str, Json], turn: dict[str, Json]) -> dict[str, Json]:
    own: dict[str, Json] = {
        "author_role": row.get("role") if row.get("role") not in list(_ROLES) else None,
        "turn_at": turn.get("datetime_utc"),
    }
    return plain_facts(turn, without=_MAPPED_OF_TURN) | plain_facts(own)


def _latest(thread: dict[str, Json], turns: Iterable[Row]) -> datetime | None:
    times = [parse_time(plain(turn).get("datetime_utc")) for turn in turns]
    return max((moment for moment in times if moment), default=parse_time(thread.get("datetime_utc")))


def _key(thread: dict[str, Json]) -> Value:
    name = thread.get("id")
    return name if isinstance(name, str) else None
