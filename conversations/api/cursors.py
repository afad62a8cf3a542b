"""Cursors: opaque, tamper-proof, and bound to one user and one query."""

import base64
import hashlib
import hmac
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings

from chatstore.problems import InvalidCursor

_MAC_BYTES = 16


def cursor_encode(position: Any, *, user_id: UUID, query: str) -> str:
    """A position (any JSON value) as text that only this user can use, and only in this query."""
    payload = orjson.dumps(position, default=list)  # a named tuple is a list
    return _as_text(_mac(payload, user_id, query) + payload)


def cursor_decode(text: str, *, user_id: UUID, query: str) -> Any:
    """The inverse. Raises InvalidCursor for anything that `cursor_encode` did not make for this user and query."""
    try:
        data = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:  # also UnicodeEncodeError and binascii.Error
        raise InvalidCursor() from None
    if _as_text(data) != text:  # the unused bits of the last character: another spelling of the same bytes
        raise InvalidCursor()
    mac, payload = data[:_MAC_BYTES], data[_MAC_BYTES:]
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    if not any(hmac.compare_digest(mac, _mac(payload, user_id, query, key)) for key in keys):
        raise InvalidCursor()
    return orjson.loads(payload)


def _as_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _mac(payload: bytes, user_id: UUID, query: str, key: str | None = None) -> bytes:
    secret = hashlib.blake2b((key or settings.SECRET_KEY).encode(), digest_size=32, person=b"chatstore-cursor").digest()
    bound = b"\0".join([str(user_id).encode(), query.encode(), payload])
    return hashlib.blake2b(bound, key=secret, digest_size=_MAC_BYTES).digest()
