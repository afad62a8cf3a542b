"""Django's PostgreSQL backend, told two things: keys of owned tables are composite, and foreign keys cascade."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.backends.ddl_references import Statement
from django.db.backends.postgresql import base, features, schema


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


class DatabaseWrapper(base.DatabaseWrapper):
    features_class = DatabaseFeatures
    SchemaEditorClass = DatabaseSchemaEditor

    def get_connection_params(self) -> dict[str, Any]:
        """The session's timeouts travel with the connection: a `SET` for each would be a round trip."""
        params = super().get_connection_params()
        ours = f"-c lock_timeout={settings.LOCK_TIMEOUT_MS} -c statement_timeout={settings.STATEMENT_TIMEOUT_MS}"
        params["options"] = f"{params.get('options', '')} {ours}".strip()
        params.setdefault("application_name", "chatstore")
        params.setdefault("connect_timeout", "5")
        return params
