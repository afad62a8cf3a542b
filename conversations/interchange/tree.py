"""The tree of a conversation: put in order, freed of what is no tree, checked. Linear, and never recursive.

The tree is `parent` alone. A parent that does not exist, a message that is its own parent and a cycle are cut, so that
their messages become further roots: nothing is lost because a file was damaged.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from conversations.interchange.records import ConversationRecord, MessageRecord


@dataclass(frozen=True, slots=True)
class Tree:
    """`order`: the nodes with a message, parent before child. `anchors`: every node's nearest ancestor with one."""

    order: tuple[str, ...]
    anchors: dict[str, str | None]


def grown(
    parents: Mapping[str, str | None], *, bearing: Container[str], children: Mapping[str, Sequence[str]] | None = None
) -> Tree:
    """The tree that `parents` (node -> parent, in source order) describe, of the nodes that bear a message.

    Siblings stand as their parent's list in `children` has them, those not listed after it, in source order.
    """
    links = _without_cycles(parents)
    order: list[str] = []
    anchors: dict[str, str | None] = {}
    for key in _parents_first(links, children or {}):
        parent = links[key]
        anchors[key] = parent if parent is None or parent in bearing else anchors[parent]
        if key in bearing:
            order.append(key)
    return Tree(tuple(order), anchors)


def current_leaf(tree: Tree, *, declared: str | None, times: Mapping[str, datetime | None]) -> str | None:
    """The end of the branch to show: the declared node, or its nearest ancestor with a message.

    Where none is declared, or one that does not exist, the leaf with the newest time; among equals the last.
    """
    if declared is not None and declared in tree.anchors:
        shown = declared if declared in times else tree.anchors[declared]
        if shown is not None:
            return shown
    inner = {tree.anchors[key] for key in tree.order}
    newest: str | None = None
    newest_at: datetime | None = None
    for key in tree.order:
        moment = times[key]
        if key not in inner and (newest is None or newest_at is None or (moment is not None and moment >= newest_at)):
            newest, newest_at = key, moment
    return newest


def distinct(ids: Sequence[str]) -> list[str]:
    """The ids, those that are empty or repeat an earlier one made unique by a number: the same on every reading."""
    taken, used, numbers = set(ids), {""}, dict[str, int]()
    names = []
    for external_id in ids:
        name = external_id
        while name in used or (name is not external_id and name in taken):
            numbers[external_id] = numbers.get(external_id, 0) + 1
            name = f"{external_id}~{numbers[external_id]}"
        used.add(name)
        names.append(name)
    return names


def normalised(record: ConversationRecord) -> ConversationRecord:
    """The record with every invariant of `faults` restored; no message is lost, and a sound record comes back equal."""
    ids = distinct([message.external_id for message in record.messages])
    by_id = dict(zip(ids, record.messages, strict=True))
    tree = grown({name: message.parent_external_id for name, message in by_id.items()}, bearing=by_id)
    times = {name: message.created_at for name, message in by_id.items()}
    return replace(
        record,
        messages=tuple(_placed(by_id[name], name, tree.anchors[name]) for name in tree.order),
        current_external_id=current_leaf(tree, declared=record.current_external_id, times=times),
    )


def faults(record: ConversationRecord) -> list[str]:
    """What is wrong with a record's tree, in words without any text of the chat; [] for a sound one."""
    return [*_message_faults(record.messages), *_current_faults(record)]


def _placed(message: MessageRecord, external_id: str, parent: str | None) -> MessageRecord:
    if (message.external_id, message.parent_external_id) == (external_id, parent):
        return message
    return replace(message, external_id=external_id, parent_external_id=parent)


def _message_faults(messages: Iterable[MessageRecord]) -> Iterable[str]:
    seen: set[str] = set()
    for position, message in enumerate(messages):
        if not message.external_id:
            yield f"message {position} has no id"
        if message.external_id in seen:
            yield f"message {position} repeats an id"
        if message.parent_external_id is not None and message.parent_external_id not in seen:
            yield f"message {position} does not follow its parent"
        seen.add(message.external_id)


def _current_faults(record: ConversationRecord) -> Iterable[str]:
    if record.current_external_id is None:
        if record.messages:
            yield "no current message"
    elif all(message.external_id != record.current_external_id for message in record.messages):
        yield "the current message does not exist"


def _without_cycles(parents: Mapping[str, str | None]) -> dict[str, str | None]:
    """The links that make a forest. A cycle is cut above the member that the source names first."""
    links = {key: parent if parent in parents and parent != key else None for key, parent in parents.items()}
    position = {key: number for number, key in enumerate(links)}
    settled: set[str] = set()
    for start in links:
        path: dict[str, None] = {}  # a set that remembers its order
        key: str | None = start
        while key is not None and key not in settled and key not in path:
            path[key] = None
            key = links[key]
        if key is not None and key in path:
            walked = list(path)
            links[min(walked[walked.index(key) :], key=position.__getitem__)] = None
        settled.update(path)
    return links


def _parents_first(links: Mapping[str, str | None], children: Mapping[str, Sequence[str]]) -> Iterable[str]:
    below: dict[str | None, list[str]] = {}
    for key, parent in links.items():
        below.setdefault(parent, []).append(key)
    for parent, listed in children.items():
        if len(siblings := below.get(parent, [])) > 1:
            present = set(siblings)
            named = {key: None for key in listed if key in present}  # a set that remembers its order
            siblings[:] = [*named, *(key for key in siblings if key not in named)]
    waiting = below.get(None, [])[::-1]
    while waiting:
        key = waiting.pop()
        yield key
        waiting.extend(reversed(below.get(key, ())))
