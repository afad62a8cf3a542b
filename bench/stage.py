"""What everything that is timed needs: the plan, the database, the people in it, and the load generator."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import psycopg

from bench.database import Database
from bench.load import Generator
from bench.people import People, Target
from bench.plan import Plan
from bench.texts import Texts

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stage:
    """One working copy of one data set, and the means to ask for it."""

    plan: Plan
    database: Database
    name: str
    connection: psycopg.Connection
    people: People
    generator: Generator
    texts: Texts
    postmaster: int

    @property
    def url(self) -> str:
        return self.database.url(self.name)

    def renew(self, targets: Sequence[Target]) -> None:
        """As if somebody had changed these conversations: what anyone keeps of them is out of date."""
        users: list[UUID] = [target.user_id for target in targets]
        self.connection.execute(
            "UPDATE conversations_conversation c SET version = c.version + 1"
            " FROM unnest(%s::uuid[], %s::uuid[]) AS named(user_id, id)"
            " WHERE c.user_id = named.user_id AND c.id = named.id",
            [users, [target.id for target in targets]],
        )


@contextmanager
def on_stage(plan: Plan, database: Database, generator: Generator, texts: Texts, source: str) -> Iterator[Stage]:
    """A working copy of the data set `source`, gone afterwards."""
    users = int(source.split("_")[1])
    with database.working_copy(source) as name, database.connect(name) as connection:
        people = People.of(connection, users)
        yield Stage(plan, database, name, connection, people, generator, texts, database.postmaster())


def turn(items: Sequence[T], begin: int, count: int) -> list[T]:
    """`count` of the items from `begin` on, going round."""
    return [items[(begin + place) % len(items)] for place in range(count)]
