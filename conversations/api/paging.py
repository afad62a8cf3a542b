"""Lists: the query parameters that all of them take, and the envelope that all of them give."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from django.utils.dateparse import parse_datetime
from rest_framework.request import Request

from chatstore.problems import Invalid
from chatstore.sql import Row
from conversations.api.actor import actor_id
from conversations.api.cursors import cursor_decode, cursor_encode
from conversations.queries.pages import Page as Rendered

Way = Literal["n", "p"]
MAX_OFFSET = 2**31 - 1
_OFFSET = re.compile(r"(?<=\d) (\d\d:?\d\d)$(?<!^.{16})")
TRUE, FALSE = ("true", "1"), ("false", "0")


def query_invalid(name: str, detail: str) -> Invalid:
    """A query parameter that is not valid: 422, its name as the pointer."""
    return Invalid(errors=[{"pointer": f"/{name}", "code": "invalid", "detail": detail}])


def query_int(request: Request, name: str, default: int, *, minimum: int, maximum: int) -> int:
    """A whole number within bounds; never coerced (requirement E2)."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 10 or not minimum <= int(text) <= maximum:
        raise query_invalid(name, f"Expected a whole number from {minimum} to {maximum}.")
    return int(text)


def query_bool(request: Request, name: str) -> bool | None:
    """true or false; None when it is not there."""
    text = request.query_params.get(name)
    return None if text is None else as_bool(name, text)


def as_bool(name: str, text: str) -> bool:
    """true or false, in a query or a form."""
    if text.lower() not in (*TRUE, *FALSE):
        raise query_invalid(name, "Expected true or false.")
    return text.lower() in TRUE


def query_choice(request: Request, name: str, default: str, choices: Sequence[str]) -> str:
    """One word of `choices`."""
    text = request.query_params.get(name, default)
    if text not in choices:
        raise query_invalid(name, f"Expected one of {', '.join(choices)}.")
    return text


def query_uuid(name: str, text: str) -> UUID:
    """A UUID in its usual form."""
    try:
        return UUID(text)
    except ValueError:
        raise query_invalid(name, "Expected a UUID.") from None


def query_time(request: Request, name: str) -> datetime | None:
    """An ISO 8601 time; without a zone it is UTC."""
    text = request.query_params.get(name)
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
    position: Any
    backwards: bool
    query: str  # what the cursor is bound to: path and filters

    @classmethod
    def of(cls, request: Request, *, default: int, maximum: int) -> "Page":
        """Raises Invalid (422) for a limit or offset that is none, InvalidCursor (400) for a foreign cursor."""
        limit = query_int(request, "limit", default, minimum=1, maximum=maximum)
        query = _bound_query(request)
        text = request.query_params.get("cursor")
        if text is None:
            offset = query_int(request, "offset", 0, minimum=0, maximum=MAX_OFFSET)
            return cls(limit, offset, None, False, query)
        way, position = cursor_decode(text, user_id=actor_id(request), query=query)
        return cls(limit, 0, position, way == "p", query)

    @property
    def start(self) -> int:
        """Where a numbered list begins: its cursors hold the number of a row, which never changes."""
        return self.offset if self.position is None else int(self.position)

    def numbered(self, request: Request, rows: Sequence[Row], *, total: int) -> dict[str, Any]:
        """The envelope of a list whose rows are only ever added at its end."""
        following, before = self.start + len(rows), max(0, self.start - self.limit)
        return {
            "results": rows,
            "next": self._link(request, "n", following) if rows and following < total else None,
            "previous": self._link(request, "n", before) if rows and self.start else None,
            "limit": self.limit,
            "offset": self.offset if self.position is None else None,
            "total": total,
        }

    def envelope(self, request: Request, rows: Rendered, *, total: int, branch: str | None = None) -> dict[str, Any]:
        """`{"results", "next", "previous", "limit", "offset", "total"}`; following `next` pages by keyset.

        A `branch` that the list runs along goes into its cursors.
        """
        is_first = self.position is None and self.offset == 0
        more_after = rows.has_more or self.backwards
        more_before = rows.has_more if self.backwards else not is_first

        def link(way: Way, end: list[Any] | None) -> str | None:
            return self._link(request, way, [*end, branch] if branch else end) if end else None

        return {
            "results": rows.results,
            "next": link("n", rows.last) if more_after else None,
            "previous": link("p", rows.first) if more_before else None,
            "limit": self.limit,
            "offset": self.offset if self.position is None else None,
            "total": total,
        }

    def _link(self, request: Request, way: Way, position: Any) -> str:
        cursor = cursor_encode([way, position], user_id=actor_id(request), query=self.query)
        kept = [(name, value) for name, value in request.query_params.items() if name not in ("cursor", "offset")]
        return request.build_absolute_uri(f"{request.path}?{urlencode([*kept, ('cursor', cursor)])}")


def _bound_query(request: Request) -> str:
    """Path and filters in a fixed order; how many rows a page has may change between pages."""
    kept = sorted((n, v) for n, v in request.query_params.items() if n not in ("cursor", "limit", "offset"))
    return f"{request.path}?{urlencode(kept, errors='surrogatepass')}"
