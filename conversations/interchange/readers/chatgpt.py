"""ChatGPT's data export: `conversations.json`, its shards of 2026, and what browsers save of its API.

A conversation is {id, conversation_id, title, create_time, update_time, current_node, default_model_slug, mapping};
mapping is {key: {id, parent, children, message or null}}. Any of it may be null or missing; slim exports have no
`children`. The node key is a message's identity (message.id may differ), unique within its conversation only.
"""

from collections.abc import Iterable, Iterator, Mapping

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.readers.chatgpt_files import ExportFiles, export_files
from conversations.interchange.readers.chatgpt_message import message_record
from conversations.interchange.readers.conversation_facts import model_in_use, span
from conversations.interchange.readers.reading import UnusableError, no_messages, read_each
from conversations.interchange.records import MAX_EXTERNAL_ID, ConversationRecord, Json, MessageRecord, Trouble
from conversations.interchange.shapes import as_dict, as_list, plain_facts, text_or_none
from conversations.interchange.times import parse_time
from conversations.interchange.tree import Tree, current_leaf, distinct, grown

NAME = "chatgpt"

Nodes = dict[str, dict[str, Json]]

_MAPPED = {
    *("id", "conversation_id", "title", "create_time", "update_time", "current_node", "mapping"),
    *("default_model_slug", "is_archived", "is_starred"),
}
_STRUCTURES = {"plugin_ids", "disabled_tool_ids", "context_scopes", "owner"}


def recognises(sample: Json) -> bool:
    match sample:
        case {"inserted_at": _}:
            return False  # DeepSeek has a mapping as well; its times and its messages are others
        case {"mapping": dict(mapping)}:
            said = (as_dict(as_dict(node).get("message")) for node in mapping.values())
            return not any("fragments" in message or "inserted_at" in message for message in said)
        case {"default_model_slug": _, "title": _}:
            return True  # a shell: some exports hold conversations without their mapping
    return False


def read(
    items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE
) -> Iterator[ConversationRecord | Trouble]:
    """One record or one Trouble an item.

    Troubles: no_messages (skipped: a shell), not_an_object, mapping_not_an_object, external_id_too_long (failed).
    """
    files = bundle.once(export_files)
    return read_each(items, lambda item: _conversation(item, files))


def _conversation(item: dict[str, Json], files: ExportFiles) -> ConversationRecord:
    external_id = _external_id(item)
    nodes = _nodes(item, external_id)
    bearing = {key for key, node in nodes.items() if node.get("message") is not None}
    if not bearing:
        raise no_messages(external_id)
    if len(str(_identity(item) or "")) > MAX_EXTERNAL_ID:
        raise UnusableError("failed", "external_id_too_long", f"An id exceeds {MAX_EXTERNAL_ID} characters.")
    tree = _tree(nodes, bearing)
    names = dict(zip(nodes, distinct(list(nodes)), strict=True))  # "" is a possible key of an object, but no id
    model = text_or_none(item.get("default_model_slug")) or ""
    messages = {message.external_id: message for message in _messages(nodes, tree, names, model, files)}
    times = {key: messages[names[key]].created_at for key in tree.order}
    current = current_leaf(tree, declared=text_or_none(item.get("current_node")), times=times)
    current_name = None if current is None else names[current]
    earliest, latest = span(messages.values())
    created, updated = parse_time(item.get("create_time")), parse_time(item.get("update_time"))
    return ConversationRecord(
        source=NAME,
        external_id=external_id,
        title=text_or_none(item.get("title")),
        created_at=created or updated or earliest,
        updated_at=updated or latest or created,
        model=model or model_in_use(messages, current_name),
        metadata=plain_facts(item, structures=_STRUCTURES, without=_MAPPED),
        starred=item.get("is_starred") is True,
        archived=item.get("is_archived") is True,
        current_external_id=current_name,
        messages=tuple(messages.values()),
        raw={
            **item,
            "mapping": {key: node for key, node in as_dict(item.get("mapping")).items() if key not in bearing},
        },
    )


def _nodes(item: dict[str, Json], external_id: str | None) -> Nodes:
    match item.get("mapping"):
        case None:
            return {}
        case dict(mapping):
            if any(len(key) > MAX_EXTERNAL_ID for key in mapping):
                detail = f"A node's key exceeds {MAX_EXTERNAL_ID} characters."
                raise UnusableError("failed", "external_id_too_long", detail, "/mapping", external_id)
            return {key: as_dict(node) for key, node in mapping.items()}
    detail = "The mapping is not a JSON object."
    raise UnusableError("failed", "mapping_not_an_object", detail, "/mapping", external_id)


def _tree(nodes: Nodes, bearing: set[str]) -> Tree:
    children = {key: as_list(node.get("children")) for key, node in nodes.items()}
    return grown(
        {key: text_or_none(node.get("parent")) for key, node in nodes.items()},
        bearing=bearing,
        children={key: [child for child in named if isinstance(child, str)] for key, named in children.items()},
    )


def _messages(
    nodes: Nodes, tree: Tree, names: Mapping[str, str], default_model: str, files: ExportFiles
) -> Iterator[MessageRecord]:
    # Node -> the tool call that it makes or answers; a call may have several answers in a row.
    call_ids: dict[str, str] = {}
    for key in tree.order:
        parent = tree.anchors[key]
        message = message_record(
            names[key],
            nodes[key],
            parent=None if parent is None else names[parent],
            answered_call=None if parent is None else call_ids.get(parent),
            default_model=default_model,
            files=files,
        )
        if message.tool_calls:
            call_ids[key] = names[key]
        elif message.tool_results and parent is not None:
            call_ids[key] = call_ids[parent]
        yield message


def _identity(item: dict[str, Json]) -> str | int | None:
    """The id under which the account knows it; the API says `conversation_id`, its list `id`, the export both."""
    for key in ("conversation_id", "id"):
        match item.get(key):
            case bool():
                continue
            case str() | int() as identity if identity != "":
                return identity
    return None


def _external_id(item: dict[str, Json]) -> str | None:
    identity = _identity(item)
    return None if identity is None or len(str(identity)) > MAX_EXTERNAL_ID else str(identity)
