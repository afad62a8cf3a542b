"""Conversations of llm up to 0.31: a response is a row of a prompt and its answer.

`conversations`: {id, name, model}; `responses`: {id, model, prompt, system, response, prompt_json, options_json,
response_json, conversation_id, duration_ms, datetime_utc, input_tokens, output_tokens, reasoning, …}. `tool_calls` are
those the response makes; `tool_results` of a response came in with its prompt. Rows are in the order of their ids,
which are ULIDs: they begin with the time.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime

from conversations.interchange.databases import Database, Value, plain
from conversations.interchange.readers.conversation_facts import count_or_none, model_in_use, span
from conversations.interchange.readers.llm_attachments import Shelf, function_call
from conversations.interchange.readers.unusable import UnusableError, check_ids, no_messages, short_id
from conversations.interchange.records import ConversationRecord, Json, MessageRecord, Trouble
from conversations.interchange.shapes import plain_facts, text_or_none
from conversations.interchange.times import parse_time

_FACTS = {"options_json", "schema_id", "token_details"}
_SUFFIX = 20  # characters that a message's id adds to the response's

Row = dict[str, Json]


class _Log:
    """Where each row is, by the response or conversation it belongs to."""

    def __init__(self, database: Database, moved: Collection[Value]) -> None:
        self.database = database
        self.shelf = Shelf(database)
        self.responses: dict[Value, list[Value]] = {}
        statement = "SELECT rowid AS place, id AS id, conversation_id AS owner FROM responses ORDER BY id"
        for row in database.rows(statement):
            if row["id"] not in moved:
                self.responses.setdefault(row["owner"], []).append(row["place"])
        self.files = self.shelf.linked("prompt_attachments", "response_id", "attachment_id")
        self.fragments = self.shelf.linked("prompt_fragments", "response_id", "fragment_id")
        self.system_fragments = self.shelf.linked("system_fragments", "response_id", "fragment_id")
        self.calls = self._owned("tool_calls")
        self.results = self._owned("tool_results")

    def _owned(self, table: str) -> dict[Value, list[Value]]:
        found: dict[Value, list[Value]] = {}
        if table in self.database.tables:
            for row in self.database.rows(f"SELECT rowid AS place, response_id AS owner FROM {table} ORDER BY rowid"):
                found.setdefault(row["owner"], []).append(row["place"])
        return found

    def rows(self, table: str, places: Collection[Value]) -> list[Row]:
        return [plain(self.database.row(f"SELECT * FROM {table} WHERE rowid = ?", place)) for place in places]

    def fragment_parts(self, kind: str, numbers: Collection[Value]) -> tuple[Json, ...]:
        """Texts that were put before a prompt: llm logs them beside it."""
        rows = [plain(self.shelf.fragment(number)) for number in numbers]
        return tuple({"type": kind, "source": row.get("source"), "text": row.get("content")} for row in rows if row)


def read_responses(
    database: Database, *, source: str, moved: Collection[Value]
) -> Iterator[ConversationRecord | Trouble]:
    """One record a conversation, and one of each response without; those whose ids are `moved` stand elsewhere too."""
    log = _Log(database, moved)
    listed = (plain(row) for row in database.rows("SELECT * FROM conversations ORDER BY rowid"))
    for index, conversation in enumerate(listed):
        name = text_or_none(conversation.get("id"))
        places = log.responses.pop(name, [])
        if places or not moved:
            yield _found(log, conversation, places, source, index)
    for owner, places in list(log.responses.items()):
        for group in [places] if owner is not None else [[place] for place in places]:
            yield _found(log, {"id": owner if isinstance(owner, str) else None}, group, source, 0)


def _found(log: _Log, conversation: Row, places: list[Value], source: str, index: int) -> ConversationRecord | Trouble:
    try:
        check_ids(conversation.get("id"))
        return _conversation(log, conversation, log.rows("responses", places), source)
    except UnusableError as fault:
        return fault.trouble(index, short_id(conversation.get("id")))


def _conversation(log: _Log, conversation: Row, responses: list[Row], source: str) -> ConversationRecord:
    messages: dict[str, MessageRecord] = {}
    last: str | None = None
    system = ""
    for response in responses:
        own = text_or_none(response.get("system")) or ""
        for message in _messages(log, response, with_system=own != system):
            messages[message.external_id] = replace(message, parent_external_id=last)
            last = message.external_id
        system = own or system
    if not messages:
        raise no_messages()
    earliest, latest = span(messages.values())
    return ConversationRecord(
        source=source,
        external_id=short_id(conversation.get("id")) or short_id(responses[0].get("id")),
        title=text_or_none(conversation.get("name")),
        created_at=earliest,
        updated_at=latest,
        model=text_or_none(conversation.get("model")) or model_in_use(messages, last),
        current_external_id=last,
        messages=tuple(messages.values()),
        raw={"conversation": conversation},
    )


def _messages(log: _Log, response: Row, *, with_system: bool) -> Iterator[MessageRecord]:
    """What went to the model, in the order it got it, and what it answered. The row is the answer's `raw`."""
    name = text_or_none(response.get("id")) or ""
    check_ids(f"{name}{' ' * _SUFFIX}")
    at = parse_time(response.get("datetime_utc"))
    system, prompt = text_or_none(response.get("system")), text_or_none(response.get("prompt"))
    system_parts = log.fragment_parts("system_fragment", log.system_fragments.get(name, []))
    if (system or system_parts) and with_system:
        yield MessageRecord(
            external_id=f"{name}:system", role="system", content=system or "", parts=system_parts, created_at=at
        )
    results = log.rows("tool_results", log.results.get(name, []))
    for number, result in enumerate(results):
        yield _result(f"{name}:result:{number}", result, at)
    parts = log.fragment_parts("fragment", log.fragments.get(name, []))
    files = log.shelf.attachments(log.files.get(name, []))
    if prompt or parts or files or not results:
        yield MessageRecord(
            external_id=f"{name}:prompt",
            role="user",
            content=prompt or "",
            parts=parts,
            created_at=at,
            attachments=files,
        )
    yield _answer(log, name, response)


def _result(name: str, row: Row, at: datetime | None) -> MessageRecord:
    return MessageRecord(
        external_id=name,
        role="tool",
        content=text_or_none(row.get("output")) or "",
        created_at=at,
        tool_results=[{"tool_call_id": row.get("tool_call_id"), "name": row.get("name")}],
        metadata=plain_facts({"exception": row.get("exception")}),
        raw={"tool_result": row},
    )


def _answer(log: _Log, name: str, response: Row) -> MessageRecord:
    calls = log.rows("tool_calls", log.calls.get(name, []))
    thought = text_or_none(response.get("reasoning"))
    return MessageRecord(
        external_id=name,
        role="assistant",
        content=text_or_none(response.get("response")) or "",
        parts=({"type": "reasoning", "text": thought},) if thought else (),
        model=text_or_none(response.get("resolved_model")) or text_or_none(response.get("model")) or "",
        created_at=parse_time(response.get("datetime_utc")),
        tool_calls=[_call(f"{name}:call:{number}", call) for number, call in enumerate(calls)] or None,
        metadata=plain_facts({key: response.get(key) for key in _FACTS}),
        tokens_in=count_or_none(response.get("input_tokens")),
        tokens_out=count_or_none(response.get("output_tokens")),
        response_time_ms=count_or_none(response.get("duration_ms")),
        raw={"response": response, **({"tool_calls": list[Json](calls)} if calls else {})},
    )


def _call(name: str, row: Row) -> Json:
    return function_call(text_or_none(row.get("tool_call_id")) or name, text_or_none(row.get("name")), row["arguments"])
