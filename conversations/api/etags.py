"""Strong validators (RFC 9110, section 8.8): a number that goes up with every change, and which view was read."""

import hashlib
import re
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from chatstore.rendering import encode_json
from conversations.api.actor import AnyRequest

_VERSION = re.compile(r'"(\d{1,18})[a-z0-9-]*"')


def etag(version: int, view: str = "") -> str:
    """The entity tag of a view (a page, a form of it) of what has this version."""
    if not view:
        return f'"{version}"'
    return f'"{version}-{hashlib.blake2b(view.encode(errors="surrogatepass"), digest_size=6).hexdigest()}"'


def version_in(tag: str) -> int | None:
    """The version that a tag of `etag` says."""
    match = _VERSION.fullmatch(tag)
    return int(match[1]) if match else None


def view_of(request: AnyRequest) -> str:
    """What of the resource an answer shows: its query, in the order given."""
    return str(request.META.get("QUERY_STRING", ""))


def is_unchanged(request: AnyRequest, tag: str) -> bool:
    """Whether If-None-Match names the tag (weak comparison, RFC 9110, section 13.1.2)."""
    header = request.META.get("HTTP_IF_NONE_MATCH")
    if header is None:
        return False
    return header.strip() == "*" or tag in [part.strip().removeprefix("W/") for part in header.split(",")]


def versions_wanted(request: Request) -> list[int] | None:
    """The versions that If-Match allows to be changed; None when there is no such header, or it is `*`.

    Strong comparison: a weak tag, or one that is none of ours, matches nothing and leaves the list empty.
    """
    header = request.META.get("HTTP_IF_MATCH")
    if header is None or header.strip() == "*":
        return None
    found = (version_in(part.strip()) for part in header.split(","))
    return [version for version in found if version is not None]


def tagged(request: Request, body: Any) -> HttpResponse:
    """A list or another answer that no version stands for: its tag is a digest of its bytes."""
    encoded = encode_json(body)
    tag = f'"{hashlib.blake2b(encoded, digest_size=12).hexdigest()}"'
    return not_modified(tag) if is_unchanged(request, tag) else Response(encoded, headers={"ETag": tag})


def not_modified(tag: str) -> HttpResponse:
    """304: what the client has is still right."""
    answer = HttpResponse(status=304, headers={"ETag": tag})
    del answer.headers["Content-Type"]
    return answer
