"""ChatGPT exports of our own making, in the shapes that real ones have."""

import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from conversations.interchange.jsonstream import JsonItems
from conversations.interchange.readers import Reader, chatgpt
from conversations.interchange.records import ConversationRecord, MessageRecord, Trouble
from conversations.interchange.tree import faults

FIXTURES = Path(__file__).parent / "fixtures"
SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "samples"  # beside the repository, where it is developed


def message(role: str | None = "user", text: str = "hello", **fields: Any) -> dict[str, Any]:
    return {
        "id": fields.pop("id", None),
        "author": {"role": role, "name": fields.pop("name", None), "metadata": {}},
        "create_time": 1756000001.5,
        "update_time": None,
        "content": {"content_type": "text", "parts": [text]},
        "status": "finished_successfully",
        "metadata": {},
        "recipient": "all",
    } | fields


def node(parent: str | None, said: Any = None, **fields: Any) -> dict[str, Any]:
    return {"parent": parent, "message": said} | fields


def conversation(mapping: Any, **fields: Any) -> dict[str, Any]:
    own = {"id": "c1", "title": "A title", "create_time": 1756000000.0, "update_time": 1756000400.5}
    return own | {"mapping": mapping} | fields


def branch(length: int, **fields: Any) -> dict[str, Any]:
    """A conversation that never branches: m0, m1, … under a root without message."""
    mapping = {"root": node(None)}
    for number in range(length):
        said = message("assistant" if number % 2 else "user", f"text {number}", create_time=1756000000 + number)
        mapping[f"m{number}"] = node(f"m{number - 1}" if number else "root", said)
    return conversation(mapping, **{"current_node": f"m{length - 1}"} | fields)


def read_one(item: Any) -> ConversationRecord:
    (found,) = chatgpt.read([item])
    assert isinstance(found, ConversationRecord), found
    return found


def read_trouble(item: Any) -> Trouble:
    (found,) = chatgpt.read([item])
    assert isinstance(found, Trouble), found
    return found


def read_message(said: Any, **fields: Any) -> MessageRecord:
    (record,) = read_one(conversation({"m": node(None, said)}, **fields)).messages
    return record


def stream(data: bytes | str | Any) -> JsonItems:
    if not isinstance(data, bytes | str):
        data = json.dumps(data)
    return JsonItems(io.BytesIO(data if isinstance(data, bytes) else data.encode()))


def zipped(path: Path, members: Iterable[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def records_of(reader: Reader, items: Iterable[Any]) -> list[ConversationRecord]:
    """The records that a reader makes of items; each is sound, and nothing else was found."""
    found = list(reader.read(items))
    records = [item for item in found if isinstance(item, ConversationRecord)]
    assert records == found, found
    assert [faults(record) for record in records] == [[] for _ in records]
    return records


def one_record(reader: Reader, *items: Any) -> ConversationRecord:
    (record,) = records_of(reader, items)
    return record


def troubles_of(reader: Reader, items: Iterable[Any]) -> list[tuple[int, str, str, str | None]]:
    """Index, outcome, reason and pointer of each Trouble."""
    found = (item for item in reader.read(items) if isinstance(item, Trouble))
    return [(trouble.index, trouble.outcome, trouble.reason, trouble.pointer) for trouble in found]


def said(record: ConversationRecord) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in record.messages]


def links(record: ConversationRecord) -> dict[str, str | None]:
    return {message.external_id: message.parent_external_id for message in record.messages}
