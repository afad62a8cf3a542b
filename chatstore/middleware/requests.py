"""Outermost: a request's id, faults as problems, what caches may do, its log line and figures."""

import re
import time
from collections.abc import Callable
from typing import Any, cast

import uuid_utils as uuids
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.core.signals import got_request_exception
from django.db import DEFAULT_DB_ALIAS, connections
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from structlog.contextvars import bind_contextvars, clear_contextvars

from chatstore.areas import PROBES, STATIC, is_admin, is_static
from chatstore.logs import bind_user, get_logger
from chatstore.metrics import request_answered
from chatstore.middleware import streams
from chatstore.middleware.around import Answer, Around, Fields, fields
from chatstore.problems import IncompleteBody, as_domain_error, problem_document, problem_response

# Django's handlers answer these, with 400, 403 or 404: they are no faults of ours.
DJANGOS_OWN = (Http404, PermissionDenied, SuspiciousOperation, BadRequest)
OF_THE_BODY = ("Content-Type", "Content-Length", "Content-Language")
WITHOUT_BODY = (204, 304)
METHODS = ("GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS")

log = get_logger("chatstore.requests")
_well_formed = re.compile(r"[A-Za-z0-9._-]{1,128}").fullmatch
_ID = re.compile(r"(?<=/)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=/|$)", re.IGNORECASE)


class RequestMiddleware(Around):
    """All that the API needs around a request."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        self._log = log.bind()  # configured by now; the module's asks anew at every line

    def __call__(self, request: HttpRequest) -> Answer:
        if self.is_async:
            return self._answer_async(request)
        started = time.perf_counter()
        _begin(request)
        answer = self.get_response(request)
        if not answer.streaming:
            _give_connection_back()
        return self._finish(request, answer, started)

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        # Connections belong to the threads that synchronous code ran in; an async view gives its own back.
        started = time.perf_counter()
        _begin(request)
        answer = await self.get_response(request)
        return self._finish(request, answer, started)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """What a view raised and DRF did not answer. The admin's faults stay pages: Django logs and answers them."""
        if is_admin(request) or isinstance(exception, DJANGOS_OWN):
            return None
        problem = IncompleteBody() if isinstance(exception, UnreadablePostError) else as_domain_error(exception)
        if problem:
            return problem_response(problem, request)
        _bind_user(request)
        log.error("request_failed", exc_info=exception)
        got_request_exception.send(sender=None, request=request)  # the test client raises it again
        return problem_document(500, request=request)

    def _finish(self, request: HttpRequest, answer: HttpResponseBase, started: float) -> HttpResponseBase:
        """Headers, figures and the log line."""
        of_api = not (is_admin(request) or is_static(request))
        if of_api and answer.status_code >= 400:
            answer = _as_problem(request, answer)
        present = fields(answer)
        if of_api:
            _keep_private(present)
        if isinstance(answer, StreamingHttpResponse):
            streams.guard(answer, request.request_id)  # type: ignore[attr-defined]
        elif answer.status_code not in WITHOUT_BODY and "content-length" not in present:
            present["content-length"] = ("Content-Length", str(len(cast(HttpResponse, answer).content)))
        present["x-request-id"] = ("X-Request-ID", request.request_id)  # type: ignore[attr-defined]
        answer._has_been_logged = True  # type: ignore[attr-defined]  # or Django would log the path, with its ids
        self._record(request, answer, time.perf_counter() - started)
        return answer

    def _record(self, request: HttpRequest, answer: HttpResponseBase, seconds: float) -> None:
        match, status = request.resolver_match, answer.status_code
        method = request.method if request.method in METHODS else "other"  # a client may send any word
        route = f"/{match.route}" if match else STATIC if is_static(request) else "unmatched"
        request_answered(method, route, status, seconds)
        _bind_user(request)
        quiet = request.path_info in PROBES
        write = self._log.warning if status >= 500 else self._log.debug if quiet else self._log.info
        code = getattr(answer, "problem_code", None)
        told = {"problem": code} if code else {}
        write("request", method=method, route=route, status=status, duration_ms=round(seconds * 1000, 2), **told)


def _begin(request: HttpRequest) -> None:
    """Name the request, and let a trailing slash be none, and ids in capitals be what they are in small letters."""
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    request_id = given if _well_formed(given) else str(uuids.uuid7())
    request.request_id = request_id  # type: ignore[attr-defined]
    clear_contextvars()  # a thread serves one request after the other
    bind_contextvars(request_id=request_id)
    path = request.path_info
    if (path[-1] == "/" or not path.islower()) and path != "/" and not is_admin(request):
        request.path_info, request.path = _canonical(path), _canonical(request.path)


def _canonical(path: str) -> str:
    # RFC 9562, section 4: a UUID is read in any case. One spelling from here on: cursors and keys are bound to it.
    return _ID.sub(lambda found: found[0].lower(), path.removesuffix("/"))


def _give_connection_back() -> None:
    """Into the pool. Django does it once the answer is sent: a slow reader would hold a connection until then."""
    database = connections[DEFAULT_DB_ALIAS]
    if database.connection is not None and not database.in_atomic_block:  # a test's transaction goes on
        database.close()


def _bind_user(request: HttpRequest) -> None:
    """The user that authentication found. The admin's `request.user` is lazy: asking it here would ask the database."""
    known = request.__dict__
    user = known.get("_cached_user") if is_admin(request) else known.get("user")
    if (key := getattr(user, "pk", None)) is not None:
        bind_user(key)


def _as_problem(request: HttpRequest, answer: HttpResponseBase) -> HttpResponseBase:
    """Django's own error pages (a wrong method, DEBUG's explanations) as problems; OPTIONS is never a wrong method."""
    if answer.status_code == 405 and request.method == "OPTIONS":
        new = HttpResponse(status=204)
        del new.headers["Content-Type"]
    elif answer.streaming or not answer.headers.get("Content-Type", "").startswith("text/html"):
        return answer
    else:
        new = problem_document(answer.status_code, request=request)
    for name, value in answer.headers.items():
        if name not in OF_THE_BODY:
            new.headers[name] = value
    return new


def _keep_private(present: Fields) -> None:
    """No shared cache may keep an answer. A reader's own may keep one with an ETag, and has to ask each time.

    `no-store` throughout would make a browser fetch a long history again that did not change; without an ETag there is
    nothing to ask with, and tokens and errors are better not kept. A view that knows better has set its own.
    """
    if "cache-control" not in present:
        present["cache-control"] = ("Cache-Control", "private, no-cache" if "etag" in present else "no-store")
    _, vary = present.get("vary", ("", ""))
    if "authorization" not in vary.lower():
        present["vary"] = ("Vary", f"{vary}, Authorization" if vary else "Authorization")
