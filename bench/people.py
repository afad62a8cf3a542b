"""Who asks, and for what: tokens, and the conversations that the kinds of work are about."""

import json
import time
from dataclasses import dataclass
from uuid import UUID, uuid4

import jwt
import psycopg

from bench.database import KEY, KEY_ID
from bench.dataset import DEEP_MESSAGES, Person, person

PAGE = 50
DAYS = 7


def token(who: Person, *, ended: bool = False) -> str:
    """An access token as the product signs it, for long enough."""
    now = int(time.time())
    session = who.ended_session_id if ended else who.session_id
    claims = {
        "token_type": "access", "exp": now + DAYS * 86_400, "iat": now, "jti": uuid4().hex, "sub": str(who.user_id),
        "sid": str(session), "iss": "chatstore",
    }  # fmt: skip
    return jwt.encode(claims, KEY, algorithm="HS256", headers={"kid": KEY_ID})


@dataclass(frozen=True, slots=True)
class Target:
    """A conversation and its owner's token."""

    id: UUID
    user_id: UUID
    token: str

    @property
    def messages(self) -> str:
        return f"/api/v1/conversations/{self.id}/messages"


@dataclass(frozen=True, slots=True)
class People:
    """What of a data set the requests are about."""

    tokens: dict[UUID, str]
    long: list[Target]  # a page and more: for reading
    short: list[Target]  # less than a page: for writing, so that what is read keeps its length
    deep: Target | None

    @classmethod
    def of(cls, connection: psycopg.Connection, users: int) -> "People":
        """Of the data set that this connection leads to; always in the same order."""
        tokens = {who.user_id: token(who) for who in map(person, range(users))}
        rows = connection.execute(
            "SELECT id, user_id, message_count FROM conversations_conversation"
            " WHERE linear AND deleted_at IS NULL AND message_count > 0 ORDER BY md5(id::text)"
        ).fetchall()
        long, short, deep = [], [], None
        for conversation, user, count in rows:
            target = Target(conversation, user, tokens[user])
            if count >= DEEP_MESSAGES:
                deep = target
            else:
                (long if count > PAGE else short).append(target)
        return cls(tokens, long, short, deep)


def message_body(text: str) -> bytes:
    """What a client sends to append."""
    return json.dumps({"role": "user", "content": text}, ensure_ascii=False).encode()
