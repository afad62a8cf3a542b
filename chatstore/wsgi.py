"""The API, the admin and the static files: synchronous, in threads."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatstore.settings")

application = get_wsgi_application()
