"""Where everything is. Canonical paths have no trailing slash; RequestMiddleware takes one off."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from chatstore import health, metrics

urlpatterns = [
    path("api/v1/", include("conversations.api.urls")),
    path("api/v1/", include("accounts.api.urls")),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics_view, name="metrics"),
    path("admin/", admin.site.urls),
]

handler400 = "chatstore.problems.bad_request"
handler403 = "chatstore.problems.forbidden"
handler404 = "chatstore.problems.not_found"
handler500 = "chatstore.problems.server_error"
