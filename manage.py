#!/usr/bin/env python
"""Django's command line, which starts the embedded PostgreSQL when DATABASE_URL is unset (chatstore/development.py)."""

import os
import sys

from django.core.management import execute_from_command_line

from chatstore import development


def main() -> None:
    """Run the command of the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatstore.settings")
    # A migration builds indexes, an import copies for as long as it takes: the limit is for requests.
    os.environ.setdefault("DATABASE_STATEMENT_TIMEOUT_MS", "0")
    development.prepare(database=development.needs_database(sys.argv))
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
