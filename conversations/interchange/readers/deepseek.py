"""DeepSeek's data export: `conversations.json`, an array of {id, title, inserted_at, updated_at, mapping}.

It looks like ChatGPT's, but a message is {model, inserted_at, fragments, files}: its fragments are REQUEST (the user's
words), THINK, SEARCH, TOOL_* and RESPONSE, in one node. Older exports have `content` and `reasoning_content` instead,
and no word of who speaks. Node keys are "root", "1", "2": unique in their conversation only. Nothing names the current
node: the page shows the last child at every fork.
"""

import json
from collections.abc import Iterable, Iterator, Mapping

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.readers.reading import (
    UnusableError,
    identity,
    message_names,
    no_messages,
    read_each,
    reasoning,
    webpage,
)
from conversations.interchange.records import AttachmentRecord, ConversationRecord, Json, MessageRecord, Role, Trouble
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none
from conversations.interchange.times import parse_time
from conversations.interchange.tree import Tree, distinct, grown

NAME = "deepseek"

_ROLES: Mapping[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "tool": "tool"}
_SPOKEN = ("REQUEST", "RESPONSE")
_CUT_OFF = {"INCOMPLETE", "WIP"}
_MAPPED = {"id", "title", "inserted_at", "updated_at", "mapping", "model", "content", "reasoning_content", "role"}


def recognises(sample: Json) -> bool:
    match sample:
        case {"mapping": dict(mapping), **others}:
            messages = [as_dict(as_dict(node).get("message")) for node in mapping.values()]
            return "inserted_at" in others or any("fragments" in said or "inserted_at" in said for said in messages)
        case {"inserted_at": _, "updated_at": _, "title": _, "id": _}:
            return True  # a shell
    return False


def read(
    items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE
) -> Iterator[ConversationRecord | Trouble]:
    """One record or one Trouble an item.

    Troubles: no_messages (skipped), not_an_object, mapping_not_an_object, external_id_too_long (failed).
    """
    return read_each(items, _conversation)


def _conversation(item: dict[str, Json]) -> ConversationRecord:
    external_id = identity(item.get("id"))
    mapping = item.get("mapping")
    if mapping is not None and not isinstance(mapping, dict):
        detail = "The mapping is not a JSON object."
        raise UnusableError("failed", "mapping_not_an_object", detail, "/mapping", external_id)
    nodes = {key: as_dict(node) for key, node in as_dict(mapping).items()}
    bearing = {key for key, node in nodes.items() if node.get("message") is not None}
    if not bearing:
        raise no_messages(external_id)
    tree = _tree(nodes, bearing)
    names = dict(zip(nodes, message_names(list(nodes)), strict=True))
    messages = tuple(_messages(nodes, tree, names))
    by_name = {message.external_id: message for message in messages}
    current = names[_last_child(tree)]
    return ConversationRecord(
        source=NAME,
        external_id=external_id,
        title=text_or_none(item.get("title")),
        created_at=parse_time(item.get("inserted_at")),
        updated_at=parse_time(item.get("updated_at")),
        model=by_name[current].model,
        metadata=plain_facts(item, without=_MAPPED),
        current_external_id=current,
        messages=messages,
        raw={**item, "mapping": {key: node for key, node in as_dict(mapping).items() if key not in bearing}},
    )


def _tree(nodes: Mapping[str, dict[str, Json]], bearing: set[str]) -> Tree:
    children = {key: as_list(node.get("children")) for key, node in nodes.items()}
    parents = {key: identity(node.get("parent")) for key, node in nodes.items()}
    listed = {key: [str(child) for child in named if isinstance(child, str | int)] for key, named in children.items()}
    return grown(parents, bearing=bearing, children=listed)


def _last_child(tree: Tree) -> str:
    """From the last root down, the last child each time."""
    last: dict[str | None, str] = {tree.anchors[key]: key for key in tree.order}
    leaf = last[None]
    while leaf in last:
        leaf = last[leaf]
    return leaf


def _messages(nodes: Mapping[str, dict[str, Json]], tree: Tree, names: Mapping[str, str]) -> Iterator[MessageRecord]:
    roles: dict[str, Role] = {}
    for key in tree.order:
        parent = tree.anchors[key]
        message = nodes[key].get("message")
        roles[key] = _role(as_dict(message), None if parent is None else roles[parent])
        yield _message(nodes[key], names[key], None if parent is None else names[parent], roles[key])


def _role(message: dict[str, Json], before: Role | None) -> Role:
    """Who speaks: as said, or by the fragments; where neither tells, the user and the model take turns."""
    said = (text_or_none(message.get("role")) or "").lower()
    if said in _ROLES:
        return _ROLES[said]
    if isinstance(fragments := message.get("fragments"), list) and fragments:
        return "user" if any(as_dict(fragment).get("type") == "REQUEST" for fragment in fragments) else "assistant"
    if message.get("reasoning_content") or message.get("search_results"):
        return "assistant"
    return "assistant" if before == "user" else "user"


def _message(node: dict[str, Json], name: str, parent: str | None, role: Role) -> MessageRecord:
    message = as_dict(node.get("message"))
    fragments = as_list(message.get("fragments"))
    calls, results = _tools(name, fragments)
    return MessageRecord(
        external_id=name,
        parent_external_id=parent,
        role=role,
        content=_text(message, fragments),
        parts=_parts(node.get("message"), fragments),
        status="interrupted" if text_or_none(message.get("status")) in _CUT_OFF else "complete",
        model=(text_or_none(message.get("model")) or "") if role == "assistant" else "",
        created_at=parse_time(message.get("inserted_at")),
        updated_at=parse_time(message.get("updated_at")),
        tool_calls=calls or None,
        tool_results=results or None,
        sources=_sources(message, fragments) or None,
        metadata=plain_facts(message, without=_MAPPED),
        attachments=_attachments(message),
        raw=node,
    )


def _text(message: dict[str, Json], fragments: list[Json]) -> str:
    said = [as_dict(fragment) for fragment in fragments]
    spoken = [first_text(fragment, "content") for fragment in said if fragment.get("type") in _SPOKEN]
    return "\n\n".join(text for text in spoken if text) or first_text(message, "content")


def _parts(message: Json, fragments: list[Json]) -> tuple[Json, ...]:
    """The fragments, verbatim, where they are more than one text; the reasoning of older exports."""
    if not isinstance(message, dict):
        return ({"type": "unknown", "raw": message},)
    if len(fragments) == 1 and as_dict(fragments[0]).get("type") in _SPOKEN:
        return ()
    return tuple(fragments) or reasoning(message.get("reasoning_content"))


def _tools(name: str, fragments: list[Json]) -> tuple[list[Json], list[Json]]:
    """A fragment of a tool holds the call and what came of it, without an id: its place in the message serves."""
    calls: list[Json] = []
    results: list[Json] = []
    for position, fragment in enumerate(map(as_dict, fragments)):
        kind = text_or_none(fragment.get("type")) or ""
        if not kind.startswith("TOOL_"):
            continue
        call_id, tool = f"{name}:{position}", first_text(fragment, "name", "tool_name") or kind.lower()
        arguments = fragment.get("arguments", fragment.get("content"))
        written = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
        calls.append({"id": call_id, "type": "function", "function": {"name": tool, "arguments": written}})
        given = next((fragment[key] for key in ("results", "result", "output") if fragment.get(key) is not None), None)
        if given is not None:
            results.append({"tool_call_id": call_id, "name": tool, "content": given})
    return calls, results


def _sources(message: dict[str, Json], fragments: list[Json]) -> list[Json]:
    found = [*as_list(message.get("search_results"))]
    for fragment in map(as_dict, fragments):
        found.extend(as_list(fragment.get("results")))
    return [webpage(page) for page in map(as_dict, found) if first_text(page, "url")]


def _attachments(message: dict[str, Json]) -> tuple[AttachmentRecord, ...]:
    """The export names files, and never holds them."""
    files = [as_dict(file) for file in as_list(message.get("files"))]
    ids = distinct([str(file.get("id") or first_text(file, "file_name", "name"))[:200] for file in files])
    return tuple(
        AttachmentRecord(
            external_id=external_id,
            name=first_text(file, "file_name", "name"),
            media_type=first_text(file, "mime_type", "file_type"),
            size=size if isinstance(size := file.get("file_size", file.get("size")), int) else None,
            text=first_text(file, "content", "extracted_content"),
            raw=file,
        )
        for external_id, file in zip(ids, files, strict=True)
    )
