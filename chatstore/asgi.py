"""The streams: asynchronous views, which cost no thread while nothing happens. Which they are: chatstore/front.py."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatstore.settings")

application = get_asgi_application()
