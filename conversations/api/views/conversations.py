"""Conversations over HTTP."""

from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from chatstore.bodies import validated
from chatstore.schema import problems
from chatstore.sql import Row
from conversations.actions.branches import conversation_fork, conversation_replace
from conversations.actions.conversations import (
    conversation_create,
    conversation_delete,
    conversation_restore,
    conversation_trash,
    conversation_update,
)
from conversations.api import examples
from conversations.api import parameters as p
from conversations.api.actor import actor_id, session_to_check
from conversations.api.base import ApiViewSet, answer, location, once
from conversations.api.etags import etag, is_unchanged, not_modified, tagged, versions_wanted, view_of
from conversations.api.filters import list_filters, list_ordering
from conversations.api.paging import Page, query_bool, query_choice
from conversations.api.shapes import ConversationList, ConversationOut
from conversations.drafts import ConversationDraft, ConversationPatch, ConversationReplacement, ForkDraft
from conversations.queries.branches import conversation_with_branch
from conversations.queries.conversations import ListRequest, conversation_get, conversation_page


@extend_schema(tags=["conversations"])
class ConversationViewSet(ApiViewSet):
    """A person's conversations: never anybody else's."""

    checked_by_statement = frozenset({"list", "create", "retrieve", "partial_update", "update", "fork"})

    @extend_schema(
        operation_id="conversations_list",
        summary="List conversations",
        parameters=[p.limit(20, 100), p.OFFSET, p.CURSOR, *p.LIST_FILTERS, p.IF_NONE_MATCH],
        responses={200: ConversationList, 304: None},
    )
    def list(self, request: Request) -> HttpResponse:
        """Summaries, newest activity first."""
        page = Page.of(request, default=20, maximum=100)
        filters, in_trash = list_filters(request)
        ordering = list_ordering(request)
        after = (page.position[0], page.position[1]) if page.position else None
        found = conversation_page(
            ListRequest(
                user_id=actor_id(request),
                session_id=session_to_check(request),
                limit=page.limit,
                offset=page.offset,
                ordering=ordering,
                in_trash=in_trash,
                filters=filters,
                after=after,
                backwards=page.backwards,
            )
        )
        return tagged(
            request,
            page.envelope(request, found.page, total=found.total),
        )

    @extend_schema(
        operation_id="conversations_create",
        summary="Create a conversation",
        parameters=[p.IDEMPOTENCY_KEY],
        request=ConversationDraft,
        responses={201: ConversationOut, 200: p.there_already(ConversationOut)},
        examples=examples.CONVERSATION_CREATE,
    )
    def create(self, request: Request) -> Response:
        """With `messages`, all of them in one transaction. An `id` of the client's own makes a repeat harmless."""
        draft = validated(ConversationDraft, request)
        row, is_new = conversation_create(
            user_id=actor_id(request), session_id=session_to_check(request), draft=draft, once=once(request)
        )
        return answer(row, status=201 if is_new else 200, location=location(row["id"]))

    @extend_schema(
        operation_id="conversations_retrieve",
        summary="Read a conversation",
        parameters=[p.INCLUDE, p.INCLUDE_HIDDEN, p.IF_NONE_MATCH],
        responses={200: ConversationOut, 304: None},
    )
    def retrieve(self, request: Request, pk: UUID) -> HttpResponse:
        """One conversation; `include=messages` adds its active branch."""
        include = query_choice(request, "include", "", ("", "messages"))
        user_id, session_id = actor_id(request), session_to_check(request)
        row: Row
        if include:
            row, branch = conversation_with_branch(user_id=user_id, session_id=session_id, conversation_id=pk)
            hidden = bool(query_bool(request, "include_hidden"))
            row["messages"] = [m.fragment for m in branch if not m.in_trash and (hidden or not m.is_hidden)]
        else:
            row = conversation_get(user_id=user_id, session_id=session_id, conversation_id=pk)
        tag = etag(row.pop("version"), view_of(request))
        return not_modified(tag) if is_unchanged(request, tag) else Response(row, headers={"ETag": tag})

    @extend_schema(
        operation_id="conversations_update",
        summary="Change a conversation",
        parameters=[p.IF_MATCH],
        request=ConversationPatch,
        responses={200: ConversationOut},
        examples=examples.CONVERSATION_UPDATE,
    )
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """What is absent stays."""
        patch = validated(ConversationPatch, request)
        return answer(
            conversation_update(
                user_id=actor_id(request),
                session_id=session_to_check(request),
                conversation_id=pk,
                patch=patch,
                versions=versions_wanted(request),
            )
        )

    @extend_schema(
        operation_id="conversations_replace",
        summary="Replace a conversation's messages",
        parameters=[p.IF_MATCH],
        request=ConversationReplacement,
        responses={200: ConversationOut, **problems(409)},
        examples=examples.CONVERSATION_REPLACE,
    )
    def update(self, request: Request, pk: UUID) -> Response:
        """As PATCH; with `messages` the active branch becomes equal to that list, and nothing is deleted."""
        replacement = validated(ConversationReplacement, request)
        return answer(
            conversation_replace(
                user_id=actor_id(request),
                session_id=session_to_check(request),
                conversation_id=pk,
                replacement=replacement,
                versions=versions_wanted(request),
            )
        )

    @extend_schema(
        operation_id="conversations_delete",
        summary="Delete a conversation",
        parameters=[p.IF_MATCH, p.PERMANENT],
        responses={204: None},
    )
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Into the trash; with `permanent=true` for good."""
        remove = conversation_delete if query_bool(request, "permanent") else conversation_trash
        remove(user_id=actor_id(request), conversation_id=pk, versions=versions_wanted(request))
        return Response(status=204)

    @extend_schema(
        operation_id="conversations_restore",
        summary="Restore a conversation",
        parameters=[p.IDEMPOTENCY_KEY],
        request=None,
        responses={200: ConversationOut},
    )
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: UUID) -> Response:
        """Back from the trash, with its messages."""
        return answer(conversation_restore(user_id=actor_id(request), conversation_id=pk, once=once(request)))

    @extend_schema(
        operation_id="conversations_fork",
        summary="Fork a conversation",
        parameters=[p.IDEMPOTENCY_KEY],
        request=ForkDraft,
        responses={201: ConversationOut},
    )
    @action(detail=True, methods=["post"])
    def fork(self, request: Request, pk: UUID) -> Response:
        """A copy of the branch up to `message_id`, by default up to the current message."""
        draft = validated(ForkDraft, request)
        row = conversation_fork(
            user_id=actor_id(request),
            session_id=session_to_check(request),
            conversation_id=pk,
            message_id=draft.message_id,
            once=once(request),
        )
        return answer(row, status=201, location=location(row["id"]))
