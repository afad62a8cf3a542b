"""Everything that is stored, for tests that say "and nothing changed"."""

from typing import Any

import pytest
from django.apps import apps
from django.db import connection


def everything() -> dict[str, str]:
    """A digest of the rows of each table of ours."""
    tables = [
        model._meta.db_table
        for model in apps.get_models()
        if model._meta.app_label in ("accounts", "conversations") and model._meta.managed
    ]
    digests = ", ".join(
        f"(SELECT md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')) FROM {table} t)" for table in tables
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {digests}")
        return dict(zip(tables, cursor.fetchone(), strict=True))


class Unchanged:
    """`with unchanged:` fails when a row of any table came, went or changed."""

    def __enter__(self) -> None:
        self.before = everything()

    def __exit__(self, kind: Any, *_: object) -> None:
        if kind is None and (after := everything()) != self.before:
            pytest.fail(f"changed: {[name for name in after if after[name] != self.before[name]]}")
