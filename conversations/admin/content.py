"""Who sees what people wrote, in one place. Without the permission it is not hidden on a page: it is not asked for."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Any, Literal
from uuid import UUID

from django.db.models import F, Func, TextField
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Left, Length
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.records import staff_of
from accounts.admin.texts import NOTHING, isolated, shown
from chatstore.logs import get_logger

PERMISSION = "conversations.view_content"
PREVIEW = 1_000  # characters of a message among others
MOST = 100_000  # characters of anything on its own page: a browser has to take it

JSON_STYLE = (
    "white-space: pre-wrap; overflow-wrap: anywhere; max-height: 30rem; overflow: auto; unicode-bidi: plaintext"
)

# The columns with content, and their kind.
Kind = Literal["text", "json", "texts"]
OF_CONVERSATION: Mapping[str, Kind] = {"title": "text", "tags": "texts", "metadata": "json", "raw": "json"}
OF_MESSAGE: Mapping[str, Kind] = {
    "content": "text",
    "parts": "json",
    "tool_calls": "json",
    "tool_results": "json",
    "sources": "json",
    "selected_text": "text",
    "metadata": "json",
    "raw": "json",
}

log = get_logger("conversations.admin")


def may_see_content(request: HttpRequest) -> bool:
    return staff_of(request).has_perm(PERMISSION)


def content_seen(*, staff_id: UUID, owner_id: UUID, kind: Literal["conversation", "message"], ids: list[UUID]) -> None:
    """Somebody of the staff is shown what a person wrote. Every page with content calls it: audit begins here."""
    if ids:
        told = {"staff_id": str(staff_id), "owner_id": str(owner_id), "kind": kind}
        log.info("content_seen", **told, object_ids=[str(one) for one in ids])


def titles_seen(request: HttpRequest, conversations: Iterable[Any]) -> None:
    """The same for a list, which may be of many people's."""
    for owner_id, own in groupby(sorted(conversations, key=attrgetter("user_id")), key=attrgetter("user_id")):
        content_seen(staff_id=staff_of(request).id, owner_id=owner_id, kind="conversation", ids=[one.pk for one in own])


def columns(kinds: Mapping[str, Kind], *, visible: bool, most: int = MOST) -> dict[str, Combinable]:
    """Annotations: `x_size` of each column, and when `visible` also its beginning, as text, as `x_text`."""
    sizes = {f"{name}_size": _size(name, kind) for name, kind in kinds.items()}
    texts = {f"{name}_text": _text(name, kind, most) for name, kind in kinds.items()} if visible else {}
    return {**sizes, **texts}


def _size(name: str, kind: Kind) -> Combinable:
    if kind == "texts":
        return F(f"{name}__len")
    return Length(name if kind == "text" else Cast(name, TextField()))


def _text(name: str, kind: Kind, most: int) -> Combinable:
    if kind == "texts":
        return F(name)
    # JSON is laid out by the database: Python refuses numbers that jsonb can hold. One more tells that there is more.
    whole = name if kind == "text" else Func(F(name), function="jsonb_pretty", output_field=TextField())
    return Left(whole, most + 1)


def told(values: Mapping[str, Any], name: str, kind: Kind, *, most: int = MOST) -> SafeString:
    """A column with content as HTML: itself if it was asked for, else how much it is."""
    size = values[f"{name}_size"] or 0
    if size <= (2 if kind == "json" else 0):  # {} and []
        return format_html("{}", NOTHING)
    if f"{name}_text" not in values:
        return format_html('<span class="text-subtle">hidden · {}</span>', amount(kind, size))
    text = values[f"{name}_text"]
    if kind == "texts":
        return isolated(", ".join(text))
    rest = f"… ({amount(kind, size)} in all)" if len(text) > most else ""
    if kind == "text":
        return format_html("{} {}", isolated(text[:most]), rest)
    return format_html('<pre class="text-xs" style="{}">{} {}</pre>', JSON_STYLE, shown(text[:most]), rest)


def amount(kind: Kind, size: int) -> str:
    """`1 character`, `12 entries`."""
    one, many = ("entry", "entries") if kind == "texts" else ("character", "characters")
    return f"{size:,} {one if size == 1 else many}"
