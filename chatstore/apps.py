from django.apps import AppConfig
from django.conf import settings
from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries


class ChatstoreConfig(AppConfig):
    name = "chatstore"
    verbose_name = "chatstore"

    def ready(self) -> None:
        from chatstore import checks  # noqa: F401  # registers them; it needs the settings

        _drop_idle_receivers()


def _drop_idle_receivers() -> None:
    """What Django does at the start and end of each request and we have no use for: a fourteenth of a small one.

    A request begins without a connection, for the one before gave it back (chatstore.middleware.requests); our caches
    have nothing to close; queries are logged only with DEBUG.
    """
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_caches)
    if not settings.DEBUG:
        request_started.disconnect(reset_queries)
