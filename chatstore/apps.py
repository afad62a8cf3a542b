from django.apps import AppConfig


class ChatstoreConfig(AppConfig):
    name = "chatstore"
    verbose_name = "chatstore"

    def ready(self) -> None:
        from chatstore import checks  # noqa: F401  # registers them; it needs the settings
