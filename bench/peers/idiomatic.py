"""The idiomatic peer: what a good engineer writes in a weekend with FastAPI, SQLModel and asyncpg."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, NoReturn
from uuid import UUID

import jwt
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import func, select, tuple_
from sqlmodel.ext.asyncio.session import AsyncSession

from bench.peers import rules
from bench.peers.tables import (
    Change,
    ChangeCounter,
    Conversation,
    ConversationPage,
    IdempotencyKey,
    Message,
    MessageCreate,
    MessagePage,
    MessageRead,
    Session,
    User,
)

engine = create_async_engine(
    rules.DATABASE_URL.replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=rules.POOL, max_overflow=0
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def database() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine, expire_on_commit=False) as session:
        yield session


Database = Annotated[AsyncSession, Depends(database)]


async def current_user(
    session: Database,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))],
) -> User:
    if credentials is None:
        raise HTTPException(401)
    try:
        claims = jwt.decode(
            credentials.credentials,
            rules.KEY,
            algorithms=["HS256"],
            issuer=rules.ISSUER,
            options={"require": rules.REQUIRED_CLAIMS},
        )
        user_id, session_id = UUID(claims["sub"]), UUID(claims["sid"])
    except (jwt.InvalidTokenError, ValueError) as error:
        raise HTTPException(401) from error
    found = await session.exec(
        select(User)
        .join(Session, (Session.user_id == User.id) & (Session.security_stamp == User.security_stamp))
        .where(
            User.id == user_id,
            User.is_active,
            Session.id == session_id,
            Session.revoked_at.is_(None),
            Session.expires_at > func.now(),
        )
    )
    user = found.one_or_none()
    if user is None:
        raise HTTPException(401)
    return user


CurrentUser = Annotated[User, Depends(current_user)]
IfNoneMatch = Annotated[str | None, Header()]


@app.exception_handler(HTTPException)
async def refused(request: Request, error: HTTPException) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if error.status_code == 401 else None
    content = rules.problem(error.status_code)
    return JSONResponse(content, status_code=error.status_code, headers=headers, media_type=rules.PROBLEM)


@app.exception_handler(RequestValidationError)
async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    return JSONResponse(rules.problem(422), status_code=422, media_type=rules.PROBLEM)


@app.get("/api/v1/conversations/{conversation_id}/messages", response_model=MessagePage)
async def list_messages(
    request: Request,
    response: Response,
    session: Database,
    user: CurrentUser,
    conversation_id: UUID,
    order: Literal["asc", "desc"] = "asc",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: str | None = None,
    if_none_match: IfNoneMatch = None,
) -> Any:
    conversation = await own_conversation(session, user, conversation_id)
    etag = f'"{conversation.version}-{request.url.query}"'
    response.headers["ETag"] = etag
    if if_none_match == etag:
        return Response(status_code=304, headers={"ETag": etag})
    statement = select(Message).where(
        Message.user_id == user.id,
        Message.conversation_id == conversation_id,
        Message.deleted_at.is_(None),
        Message.hidden.is_(False),
    )
    place = tuple_(Message.created_at, Message.id)
    if cursor:
        at, last = position(cursor, user, request)
        after = tuple_(datetime.fromisoformat(at), UUID(last))
        statement = statement.where(place > after if order == "asc" else place < after)
    by = (Message.created_at, Message.id) if order == "asc" else (Message.created_at.desc(), Message.id.desc())
    found = (await session.exec(statement.order_by(*by).limit(limit + 1))).all()
    messages, more = found[:limit], len(found) > limit
    return MessagePage(
        results=messages,
        next=link(request, user, messages[-1].created_at, messages[-1].id) if more else None,
        previous=None,
        limit=limit,
        offset=None if cursor else 0,
        total=conversation.message_count - conversation.hidden_count,
    )


@app.get("/api/v1/conversations", response_model=ConversationPage)
async def list_conversations(
    request: Request,
    session: Database,
    user: CurrentUser,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: str | None = None,
    if_none_match: IfNoneMatch = None,
) -> Any:
    own = (Conversation.user_id == user.id, Conversation.deleted_at.is_(None), Conversation.archived.is_(False))
    total = (await session.exec(select(func.count()).select_from(Conversation).where(*own))).one()
    statement = select(Conversation).where(*own)
    if cursor:
        at, last = position(cursor, user, request)
        place = tuple_(Conversation.updated_at, Conversation.id)
        statement = statement.where(place < tuple_(datetime.fromisoformat(at), UUID(last)))
    statement = statement.order_by(Conversation.updated_at.desc(), Conversation.id.desc()).limit(limit + 1)
    found = (await session.exec(statement)).all()
    conversations, more = found[:limit], len(found) > limit
    page = ConversationPage(
        results=conversations,
        next=link(request, user, conversations[-1].updated_at, conversations[-1].id) if more else None,
        previous=None,
        limit=limit,
        offset=None if cursor else 0,
        total=total,
    )
    body = page.model_dump_json().encode()  # the validator is of the bytes: they are made here, once
    etag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    if if_none_match == etag:
        return Response(status_code=304, headers={"ETag": etag})
    return Response(body, media_type="application/json", headers={"ETag": etag})


@app.post("/api/v1/conversations/{conversation_id}/messages", response_model=MessageRead, status_code=201)
async def append_message(
    request: Request,
    response: Response,
    session: Database,
    user: CurrentUser,
    conversation_id: UUID,
    draft: MessageCreate,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> Any:
    mark = rules.fingerprint("POST", request.url.path, await request.body())
    if idempotency_key and (kept := await session.get(IdempotencyKey, (user.id, rules.key_id(idempotency_key)))):
        return replayed(kept, mark)
    conversation = await own_conversation(session, user, conversation_id, lock=True)
    message = new_message(conversation, draft)
    session.add(message)
    update_conversation(conversation, message, draft)
    try:
        await session.flush()
        await record_changes(session, user, message)
        shown = MessageRead.model_validate(message)
        if idempotency_key:
            body, key = shown.model_dump_json(), rules.key_id(idempotency_key)
            session.add(
                IdempotencyKey(
                    user_id=user.id, id=key, fingerprint=mark, status=201, body=body, conversation_id=conversation_id
                )
            )
        await session.commit()
    except IntegrityError as error:
        await session.rollback()
        key_in_use = idempotency_key and await session.get(IdempotencyKey, (user.id, rules.key_id(idempotency_key)))
        if not key_in_use:
            raise HTTPException(422) from error
        return replayed(key_in_use, mark)
    response.headers["ETag"] = f'"{message.version}"'
    response.headers["Location"] = f"{request.url.path}/{message.id}"
    return shown


def new_message(conversation: Conversation, draft: MessageCreate) -> Message:
    now = datetime.now(UTC)
    if conversation.last_message_at and now <= conversation.last_message_at:
        now = conversation.last_message_at + timedelta(microseconds=1)
    values = draft.model_dump(exclude={"metadata", "parent_id"})
    parent = draft.parent_id if "parent_id" in draft.model_fields_set else conversation.current_message_id
    return Message(
        user_id=conversation.user_id,
        conversation_id=conversation.id,
        parent_id=parent,
        metadata_=draft.metadata,
        created_at=now,
        updated_at=now,
        **values,
    )


def update_conversation(conversation: Conversation, message: Message, draft: MessageCreate) -> None:
    if not conversation.title and message.role == "user":
        conversation.title = rules.title_from(message.content)
        conversation.title_is_generated = bool(conversation.title)
    conversation.linear = conversation.linear and message.parent_id == conversation.current_message_id
    conversation.message_count += 1
    conversation.hidden_count += draft.hidden
    conversation.current_message_id = message.id
    conversation.last_message_at = conversation.updated_at = message.created_at
    conversation.version += 1


async def record_changes(session: AsyncSession, user: User, message: Message) -> None:
    """The counter's row is locked last: who holds it commits next."""
    statement = insert(ChangeCounter).values(user_id=user.id, value=2)
    counted = statement.on_conflict_do_update(index_elements=["user_id"], set_={"value": ChangeCounter.value + 2})
    last = (await session.exec(counted.returning(ChangeCounter.value))).scalar_one()
    of = {"user_id": user.id, "conversation_id": message.conversation_id, "op": "upsert"}
    session.add(Change(id=last - 1, kind="message", object_id=message.id, **of))
    session.add(Change(id=last, kind="conversation", object_id=message.conversation_id, **of))


async def own_conversation(
    session: AsyncSession, user: User, conversation_id: UUID, *, lock: bool = False
) -> Conversation:
    statement = select(Conversation).where(
        Conversation.user_id == user.id, Conversation.id == conversation_id, Conversation.deleted_at.is_(None)
    )
    found = await session.exec(statement.with_for_update(key_share=True) if lock else statement)
    return found.one_or_none() or await refuse(session, user, conversation_id)


async def refuse(session: AsyncSession, user: User, conversation_id: UUID) -> NoReturn:
    owners = await session.exec(select(Conversation.user_id).where(Conversation.id == conversation_id))
    raise HTTPException(403 if set(owners.all()) - {user.id} else 404)


def replayed(kept: IdempotencyKey, mark: bytes) -> Response:
    if kept.fingerprint != mark:
        raise HTTPException(422)
    headers = {"Idempotency-Replayed": "true"}
    return Response(kept.body, status_code=kept.status, media_type="application/json", headers=headers)


def position(cursor: str, user: User, request: Request) -> list[str]:
    try:
        return rules.cursor_decode(cursor, user.id, request.url.path)
    except ValueError as error:
        raise HTTPException(400) from error


def link(request: Request, user: User, at: datetime, last: UUID) -> str:
    cursor = rules.cursor_encode([at.isoformat(), str(last)], user.id, request.url.path)
    return str(request.url.include_query_params(cursor=cursor))
