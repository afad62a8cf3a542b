"""The figures of TRUTH.json, computed from what a reader gave (samples/README.md says how they are counted)."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from conversations.interchange.records import ConversationRecord, MessageRecord

from .exports import FIXTURES, SAMPLES

Figures = dict[str, Any]


def sample(name: str) -> tuple[list[Path], Figures]:
    """The files called so and what is in them; from the repository where they may stand in it, else from beside it."""
    folder = FIXTURES if list((FIXTURES).glob(name.removeprefix("synthetic/"))) else SAMPLES
    paths = sorted(folder.glob(name.removeprefix("synthetic/") if folder is FIXTURES else name))
    if not paths:
        pytest.skip(f"{name} is absent: the real samples are others' and no part of this repository")
    truth = json.loads((folder / "TRUTH.json").read_text())
    return paths, truth.get(name) or truth[name.removeprefix("synthetic/")]


def active_path(record: ConversationRecord) -> Iterator[MessageRecord]:
    by_id = {message.external_id: message for message in record.messages}
    current = record.current_external_id
    while current is not None:
        yield by_id[current]
        current = by_id[current].parent_external_id


def digest(messages: Sequence[MessageRecord]) -> str:
    texts = sorted(f"{message.role}\x1f{message.content}" for message in messages)
    return hashlib.sha256("".join(f"{text}\x1e" for text in texts).encode("utf-8", "surrogatepass")).hexdigest()


def figures(records: Sequence[ConversationRecord]) -> Figures:
    messages = [message for record in records for message in record.messages]
    active = [message for record in records for message in active_path(record)]
    times = [message.created_at for message in messages if message.created_at]
    return {
        "conversations_with_messages": len(records),
        "messages_total": len(messages),
        "messages_by_role": dict(Counter(message.role for message in messages)),
        "active_total": len(active),
        "active_by_role": dict(Counter(message.role for message in active)),
        "first_message_at": min(times).isoformat(timespec="microseconds") if times else None,
        "last_message_at": max(times).isoformat(timespec="microseconds") if times else None,
        "text_chars": sum(len(message.content) for message in messages),
        "text_sha256_sorted": digest(messages),
    }


def per_conversation(records: Sequence[ConversationRecord], truth: Figures) -> tuple[list[Figures], list[Figures]]:
    """What each conversation is, read and true; a leaf only where the format has ids that say it."""
    true = [of_one for of_one in truth["per_conversation"] if of_one["messages"]]
    read = [
        {
            "title": record.title,
            "messages": len(record.messages),
            "active_messages": len(list(active_path(record))),
            "active_leaf": record.current_external_id if of_one["active_leaf"] else None,
        }
        for record, of_one in zip(records, true, strict=True)
    ]
    return read, true
