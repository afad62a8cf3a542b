"""The files of one export together: what a reader may look up beside the text it reads."""

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from conversations.interchange.errors import MalformedSource
from conversations.interchange.records import Json
from conversations.interchange.sources import Member

MAX_SIDECAR_BYTES = 64 << 20

T = TypeVar("T")


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
            self._named.setdefault(last_name(member.name), member)
        self._worked_out: dict[Callable[[Bundle], Any], Any] = {}

    def once(self, work_out: Callable[["Bundle"], T]) -> T:
        """What a function makes of the export: worked out the first time only, for fifty shards ask the same."""
        if work_out not in self._worked_out:
            self._worked_out[work_out] = work_out(self)
        return self._worked_out[work_out]  # type: ignore[no-any-return] # T, as it was put in

    def named(self, name: str) -> Member | None:
        return self._named.get(name)

    def ending(self, path: str) -> Member | None:
        """The file called folder/name, whatever folders the export has put around it."""
        member = self._named.get(path)
        return member if member is not None else self.once(_by_ending).get(path)

    def json(self, name: str) -> Json:
        """A side-car file as JSON; None where there is none, or it is broken or too large to be one."""
        member = self.named(name)
        if member is None or not member.is_json or member.size > MAX_SIDECAR_BYTES:
            return None
        try:
            return json.loads(member.opened().read(member.size))  # type: ignore[no-any-return]
        except (MalformedSource, ValueError, RecursionError):
            return None


def last_name(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _by_ending(bundle: Bundle) -> dict[str, Member]:
    """Every file by its name in its folder."""
    parts = ((member.name.replace("\\", "/").split("/"), member) for member in bundle.members)
    return {"/".join(path[-2:]): member for path, member in parts}


NO_BUNDLE = Bundle()
