"""Questions and answers as a web app kept them: {messages: [{session_id, query, response, timestamp, …}]}.

An item is a message of the user and one of the assistant: model_used, tokens_used, cost_cents, response_cached,
response_time_ms are the answer's. A session is a conversation, in the order of its times. Apps send a session in
several batches: an item without `id` is therefore known by what it says, and not by its place.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.readers.blocks import chained
from conversations.interchange.readers.conversation_facts import LARGEST_COUNT, span
from conversations.interchange.readers.unusable import UnusableError, not_an_object
from conversations.interchange.records import MAX_EXTERNAL_ID, ConversationRecord, Json, MessageRecord, Trouble
from conversations.interchange.shapes import as_dict, first_text, plain_facts
from conversations.interchange.times import EPOCH, parse_time

NAME = "exchanges"

_MAPPED = {"id", "session_id", "query", "response", "timestamp", "model_used", "model", "language"} | {
    *("tokens_used", "cost_cents", "response_cached", "response_time_ms")
}
_LARGEST_COST = Decimal(10**8)
_LONGEST_ID = MAX_EXTERNAL_ID - 20  # what is put after it stays within an identity


@dataclass(frozen=True, slots=True)
class _Exchange:
    session: str
    at: datetime | None
    messages: tuple[MessageRecord, ...]


def recognises(sample: Json) -> bool:
    match sample:
        case {"messages": list(listed)}:
            return any(_is_exchange(item) for item in listed)
    return _is_exchange(sample)


def read(
    items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE
) -> Iterator[ConversationRecord | Trouble]:
    """The Troubles of items that are invalid, then one record a session, in the order in which sessions begin.

    Troubles (skipped): not_an_object, session_id_missing, session_id_too_long, id_too_long, query_missing,
    response_invalid, timestamp_invalid, and …_invalid for each figure. The pointer is that of the value.
    """
    sessions: dict[str, list[_Exchange]] = {}
    for index, item in enumerate(items):
        for pointer, listed in _listed(item):
            try:
                exchange = _exchange(listed)
                sessions.setdefault(exchange.session, []).append(exchange)
            except UnusableError as fault:
                fault.pointer = pointer + fault.pointer
                yield fault.trouble(index, None)
    for session, exchanges in sessions.items():
        yield _conversation(session, exchanges)


def _is_exchange(item: Json) -> bool:
    found = as_dict(item)
    return "query" in found and ("session_id" in found or "response" in found)


def _listed(item: Json) -> Iterator[tuple[str, Json]]:
    match item:
        case {"messages": list(listed)}:
            for place, one in enumerate(listed):
                yield f"/messages/{place}", one
        case _:
            yield "", item


def _invalid(reason: str, detail: str, key: str) -> UnusableError:
    return UnusableError("skipped", reason, detail, f"/{key}")


def _exchange(item: Json) -> _Exchange:
    if not isinstance(item, dict):
        fault = not_an_object()
        fault.outcome = "skipped"
        raise fault
    session, query, response = _session(item), item.get("query"), item.get("response")
    if not isinstance(query, str) or not query:
        raise _invalid("query_missing", "The query is no text, or an empty one.", "query")
    if not isinstance(response, str | None):
        raise _invalid("response_invalid", "The response is neither a text nor null.", "response")
    at = parse_time(item.get("timestamp"))
    if at is None and item.get("timestamp") is not None:
        raise _invalid("timestamp_invalid", "The timestamp names no moment.", "timestamp")
    name = _name(session, item)
    language = first_text(item, "language")
    asked = MessageRecord(
        external_id=f"{name}:query", role="user", content=query, created_at=at, language=language, raw=item
    )
    answered = _answer(f"{name}:response", item, response, at, language)
    return _Exchange(session, at, (asked, answered) if response else (asked,))


def _answer(
    name: str, item: dict[str, Json], response: str | None, at: datetime | None, language: str
) -> MessageRecord:
    cached = item.get("response_cached")
    if not isinstance(cached, bool | None):
        raise _invalid("response_cached_invalid", "response_cached is neither true, false nor null.", "response_cached")
    return MessageRecord(
        external_id=name,
        role="assistant",
        content=response or "",
        model=first_text(item, "model_used", "model"),
        created_at=at,
        language=language,
        tokens_used=_count(item, "tokens_used"),
        cost_cents=_cost(item),
        response_cached=cached,
        response_time_ms=_count(item, "response_time_ms"),
        metadata=plain_facts(item, without=_MAPPED),
    )


def _session(item: dict[str, Json]) -> str:
    session = item.get("session_id")
    if isinstance(session, bool) or not isinstance(session, str | int) or session == "":
        raise _invalid("session_id_missing", "The session_id is missing.", "session_id")
    if len(str(session)) > MAX_EXTERNAL_ID:
        raise _invalid("session_id_too_long", f"The session_id exceeds {MAX_EXTERNAL_ID} characters.", "session_id")
    return str(session)


def _name(session: str, item: dict[str, Json]) -> str:
    own = item.get("id")
    if isinstance(own, str | int) and not isinstance(own, bool) and own != "":
        if len(str(own)) > _LONGEST_ID:
            raise _invalid("id_too_long", f"The id exceeds {_LONGEST_ID} characters.", "id")
        return str(own)
    said = "\0".join((session, str(item.get("timestamp")), str(item.get("query")), str(item.get("response"))))
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _count(item: dict[str, Json], key: str) -> int | None:
    value = item.get(key)
    if value is None:
        return None
    if isinstance(value, float) and abs(value) <= LARGEST_COUNT:
        value = round(value)  # performance.now() gives parts of milliseconds
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_COUNT:
        raise _invalid(f"{key}_invalid", f"{key} is no count.", key)
    return value


def _cost(item: dict[str, Json]) -> Decimal | None:
    value = item.get("cost_cents")
    if value is None:
        return None
    try:
        cost = Decimal(str(value)[:40]) if isinstance(value, str | int | float) and value is not True else None
    except InvalidOperation:
        cost = None
    if cost is None or not cost.is_finite() or not 0 <= cost <= _LARGEST_COST or isinstance(value, bool):
        raise _invalid("cost_cents_invalid", "cost_cents is no amount.", "cost_cents")
    return cost


def _conversation(session: str, exchanges: list[_Exchange]) -> ConversationRecord:
    if all(exchange.at for exchange in exchanges):
        exchanges = sorted(exchanges, key=lambda exchange: exchange.at or EPOCH)
    messages = chained(message for exchange in exchanges for message in exchange.messages)
    earliest, latest = span(messages)
    return ConversationRecord(
        source=NAME,
        external_id=session,
        created_at=earliest,
        updated_at=latest,
        model=next((message.model for message in reversed(messages) if message.model), ""),
        current_external_id=messages[-1].external_id,
        continues=True,
        messages=messages,
        raw={"session_id": session},
    )
