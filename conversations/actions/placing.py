"""What an import makes of a record: times where the source has none, ids, counts, and whether one range can read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from chatstore.owned import new_id
from conversations.interchange.records import ConversationRecord, MessageRecord


@dataclass(frozen=True, slots=True)
class Placed:
    """A message record with its place: its id here, its parent's, and its time."""

    record: MessageRecord
    id: UUID
    parent_id: UUID | None
    created_at: datetime
    time_inferred: bool


class Node(NamedTuple):
    """What order depends on."""

    created_at: datetime
    id: UUID
    parent_id: UUID | None


def placed(
    record: ConversationRecord, *, now: datetime, known: Mapping[str, Node] | None = None, leaf: UUID | None = None
) -> tuple[list[Placed], list[Placed]]:
    """All messages of a record, parent before child: those that are new here, and those that are known already.

    One without a time takes its parent's, else the conversation's, else the import's; never silently. Of a record that
    continues, what is new follows `leaf`, the end of the branch that is here.
    """
    known = known or {}
    ids: dict[str, UUID] = {}
    times: dict[str, datetime] = {}
    new: list[Placed] = []
    old: list[Placed] = []
    begin = record.created_at or record.updated_at or now
    for message in record.messages:
        there = known.get(message.external_id)
        parent = message.parent_external_id
        time = message.created_at or (times[parent] if parent is not None else begin)
        ids[message.external_id] = there.id if there else new_id()
        times[message.external_id] = time
        parent_id = ids[parent] if parent is not None else None
        if record.continues and there is None:
            parent_id, leaf = leaf, ids[message.external_id]
        place = Placed(message, ids[message.external_id], parent_id, time, message.created_at is None)
        (old if there else new).append(place)
    return new, old


def is_linear(nodes: Sequence[Node], current: UUID | None) -> bool:
    """Whether all of these, by (created_at, id), are one branch that ends at the current message."""
    ordered = sorted(nodes, key=lambda node: (node.created_at, node.id))
    previous: UUID | None = None
    for node in ordered:
        if node.parent_id != previous:
            return False
        previous = node.id
    return previous == current
