"""docs/schema.md lists the tables as they are in the database."""

import re
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from chatstore.development import BASE_DIR

SHORT = {"timestamp with time zone": "timestamptz", "character varying": "varchar"}
COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull
      FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""
INDEXES = """
    SELECT c.relname, i.indisunique, array_to_string(ARRAY(
               SELECT pg_get_indexdef(i.indexrelid, n, true) || CASE WHEN i.indoption[n - 1] & 1 = 1 THEN ' DESC' ELSE '' END
                 FROM generate_series(1, i.indnkeyatts) n ORDER BY n), ', ')
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = %s::regclass
"""  # noqa: E501
CONSTRAINTS = "SELECT conname, '' FROM pg_constraint WHERE conrelid = %s::regclass AND contype IN ('c', 'f')"
NOT_COLUMNS = re.compile(r"^(key|unique): |, where .*$| \(\w+_ops\)$")

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def page() -> dict[str, dict[str, list[tuple[str, ...]]]]:
    """Table -> "column", "index" or "constraint" -> rows of cells."""
    found: dict[str, dict[str, list[tuple[str, ...]]]] = {}
    table = kind = ""
    for line in (BASE_DIR / "docs" / "schema.md").read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"### (\w+)", line):
            table = heading[1]
            found[table] = {"column": [], "index": [], "constraint": []}
        elif line.startswith("| ") and table:
            first = line.strip("|").split("|")[0].strip()
            cells = tuple(cell.strip().strip("`") for cell in line.strip("|").split("|"))
            if first in found[table]:  # a heading: names of columns stand in backticks
                kind = first
            else:
                found[table][kind].append(cells)
    return found


def rows(statement: str, table: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [table])
        return cursor.fetchall()


def test_every_table_of_ours_is_there_and_no_other(page):
    ours = {
        model._meta.db_table
        for name in ("accounts", "conversations")
        for model in apps.get_app_config(name).get_models()
    }
    assert page.keys() == ours


def test_columns_with_their_types(page):
    for table, told in page.items():
        real = set()
        for name, kind, null in rows(COLUMNS, table):
            for long, short in SHORT.items():
                kind = kind.replace(long, short)
            real.add((name, kind, "null" if null else ""))
        assert {cells[:3] for cells in told["column"]} == real, table


def test_indexes_and_what_each_serves(page):
    for table, told in page.items():
        real = {(name, columns) for name, _, columns in rows(INDEXES, table)}
        shown = {(cells[0], NOT_COLUMNS.sub("", cells[1])) for cells in told["index"]}
        assert shown == real, table
        assert all(cells[2] for cells in told["index"]), f"{table}: an index without the query that it serves"


def test_constraints(page):
    for table, told in page.items():
        assert {cells[0] for cells in told["constraint"]} == {name for name, _ in rows(CONSTRAINTS, table)}, table
