"""ChatGPT's export: an array of conversations with `mapping` and `current_node`, which most tools read.

What came from ChatGPT goes out as it came, node by node; what was changed here since (a title, a leaf, a text, a
message more or less) is changed in it. What came from elsewhere is put into the same shape (`chatgpt_nodes`).
"""

import json
from collections.abc import Iterable, Iterator

from conversations.interchange.readers import chatgpt
from conversations.interchange.readers.chatgpt_content import message_text
from conversations.interchange.records import ConversationRecord, Json, MessageRecord
from conversations.interchange.shapes import as_dict, text_or_none
from conversations.interchange.times import parse_time
from conversations.interchange.tree import Tree, current_leaf, grown
from conversations.interchange.writers.chatgpt_nodes import epoch_seconds, new_conversation, new_node, text_content

NAME = "chatgpt"
EXTENSION = "json"
MEDIA_TYPE = "application/json"

Nodes = dict[str, Json]


def write(records: Iterable[ConversationRecord]) -> Iterator[bytes]:
    """A conversation a line; memory is that of the largest."""
    before = b"[\n"
    for record in records:
        yield before + _encoded(conversation_item(record))
        before = b",\n"
    yield b"[]\n" if before == b"[\n" else b"\n]\n"


def conversation_item(record: ConversationRecord) -> dict[str, Json]:
    """The conversation as ChatGPT's export has it; read again it is the same tree, with the same texts and times."""
    raw = as_dict(record.raw)
    if record.source != chatgpt.NAME or not isinstance(raw.get("mapping"), dict):
        return new_conversation(record)
    nodes = _nodes(raw, record)
    return {**raw, "mapping": nodes, **_changes(raw, record, nodes)}


def _encoded(item: dict[str, Json]) -> bytes:
    try:
        return json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half a surrogate pair has no UTF-8, but an escape
        return json.dumps(item, separators=(",", ":")).encode()


def _nodes(raw: dict[str, Json], record: ConversationRecord) -> Nodes:
    """The nodes without a message, as they were, then those with one, each before its answers."""
    nodes: Nodes = {**as_dict(raw["mapping"])}
    added: dict[str, list[Json]] = {}  # under its parent, each message that the export does not know
    for message in record.messages:
        node = _known_node(message)
        if node is None and message.parent_external_id is not None:
            added.setdefault(message.parent_external_id, []).append(message.external_id)
        nodes[message.external_id] = new_node(message) if node is None else node
    for parent, names in added.items():
        node = as_dict(nodes[parent])
        if isinstance(children := node.get("children"), list):
            nodes[parent] = {**node, "children": [*children, *names]}
    # A parent that was deleted here, or whose key was no id, is not the one the node still names.
    anchors = _tree(nodes).anchors
    for message in record.messages:
        if anchors[message.external_id] != message.parent_external_id:
            node = as_dict(nodes[message.external_id])
            nodes[message.external_id] = {**node, "parent": message.parent_external_id}
    return nodes


def _known_node(message: MessageRecord) -> dict[str, Json] | None:
    """The message's node as it came, with the text it has now; None for a message that came from elsewhere."""
    node = as_dict(message.raw)
    said = node.get("message")
    if said is None:
        return None
    text = message_text(said.get("content")) if isinstance(said, dict) else text_or_none(said) or ""
    if text == message.content:
        return node
    return {**node, "message": {**as_dict(said), "content": text_content(message.content)}}


def _tree(nodes: Nodes) -> Tree:
    bearing = {key for key, node in nodes.items() if as_dict(node).get("message") is not None}
    return grown({key: text_or_none(as_dict(node).get("parent")) for key, node in nodes.items()}, bearing=bearing)


def _changes(raw: dict[str, Json], record: ConversationRecord, nodes: Nodes) -> dict[str, Json]:
    """What is no longer as the source had it. A null there that we read as something else is no change."""
    marks = {"is_starred": record.starred, "is_archived": record.archived}
    changes: dict[str, Json] = {key: mark for key, mark in marks.items() if (raw.get(key) is True) != mark}
    if text_or_none(raw.get("title")) != record.title:
        changes["title"] = record.title
    updated = parse_time(raw.get("update_time"))
    if updated is not None and updated != record.updated_at:
        changes["update_time"] = epoch_seconds(record.updated_at)
    if _leaf(raw, record, nodes) != record.current_external_id:
        changes["current_node"] = record.current_external_id
    return changes


def _leaf(raw: dict[str, Json], record: ConversationRecord, nodes: Nodes) -> str | None:
    declared = text_or_none(raw.get("current_node"))
    if declared == record.current_external_id:
        return declared
    times = {message.external_id: message.created_at for message in record.messages}
    return current_leaf(_tree(nodes), declared=declared, times=times)
