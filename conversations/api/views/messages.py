"""Messages over HTTP."""

from uuid import UUID

import msgspec
from django.http import HttpResponse
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from chatstore.bodies import has_key, validated
from chatstore.rendering import JsonRenderer, encode_json
from conversations.actions.message_edits import message_delete, message_restore, message_update
from conversations.actions.messages import message_append, messages_append
from conversations.api import examples
from conversations.api import parameters as p
from conversations.api.actor import AnyRequest, actor_id, session_to_check
from conversations.api.base import ApiViewSet, answer, location, once
from conversations.api.etags import etag, is_unchanged, not_modified, tagged, versions_wanted, view_of
from conversations.api.paging import Page, query_bool, query_choice, query_int, query_uuid
from conversations.api.shapes import ContextOut, ExchangeList, MessageList, MessageOut, MessagesOut
from conversations.drafts import MessageDraft, MessagePatch, MessagesDraft
from conversations.queries.branches import exchanges_page
from conversations.queries.context import context_window
from conversations.queries.history import HistoryRequest, Position, history_page
from conversations.queries.messages import message_get


def _either(name: str, *shapes: type[msgspec.Struct]) -> PolymorphicProxySerializer:
    # StructExtension makes a struct as good as a serializer here.
    return PolymorphicProxySerializer(name, list(shapes), None)  # type: ignore[arg-type]


def history_answer(request: AnyRequest, conversation_id: UUID) -> HttpResponse:
    """One page of a conversation, encoded. `request.user` is the Caller whom the statement confirms."""
    page = Page.of(request, default=50, maximum=500)
    branch = request.GET.get("branch", "")
    found = history_page(
        HistoryRequest(
            user_id=actor_id(request),
            conversation_id=conversation_id,
            session_id=session_to_check(request),
            limit=page.limit,
            order="desc" if query_choice(request, "order", "asc", ("asc", "desc")) == "desc" else "asc",
            offset=page.offset,
            after=Position(*page.position) if page.position else None,
            backwards=page.backwards,
            include_hidden=bool(query_bool(request, "include_hidden")),
            branch=None if branch in ("", "active") else "all" if branch == "all" else query_uuid("branch", branch),
        )
    )
    if is_unchanged(request, tag := etag(found.version, view_of(request))):
        return not_modified(tag)
    body = encode_json(page.envelope(request, found.page, total=found.total, branch=found.leaf))
    return HttpResponse(body, content_type=JsonRenderer.media_type, headers={"ETag": tag})


@extend_schema(tags=["messages"])
class MessageViewSet(ApiViewSet):
    """The messages of one conversation."""

    checked_by_statement = frozenset({"list", "create", "context"})

    @extend_schema(
        operation_id="messages_list",
        summary="Read messages",
        parameters=[p.limit(50, 500), p.OFFSET, p.CURSOR, *p.HISTORY, p.IF_NONE_MATCH],
        responses={200: MessageList, 304: None},
    )
    def list(self, request: Request, conversation_id: UUID) -> HttpResponse:
        """The active branch, oldest first; another branch, or the whole tree, with `branch`."""
        return history_answer(request, conversation_id)

    @extend_schema(
        operation_id="messages_append",
        summary="Append a message, or a turn",
        parameters=[p.IDEMPOTENCY_KEY],
        request=_either("MessageOrTurn", MessageDraft, MessagesDraft),
        responses={
            201: _either("MessageOrMessages", MessageOut, MessagesOut),
            200: p.there_already(_either("MessageOrMessages", MessageOut, MessagesOut)),
        },
        examples=examples.MESSAGES_APPEND,
    )
    def create(self, request: Request, conversation_id: UUID) -> Response:
        """One message, or `{"messages": […]}`: all of them in order, or none."""
        if is_batch(request.body):
            drafts = validated(MessagesDraft, request).messages
            rows, is_new = messages_append(
                user_id=actor_id(request),
                conversation_id=conversation_id,
                drafts=drafts,
                session_id=session_to_check(request),
                once=once(request),
            )
            for row in rows:
                del row["version"]
            return Response({"messages": rows}, status=201 if is_new else 200)
        draft = validated(MessageDraft, request)
        row, is_new = message_append(
            user_id=actor_id(request),
            conversation_id=conversation_id,
            draft=draft,
            session_id=session_to_check(request),
            once=once(request),
        )
        where = location(row["id"], within=row["conversation_id"])
        return answer(row, status=201 if is_new else 200, location=where)

    @extend_schema(
        operation_id="messages_retrieve",
        summary="Read a message",
        parameters=[p.IF_NONE_MATCH],
        responses={200: MessageOut, 304: None},
    )
    def retrieve(self, request: Request, conversation_id: UUID, pk: UUID) -> HttpResponse:
        """One message, on whichever branch it is."""
        row = message_get(user_id=actor_id(request), conversation_id=conversation_id, message_id=pk)
        tag = etag(row["version"])
        return not_modified(tag) if is_unchanged(request, tag) else answer(row)

    @extend_schema(
        operation_id="messages_update",
        summary="Edit a message",
        parameters=[p.IF_MATCH],
        request=MessagePatch,
        responses={200: MessageOut},
        examples=examples.MESSAGE_UPDATE,
    )
    def partial_update(self, request: Request, conversation_id: UUID, pk: UUID) -> Response:
        """In place; to keep the old text, append a branch instead."""
        patch = validated(MessagePatch, request)
        return answer(
            message_update(
                user_id=actor_id(request),
                conversation_id=conversation_id,
                message_id=pk,
                patch=patch,
                versions=versions_wanted(request),
            )
        )

    @extend_schema(
        operation_id="messages_delete",
        summary="Delete a message",
        parameters=[p.IF_MATCH],
        responses={204: None},
    )
    def destroy(self, request: Request, conversation_id: UUID, pk: UUID) -> Response:
        """Into the trash: it disappears from every branch; what follows it stays where it is."""
        message_delete(
            user_id=actor_id(request),
            conversation_id=conversation_id,
            message_id=pk,
            versions=versions_wanted(request),
        )
        return Response(status=204)

    @extend_schema(
        operation_id="messages_restore",
        summary="Restore a message",
        parameters=[p.IDEMPOTENCY_KEY],
        request=None,
        responses={200: MessageOut},
    )
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, conversation_id: UUID, pk: UUID) -> Response:
        """Back from the trash."""
        return answer(
            message_restore(
                user_id=actor_id(request), conversation_id=conversation_id, message_id=pk, once=once(request)
            )
        )

    @extend_schema(
        operation_id="messages_context",
        summary="Read the context for a model",
        parameters=[p.limit(20, 500), p.MAX_TOKENS, p.FORMAT, p.IF_NONE_MATCH],
        responses={200: ContextOut, 304: None},
    )
    @action(detail=False, methods=["get"])
    def context(self, request: Request, conversation_id: UUID) -> HttpResponse:
        """The last messages of the active branch, oldest first, ready to send."""
        limit = query_int(request, "limit", 20, minimum=1, maximum=500)
        budget = query_int(request, "max_tokens", 0, minimum=1, maximum=2**31 - 1)
        native = query_choice(request, "format", "openai", ("openai", "native")) == "native"
        return tagged(
            request,
            context_window(
                user_id=actor_id(request),
                conversation_id=conversation_id,
                session_id=session_to_check(request),
                limit=limit,
                max_tokens=budget or None,
                native=native,
            ),
        )

    @extend_schema(
        operation_id="messages_exchanges",
        summary="Read question and answer pairs",
        parameters=[p.limit(100, 500), p.OFFSET, p.CURSOR, p.IF_NONE_MATCH],
        responses={200: ExchangeList, 304: None},
    )
    @action(detail=False, methods=["get"])
    def exchanges(self, request: Request, conversation_id: UUID) -> HttpResponse:
        """Of the active branch, oldest first."""
        page = Page.of(request, default=100, maximum=500)
        rows, total = exchanges_page(
            user_id=actor_id(request), conversation_id=conversation_id, limit=page.limit, offset=page.start
        )
        return tagged(request, page.numbered(request, rows, total=total))


class _Keys(msgspec.Struct):
    messages: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def is_batch(body: bytes) -> bool:
    """Whether the body is `{"messages": …}`."""
    if b'"messages"' not in body:
        return False
    try:
        return msgspec.json.decode(body, type=_Keys).messages is not msgspec.UNSET
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return has_key(body, "messages")  # lone surrogates, or no JSON at all: the reading that follows will say which
