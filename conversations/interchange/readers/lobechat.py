"""LobeChat's export: v1 {exportType, state: {messages, sessions, topics}}, v2 {mode: "pglite", schemaHash, data}.

`data` are tables: messages, topics, sessions, agents, messagePlugins (a tool's call, under the id of its answer), …
A conversation is a topic; what a session holds without a topic is one more. Rows are in no order, and a parent may be
missing: then a message follows the one before it in time. v1 has times in milliseconds, v2 in ISO 8601.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.readers.conversation_facts import model_in_use, span
from conversations.interchange.readers.lobechat_message import message_record
from conversations.interchange.readers.unusable import (
    Found,
    UnusableError,
    check_ids,
    no_messages,
    not_an_object,
    short_id,
)
from conversations.interchange.records import ConversationRecord, DocumentRecord, Json
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none
from conversations.interchange.times import EPOCH, parse_time
from conversations.interchange.tree import current_leaf, distinct, grown

NAME = "lobechat"

_DOCUMENTS = {"agents": "agent", "sessionGroups": "folder", "userMemories": "memory"}
_MAPPED = {"id", "title", "favorite", "createdAt", "updatedAt", "sessionId", "clientId", "userId"}

Row = dict[str, Json]
Place = tuple[str, str]  # session and topic, "" for none


def recognises(sample: Json) -> bool:
    match sample:
        case {"exportType": str(), "state": dict()}:
            return True
        case {"schemaHash": _, "data": dict()} | {"mode": "pglite" | "postgres", "data": dict()}:
            return True
    return False


def read(items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE) -> Iterator[Found]:
    """One record a topic, one a session's messages without topic, and a document each agent, folder and memory.

    Troubles: no_messages (skipped: a topic without messages, or a file); not_an_object, external_id_too_long (failed).
    """
    for index, item in enumerate(items):
        try:
            if not isinstance(item, dict):
                raise not_an_object()
            yield from _Export(index, item).found()
        except UnusableError as fault:
            yield fault.trouble(index, None)


class _Export:
    """The tables of one export, and what belongs together in them."""

    def __init__(self, index: int, item: Row) -> None:
        self._index = index
        self._key = "data" if isinstance(item.get("data"), dict) else "state"
        self._tables = as_dict(item.get(self._key))
        self._topics = self._by_id("topics")
        self._sessions = self._by_id("sessions")
        self._plugins = self._by_id("messagePlugins")
        self._places: dict[Place, list[Row]] = {}

    def found(self) -> Iterator[Found]:
        for position, message in enumerate(as_list(self._tables.get("messages"))):
            if isinstance(message, dict):
                topic = first_text(message, "topicId")
                session = first_text(message, "sessionId") or first_text(self._topics.get(topic, {}), "sessionId")
                self._places.setdefault((session, topic), []).append(message)
            else:
                yield not_an_object(f"/{self._key}/messages/{position}").trouble(self._index, None)
        for place, messages in self._places.items():
            try:
                yield self._conversation(place, messages)
            except UnusableError as fault:
                yield fault.trouble(self._index, short_id(place[1] or place[0]))
        said = {topic for _, topic in self._places}
        for topic in self._topics:
            if topic not in said:
                yield no_messages(f"/{self._key}/topics").trouble(self._index, short_id(topic))
        yield from self._documents()

    def _by_id(self, table: str) -> dict[str, Row]:
        rows = map(as_dict, as_list(self._tables.get(table)))
        return {name: row for row in rows if (name := first_text(row, "id"))}

    def _conversation(self, place: Place, rows: list[Row]) -> ConversationRecord:
        session, topic = self._sessions.get(place[0], {}), self._topics.get(place[1], {})
        identity = place[1] or f"session:{place[0] or 'inbox'}"
        check_ids(identity, *(row.get("id") for row in rows))
        ordered = sorted(rows, key=_when)
        names = distinct([text_or_none(row.get("id")) or str(position) for position, row in enumerate(ordered)])
        by_name = dict(zip(names, ordered, strict=True))
        tree = grown(_parents(by_name), bearing=by_name)
        messages = {
            name: message_record(name, tree.anchors[name], by_name[name], self._plugins.get(name, {}))
            for name in tree.order
        }
        current = current_leaf(tree, declared=None, times={name: said.created_at for name, said in messages.items()})
        earliest, latest = span(messages.values())
        created, updated = _time(topic, "createdAt"), _time(topic, "updatedAt")
        title = (
            first_text(topic, "title")
            or first_text(session, "title")
            or first_text(as_dict(session.get("meta")), "title")
        )
        return ConversationRecord(
            source=NAME,
            external_id=identity,
            title=title or None,
            created_at=created or earliest,
            updated_at=updated or latest or created,
            model=model_in_use(messages, current),
            metadata=plain_facts({"session_id": place[0]}) | plain_facts(topic, without=_MAPPED),
            starred=topic.get("favorite") in (True, 1),
            current_external_id=current,
            messages=tuple(messages.values()),
            raw={"topic": topic or None, "session": session or None},
        )

    def _documents(self) -> Iterator[DocumentRecord]:
        for table, kind in _DOCUMENTS.items():
            for name, row in self._by_id(table).items():
                if short_id(name) is not None:
                    title = first_text(row, "title", "name")
                    yield DocumentRecord(source=NAME, kind=kind, external_id=name, title=title, raw=row)


def _when(row: Row) -> datetime:
    return _time(row, "createdAt") or EPOCH


def _time(row: Row, key: str) -> datetime | None:
    return parse_time(row.get(key))


def _parents(rows: Mapping[str, Row]) -> dict[str, str | None]:
    """The stated parent where it is here, the message before where there is none."""
    found: dict[str, str | None] = {}
    before: str | None = None
    for name, row in rows.items():
        stated = first_text(row, "parentId")
        found[name] = stated if stated in rows and stated != name else before
        before = name
    return found
