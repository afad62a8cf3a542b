"""JSON in and out: orjson writes, msgspec reads, and what PostgreSQL cannot store comes back as it went in."""

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import IO, Any

import orjson
from django.http import HttpRequest
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

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


class Negotiation(DefaultContentNegotiation):
    """One renderer, and JSON is what almost everybody takes: DRF's comparison of lists was a tenth of a small answer.

    An `Accept` that names nothing wants nothing in particular (RFC 9110, section 12.5.1); to DRF, nothing at all.
    """

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        only, *others = renderers
        if not others and takes_json(request):
            return only, only.media_type
        return super().select_renderer(request, renderers, format_suffix)  # type: ignore[no-any-return]

    def get_accept_list(self, request: Request) -> list[str]:
        named = request.META.get("HTTP_ACCEPT", "").strip(" \t,")
        return super().get_accept_list(request) if named else ["*/*"]


def takes_json(request: Request | HttpRequest) -> bool:
    """Whether the Accept header plainly says so, or there is none; one with parameters has to be read with care."""
    accepted = request.META.get("HTTP_ACCEPT") or "*/*"
    return ";" not in accepted and ("*/*" in accepted or JsonRenderer.media_type in accepted)
