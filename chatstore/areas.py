"""Which part of the service a request is for. The API is what is none of these."""

from django.http import HttpRequest

ADMIN, STATIC = "/admin/", "/static/"
# Asked by address, from inside: an orchestrator's probe sends no Host that we know, and no URL is built from it.
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})


def is_admin(request: HttpRequest) -> bool:
    """Pages for support staff: HTML, sessions, forms."""
    return request.path_info.startswith(ADMIN) or request.path_info == ADMIN[:-1]


def is_static(request: HttpRequest) -> bool:
    """Files of the admin and of the API's documentation."""
    return request.path_info.startswith(STATIC)
