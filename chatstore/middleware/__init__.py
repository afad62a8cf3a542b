"""What happens around every request, outermost first: settings.MIDDLEWARE."""

from chatstore.middleware.intake import IntakeMiddleware
from chatstore.middleware.pages import (
    AdminAuthenticationMiddleware,
    AdminCommonMiddleware,
    AdminCsrfMiddleware,
    AdminMessageMiddleware,
    AdminSessionMiddleware,
    SecurityHeadersMiddleware,
    StaticMiddleware,
)
from chatstore.middleware.requests import RequestMiddleware

__all__ = [
    "AdminAuthenticationMiddleware",
    "AdminCommonMiddleware",
    "AdminCsrfMiddleware",
    "AdminMessageMiddleware",
    "AdminSessionMiddleware",
    "IntakeMiddleware",
    "RequestMiddleware",
    "SecurityHeadersMiddleware",
    "StaticMiddleware",
]
