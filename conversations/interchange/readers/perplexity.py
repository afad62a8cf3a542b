"""Perplexity, as browser extensions save a thread (there is no official file): two shapes.

{metadata: {thread_id, thread_title, …}, conversations: [{uuid, query, answer, sources, …}]}, where all items are one
thread; and what the site's own API says, {entries: [{uuid, query_str, blocks, …}], thread_metadata}. An entry is a
question and its answer, with one time for both: it is the question's, and the answer's is unknown.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.jsonstream import members_beside
from conversations.interchange.readers.reading import (
    UnusableError,
    identity,
    members,
    message_names,
    no_messages,
    webpage,
)
from conversations.interchange.records import ConversationRecord, Json, MessageRecord, Trouble
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts
from conversations.interchange.times import parse_time
from conversations.interchange.tree import normalised

NAME = "perplexity"

_MARK = re.compile(r"\[([0-9]{1,4})\]")
_MAPPED = {
    *("uuid", "query", "answer", "model", "timestamp", "query_str", "display_model"),
    *("entry_created_datetime", "entry_updated_datetime", "thread_title"),
}
_OF_THREAD = {
    "thread_id",
    "thread_title",
    "thread_created_at",
    "thread_updated_at",
    "title",
    "created_at",
    "updated_at",
}


def recognises(sample: Json) -> bool:
    match sample:
        case {"query": _, "answer": _, "uuid": _} | {"query": _, "answer": _, "index": _}:
            return True
        case {"entries": [{"query_str": _}, *_]} | {"metadata": {"thread_title": _}, "conversations": list()}:
            return True
    return False


def read(
    items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE
) -> Iterator[ConversationRecord | Trouble]:
    """One record a thread. Troubles: no_messages (skipped), not_an_object, external_id_too_long (failed)."""
    entries: list[dict[str, Json]] = []
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            yield UnusableError("failed", "not_an_object", "The item is not a JSON object.").trouble(index)
        elif "entries" in item or "metadata" in item:
            yield _or_trouble(item, index)
        else:
            entries.append(item)
    if entries:
        yield _or_trouble({**members_beside(items), "conversations": list(entries)}, 0)


def _or_trouble(thread: dict[str, Json], index: int) -> ConversationRecord | Trouble:
    try:
        return _thread(thread)
    except UnusableError as fault:
        return fault.trouble(index)


def _thread(thread: dict[str, Json]) -> ConversationRecord:
    about = as_dict(thread.get("metadata")) or as_dict(thread.get("thread_metadata"))
    key = "entries" if "entries" in thread else "conversations"
    entries = members(thread, key)
    first: dict[str, Json] = entries[0] if entries else {}
    external_id = (
        identity(about.get("thread_id"))
        or identity(about.get("id"))
        or identity(first.get("thread_url_slug"))
        or identity(first.get("context_uuid"))
    )
    messages = _messages(entries)
    if not messages:
        raise no_messages(external_id)
    return normalised(
        ConversationRecord(
            source=NAME,
            external_id=external_id,
            title=first_text(about, "thread_title", "title") or first_text(first, "thread_title") or None,
            created_at=parse_time(about.get("thread_created_at") or about.get("created_at")),
            updated_at=parse_time(about.get("thread_updated_at") or about.get("updated_at")),
            model=next((message.model for message in reversed(messages) if message.model), ""),
            metadata=plain_facts(about, without=_OF_THREAD),
            current_external_id=messages[-1].external_id,
            messages=tuple(messages),
            raw={name: value for name, value in thread.items() if name != key},
        )
    )


def _messages(entries: Sequence[dict[str, Json]]) -> list[MessageRecord]:
    messages: list[MessageRecord] = []
    names = message_names([identity(entry.get("uuid")) or str(at) for at, entry in enumerate(entries)])
    for name, entry in zip(names, entries, strict=True):
        for said in _exchange(name, entry):
            messages.append(replace(said, parent_external_id=messages[-1].external_id if messages else None))
    return messages


def _exchange(name: str, entry: dict[str, Json]) -> Iterator[MessageRecord]:
    query = first_text(entry, "query", "query_str")
    blocks = [as_dict(block) for block in as_list(entry.get("blocks"))]
    answer = first_text(entry, "answer") or _answer(blocks)
    if query:
        moment = parse_time(entry.get("timestamp") or entry.get("entry_created_datetime"))
        facts = plain_facts(entry, without=_MAPPED)
        yield MessageRecord(
            external_id=f"{name}:query", role="user", content=query, created_at=moment, metadata=facts, raw=entry
        )
    if answer or blocks or not query:
        model = first_text(entry, "model", "display_model")
        yield MessageRecord(
            external_id=f"{name}:answer",
            role="assistant",
            content=answer,
            parts=tuple(blocks),
            model=model,
            updated_at=parse_time(entry.get("entry_updated_datetime")),
            sources=_sources(entry, blocks, answer) or None,
            metadata=plain_facts(entry, structures={"related_queries"}, without=_MAPPED),
            raw=entry,
        )


def _answer(blocks: Sequence[dict[str, Json]]) -> str:
    """The text: what is meant to be asked for first, for other blocks repeat it or a part of it."""
    ordered = sorted(blocks, key=lambda block: block.get("intended_usage") != "ask_text")
    for block in ordered:
        markdown = as_dict(block.get("markdown_block"))
        pieces = "".join(piece for piece in as_list(markdown.get("chunks")) if isinstance(piece, str))
        if text := first_text(markdown, "answer") or pieces:
            return text
    return ""


def _sources(entry: dict[str, Json], blocks: Sequence[dict[str, Json]], answer: str) -> list[Json]:
    """The pages, numbered from 1 as the answer does; with the place of the first mark that names each."""
    places: dict[int, tuple[int, int]] = {}
    for mark in _MARK.finditer(answer):
        places.setdefault(int(mark[1]), mark.span())
    pages = [*as_list(entry.get("sources"))]
    for block in blocks:
        pages.extend(as_list(as_dict(block.get("web_result_block")).get("web_results")))
    found = []
    for number, page in enumerate(map(as_dict, pages), start=1):
        start, end = places.get(number, (None, None))
        found.append(webpage(page, start=start, end=end))
    return found
