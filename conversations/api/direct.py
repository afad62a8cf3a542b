"""The hottest read, a page of messages, without DRF around it, and from memory when nothing has changed.

DRF's part was a sixth of such a request. Here a bearer token of our own is read, throttling counts, and the viewset's
own function answers; all else (another method, another kind of token, a form that is not JSON) goes through DRF.

Of a page that is asked for again one tiny statement says whether the answer given before is still right: it finds the
caller's session, the owner and the conversation's version, which every write raises, in whatever process it happens.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts.api.authentication import Caller, caller_of, confirm
from accounts.errors import Unauthorised
from chatstore import throttling
from chatstore.answer_cache import Answer, AnswerCache
from chatstore.problems import DomainError, problem_response
from chatstore.rendering import JsonRenderer, takes_json
from conversations.api.etags import etag, is_unchanged, not_modified, version_in, view_of
from conversations.api.views.messages import history_answer
from conversations.queries.conversations import version_if_any

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


def direct(view: View) -> View:
    """The viewset's view, for what cannot be answered without it."""

    @functools.wraps(view)
    def answer(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
        try:
            caller = _caller(request)
        except Unauthorised as refusal:
            return problem_response(refusal, request)
        if caller is None:
            return view(request, conversation_id=conversation_id)
        request.user = caller  # type: ignore[assignment]  # as DRF's request has it
        try:
            throttling.hit("user", str(caller.pk))
            return _answer(request, caller, conversation_id)
        except DomainError as refusal:
            if not getattr(refusal, "caller_is_live", False):
                confirm(caller)  # nobody is refused a thing whose session has ended
            raise

    return answer


def _answer(request: HttpRequest, caller: Caller, conversation_id: UUID) -> HttpResponse:
    page = _Page(caller.pk, conversation_id, view_of(request), request.scheme, request.META.get("HTTP_HOST"))
    if "branch" in page.query:
        return history_answer(request, conversation_id)
    if known := _known(request, caller, page):
        return known
    found = history_answer(request, conversation_id)
    if found.status_code == 200 and (version := version_in(found.headers["ETag"])) is not None:
        answers.put(page, Answer(version, found.content))
    return found


def _caller(request: HttpRequest) -> Caller | None:
    """Whose token it is; None where DRF has to look itself. Raises errors.Unauthorised for a bad one."""
    return caller_of(request) if request.method == "GET" and takes_json(request) else None


def _known(request: HttpRequest, caller: Caller, page: _Page) -> HttpResponse | None:
    kept = answers.get(page)
    if kept is None and "HTTP_IF_NONE_MATCH" not in request.META:
        return None
    version = version_if_any(user_id=caller.pk, conversation_id=page.conversation_id, session_id=caller.session_id)
    if version is None:
        return None
    if is_unchanged(request, tag := etag(version, page.query)):
        return not_modified(tag)
    if kept is None or kept.version != version:
        return None
    return HttpResponse(kept.body, content_type=JsonRenderer.media_type, headers={"ETag": tag})
