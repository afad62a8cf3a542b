"""Calls of tools and their results, brought together within one message."""

from collections import defaultdict, deque
from dataclasses import dataclass, field

from conversations.interchange.records import Json
from conversations.interchange.shapes import as_dict, as_list, first_text


@dataclass
class ToolPairs:
    """Calls and results as they come, in order.

    A result belongs to the oldest open call with its id; one without id to the oldest open call with its name. Ids may
    be null, and repeat (some models count anew each round), so that a call gets one that is unique in its message.
    """

    message: str  # its external id, from which calls without an id get theirs
    calls: list[Json] = field(default_factory=list)
    results: list[Json] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)
    _by_id: defaultdict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))
    _by_name: defaultdict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))
    _answered: set[str] = field(default_factory=set)

    def call(self, own_id: Json, name: str, arguments: str) -> None:
        name_of_call = self._unique(own_id)
        if isinstance(own_id, str):
            self._by_id[own_id].append(name_of_call)
        self._by_name[name].append(name_of_call)
        function: Json = {"name": name, "arguments": arguments}
        self.calls.append({"id": name_of_call, "type": "function", "function": function})

    def result(self, call_id: Json, name: str, content: str, *, is_error: bool = False) -> None:
        found = self._open(self._by_id[call_id]) if isinstance(call_id, str) else self._open(self._by_name[name])
        self.results.append(
            {
                "tool_call_id": found or (call_id if isinstance(call_id, str) else None),
                "name": name,
                "content": content,
                **({"is_error": True} if is_error else {}),
            }
        )

    def _open(self, waiting: deque[str]) -> str | None:
        while waiting:
            if (candidate := waiting.popleft()) not in self._answered:
                self._answered.add(candidate)
                return candidate
        return None

    def _unique(self, own_id: Json) -> str:
        wanted = own_id if isinstance(own_id, str) and own_id else f"{self.message}:{len(self.calls)}"
        while wanted in self._taken:
            wanted = f"{wanted}~{len(self.calls)}"
        self._taken.add(wanted)
        return wanted


def text_of_result(content: Json) -> str:
    """The text of what a tool gave back: a text, or a list of blocks of which some have one."""
    if isinstance(content, str):
        return content
    texts = [block if isinstance(block, str) else first_text(as_dict(block), "text") for block in as_list(content)]
    return "\n".join(text for text in texts if text)
