import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import chatstore.owned
from chatstore.postgres.operations import OwnedKeys

PRIVATE = [
    *(("conversations_attachment", column) for column in ("name", "text", "raw")),
    *(("conversations_document", column) for column in ("title", "raw")),
]


class Migration(migrations.Migration):
    dependencies = [
        ("conversations", "0004_source_updated_at"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    # Two new tables: nothing that the release before this one knows is touched.
    operations = [
        migrations.CreateModel(
            name="Attachment",
            fields=[
                ("id", models.UUIDField(default=chatstore.owned.new_id, editable=False, primary_key=True, serialize=False)),
                ("user", models.ForeignKey(db_constraint=False, db_index=False, editable=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
                ("conversation", chatstore.owned.OwnedForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="attachments", to="conversations.conversation")),
                ("message", chatstore.owned.OwnedForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="attachments", to="conversations.message", within="conversation")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("size", models.PositiveBigIntegerField(blank=True, null=True)),
                ("external_id", models.TextField()),
                ("name", models.TextField(blank=True, db_default="", default="")),
                ("media_type", models.TextField(blank=True, db_default="", default="")),
                ("file", models.TextField(blank=True, db_default="", default="")),
                ("sha256", models.TextField(blank=True, null=True)),
                ("missing", models.TextField(blank=True, null=True)),
                ("text", models.TextField(blank=True, db_default="", default="")),
                ("raw", models.JSONField(blank=True, null=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["user", "conversation", "created_at", "id"], name="attachment_reading_order"),
                    models.Index(fields=["id"], name="attachment_by_id"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("user", "conversation", "message", "external_id"), name="attachment_imported_once"),
                    models.UniqueConstraint(condition=models.Q(("file", ""), _negated=True), fields=("user", "file"), name="attachment_owns_its_file"),
                    models.CheckConstraint(condition=models.Q(models.Q(models.Q(("file", ""), _negated=True), ("missing__isnull", True)), models.Q(("file", ""), ("missing__isnull", False)), _connector="OR"), name="attachment_here_or_missing"),
                    models.CheckConstraint(condition=models.Q(models.Q(("file", ""), ("sha256__isnull", True)), models.Q(models.Q(("file", ""), _negated=True), ("sha256__isnull", False), ("sha256__regex", "^[0-9a-f]{64}$"), ("size__isnull", False)), _connector="OR"), name="attachment_bytes_known"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Document",
            fields=[
                ("id", models.UUIDField(default=chatstore.owned.new_id, editable=False, primary_key=True, serialize=False)),
                ("user", models.ForeignKey(db_constraint=False, db_index=False, editable=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("source", models.TextField()),
                ("kind", models.TextField()),
                ("external_id", models.TextField()),
                ("title", models.TextField(blank=True, db_default="", default="")),
                ("raw", models.JSONField()),
            ],
            options={
                "indexes": [models.Index(fields=["user", "created_at", "id"], name="document_by_creation")],
                "constraints": [
                    models.UniqueConstraint(fields=("user", "source", "kind", "external_id"), name="document_imported_once"),
                    models.CheckConstraint(condition=models.Q(models.Q(("source", ""), _negated=True), models.Q(("kind", ""), _negated=True)), name="document_named"),
                ],
            },
        ),
        OwnedKeys("attachment"),
        OwnedKeys("document"),
        # What people wrote stays out of the planner's samples: pg_stats would quote it long after it is deleted.
        migrations.RunSQL(
            [f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0" for table, column in PRIVATE],
            [f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS -1" for table, column in PRIVATE],
        ),
    ]
