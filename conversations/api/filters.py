"""The filters of lists, checked. Each set of them has a prepared statement of its own (queries/)."""

from typing import Any

from rest_framework.request import Request

from chatstore.storable import to_storable
from conversations.api.paging import query_bool, query_invalid, query_time
from conversations.queries.conversations import Ordering

TIMES = ("created_after", "created_before", "updated_after", "updated_before")
MAX_TEXT = 1_000


def list_filters(request: Request) -> tuple[dict[str, Any], bool]:
    """The filters as parameters of the statement, and whether the trash is asked for. Raises Invalid (422)."""
    in_trash = bool(query_bool(request, "deleted"))
    filters: dict[str, Any] = {name: moment for name in TIMES if (moment := query_time(request, name)) is not None}
    archived = query_bool(request, "archived")
    if archived is not None or not in_trash:  # the trash shows all that is in it
        filters["archived"] = bool(archived)
    if (starred := query_bool(request, "starred")) is not None:
        filters["starred"] = starred
    for name in ("tag", "model"):
        if (text := _text(request, name)) is not None:
            filters[name] = text
    if words := _text(request, "q"):
        filters["q"] = words
    return filters, in_trash


def document_filters(request: Request) -> dict[str, Any]:
    """Those of the list of documents. Raises Invalid (422)."""
    return {name: text for name in ("source", "kind") if (text := _text(request, name)) is not None}


def _text(request: Request, name: str) -> str | None:
    text = request.GET.get(name)
    if text is not None and len(text) > MAX_TEXT:
        raise query_invalid(name, f"At most {MAX_TEXT} characters.")
    return None if text is None else to_storable(text)


def list_ordering(request: Request) -> Ordering:
    """`updated_at`, `created_at` or `title`, with `-` for descending. Raises Invalid (422)."""
    text = request.GET.get("ordering")
    if text is None:
        return Ordering()
    ordering = Ordering.named(text)
    if ordering is None:
        raise query_invalid("ordering", "Expected updated_at, created_at or title, with - for descending.")
    return ordering
