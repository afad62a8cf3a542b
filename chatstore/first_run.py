"""Bring the database up to date; on the first run, make a demo account. For chatstore/serve.py."""

import io
import os
from importlib import import_module

import django
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command, get_commands
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from chatstore import development


def main() -> None:
    """Apply what is not applied yet, greet the first one, and leave no connection behind, for workers to be forked."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatstore.settings")
    django.setup()
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):  # the command itself takes longer to find nothing
        call_command("migrate", interactive=False, verbosity=1)
    if "demo" in get_commands() and not get_user_model().objects.exists():
        notice = io.StringIO()
        call_command("demo", stdout=notice)
        development.keep_demo_notice(notice.getvalue())
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    import_module("chatstore.front")
    import_module(settings.ROOT_URLCONF)
