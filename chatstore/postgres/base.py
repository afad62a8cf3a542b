"""Django's PostgreSQL backend, told three things: keys of owned tables are composite, foreign keys cascade, and while
the server is away nobody waits for it twice.
"""

import time
from typing import Any

from django.conf import settings
from django.db import models
from django.db.backends.ddl_references import Statement
from django.db.backends.postgresql import base, features, schema
from psycopg import Connection, OperationalError
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping
from psycopg_pool import PoolTimeout

# A connection keeps so many: a list has one for each set of filters, and each that is dropped is a round trip.
PREPARED_STATEMENTS = 500
AWAY = "the database was away a moment ago"
OUTAGE_SECONDS = 1.0  # how long a server that was found away is taken to be away


class DatabaseFeatures(features.DatabaseFeatures):
    # The key of an owned table is (user_id, id): PostgreSQL refuses GROUP BY id alone.
    allows_group_by_selected_pks = False


class DatabaseSchemaEditor(schema.DatabaseSchemaEditor):
    """What Django would do in Python when a row is deleted, the database does too, for every table of every app."""

    def _create_fk_sql(self, model: type[models.Model], field: Any, suffix: str) -> Statement:
        statement: Statement = super()._create_fk_sql(model, field, suffix)  # type: ignore[misc]
        if field.remote_field.on_delete is models.CASCADE:
            statement.template = statement.template.replace("%(deferrable)s", " ON DELETE CASCADE%(deferrable)s")
        elif field.remote_field.on_delete is models.SET_NULL:
            statement.template = statement.template.replace("%(deferrable)s", " ON DELETE SET NULL%(deferrable)s")
        return statement


class Outage:
    """Whether the server was found away a moment ago, in this process.

    Each request would otherwise wait out the pool's whole timeout, until every thread of the process stands there and
    not even `/healthz` is answered.
    """

    until = 0.0

    @classmethod
    def is_known(cls) -> bool:
        return time.monotonic() < cls.until

    @classmethod
    def note(cls, params: dict[str, Any]) -> None:
        """After a wait in vain. A pool that is merely busy is none: the server itself is asked (libpq's PQping)."""
        where = {name: params[name] for name in ("host", "port", "dbname", "user") if name in params}
        if PGconn.ping(make_conninfo(**where, connect_timeout=2).encode()) != Ping.OK:
            cls.until = time.monotonic() + OUTAGE_SECONDS


class DatabaseWrapper(base.DatabaseWrapper):
    features_class = DatabaseFeatures
    SchemaEditorClass = DatabaseSchemaEditor

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if self.pool and Outage.is_known():
            raise OperationalError(AWAY)
        try:
            return super().get_new_connection(conn_params)
        except PoolTimeout:
            Outage.note(self.get_connection_params())
            raise

    def borrow(self) -> Connection[Any]:
        """psycopg's connection, for one statement: the one in use, or one of the pool. `give_back` has to follow.

        Django's own way of taking a connection and of giving it back costs more than most of our statements do.
        """
        if self.connection is not None or not self.pool:
            self.ensure_connection()
            return self.connection  # type: ignore[no-any-return]
        if Outage.is_known():
            raise OperationalError(AWAY)
        if self.pool.closed:
            self.pool.open()
        try:
            connection: Connection[Any] = self.pool.getconn()
        except PoolTimeout:
            Outage.note(self.get_connection_params())
            raise
        # Whoever had it before may have closed it within a transaction. Without this the pool would roll back what we
        # write as soon as it has it again, after it was acknowledged.
        if not connection.autocommit:
            connection.autocommit = True
        return connection

    def give_back(self, connection: Connection[Any]) -> None:
        """What `borrow` gave; a broken one is not lent again."""
        if connection is not self.connection:
            self.pool.putconn(connection)

    def _configure_connection(self, connection: Connection[Any]) -> bool:
        connection.prepared_max = PREPARED_STATEMENTS
        return bool(super()._configure_connection(connection))  # type: ignore[misc]  # Django's own, not in its stubs

    def get_connection_params(self) -> dict[str, Any]:
        """The session's timeouts travel with the connection: a `SET` for each would be a round trip."""
        params = super().get_connection_params()
        ours = f"-c lock_timeout={settings.LOCK_TIMEOUT_MS} -c statement_timeout={settings.STATEMENT_TIMEOUT_MS}"
        params["options"] = f"{params.get('options', '')} {ours}".strip()
        params.setdefault("application_name", "chatstore")
        params.setdefault("connect_timeout", "5")
        return params
