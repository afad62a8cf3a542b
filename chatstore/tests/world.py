"""A pytest plugin, loaded by name (pytest.ini) before pytest-django reads the settings: it gives them a database."""

import os

from chatstore.development import prepare

os.environ.setdefault("CHATSTORE_THROTTLE_RATES", "off")  # the tests of throttling set their own
prepare(durable=False)
