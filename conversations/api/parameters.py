"""The query parameters and headers, for the schema."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter as P
from drf_spectacular.utils import OpenApiResponse

from chatstore.schema import IF_MATCH as IF_MATCH
from chatstore.schema import IF_NONE_MATCH as IF_NONE_MATCH
from conversations.interchange.writers import WRITERS

IDEMPOTENCY_KEY = P(
    "Idempotency-Key",
    str,
    P.HEADER,
    description="The same key with the same request is carried out once; later ones get the first answer.",
)
CURSOR = P("cursor", str, description="From `next` or `previous`; opaque, and good for this user and this query only.")
_LARGEST = 2**31 - 1
OFFSET = P(
    "offset",
    {"type": "integer", "minimum": 0, "maximum": _LARGEST, "default": 0},
    description="How many to skip; with a cursor it means nothing.",
)
PERMANENT = P("permanent", bool, description="true: for good, at once.")
MAX_TOKENS = P(
    "max_tokens",
    {"type": "integer", "minimum": 1, "maximum": _LARGEST},
    description="At most so many tokens in all.",
)
FORMAT = P(
    "format",
    str,
    enum=["openai", "native"],
    default="openai",
    description="`openai`: as chat completions take it; `native`: messages as everywhere in this API.",
)
IMPORT_FORMAT = P(
    "format",
    str,
    default="auto",
    description="What the file must be; `auto` finds it out. In a form it may be a field of its own.",
)
ASYNC = P("async", bool, description="true: by a worker, however small it is. In a form it may be a field of its own.")
EXPORT_FORMAT = P(
    "format",
    str,
    enum=list(WRITERS),
    default="jsonl",
    description="`jsonl` and `json` lose nothing; `docs/formats/exports.md` says what is in each.",
)
RANGE = P("Range", str, P.HEADER, description="`bytes=first-last`: a part of the file.")
IF_RANGE = P("If-Range", str, P.HEADER, description="An ETag: the part only if the file is still that one, else all.")
INCLUDE_HIDDEN = P("include_hidden", bool, description="Default: false.")
INCLUDE = P("include", str, enum=["messages"], description="Adds the messages of the active branch.")


def limit(default: int, maximum: int) -> P:
    return P("limit", {"type": "integer", "minimum": 1, "maximum": maximum, "default": default})


def there_already(shape: Any) -> OpenApiResponse:
    """The answer to a POST that brought an id which is there already, with the same content."""
    return OpenApiResponse(shape, description="It was there already, the same: nothing was done")


_TEXT = {"type": "string", "maxLength": 1_000}
LIST_FILTERS = [
    P("archived", bool, description="Default: false."),
    P("starred", bool, description="Only those that are, or are not."),
    P("tag", _TEXT, description="Only those with this tag."),
    P("model", _TEXT, description="Only those of this model."),
    P("created_after", OpenApiTypes.DATETIME),
    P("created_before", OpenApiTypes.DATETIME),
    P("updated_after", OpenApiTypes.DATETIME),
    P("updated_before", OpenApiTypes.DATETIME),
    P("deleted", bool, description="true: the trash."),
    P("q", _TEXT, description="Part of the title, in any case."),
    P(
        "ordering",
        str,
        enum=["updated_at", "-updated_at", "created_at", "-created_at", "title", "-title"],
        description="Default: -updated_at, newest activity first.",
    ),
]
MESSAGE_ID = P("message_id", OpenApiTypes.UUID, description="Only those of this message.")
RANGE = P("Range", str, P.HEADER, description="One range of bytes (RFC 9110, section 14): 206, or 416.")
DOCUMENT_FILTERS = [
    P("source", _TEXT, description="Only those of this format."),
    P("kind", _TEXT, description="Only those of this kind: `memory`, `project`, `prompt`, …"),
]
HISTORY = [
    P("order", str, enum=["asc", "desc"], default="asc", description="`asc`: oldest first."),
    P("branch", str, description="`all` for the whole tree, or the id of a message for the branch that leads to it."),
    INCLUDE_HIDDEN,
]
