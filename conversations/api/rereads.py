"""A page of messages that is asked for again: one tiny statement says whether the answer given before is still right.

That statement finds the caller's session, the owner and the conversation's version, which every write raises, in
whatever process it happens. What it confirms is answered without the view: with 304, or with the bytes of last time.
All else goes the view's way, refusals included.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework.response import Response

from accounts.api.authentication import Caller, caller_of
from accounts.errors import Unauthorised
from chatstore import throttling
from chatstore.answer_cache import Answer, AnswerCache
from chatstore.logs import bind_user
from chatstore.rendering import JsonRenderer
from conversations.api.etags import etag, is_unchanged, not_modified, version_in, view_of
from conversations.queries.conversations import conversation_version

View = Callable[..., HttpResponse]

SECONDS = 300.0
answers = AnswerCache(max_bytes=settings.READ_CACHE_BYTES, seconds=SECONDS)


class _Page(NamedTuple):
    """What an answer depends on, beside the conversation's version. The links in it are absolute."""

    user_id: UUID
    conversation_id: UUID
    query: str
    scheme: str | None
    host: str | None


def answered_again(view: View) -> View:
    """The view of a conversation's messages, asked only when its answer is not known."""

    @functools.wraps(view)
    def answer(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
        caller = _caller(request)
        if caller is None:
            return view(request, conversation_id=conversation_id)
        page = _Page(caller.pk, conversation_id, view_of(request), request.scheme, request.META.get("HTTP_HOST"))
        if known := _known(request, caller, page):
            throttling.hit("user", str(caller.pk))
            bind_user(caller.pk)
            return known
        found = view(request, conversation_id=conversation_id)
        version = version_in(found.headers.get("ETag", ""))
        if found.status_code == 200 and version is not None and isinstance(found, Response):
            found.add_post_render_callback(lambda rendered: answers.put(page, Answer(version, rendered.content)))
        return found

    return answer


def _caller(request: HttpRequest) -> Caller | None:
    """Whose token it is; None where the view has to look itself: another method, branch, form, or kind of token."""
    accepted = request.META.get("HTTP_ACCEPT", "*/*")
    is_plain = "*/*" in accepted or JsonRenderer.media_type in accepted
    if request.method != "GET" or "branch" in view_of(request) or not is_plain or ";" in accepted:
        return None
    try:
        return caller_of(request)
    except Unauthorised:
        return None


def _known(request: HttpRequest, caller: Caller, page: _Page) -> HttpResponse | None:
    kept = answers.get(page)
    if kept is None and "HTTP_IF_NONE_MATCH" not in request.META:
        return None
    version = conversation_version(
        user_id=caller.pk, conversation_id=page.conversation_id, session_id=caller.session_id
    )
    if version is None:
        return None
    if is_unchanged(request, tag := etag(version, page.query)):
        return not_modified(tag)
    if kept is None or kept.version != version:
        return None
    return HttpResponse(kept.body, content_type=JsonRenderer.media_type, headers={"ETag": tag})
