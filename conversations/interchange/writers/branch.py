"""The branch that a reader sees, for the formats that have but one."""

from typing import NamedTuple

from conversations.interchange.records import ConversationRecord, MessageRecord


class Branch(NamedTuple):
    """The messages shown, root first, and how many are not: hidden ones of this branch, and all of other branches."""

    messages: list[MessageRecord]
    hidden: int
    elsewhere: int

    @property
    def left_out(self) -> str:
        """In words, what is not shown; "" for nothing."""
        parts = [
            f"{self.hidden} hidden {_messages(self.hidden)}" if self.hidden else "",
            f"{self.elsewhere} {_messages(self.elsewhere)} on other branches" if self.elsewhere else "",
        ]
        said = " and ".join(filter(None, parts))
        return f"Not shown: {said}." if said else ""


def active_branch(record: ConversationRecord) -> Branch:
    """From the current message up to its root, hidden messages left out. Linear; a cycle ends it."""
    by_id = {message.external_id: message for message in record.messages}
    path: list[MessageRecord] = []
    at = record.current_external_id
    while at is not None and (message := by_id.pop(at, None)) is not None:
        path.append(message)
        at = message.parent_external_id
    path.reverse()
    shown = [message for message in path if not message.hidden]
    return Branch(shown, hidden=len(path) - len(shown), elsewhere=len(record.messages) - len(path))


def _messages(count: int) -> str:
    return "message" if count == 1 else "messages"
