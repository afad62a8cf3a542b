"""Errors: one vocabulary, and one place that speaks HTTP (RFC 9457, `application/problem+json`).

Domain code raises a DomainError; `problem_handler` turns that, DRF's own exceptions and violated constraints into
answers. What is none of these is a fault of ours: it is logged in full and answered with a bare 500.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, NotRequired, TypedDict

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.encoding import escape_uri_path
from django.views import defaults
from rest_framework import exceptions

from chatstore.areas import is_admin
from chatstore.rendering import encode_json

CONTENT_TYPE = "application/problem+json"
RETRY_SECONDS = 5
TITLES = {
    400: ("bad_request", "The request cannot be understood"),
    401: ("not_authenticated", "A valid access token is needed"),
    403: ("permission_denied", "You may not do this"),
    404: ("not_found", "There is nothing here"),
    405: ("method_not_allowed", "This method is not offered here"),
    406: ("not_acceptable", "No representation that you accept"),
    409: ("conflict", "The request conflicts with what is stored"),
    410: ("gone", "It is gone for good"),
    411: ("length_required", "The request must say how long its body is"),
    412: ("precondition_failed", "It has changed since you read it"),
    413: ("body_too_large", "The request body is too large"),
    415: ("unsupported_media_type", "This media type is not understood"),
    416: ("range_not_satisfiable", "There are no such bytes"),
    422: ("invalid", "The request is well-formed but not valid"),
    429: ("throttled", "Too many requests"),
    500: ("internal_error", "Something went wrong here"),
    503: ("database_unavailable", "The database cannot be reached; try again"),
}


class FieldError(TypedDict):
    """One fault of a body: where (RFC 6901 JSON Pointer), which (stable), and in words."""

    pointer: str
    code: str
    detail: NotRequired[str]


class DomainError(Exception):
    """A refusal with a name. Subclasses set `status`, `code` (stable) and `title`; an instance adds detail."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"
    title: ClassVar[str] = TITLES[400][1]

    def __init__(
        self,
        detail: str = "",
        *,
        pointer: str | None = None,
        errors: Sequence[FieldError] = (),
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.errors = list(errors)
        if pointer is not None:
            self.errors.append({"pointer": pointer, "code": self.code, "detail": detail or self.title})
        self.headers = headers or {}
        self.members = members


@contextmanager
def to_a_live_caller() -> Iterator[None]:
    """Within it the caller's session is known to live: a refusal says so, and nobody looks it up once more."""
    try:
        yield
    except Exception as refusal:
        refusal.caller_is_live = True  # type: ignore[attr-defined]
        raise


class Malformed(DomainError):
    status, code, title = 400, "malformed_json", "The body is not JSON"


class Invalid(DomainError):
    status, code, title = 422, "invalid", TITLES[422][1]


class InvalidCursor(DomainError):
    status, code, title = 400, "invalid_cursor", "This cursor does not belong to this list"


class Forbidden(DomainError):
    status, code, title = 403, "permission_denied", TITLES[403][1]


class NotFound(DomainError):
    status, code, title = 404, "not_found", TITLES[404][1]


class Conflict(DomainError):
    status, code, title = 409, "conflict", TITLES[409][1]


class IdTaken(Conflict):
    code, title = "id_taken", "This id is taken"


class PreconditionFailed(DomainError):
    status, code, title = 412, "precondition_failed", "It has changed since you read it"


class BodyTooLarge(DomainError):
    status, code, title = 413, "body_too_large", TITLES[413][1]


class LengthRequired(DomainError):
    status, code, title = 411, "length_required", TITLES[411][1]


class IncompleteBody(DomainError):
    status, code, title = 400, "incomplete_body", "The request body ended too early"


class BadHost(DomainError):
    status, code, title = 400, "bad_host", "This host is not served here"


class Throttled(DomainError):
    status, code, title = 429, "throttled", TITLES[429][1]


class DatabaseUnavailable(DomainError):
    status, code, title = 503, "database_unavailable", TITLES[503][1]

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, headers={"Retry-After": str(RETRY_SECONDS)})


class LockTimeout(DatabaseUnavailable):
    code, title = "busy", "Others are writing here; try again"


# Rules that the database keeps, by the name of the constraint: two requests may race past a check of ours.
BY_CONSTRAINT: dict[str, type[DomainError]] = {}


def problem_handler(exc: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """DRF's EXCEPTION_HANDLER. None leaves an unknown fault to `server_error`, which logs all and tells nothing."""
    problem = as_domain_error(exc)
    if problem is None and not isinstance(exc, exceptions.APIException | Http404 | PermissionDenied):
        return None
    request = context["request"]
    return problem_response(problem, request) if problem else _from_drf(exc, request)


def as_domain_error(exc: BaseException) -> DomainError | None:
    """The DomainError that an exception stands for, or None when it stands for none."""
    match exc:
        case DomainError():
            return exc
        case RequestDataTooBig():
            return BodyTooLarge()
        case IntegrityError():
            name = getattr(getattr(exc.__cause__, "diag", None), "constraint_name", None)
            return BY_CONSTRAINT[name]() if name in BY_CONSTRAINT else None
        case DatabaseError() | InterfaceError():
            state = getattr(exc.__cause__, "sqlstate", None) or ""
            if state == "55P03":  # lock_not_available
                return LockTimeout()
            # No SQLSTATE: no server answered. 08 connection, 53 resources, 57 shutdown, 25006 a read-only standby.
            gone = isinstance(exc, OperationalError | InterfaceError) and not state
            return DatabaseUnavailable() if gone or state[:2] in ("08", "53", "57") or state == "25006" else None
    return None


def problem_response(problem: DomainError, request: HttpRequest | None) -> HttpResponse:
    """The answer to a refusal."""
    return problem_document(
        problem.status,
        code=problem.code,
        title=problem.title,
        detail=problem.detail,
        request=request,
        errors=problem.errors,
        headers=problem.headers,
        members=problem.members,
    )


def problem_document(
    status: int,
    *,
    request: HttpRequest | None,
    code: str = "",
    title: str = "",
    detail: str = "",
    errors: Sequence[FieldError] = (),
    headers: dict[str, str] | None = None,
    members: dict[str, Any] | None = None,
) -> HttpResponse:
    """RFC 9457 with `code`, `errors`, `request_id`. `instance` is the path without its query, which may be personal."""
    known_code, known_title = TITLES.get(status, TITLES[400] if status < 500 else TITLES[500])
    body = {
        "type": "about:blank" if not code else f"urn:chatstore:problem:{code}",
        "title": title or known_title,
        "status": status,
        "detail": detail or title or known_title,
        "instance": escape_uri_path(request.path) if request else "",  # a URI: a path may hold what no URI can
        "code": code or known_code,
        **({"errors": list(errors)} if errors or status == 422 else {}),
        "request_id": getattr(request, "request_id", ""),
        **(members or {}),
    }
    answer = HttpResponse(encode_json(body), status=status, content_type=CONTENT_TYPE, headers=headers)
    answer.problem_code = body["code"]  # type: ignore[attr-defined]  # for the request's log line
    return answer


def _from_drf(exc: Exception, request: Any) -> HttpResponse:
    headers: dict[str, str] = {}
    match exc:
        case Http404() | exceptions.NotFound():
            return problem_document(404, request=request)
        case PermissionDenied():
            return problem_document(403, request=request)
        case exceptions.Throttled():
            headers["Retry-After"] = str(max(1, math.ceil(getattr(exc, "wait", None) or 1)))
        case exceptions.AuthenticationFailed() | exceptions.NotAuthenticated():
            headers["WWW-Authenticate"] = getattr(exc, "auth_header", None) or 'Bearer realm="api"'
            code = exc.get_codes()
            return problem_document(
                401, code=code if isinstance(code, str) else "", detail=_words(exc), request=request, headers=headers
            )
    status = getattr(exc, "status_code", 400)
    return problem_document(status, detail=_words(exc), request=request, headers=headers)


def _words(exc: Exception) -> str:
    detail = getattr(exc, "detail", "")
    return str(detail) if isinstance(detail, str) else ""


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404: a path that leads nowhere. The admin keeps Django's pages, here and below."""
    return defaults.page_not_found(request, exception) if is_admin(request) else problem_document(404, request=request)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403."""
    if is_admin(request):
        return defaults.permission_denied(request, exception)
    return problem_document(403, request=request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400."""
    if is_admin(request):
        return defaults.bad_request(request, exception)
    problem = as_domain_error(exception)
    return problem_response(problem, request) if problem else problem_document(400, request=request)


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500: what is logged is not told."""
    return defaults.server_error(request) if is_admin(request) else problem_document(500, request=request)
