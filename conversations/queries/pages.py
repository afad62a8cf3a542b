"""A page of a list as one row: PostgreSQL writes the JSON, and what Python would do for each value is not done.

It moves work rather than ending it: the application's share falls to a quarter, PostgreSQL's grows, and the sum is near
what plain columns cost (docs/performance.md has the figures when the long bench has run).
"""

from dataclasses import dataclass
from typing import Any

import orjson

from chatstore.sql import Row
from conversations.queries.columns import Columns

# `%(limit)s` rows are shown, and one more is looked for: whether there is more needs no second question.
LIMITS = "LIMIT %(limit)s::int + 1 OFFSET %(offset)s"


@dataclass(frozen=True, slots=True)
class Page:
    """Rows as a JSON array in stored form, in the order to be shown; where they begin and end; whether more lie beyond.

    `first` and `last` are `[value, id]` of the rows at the ends, None when there are none. `has_more` is about the
    direction in which the page was read.
    """

    results: orjson.Fragment
    first: list[Any] | None
    last: list[Any] | None
    has_more: bool

    @classmethod
    def of(cls, row: Row, *, limit: int, backwards: bool) -> "Page":
        """From the columns of `as_page`."""
        ends = [orjson.loads(row[name]) if row[name] else None for name in ("p_first", "p_last")]
        first, last = reversed(ends) if backwards else ends
        return cls(orjson.Fragment(row["p_results"] or "[]"), first, last, (row["p_found"] or 0) > limit)


def as_page(
    columns: Columns, source: str, *, value: str, direction: str, backwards: bool, order: str | None = None
) -> str:
    """A SELECT of one row from `source`, a SELECT in the order (value, id) of `direction` that ends with LIMITS.

    Its columns begin with `p_`. With `order`, that column alone says the order. A page that was read backwards is shown
    the other way round.
    """
    by = f"found.{order} {direction}" if order else f"found.{value} {direction}, found.id {direction}"
    edge = f"json_build_array(p.{value}, p.id)::text"
    return f"""
        SELECT count(*) AS p_found,
               json_agg({columns.as_json("p")} ORDER BY p.place {"DESC" if backwards else "ASC"})
                   FILTER (WHERE p.place <= %(limit)s::int)::text AS p_results,
               max({edge}) FILTER (WHERE p.place = 1) AS p_first,
               max({edge}) FILTER (WHERE p.place = least(p.places, %(limit)s::int)) AS p_last
          FROM (SELECT found.*, count(*) OVER () AS places,
                       row_number() OVER (ORDER BY {by}) AS place
                  FROM ({source}) AS found) AS p
    """
