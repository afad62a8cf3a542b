"""`Idempotency-Key`: the answer is written by the statement that it is about, so no crash can part the two.

A second request with the key does the same work, meets the key's row at the end and is rolled back as a whole; while
the first is still running, the second waits there. So no key is ever left "in progress"
(draft-ietf-httpapi-idempotency-key-header).
"""

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import IntegrityError

from chatstore.sql import Row, fetch_one, write
from conversations.problems import IdempotencyKeyInvalid, IdempotencyKeyReused

# Uses the table's key.
ANSWER = """
    SELECT status, body, version, fingerprint = %(fingerprint)s AS is_same,
           created_at < now() - make_interval(hours => %(hours)s) AS is_expired
      FROM conversations_idempotencykey
     WHERE user_id = %(user)s AND id = %(id)s
"""
# For what takes more than one statement: the key is taken first, and the answer put in at the end of the transaction.
CLAIM = """
    INSERT INTO conversations_idempotencykey (user_id, id, fingerprint, status, body)
    VALUES (%(user)s, %(once_id)s, %(once_fingerprint)s, %(once_status)s, '')
"""
KEEP = """
    UPDATE conversations_idempotencykey SET status = %(once_status)s, body = %(body)s
     WHERE user_id = %(user)s AND id = %(once_id)s
"""
FORGET = """
    DELETE FROM conversations_idempotencykey
     WHERE user_id = %(user)s AND id = %(id)s AND created_at < now() - make_interval(hours => %(hours)s)
"""


# For a request that found all of it done already. It goes for good with the conversation, so it wants that to be there;
# FOR KEY SHARE is what the foreign key would lock. A key that has expired is taken over in the same statement.
REMEMBER = f"""
    /* answer_remember */
    WITH kept AS (
        INSERT INTO conversations_idempotencykey AS k (
               user_id, id, fingerprint, status, body, version, conversation_id)
        SELECT %(user)s, %(id)s, %(fingerprint)s, 200, %(body)s, %(version)s, c.id
          FROM conversations_conversation c
         WHERE c.user_id = %(user)s AND c.id = %(conversation)s
           FOR KEY SHARE
            ON CONFLICT (user_id, id) DO UPDATE
           SET fingerprint = excluded.fingerprint, status = excluded.status, body = excluded.body,
               version = excluded.version, conversation_id = excluded.conversation_id, created_at = now()
         WHERE k.user_id = %(user)s AND k.created_at < now() - make_interval(hours => %(hours)s)
        RETURNING k.id
    ),
    answer AS ({ANSWER})
    SELECT kept.is_kept, answer.*
      FROM (SELECT count(*) > 0 AS is_kept FROM kept) AS kept LEFT JOIN answer ON NOT kept.is_kept
"""


class AnswerGiven(Exception):
    """This request was carried out before; here is what was answered then, and the version in its ETag."""

    def __init__(self, status: int, body: str, version: int | None) -> None:
        super().__init__("answered before")
        self.status, self.body, self.version = status, body, version


@dataclass(frozen=True, slots=True)
class Once:
    """A request that must happen only once: its key, and what tells it from another one."""

    id: UUID
    fingerprint: bytes

    @classmethod
    def of(cls, *, key: str, method: str, path: str, body: bytes) -> "Once":
        """From the header's text. Raises IdempotencyKeyInvalid (422)."""
        if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
            raise IdempotencyKeyInvalid()
        parts = hashlib.sha256(f"{method} {path}\n".encode())
        parts.update(body)
        return cls(UUID(bytes=hashlib.sha256(key.encode()).digest()[:16]), parts.digest())

    def params(self, status: int) -> dict[str, Any]:
        return {"once_id": self.id, "once_fingerprint": self.fingerprint, "once_status": status}


def raise_answer_given(*, user_id: UUID, once: Once | None) -> None:
    """For a request with a key that was used: raise its answer, or why it may not be used for this.

    A key that has expired is forgotten, and nothing is raised.
    """
    if once and (kept := _kept(user_id, once)):
        raise kept


def remember_answer(*, user_id: UUID, once: Once | None, conversation_id: UUID, row: Row) -> None:
    """Keep the answer, 200, to a request that found all of it done already; raise the one that is kept, if one is.

    `row` is its body, and the `version` of its ETag if it has one. Raises AnswerGiven, IdempotencyKeyReused.
    """
    if once is None:
        return
    params = {
        "conversation": conversation_id,
        "version": row.get("version"),
        # Values of chatstore.sql: in their stored form, and JSON as its bytes.
        "body": orjson.dumps({name: value for name, value in row.items() if name != "version"}).decode(),
        **_params(user_id, once),
    }
    (row,) = write(REMEMBER, params, repeatable=True)
    if row["is_same"] is not None:
        raise _answer(row)
    if not row["is_kept"]:  # another has kept its answer since the statement began
        raise_answer_given(user_id=user_id, once=once)


def once_claim(*, user_id: UUID, once: Once | None) -> None:
    """Take the key, at the beginning of a transaction that ends with `answer_keep`.

    While another request has it, this waits for that one's end. Raises IntegrityError when the other was carried out.
    """
    if once:
        write(CLAIM, {"user": user_id, **once.params(0)})


def answer_keep(*, user_id: UUID, once: Once | None, status: int, body: str) -> None:
    """Keep the answer, as JSON text, under the key that was taken."""
    if once:
        write(KEEP, {"user": user_id, "body": body, **once.params(status)})


def raise_answer_after(error: IntegrityError, *, user_id: UUID, once: Once | None) -> None:
    """After `once_claim` met a key that another request has taken meanwhile: raise the answer that one was given."""
    if getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") == "conversations_idempotencykey_pkey":
        raise_answer_given(user_id=user_id, once=once)


def _kept(user_id: UUID, once: Once) -> Exception | None:
    params = _params(user_id, once)
    row = fetch_one(ANSWER, params)
    if row is None:
        return None
    if row["is_expired"]:
        write(FORGET, params, repeatable=True)
        return None
    return _answer(row)


def _answer(row: Row) -> Exception:
    return AnswerGiven(row["status"], row["body"], row["version"]) if row["is_same"] else IdempotencyKeyReused()


def _params(user_id: UUID, once: Once) -> dict[str, Any]:
    return {"user": user_id, "id": once.id, "fingerprint": once.fingerprint, "hours": settings.IDEMPOTENCY_HOURS}
