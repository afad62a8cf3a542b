"""Innermost: what is refused before a view begins. By now others see to the headers of a refusal, CORS among them."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.core.handlers.wsgi import LimitedStream
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase

from chatstore.areas import PROBES, is_admin
from chatstore.middleware.around import Answer, Around
from chatstore.problems import BadHost, BodyTooLarge, DomainError, IncompleteBody, LengthRequired, problem_response

WITH_BODY = ("POST", "PUT", "PATCH", "DELETE")
MAX_HOSTS = 1_000  # with a wildcard in ALLOWED_HOSTS there are as many names as clients make up


class IntakeMiddleware(Around):
    """The Host, and the whole body: a slow sender must not hold a connection of the pool while a view waits for it."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        self._good_hosts: set[str | None] = set()  # Django's check costs 5 µs, and clients ask by few names

    def __call__(self, request: HttpRequest) -> Answer:
        if self.is_async:
            return self._answer_async(request)
        return self._refusal(request) or self.get_response(request)

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        # Under ASGI Django has put the body aside before this: reading it waits for nobody.
        return self._refusal(request) or await self.get_response(request)

    def _refusal(self, request: HttpRequest) -> HttpResponse | None:
        if is_admin(request):  # Django's own middleware does as much for it
            return None
        try:
            self._check_host(request)
            _read_body(request)
        except DisallowedHost:
            return problem_response(BadHost(), request)
        except UnreadablePostError:
            return problem_response(IncompleteBody(), request)
        except RequestDataTooBig:
            return problem_response(BodyTooLarge(), request)
        except DomainError as problem:
            return problem_response(problem, request)
        return None

    def _check_host(self, request: HttpRequest) -> None:
        given = request.META.get("HTTP_HOST")
        if given in self._good_hosts or request.path_info in PROBES:
            return
        request.get_host()
        if given and len(self._good_hosts) < MAX_HOSTS:
            self._good_hosts.add(given)


def _read_body(request: HttpRequest) -> None:
    meta = request.META
    declared = meta.get("CONTENT_LENGTH")
    if _is_upload(request):
        return
    if not declared or "HTTP_TRANSFER_ENCODING" in meta:
        if request.method in WITH_BODY and _has_undeclared_body(request):
            meta["CONTENT_LENGTH"] = str(len(request.body))  # DRF takes a body without it for none
    elif not _is_number(str(declared)) or int(declared) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        raise BodyTooLarge()
    elif len(request.body) < int(declared):  # granian ends the stream when the client goes away, as if that were all
        raise IncompleteBody()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _is_upload(request: HttpRequest) -> bool:
    """Files have a limit of their own and go to disk as they come: the view that takes them reads them."""
    return request.content_type == "multipart/form-data"


def _has_undeclared_body(request: HttpRequest) -> bool:
    """Chunked transfer, or HTTP/2. Left to itself, Django would take it for an empty body."""
    meta = request.META
    if "wsgi.input" not in meta:  # ASGI
        return True
    if "HTTP_TRANSFER_ENCODING" not in meta and not meta.get("SERVER_PROTOCOL", "").startswith("HTTP/2"):
        return False
    # chatstore.bridge declares a length of its own making. On a bare socket nobody would say where the body ends.
    if not (meta.get("wsgi.input_terminated") or meta.get("CONTENT_LENGTH")):
        raise LengthRequired()
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    meta["CONTENT_LENGTH"] = ""
    request._stream = LimitedStream(meta["wsgi.input"], limit + 1)  # type: ignore[assignment]  # one more: there is more
    return True
