"""The tuned peer: FastAPI with nothing in the way: asyncpg's prepared statements, orjson, answers made by hand."""

import functools
import hashlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

import asyncpg
import jwt
import msgspec
import orjson
import uuid_utils.compat as uuids
from fastapi import FastAPI, Request, Response

from bench.peers import rules, statements

Figure = Annotated[int, msgspec.Meta(ge=0, le=2_147_483_647)]
Free = list[Any] | dict[str, Any]


class Draft(msgspec.Struct, kw_only=True):
    """What a client may send."""

    role: Literal["system", "user", "assistant", "tool"]
    content: Annotated[str, msgspec.Meta(min_length=1, max_length=rules.MAX_CHARACTERS)]
    parent_id: UUID | msgspec.UnsetType | None = msgspec.UNSET
    parts: list[Any] = []
    status: Literal["complete", "streaming", "interrupted", "failed"] = "complete"
    model: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    tool_calls: Free | None = None
    tool_results: Free | None = None
    sources: Free | None = None
    selected_text: str | None = None
    metadata: dict[str, Any] = {}
    language: str | None = None
    tokens_in: Figure | None = None
    tokens_out: Figure | None = None
    tokens_used: Figure | None = None
    cost_cents: Decimal | None = None
    response_cached: bool | None = None
    response_time_ms: Figure | None = None
    hidden: bool = False


class Refused(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


class Who(NamedTuple):
    user_id: str
    session_id: str


class Connection(asyncpg.Connection):
    def get_reset_query(self) -> str:
        return ""  # nothing here changes a session: a round trip less for each request


async def prepare(connection: asyncpg.Connection) -> None:
    """Values stay in the form in which an answer needs them."""
    codec = connection.set_type_codec
    await codec("uuid", encoder=str, decoder=str, schema="pg_catalog", format="text")
    await codec("jsonb", encoder=_to_json, decoder=orjson.Fragment, schema="pg_catalog", format="text")


def _to_json(value: Any) -> str:
    return orjson.dumps(value).decode()


class State:
    pool: asyncpg.Pool


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    State.pool = await asyncpg.create_pool(
        rules.DATABASE_URL, min_size=rules.POOL, max_size=rules.POOL, init=prepare, connection_class=Connection
    )
    yield
    await State.pool.close()


app = FastAPI(lifespan=lifespan, openapi_url=None)


@app.exception_handler(Refused)
async def refused(request: Request, error: Refused) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return Response(orjson.dumps(rules.problem(error.status)), error.status, headers, rules.PROBLEM)


@app.get("/api/v1/conversations/{conversation_id}/messages")
async def list_messages(request: Request) -> Response:
    who, query = identify(request), request.query_params
    conversation, limit = conversation_of(request), number(query, "limit", 50, 500)
    order, cursor = query.get("order", "asc"), query.get("cursor")
    if order not in ("asc", "desc"):
        raise Refused(422)
    after = position(cursor, who, request) if cursor else []
    suffix = hashlib.blake2b(request.scope["query_string"], digest_size=6).hexdigest()
    if seen := request.headers.get("if-none-match"):
        version = await State.pool.fetchrow(statements.VERSION, *who, conversation)
        etag = f'"{(await found(version, who, conversation))["version"]}-{suffix}"'
        if seen == etag:
            return Response(status_code=304, headers={"ETag": etag})
    statement = statements.HISTORY[order == "desc", bool(after)]
    rows = await State.pool.fetch(statement, *who, conversation, limit + 1, *after)
    first = await found(rows[0] if rows else None, who, conversation)
    body = envelope(request, who, rows, statements.MESSAGE, "created_at", limit, first["total"])
    return answer(body, f'"{first["version"]}-{suffix}"')


@app.get("/api/v1/conversations")
async def list_conversations(request: Request) -> Response:
    who, limit = identify(request), number(request.query_params, "limit", 20, 100)
    cursor = request.query_params.get("cursor")
    after = position(cursor, who, request) if cursor else []
    rows = await State.pool.fetch(statements.LIST[bool(after)], *who, limit + 1, *after)
    if not rows:
        raise Refused(401)
    body = envelope(request, who, rows, statements.CONVERSATION, "updated_at", limit, rows[0]["total"])
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"ETag": etag})
    return answer(body, etag)


@app.post("/api/v1/conversations/{conversation_id}/messages")
async def append_message(request: Request) -> Response:
    who, conversation, body = identify(request), conversation_of(request), await request.body()
    key = request.headers.get("idempotency-key")
    try:
        draft = msgspec.json.decode(body, type=Draft)
    except msgspec.DecodeError:
        raise Refused(422) from None
    mark = rules.fingerprint("POST", request.url.path, body)
    key_id = rules.key_id(key) if key else None
    try:
        row = await State.pool.fetchrow(statements.APPEND, *who, *parameters(draft, conversation, key_id, mark))
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "conversations_idempotencykey_pkey":
            raise Refused(409) from None
        return await replayed(who, key_id, mark)
    except asyncpg.ForeignKeyViolationError:
        raise Refused(422) from None
    row = await found(row, who, conversation)
    identity = orjson.loads(row["body"])["id"]
    headers = {"ETag": f'"{row["version"]}"', "Location": f"{request.url.path}/{identity}"}
    return Response(row["body"], 201, headers, "application/json")


def parameters(draft: Draft, conversation: str, key_id: UUID | None, mark: bytes) -> list[Any]:
    follows = draft.parent_id is msgspec.UNSET
    title = rules.title_from(draft.content) if draft.role == "user" else ""
    values = [getattr(draft, name) for name in statements.WRITTEN]
    parent = None if follows else draft.parent_id
    return [conversation, uuids.uuid7(), follows, parent, title, key_id, mark, *values]


async def replayed(who: Who, key_id: UUID | None, mark: bytes) -> Response:
    kept = await State.pool.fetchrow(statements.KEPT, who.user_id, key_id)
    if kept is None or kept["fingerprint"] != mark:
        raise Refused(422)
    return Response(kept["body"], kept["status"], {"Idempotency-Replayed": "true"}, "application/json")


async def found(row: Any, who: Who, conversation: str) -> Any:
    """The row, if the session lives and the conversation is this person's."""
    if row is None:
        raise Refused(401)
    if row["version"] is None:
        owners = await State.pool.fetch(statements.OWNERS, conversation)
        raise Refused(403 if any(owner["user_id"] != who.user_id for owner in owners) else 404)
    return row


def identify(request: Request) -> Who:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Refused(401)
    try:
        who, expires_at = verified(token)
    except (jwt.InvalidTokenError, ValueError):
        raise Refused(401) from None
    if expires_at <= time.time():
        raise Refused(401)
    return who


@functools.lru_cache(maxsize=10_000)
def verified(token: str) -> tuple[Who, int]:
    """A good signature stays good: only whether the session lives is asked each time, by the statement."""
    options = {"require": rules.REQUIRED_CLAIMS}
    claims = jwt.decode(token, rules.KEY, algorithms=["HS256"], issuer=rules.ISSUER, options=options)
    return Who(str(UUID(claims["sub"])), str(UUID(claims["sid"]))), int(claims["exp"])


def conversation_of(request: Request) -> str:
    try:
        return str(UUID(request.path_params["conversation_id"]))
    except ValueError:
        raise Refused(404) from None


def number(query: Mapping[str, str], name: str, default: int, maximum: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= maximum:
        raise Refused(422)
    return int(text)


def position(cursor: str, who: Who, request: Request) -> list[Any]:
    try:
        at, last = rules.cursor_decode(cursor, who.user_id, request.url.path)
        return [datetime.fromisoformat(at), last]
    except ValueError:
        raise Refused(400) from None


def envelope(
    request: Request, who: Who, rows: list[Any], names: tuple[str, ...], by: str, limit: int, total: int
) -> bytes:
    """The page as JSON: orjson writes times itself, and jsonb as the bytes that PostgreSQL sent."""
    shown = [dict(zip(names, row, strict=False)) for row in rows[:limit] if row["id"] is not None]
    following = None
    if len(rows) > limit:
        path, last = request.scope["path"], shown[-1]
        cursor = rules.cursor_encode([last[by].isoformat(), last["id"]], who.user_id, path)
        kept = [(name, value) for name, value in request.query_params.items() if name not in ("cursor", "offset")]
        following = f"http://{request.headers['host']}{path}?{urlencode([*kept, ('cursor', cursor)])}"
    page = {
        "results": shown,
        "next": following,
        "previous": None,
        "limit": limit,
        "offset": None if "cursor" in request.query_params else 0,
        "total": total,
    }
    return orjson.dumps(page, option=orjson.OPT_UTC_Z)


def answer(body: bytes, etag: str) -> Response:
    return Response(body, headers={"ETag": etag}, media_type="application/json")
