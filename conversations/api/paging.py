"""Lists: the query parameters that all of them take, and the envelope that all of them give."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from django.utils.dateparse import parse_datetime

from chatstore.problems import Invalid
from chatstore.sql import Row
from conversations.api.actor import AnyRequest, actor_id
from conversations.api.cursors import cursor_decode, cursor_encode
from conversations.queries.pages import Page as Rendered

Way = Literal["n", "p"]
MAX_OFFSET = 2**31 - 1
_OFFSET = re.compile(r"(?<=\d) (\d\d:?\d\d)$(?<!^.{16})")
TRUE, FALSE = ("true", "1"), ("false", "0")


def query_invalid(name: str, detail: str) -> Invalid:
    """A query parameter that is not valid: 422, its name as the pointer."""
    return Invalid(errors=[{"pointer": f"/{name}", "code": "invalid", "detail": detail}])


def query_int(request: AnyRequest, name: str, default: int, *, minimum: int, maximum: int) -> int:
    """A whole number within bounds; never coerced (requirement E2)."""
    text = request.GET.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 10 or not minimum <= int(text) <= maximum:
        raise query_invalid(name, f"Expected a whole number from {minimum} to {maximum}.")
    return int(text)


def query_bool(request: AnyRequest, name: str) -> bool | None:
    """true or false; None when it is not there."""
    text = request.GET.get(name)
    return None if text is None else as_bool(name, text)


def as_bool(name: str, text: str) -> bool:
    """true or false, in a query or a form."""
    if text.lower() not in (*TRUE, *FALSE):
        raise query_invalid(name, "Expected true or false.")
    return text.lower() in TRUE


def query_choice(request: AnyRequest, name: str, default: str, choices: Sequence[str]) -> str:
    """One word of `choices`."""
    text = request.GET.get(name, default)
    if text not in choices:
        raise query_invalid(name, f"Expected one of {', '.join(choices)}.")
    return text


def query_uuid(name: str, text: str) -> UUID:
    """A UUID in its usual form."""
    try:
        return UUID(text)
    except ValueError:
        raise query_invalid(name, "Expected a UUID.") from None


def query_time(request: AnyRequest, name: str) -> datetime | None:
    """An ISO 8601 time; without a zone it is UTC."""
    text = request.GET.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isprintable():  # digits of other scripts; a NUL at the end is overlooked
        raise query_invalid(name, "Expected an ISO 8601 date and time.")
    try:
        # A "+" that was not percent-encoded arrives as a blank before the offset.
        moment = parse_datetime(_OFFSET.sub(r"+\1", text)) or parse_datetime(f"{text}T00:00:00Z")
    except ValueError:
        moment = None
    if moment is None:
        raise query_invalid(name, "Expected an ISO 8601 date and time.")
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise query_invalid(name, "Expected a time of the years 1 to 9999.") from None


@dataclass(frozen=True, slots=True)
class Page:
    """Where in a list to begin: by cursor, or by offset."""

    limit: int
    offset: int
    position: Any  # None: at the beginning, or `backwards` from the end
    backwards: bool
    query: str  # what the cursor is bound to: path and filters

    @classmethod
    def of(cls, request: AnyRequest, *, default: int, maximum: int) -> "Page":
        """Raises Invalid (422) for a limit or offset that is none, InvalidCursor (400) for a foreign cursor."""
        limit = query_int(request, "limit", default, minimum=1, maximum=maximum)
        query = _bound_query(request)
        text = request.GET.get("cursor")
        if text is None:
            offset = query_int(request, "offset", 0, minimum=0, maximum=MAX_OFFSET)
            return cls(limit, offset, None, False, query)
        way, position = cursor_decode(text, user_id=actor_id(request), query=query)
        return cls(limit, 0, position, way == "p", query)

    @property
    def start(self) -> int:
        """Where a numbered list begins: its cursors hold the number of a row, which never changes."""
        return self.offset if self.position is None else int(self.position)

    def numbered(self, request: AnyRequest, rows: Sequence[Row], *, total: int) -> dict[str, Any]:
        """The envelope of a list whose rows are only ever added at its end."""
        following, before = self.start + len(rows), max(0, min(self.start, total) - self.limit)
        return {
            "results": rows,
            "next": self._link(request, "n", following) if rows and following < total else None,
            "previous": self._link(request, "n", before) if total and self.start else None,
            "limit": self.limit,
            "offset": self.offset if self.position is None else None,
            "total": total,
        }

    def envelope(self, request: AnyRequest, rows: Rendered, *, total: int, branch: str | None = None) -> dict[str, Any]:
        """`{"results", "next", "previous", "limit", "offset", "total"}`; following `next` pages by keyset.

        A `branch` that the list runs along goes into its cursors.
        """
        is_edge = self.position is None and self.offset == 0  # nothing lies on the side that the page was read from
        more_after = not is_edge if self.backwards else rows.has_more
        more_before = rows.has_more if self.backwards else not is_edge

        def link(way: Way, end: list[Any] | None) -> str:
            return self._link(request, way, [*end, branch] if end and branch else end)

        # Where no row is, beyond the end, `previous` has none to begin before: it begins at the end itself.
        return {
            "results": rows.results,
            "next": link("n", rows.last) if more_after and total else None,
            "previous": link("p", rows.first) if more_before and total else None,
            "limit": self.limit,
            "offset": None if self.backwards or self.position is not None else self.offset,
            "total": total,
        }

    def _link(self, request: AnyRequest, way: Way, position: Any) -> str:
        cursor = cursor_encode([way, position], user_id=actor_id(request), query=self.query)
        kept = [(name, value) for name, value in request.GET.items() if name not in ("cursor", "offset")]
        # No path of ours has anything to quote, and build_absolute_uri would take it apart to see.
        return f"{request.scheme}://{request.get_host()}{request.path}?{urlencode([*kept, ('cursor', cursor)])}"


def _bound_query(request: AnyRequest) -> str:
    """Path and filters in a fixed order; how many rows a page has may change between pages."""
    kept = sorted((n, v) for n, v in request.GET.items() if n not in ("cursor", "limit", "offset"))
    return f"{request.path}?{urlencode(kept, errors='surrogatepass')}"
