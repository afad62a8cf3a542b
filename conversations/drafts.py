"""What a client may ask to be written: the typed input of the actions, and the request bodies of the API."""

from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from django.conf import settings
from msgspec import UNSET, Meta, UnsetType

from chatstore.bodies import MAX_DEPTH, Body, too_deep

RoleName = Literal["system", "user", "assistant", "tool"]
StatusName = Literal["complete", "streaming", "interrupted", "failed"]

Content = Annotated[str, Meta(max_length=settings.MESSAGE_MAX_CHARACTERS)]
Title = Annotated[str, Meta(max_length=1_000)]
ShortText = Annotated[str, Meta(max_length=200)]
Language = Annotated[str, Meta(max_length=35)]  # BCP 47
SelectedText = Annotated[str, Meta(max_length=100_000)]
Tag = Annotated[str, Meta(min_length=1, max_length=100)]
Tags = Annotated[list[Tag], Meta(max_length=100)]
Figure = Annotated[int, Meta(ge=0, le=2_147_483_647)]
Cost = Annotated[Decimal, Meta(description="A decimal number, at most 8 places; as a string or a number.")]
Free = list[Any] | dict[str, Any]

MAX_COST = Decimal(10) ** 11
FREE_FIELDS = ("parts", "tool_calls", "tool_results", "sources", "metadata")


class MessageDraft(Body, kw_only=True, frozen=True):
    """A message to be added. Without `parent_id` it follows the current one; `parent_id: null` makes a new root."""

    role: RoleName
    content: Content | None = ""
    id: UUID | UnsetType = UNSET
    parent_id: UUID | UnsetType | None = UNSET
    parts: list[Any] = []
    status: StatusName = "complete"
    model: ShortText | None = None
    tool_calls: Free | None = None
    tool_results: Free | None = None
    sources: Free | None = None
    selected_text: SelectedText | None = None
    metadata: dict[str, Any] = {}
    language: Language | None = None
    tokens_in: Figure | None = None
    tokens_out: Figure | None = None
    tokens_used: Figure | None = None
    cost_cents: Cost | None = None
    response_cached: bool | None = None
    response_time_ms: Figure | None = None
    hidden: bool = False

    def __post_init__(self) -> None:
        _check_free_fields(self)
        if not (self.content or self.tool_calls or self.tool_results or self.parts or self.status == "streaming"):
            raise ValueError("`content` may be empty only with tool_calls, tool_results, parts or status streaming")


class MessagesDraft(Body, kw_only=True, frozen=True):
    """A turn or a batch: all of it in this order, or nothing. Each message follows the one before it."""

    messages: Annotated[list[MessageDraft], Meta(min_length=1, max_length=settings.MESSAGES_PER_REQUEST)]


class MessagePatch(Body, kw_only=True, frozen=True):
    """An edit in place. What is absent stays."""

    content: Content | UnsetType | None = UNSET
    parts: list[Any] | UnsetType = UNSET
    model: ShortText | UnsetType | None = UNSET
    tool_calls: Free | UnsetType | None = UNSET
    tool_results: Free | UnsetType | None = UNSET
    sources: Free | UnsetType | None = UNSET
    selected_text: SelectedText | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    language: Language | UnsetType | None = UNSET
    tokens_in: Figure | UnsetType | None = UNSET
    tokens_out: Figure | UnsetType | None = UNSET
    tokens_used: Figure | UnsetType | None = UNSET
    cost_cents: Cost | UnsetType | None = UNSET
    response_cached: bool | UnsetType | None = UNSET
    response_time_ms: Figure | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        _check_free_fields(self)


class ConversationDraft(Body, kw_only=True, frozen=True):
    """A conversation to be made, with its messages if there are any already."""

    id: UUID | UnsetType = UNSET
    title: Title | None = ""
    model: ShortText | None = None
    metadata: dict[str, Any] = {}
    tags: Tags = []
    starred: bool = False
    archived: bool = False
    messages: Annotated[list[MessageDraft], Meta(max_length=settings.MESSAGES_PER_REQUEST)] = []

    def __post_init__(self) -> None:
        _check_free_fields(self)


class ConversationPatch(Body, kw_only=True, frozen=True):
    """A change of a conversation. What is absent stays."""

    title: Title | UnsetType | None = UNSET
    model: ShortText | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    starred: bool | UnsetType = UNSET
    archived: bool | UnsetType = UNSET
    current_message_id: UUID | UnsetType = UNSET

    def __post_init__(self) -> None:
        _check_free_fields(self)


class ConversationReplacement(ConversationPatch, kw_only=True, frozen=True):
    """PUT: as a patch, and with `messages` the active branch becomes equal to that list."""

    messages: Annotated[list[MessageDraft], Meta(max_length=settings.MESSAGES_PER_REQUEST)] | UnsetType = UNSET


class ForkDraft(Body, kw_only=True, frozen=True):
    """A copy up to this message; without one, up to the current message."""

    message_id: UUID | None = None


def _check_free_fields(draft: Any) -> None:
    for name in FREE_FIELDS:
        value = getattr(draft, name, UNSET)
        if value and too_deep(value):
            raise ValueError(f"`{name}` has more than {MAX_DEPTH} levels")
    cost = getattr(draft, "cost_cents", None)
    if isinstance(cost, Decimal) and not _is_a_cost(cost):
        raise ValueError("`cost_cents` is a number from 0 to 100,000,000,000")


def _is_a_cost(cost: Decimal) -> bool:
    exponent = cost.as_tuple().exponent  # a letter for what is no finite number
    # PostgreSQL refuses 1e-20000; what is beyond 8 places is rounded.
    return isinstance(exponent, int) and exponent >= -100 and 0 <= cost < MAX_COST


class ExportDraft(Body, kw_only=True, frozen=True):
    """What to export: the conversations named, or all of them."""

    format: ShortText
    conversations: Annotated[list[UUID], Meta(max_length=10_000)] = []
    redact: bool = False
