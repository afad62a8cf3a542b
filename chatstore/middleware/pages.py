"""Django's and WhiteNoise's middleware, kept to the paths that need them.

The API has no cookies, sessions, forms or files; and under ASGI each of these would cost it two changes of thread.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import is_valid_path
from django.utils.deprecation import MiddlewareMixin
from whitenoise.middleware import WhiteNoiseMiddleware

from chatstore.areas import is_admin, is_static
from chatstore.middleware.around import Answer, Around, fields

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
# Swagger UI: its bundle comes from /static/, the page's own script and styles stand in the page.
DOCS, DOCS_POLICY = (
    "/api/docs",
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
)
# The admin's Alpine.js evaluates expressions, but nothing of it leads to another origin.
ADMIN_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


class SecurityHeadersMiddleware(Around):
    """The headers of Django's SecurityMiddleware and XFrameOptionsMiddleware, and a Content-Security-Policy.

    They are the same on every answer but for HSTS, and made once. TLS ends at the proxy, which redirects to it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        self._plain, self._secure = _djangos_headers("http"), _djangos_headers("https")

    def __call__(self, request: HttpRequest) -> Answer:
        if self.is_async:
            return self._answer_async(request)
        return self._with_headers(request, self.get_response(request))

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        return self._with_headers(request, await self.get_response(request))

    def _with_headers(self, request: HttpRequest, answer: HttpResponseBase) -> HttpResponseBase:
        present = fields(answer)
        for key, field in self._secure if self._plain != self._secure and request.is_secure() else self._plain:
            present.setdefault(key, field)
        if "content-security-policy" not in present:
            present["content-security-policy"] = ("Content-Security-Policy", _policy(request))
        return answer


def _djangos_headers(scheme: str) -> list[tuple[str, tuple[str, str]]]:
    request, answer = HttpRequest(), HttpResponse()
    del answer.headers["Content-Type"]
    request._get_scheme = lambda: scheme  # type: ignore[attr-defined]
    for middleware in (SecurityMiddleware, XFrameOptionsMiddleware):
        middleware(lambda request: answer).process_response(request, answer)
    return list(fields(answer).items())


def _policy(request: HttpRequest) -> str:
    if request.path_info == DOCS:
        return DOCS_POLICY
    return ADMIN_POLICY if is_admin(request) else API_POLICY


class StaticMiddleware(Around):
    """WhiteNoise for /static/, looked at when the first file is asked for: its list of files takes a while to make."""

    def __call__(self, request: HttpRequest) -> Answer:
        if not is_static(request):
            return self.get_response(request)  # type: ignore[no-any-return]
        if self.is_async:
            return self._answer_async(request)
        return self._file(request) or self.get_response(request)

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self._file)(request) or await self.get_response(request)

    def _file(self, request: HttpRequest) -> HttpResponseBase | None:
        file = self._whitenoise.files.get(request.path_info)
        return self._whitenoise.serve(file, request) if file else None

    @functools.cached_property
    def _whitenoise(self) -> "_Files":
        return _Files(self.get_response)


class _Files(WhiteNoiseMiddleware):  # type: ignore[misc]  # it has no types
    def add_files(self, root: str, prefix: str | None = None) -> None:
        """A checkout has no STATIC_ROOT; its files come from the apps (WHITENOISE_USE_FINDERS)."""
        if Path(root).is_dir():
            super().add_files(root, prefix)


class _ForAdmin(MiddlewareMixin):
    """Goes before one of Django's: all other paths pass by that, and by those of this kind that follow it."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        following = getattr(get_response, "__wrapped__", None)  # Django wraps each in a catcher of exceptions
        self._past: Callable[[HttpRequest], Any] = following._past if isinstance(following, _ForAdmin) else get_response

    def __call__(self, request: HttpRequest) -> Any:
        return super().__call__(request) if is_admin(request) else self._past(request)


class AdminSessionMiddleware(_ForAdmin, SessionMiddleware):
    pass


class AdminCommonMiddleware(_ForAdmin, CommonMiddleware):
    """Django's, with the slash that the admin's own URLs end in: APPEND_SLASH is off for the API."""

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        path = request.path_info
        return request.method in ("GET", "HEAD") and path[-1] != "/" and bool(is_valid_path(f"{path}/"))


class AdminCsrfMiddleware(_ForAdmin, CsrfViewMiddleware):
    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponseForbidden | None:
        """The API knows no cookie that another site could make a browser send."""
        return super().process_view(request, *view) if is_admin(request) else None


class AdminAuthenticationMiddleware(_ForAdmin, AuthenticationMiddleware):
    pass


class AdminMessageMiddleware(_ForAdmin, MessageMiddleware):
    pass
