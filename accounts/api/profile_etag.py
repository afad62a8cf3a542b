"""The strong ETag of a profile: it has no version of its own, so the answer's bytes are it (RFC 9110, section 8.8)."""

import hashlib

from django.utils.http import parse_etags
from rest_framework.request import Request

from chatstore.problems import PreconditionFailed


def etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_known(request: Request, tag: str) -> bool:
    """If-None-Match names it: 304 will do (RFC 9110, section 13.1.2, which compares weakly)."""
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in known or any(each.removeprefix("W/") == tag for each in known)


def require_match(request: Request, tag: str) -> None:
    """Raises PreconditionFailed when If-Match does not name it (RFC 9110, section 13.1.1, which compares strongly)."""
    wanted = parse_etags(request.headers.get("If-Match", ""))
    if "*" not in wanted and tag not in wanted:
        raise PreconditionFailed()
