"""JSON in and out: orjson writes, msgspec reads, and what PostgreSQL cannot store comes back as it went in."""

import json
import re
from decimal import Decimal
from typing import IO, Any

import orjson
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from chatstore.storable import answer_from_storable

_SURROGATE = re.compile("[\ud800-\udfff]")


def _default(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(type(value).__name__)


def encode_json(value: Any) -> bytes:
    """A JSON document in UTF-8; text that holds lone surrogates, which orjson refuses, goes through the stdlib."""
    try:
        return answer_from_storable(orjson.dumps(value, default=_default))
    except TypeError:  # also for whole numbers beyond 64 bits
        text = json.dumps(value, default=_default, ensure_ascii=False)  # stored escapes have to stay as they are
        return answer_from_storable(_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode())


class JsonRenderer(BaseRenderer):
    """Bytes are an answer that is encoded already; all else is encoded here."""

    media_type = "application/json"
    format = "json"
    charset = None  # RFC 8259, section 8.1: JSON has no charset parameter

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        if data is None:
            return b""
        return data if isinstance(data, bytes) else encode_json(data)


class BytesRenderer(JsonRenderer):
    """For views that send bytes themselves: it says what they are, when a client asks (Accept)."""

    media_type = "application/octet-stream"


class JsonParser(BaseParser):
    """The body as it came: `chatstore.bodies` reads it straight into the type that the endpoint takes."""

    media_type = "application/json"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        return parser_context["request"].body
