"""Rows that belong to one user, in a form that runs unchanged on PostgreSQL and on a cluster sharded by user.

In the database their key is `(user_id, id)` and references between them are composite, `(user_id, x_id)`, so that no
child can stray to another owner. Django keeps `id` as its key: a CompositePrimaryKey bars the admin.
`chatstore.postgres.operations.OwnedKeys` makes the keys in a migration.
"""

import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuids
from django.conf import settings
from django.db import models
from django.db.models.expressions import Col
from django.db.models.lookups import Exact
from django.db.models.sql.where import WhereNode


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): later ones of a process sort after earlier ones. `uuidv7()` needs PostgreSQL 18."""
    return uuids.uuid7()


is_id = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch  # as PostgreSQL writes one


class OwnedForeignKey(models.ForeignKey[Any, Any]):
    """A reference between two rows of one user: joins and lazy loads carry `user_id` along.

    The constraint is a composite one, made by OwnedKeys: `(user_id, x_id) -> (user_id, id)`, NOT DEFERRABLE, ON DELETE
    CASCADE. With `within`, a field that both sides have, also `(user_id, within_id, x_id)`: a message's parent is of
    the same conversation.
    """

    def __init__(self, to: Any, on_delete: Any, *, within: str | None = None, **kwargs: Any) -> None:
        self.within = within
        kwargs.setdefault("db_constraint", False)
        kwargs.setdefault("db_index", False)  # a composite index beginning with user serves it
        super().__init__(to, on_delete, **kwargs)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        if self.within:
            kwargs["within"] = self.within
        return name, path, list(args), dict(kwargs)

    def get_extra_descriptor_filter(self, instance: models.Model) -> dict[str, Any]:
        return {"user_id": instance.user_id}  # type: ignore[attr-defined]

    def get_extra_restriction(self, alias: str, related_alias: str) -> WhereNode:
        # Called with (related, local) or (local, related); user_id stands on both sides, so the order is free.
        ours: Any = self.model._meta.get_field("user")
        theirs: Any = self.related_model._meta.get_field("user")
        same_owner: Any = Exact(Col(alias, theirs), Col(related_alias, ours))
        return WhereNode([same_owner])


class OwnedModel(models.Model):
    """A row of one user's data. Primary key in the database: `(user_id, id)`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # No index of its own: every composite index and the key begin with the user, and beside a single-column index the
    # planner was seen to take that one and sort. The constraint is made by OwnedKeys.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, editable=False, db_index=False, db_constraint=False, related_name="+"
    )

    class Meta:
        abstract = True

    def _do_update(
        self,
        base_qs: Any,
        using: str | None,
        pk_val: Any,
        values: Iterable[tuple[Any, Any, Any]],
        update_fields: Iterable[str] | None,
        forced_update: bool,
        *rest: Any,
    ) -> Any:
        """`save()` and `save(update_fields=…)` name the owner, who never changes."""
        kept = [value for value in values if value[0].attname != "user_id"]
        owned = base_qs.filter(user_id=self.user_id)
        return super()._do_update(owned, using, pk_val, kept, update_fields, forced_update, *rest)
