"""The files of one export together: what a reader may look up beside the text it reads."""

import json
from collections.abc import Iterable

from conversations.interchange.errors import MalformedSource
from conversations.interchange.records import Json
from conversations.interchange.sources import Member

MAX_SIDECAR_BYTES = 64 << 20


class Bundle:
    """All members of all parts of an export, found by the last part of their names (vendors move folders about).

    Of two files with one last name the first stands, unless the full name is asked for.
    """

    def __init__(self, members: Iterable[Member] = ()) -> None:
        self.members = tuple(members)
        self._named: dict[str, Member] = {}
        for member in self.members:
            self._named.setdefault(member.name, member)
        for member in self.members:
            self._named.setdefault(_last(member.name), member)

    def named(self, name: str) -> Member | None:
        return self._named.get(name)

    def json(self, name: str) -> Json:
        """A side-car file as JSON; None where there is none, or it is broken or too large to be one."""
        member = self.named(name)
        if member is None or not member.is_json or member.size > MAX_SIDECAR_BYTES:
            return None
        try:
            return json.loads(member.opened().read(member.size))  # type: ignore[no-any-return]
        except (MalformedSource, ValueError, RecursionError):
            return None


NO_BUNDLE = Bundle()


def _last(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]
