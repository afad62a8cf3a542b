"""The query parameters and headers, for the schema."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter as P

IDEMPOTENCY_KEY = P(
    "Idempotency-Key",
    str,
    P.HEADER,
    description="The same key with the same request is carried out once; later ones get the first answer.",
)
IF_MATCH = P("If-Match", str, P.HEADER, description="An ETag: 412 when it has changed since.")
IF_NONE_MATCH = P("If-None-Match", str, P.HEADER, description="An ETag: 304 when it has not changed since.")
CURSOR = P("cursor", str, description="From `next` or `previous`; opaque.")
OFFSET = P("offset", {"type": "integer", "minimum": 0, "default": 0}, description="Instead of a cursor.")
PERMANENT = P("permanent", bool, description="true: for good, at once.")
MAX_TOKENS = P("max_tokens", {"type": "integer", "minimum": 1}, description="At most so many tokens in all.")
FORMAT = P("format", str, enum=["openai", "native"], default="openai")
INCLUDE = P("include", str, enum=["messages"], description="Adds the messages of the active branch.")


def limit(default: int, maximum: int) -> P:
    return P("limit", {"type": "integer", "minimum": 1, "maximum": maximum, "default": default})


LIST_FILTERS = [
    P("archived", bool, description="Default: false."),
    P("starred", bool),
    P("tag", str),
    P("model", str),
    P("created_after", OpenApiTypes.DATETIME),
    P("created_before", OpenApiTypes.DATETIME),
    P("updated_after", OpenApiTypes.DATETIME),
    P("updated_before", OpenApiTypes.DATETIME),
    P("deleted", bool, description="true: the trash."),
    P("q", str, description="Part of the title."),
    P(
        "ordering",
        str,
        enum=["updated_at", "-updated_at", "created_at", "-created_at", "title", "-title"],
        description="Default: -updated_at, newest activity first.",
    ),
]
HISTORY = [
    P("order", str, enum=["asc", "desc"], default="asc"),
    P("branch", str, description="`all` for the whole tree, or the id of a message for the branch that leads to it."),
    P("include_hidden", bool, description="Default: false."),
]
