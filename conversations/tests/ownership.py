"""A watch over every SQL statement: what touches a table of owned rows must say whose rows it means.

For each SELECT, UPDATE, DELETE or INSERT of a statement, in whatever depth, every owned table it names must be bound by
`user_id` there: to a value, or to the owner of another table that is bound, in a condition that every row must meet. A
comparison under OR or NOT, in SET, in the outer side of a LEFT JOIN, or with itself alone binds nothing. An INSERT must
name the column.
"""

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

import sqlglot
from django.apps import apps
from sqlglot import exp

from chatstore.owned import OwnedModel

# The one look-up that asks about rows of all owners, to tell 403 from 404 (conversations/queries/standing.py).
EXCEPTIONS = ("/* resolver: rows of all owners */",)
PLACEHOLDER = re.compile(r"%\(\w+\)s|%s")
SCOPES = (exp.Select, exp.Update, exp.Delete, exp.Insert)


class UnboundStatement(AssertionError):
    """A statement reads or writes rows of owned tables without saying whose."""


@functools.cache
def owned_tables() -> frozenset[str]:
    return frozenset(
        model._meta.db_table
        for model in apps.get_models()
        if issubclass(model, OwnedModel) or model._meta.label == "conversations.ChangeCounter"
    )


def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """An execute wrapper (Django, "Database instrumentation"); chatstore.sql runs its statements through them too."""
    if unbound := unbound_tables(str(sql)):
        raise UnboundStatement(f"{sorted(unbound)} without user_id in: {sql}")
    return execute(sql, params, many, context)


@functools.lru_cache(maxsize=10_000)
def unbound_tables(sql: str) -> frozenset[str]:
    """The owned tables that a statement touches without binding them to a user."""
    tables = owned_tables()
    if not any(table in sql for table in tables) or any(exception in sql for exception in EXCEPTIONS):
        return frozenset()
    statement = sqlglot.parse_one(PLACEHOLDER.sub("NULL", sql), read="postgres")
    assert statement is not None
    found = (table for table in statement.find_all(exp.Table) if table.name in tables)
    return frozenset(table.name for table in found if not _is_bound(table))


def _is_bound(table: exp.Table) -> bool:
    scope = table.find_ancestor(*SCOPES)
    if isinstance(scope, exp.Insert):
        return any(column.name == "user_id" for column in scope.this.expressions)
    return scope is not None and table.alias_or_name in _bound_names(scope)


def _bound_names(scope: exp.Expression) -> set[str]:
    """The names of the tables of one SELECT, UPDATE or DELETE whose `user_id` is that of a value."""
    bound: set[str] = set()
    comparisons = list(_comparisons(scope))
    size = -1
    while size < len(bound):  # `a.user_id = %s AND b.user_id = a.user_id` binds both
        size = len(bound)
        for comparison, binds in comparisons:
            sides = [side.unnest() for side in (comparison.left, comparison.right)]
            for this, other in (sides, sides[::-1]):
                name = _owner(this, scope)
                if name in binds and _says_whose(other, scope, bound):
                    bound.add(name)
    return bound


def _comparisons(scope: exp.Expression) -> Iterator[tuple[exp.EQ, set[str]]]:
    """The equalities that every row of the result meets, and the tables whose rows they can hold back."""
    everything = {table.alias_or_name for table in _tables(scope)}
    if where := scope.args.get("where"):
        yield from ((equality, everything) for equality in _conjuncts(where.this))
    for join in scope.find_all(exp.Join):
        if join.find_ancestor(*SCOPES) is scope and (on := join.args.get("on")):
            joined = {table.alias_or_name for table in _tables(scope) if _is_within(table, join)}
            sides = {"": everything, "LEFT": joined}.get(join.side, set())
            # A join in the parentheses of another one is no narrower than that.
            outer = join.find_ancestor(exp.Join, *SCOPES)
            if isinstance(outer, exp.Join):
                sides = {table.alias_or_name for table in _tables(scope) if _is_within(table, outer)} & sides
            yield from ((equality, sides) for equality in _conjuncts(on))


def _conjuncts(condition: exp.Expression) -> Iterator[exp.EQ]:
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from _conjuncts(condition.left)
        yield from _conjuncts(condition.right)
    elif isinstance(condition, exp.EQ):
        yield condition


def _tables(scope: exp.Expression) -> list[exp.Table]:
    return [table for table in scope.find_all(exp.Table) if table.find_ancestor(*SCOPES) is scope]


def _is_within(table: exp.Table, join: exp.Join) -> bool:
    node: exp.Expression | None = table
    while node is not None and node is not join:
        node = node.parent
    return node is join


def _owner(column: exp.Expression, scope: exp.Expression) -> str:
    """The name of the table of this `user_id`; "" for anything else."""
    if not isinstance(column, exp.Column) or column.name != "user_id":
        return ""
    if column.table:
        return column.table
    owned = [table for table in _tables(scope) if table.name in owned_tables()]
    return owned[0].alias_or_name if len(owned) == 1 else ""


def _says_whose(side: exp.Expression, scope: exp.Expression, bound: set[str]) -> bool:
    if side.find(exp.Column, exp.Query) is None:
        return True  # a parameter
    name = _owner(side, scope)
    if not name or name in bound:
        return bool(name)
    if name in {table.alias_or_name for table in _tables(scope)}:
        return False
    outer = scope.find_ancestor(*SCOPES)  # a correlated subquery
    while outer is not None:
        if name in {table.alias_or_name for table in _tables(outer)}:
            return name in _bound_names(outer)
        outer = outer.find_ancestor(*SCOPES)
    return False
