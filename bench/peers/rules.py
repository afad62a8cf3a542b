"""What both peers have to agree on with the product, whatever their style: cursors, titles, refusals."""

import base64
import hashlib
import hmac
import json
import os
import re
from uuid import UUID

KEY, KEY_ID = os.environ.get("BENCH_KEY", ""), os.environ.get("BENCH_KEY_ID", "")
DATABASE_URL = os.environ.get("DATABASE_URL", "")
ISSUER = "chatstore"
REQUIRED_CLAIMS = ["sub", "sid", "jti", "iat", "exp", "iss"]
POOL = 8
MAX_CHARACTERS = 1_000_000
TITLE_LENGTH = 80
PROBLEM = "application/problem+json"

REFUSALS = {
    400: ("invalid_cursor", "This cursor does not belong to this list"),
    401: ("not_authenticated", "A valid token is needed"),
    403: ("conversation_forbidden", "This conversation belongs to somebody else"),
    404: ("conversation_not_found", "There is no such conversation"),
    409: ("conflict", "It is there already"),
    422: ("invalid", "The request is not valid"),
}
_BLANKS = re.compile(r"\s+")
_LEADING_MARKS = re.compile(r"^[#>*\-\s`]+")


def problem(status: int) -> dict[str, object]:
    """A refusal as RFC 9457 has it."""
    code, title = REFUSALS[status]
    return {"type": "about:blank", "title": title, "status": status, "detail": title, "code": code}


def cursor_encode(position: list[object], user_id: UUID | str, path: str) -> str:
    """A position as text that only this user can use, and only in this list."""
    payload = json.dumps(position, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_mac(payload, user_id, path) + payload).rstrip(b"=").decode()


def cursor_decode(text: str, user_id: UUID | str, path: str) -> list[str]:
    """The inverse. Raises ValueError for what `cursor_encode` did not make for this user and list."""
    data = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    mac, payload = data[:16], data[16:]
    if not hmac.compare_digest(mac, _mac(payload, user_id, path)):
        raise ValueError("not a cursor of this list")
    position: list[str] = json.loads(payload)
    return position


def title_from(content: str) -> str:
    """The first line that says something, without leading Markdown, cut between words at 80 characters."""
    for line in content[:10_000].splitlines():
        words = _BLANKS.sub(" ", _LEADING_MARKS.sub("", line)).strip()
        if not words:
            continue
        if len(words) <= TITLE_LENGTH:
            return words
        head = words[: TITLE_LENGTH - 1]
        between = head.rpartition(" ")[0] if " " in head[TITLE_LENGTH // 2 :] else head
        return between.rstrip(" ,;:.") + "…"
    return ""


def key_id(key: str) -> UUID:
    """The id under which the answer to an Idempotency-Key is kept."""
    return UUID(bytes=hashlib.sha256(key.encode()).digest()[:16])


def fingerprint(method: str, path: str, body: bytes) -> bytes:
    """What tells a request from another one under the same key."""
    return hashlib.sha256(f"{method} {path}\n".encode() + body).digest()


def _mac(payload: bytes, user_id: UUID | str, path: str) -> bytes:
    bound = b"\0".join([str(user_id).encode(), path.encode(), payload])
    return hashlib.blake2b(bound, key=_SECRET, digest_size=16).digest()


_SECRET = hashlib.blake2b(KEY.encode(), digest_size=32, person=b"bench-cursor").digest()
