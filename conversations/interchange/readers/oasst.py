"""OpenAssistant's trees: JSON Lines {message_tree_id, tree_state, prompt: {message_id, text, role, replies: […]}}.

Also flat, a message an item: of the published data {message_id, parent_id, message_tree_id, text, role, …}, of its seed
{user_message_id, parent_message_id, text, role}. A tree is a conversation without title; the branch shown is that of
the replies ranked best (0), or first where nothing is ranked.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.readers.conversation_facts import span
from conversations.interchange.readers.unusable import UnusableError, check_ids, no_messages, not_an_object, short_id
from conversations.interchange.records import ConversationRecord, Json, MessageRecord, Role, Trouble
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none
from conversations.interchange.times import parse_time
from conversations.interchange.tree import Tree, distinct, grown

NAME = "oasst"

_ROLES: Mapping[Json, Role] = {"prompter": "user", "assistant": "assistant", "system": "system"}
_MAPPED = {"message_id", "user_message_id", "parent_id", "parent_message_id", "text", "role", "replies", "lang"} | {
    *("created_date", "model_name", "message_tree_id")
}

Nodes = dict[str, dict[str, Json]]
Parents = dict[str, str | None]


def recognises(sample: Json) -> bool:
    match sample:
        case {"message_tree_id": _, "prompt": {"text": _}}:
            return True
        case {"role": "prompter" | "assistant", "text": _}:
            return not as_dict(sample).keys().isdisjoint({"message_tree_id", "user_message_id"})
    return False


def read(
    items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE
) -> Iterator[ConversationRecord | Trouble]:
    """One record a tree. Flat messages stand anywhere in their file, so that their trees come at its end.

    Troubles: no_messages (skipped); not_an_object, external_id_too_long (failed).
    """
    remaining = iter(items)
    for first in remaining:
        together = chain([first], remaining)
        if "text" in as_dict(first):
            yield from _flat(together)
        else:
            yield from _trees(together)


def _trees(items: Iterable[Json]) -> Iterator[ConversationRecord | Trouble]:
    for index, item in enumerate(items):
        identity = as_dict(item).get("message_tree_id")
        try:
            if not isinstance(item, dict):
                raise not_an_object()
            check_ids(identity)
            nodes, parents = _unnested(item.get("prompt"))
            raw = {key: value for key, value in item.items() if key != "prompt"}
            yield _conversation(short_id(identity), nodes, parents, raw)
        except UnusableError as fault:
            yield fault.trouble(index, short_id(identity))


def _unnested(prompt: Json) -> tuple[Nodes, Parents]:
    """The messages by id, each without its replies, and their parents."""
    found: list[tuple[dict[str, Json], int | None]] = []
    waiting: list[tuple[Json, int | None]] = [(prompt, None)]
    while waiting:
        message, parent = waiting.pop()
        if not isinstance(message, dict):
            continue
        waiting.extend((reply, len(found)) for reply in reversed(as_list(message.get("replies"))))
        found.append(({key: value for key, value in message.items() if key != "replies"}, parent))
    names = distinct([first_text(message, "message_id") or str(place) for place, (message, _) in enumerate(found)])
    nodes = {name: message for name, (message, _) in zip(names, found, strict=True)}
    return nodes, {name: None if up is None else names[up] for name, (_, up) in zip(names, found, strict=True)}


def _flat(items: Iterable[Json]) -> Iterator[ConversationRecord | Trouble]:
    listed: list[tuple[int, dict[str, Json]]] = []
    for index, item in enumerate(items):
        if isinstance(item, dict):
            listed.append((index, item))
        else:
            yield not_an_object().trouble(index, None)
    own = [first_text(item, "message_id", "user_message_id") or str(index) for index, item in listed]
    names = distinct(own)
    parents = {
        name: first_text(item, "parent_id", "parent_message_id") or None
        for name, (_, item) in zip(names, listed, strict=True)
    }
    nodes = {name: item for name, (_, item) in zip(names, listed, strict=True)}
    places = {name: index for name, (index, _) in zip(names, listed, strict=True)}
    for root, members in _grouped(grown(parents, bearing=nodes)).items():
        identity = first_text(nodes[root], "message_tree_id") or root
        try:
            check_ids(identity)
            links = {name: parents[name] if name != root else None for name in members}
            yield _conversation(identity, {name: nodes[name] for name in members}, links, {})
        except UnusableError as fault:
            yield fault.trouble(places[root], None)


def _grouped(tree: Tree) -> dict[str, list[str]]:
    roots: dict[str, str] = {}
    groups: dict[str, list[str]] = {}
    for name in tree.order:
        parent = tree.anchors[name]
        roots[name] = name if parent is None else roots[parent]
        groups.setdefault(roots[name], []).append(name)
    return groups


def _conversation(identity: str | None, nodes: Nodes, parents: Parents, raw: dict[str, Json]) -> ConversationRecord:
    if not nodes:
        raise no_messages()
    check_ids(*nodes)
    tree = grown(parents, bearing=nodes)
    messages = tuple(_message(name, tree.anchors[name], nodes[name]) for name in tree.order)
    earliest, latest = span(messages)
    return ConversationRecord(
        source=NAME,
        external_id=identity,
        created_at=earliest,
        updated_at=latest,
        metadata=plain_facts(raw, without={"message_tree_id"}),
        current_external_id=_best_leaf(tree, nodes),
        messages=messages,
        raw=raw,
    )


def _best_leaf(tree: Tree, nodes: Nodes) -> str:
    best: dict[str | None, str] = {}
    for name in tree.order:
        parent = tree.anchors[name]
        if parent not in best or _rank(nodes[name]) < _rank(nodes[best[parent]]):
            best[parent] = name
    leaf = best[None]
    while leaf in best:
        leaf = best[leaf]
    return leaf


def _rank(message: dict[str, Json]) -> float:
    rank = message.get("rank")
    return rank if isinstance(rank, int | float) and not isinstance(rank, bool) else float("inf")


def _message(name: str, parent: str | None, item: dict[str, Json]) -> MessageRecord:
    stated = text_or_none(item.get("role"))
    role = _ROLES.get(stated, "assistant")
    return MessageRecord(
        external_id=name,
        parent_external_id=parent,
        role=role,
        content=first_text(item, "text"),
        model=first_text(item, "model_name"),
        created_at=parse_time(item.get("created_date")),
        language=first_text(item, "lang"),
        metadata=plain_facts({"author_role": stated if stated not in _ROLES else None})
        | plain_facts(item, without=_MAPPED),
        raw=item,
    )
