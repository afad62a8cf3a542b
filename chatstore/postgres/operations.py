"""Migration operations for owned tables (chatstore/owned.py)."""

from typing import Any

from django.apps.registry import Apps
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from chatstore.owned import OwnedForeignKey


class OwnedKeys(Operation):
    """Give an owned table its real keys: `(user_id, id)`, and composite references that cascade.

    A table that always refers to another owned table reaches the user through it, and is spared a second check per row
    (the check is 40% of the time of COPY); any other refers to the user itself.
    """

    reversible = True
    reduces_to_sql = True
    # The statements need the tables of other operations of the same migration: never moved past them.
    elidable = False

    def __init__(self, model_name: str, primary_key: tuple[str, ...] = ("user_id", "id")) -> None:
        self.model_name, self.primary_key = model_name, primary_key

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return self.__class__.__name__, [self.model_name, self.primary_key], {}

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Django's picture of the model stays as it is: only the database knows of the composite keys."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        for statement in self._statements(to_state.apps, app_label):
            schema_editor.execute(statement)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model = from_state.apps.get_model(app_label, self.model_name)
        table, key = model._meta.db_table, _column(model._meta.pk)
        for name in self._constraints(from_state.apps, app_label):
            schema_editor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        schema_editor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey, ADD PRIMARY KEY ({key})")

    def describe(self) -> str:
        return f"Composite keys, beginning with the owner, for {self.model_name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"{self.model_name.lower()}_owned_keys"

    def _statements(self, apps: Apps, app_label: str) -> list[str]:
        table = apps.get_model(app_label, self.model_name)._meta.db_table
        key = ", ".join(self.primary_key)
        return [
            f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey, ADD PRIMARY KEY ({key})",
            *(
                f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({', '.join(columns)}) "
                f"REFERENCES {target} ({', '.join(referred)}) ON DELETE CASCADE NOT DEFERRABLE"
                for name, (columns, target, referred) in self._constraints(apps, app_label).items()
            ),
        ]

    def _constraints(self, apps: Apps, app_label: str) -> dict[str, tuple[list[str], str, list[str]]]:
        """Name -> (columns, table referred to, its columns)."""
        model = apps.get_model(app_label, self.model_name)
        table = model._meta.db_table
        found: dict[str, tuple[list[str], str, list[str]]] = {}
        for field in model._meta.local_fields:
            if isinstance(field, OwnedForeignKey):
                target = field.related_model._meta
                within = [_column(model._meta.get_field(field.within))] if field.within else []
                found[f"{table}_{field.column}_owned_fk"] = (
                    ["user_id", *within, _column(field)],
                    target.db_table,
                    ["user_id", *within, _column(target.pk)],
                )
        owned = [field for field in model._meta.local_fields if isinstance(field, OwnedForeignKey)]
        if all(field.null for field in owned):
            user = model._meta.get_field("user").related_model._meta
            found[f"{table}_user_id_fk"] = (["user_id"], user.db_table, [_column(user.pk)])
        return found


def _column(field: Any) -> str:
    return str(field.column)
