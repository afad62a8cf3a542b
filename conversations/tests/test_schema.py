"""The rules that the database keeps by itself, read from its own catalogue."""

import re
from collections.abc import Iterator
from datetime import datetime
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from psycopg.sql import Literal

from accounts.models import User
from accounts.tests.factories import UserFactory
from chatstore.owned import OwnedModel
from conversations.models import Message, Role, Status
from conversations.tests.interchange import exports
from conversations.tests.ownership import owned_tables
from conversations.tests.people import (
    AttachmentFactory,
    ConversationFactory,
    DocumentFactory,
    MessageFactory,
    attachment_with,
    client_of,
)
from conversations.tests.test_round_trips import HOT, Ask, ask

pytestmark = pytest.mark.django_db
LIST = "/api/v1/conversations"
USER = "accounts_user"
# References of Django's own tables that end without taking the row along.
SET_NULL = {"django_admin_log.content_type_id", "procrastinate_jobs.worker_id"}
# The queue's own: nobody's rows, and never a person's.
RESTRICTED = {"procrastinate_periodic_defers.job_id"}
# What people wrote or what quotes it: kept out of the planner's samples.
CONTENT = {
    "conversations_conversation": {"title", "metadata", "tags", "raw"},
    "conversations_message": {
        "content", "parts", "tool_calls", "tool_results", "sources", "selected_text", "metadata", "raw",
    },
    "conversations_idempotencykey": {"body"},
    "conversations_attachment": {"name", "text", "raw"},
    "conversations_document": {"title", "raw"},
}  # fmt: skip


def rows(sql: str, *params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        return cursor.fetchall() if cursor.description else []


def columns(oids: str) -> str:
    return f"""(SELECT array_agg(a.attname::text ORDER BY k.place)
                  FROM unnest({oids}) WITH ORDINALITY AS k(number, place)
                  JOIN pg_attribute a ON a.attrelid = {{table}} AND a.attnum = k.number)"""


REFERENCES = f"""
    SELECT c.conname, t.relname, {columns("c.conkey").format(table="c.conrelid")}, r.relname,
           {columns("c.confkey").format(table="c.confrelid")}, c.confdeltype, c.condeferrable, c.convalidated
      FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class r ON r.oid = c.confrelid
     WHERE c.contype = 'f' AND t.relnamespace = 'public'::regnamespace
"""
INDEXES = f"""
    SELECT i.relname, t.relname, {columns("x.indkey::int2[]").format(table="t.oid")}, x.indisunique, x.indisprimary,
           x.indisvalid, pg_get_expr(x.indpred, t.oid)
      FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
     WHERE t.relnamespace = 'public'::regnamespace
"""


def test_the_key_and_every_unique_index_of_an_owned_table_begin_with_the_user():
    unique = [(name, table, key) for name, table, key, is_unique, *_ in rows(INDEXES) if is_unique]
    assert owned_tables() <= {table for _, table, _ in unique}
    wrong = {name: key for name, table, key in unique if table in owned_tables() and key[0] != "user_id"}
    assert not wrong


def test_the_key_of_an_owned_table_is_the_user_and_the_id():
    keys = {table: key for _, table, key, _, is_primary, *_ in rows(INDEXES) if is_primary and table in owned_tables()}
    counter = keys.pop("conversations_changecounter")
    assert counter == ["user_id"]
    assert set(map(tuple, keys.values())) == {("user_id", "id")}


def test_every_index_of_an_owned_table_is_known_to_its_model_and_valid():
    models = {model._meta.db_table: model for model in apps.get_models()}
    for name, table, *_, is_primary, is_valid, _ in rows(INDEXES):
        if table in owned_tables():
            assert is_valid, name
            meta = models[table]._meta
            assert is_primary or name in {index.name for index in (*meta.indexes, *meta.constraints)}, name


def test_every_foreign_key_in_the_database_cascades():
    kinds = {f"{table}.{key[-1]}": kind for _, table, key, _, _, kind, *_ in rows(REFERENCES)}
    assert len(kinds) >= 10
    assert {name for name, kind in kinds.items() if kind != "c"} == SET_NULL | RESTRICTED
    assert all(kinds[name] == "n" for name in SET_NULL)


def test_references_of_owned_tables_are_composite_checked_at_once_and_valid():
    for name, table, key, target, referred, _, deferrable, validated in rows(REFERENCES):
        if table in owned_tables() and target != USER:
            assert key[0] == referred[0] == "user_id", name
            assert len(key) >= 2, name
            assert not deferrable, name
        assert validated, name


def test_every_owned_table_reaches_the_user_by_keys_that_are_never_null():
    nullable = {(table, column) for table, column in rows(
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE a.attnum > 0 AND NOT a.attnotnull AND c.relnamespace = 'public'::regnamespace"
    )}  # fmt: skip
    ways: dict[str, set[str]] = {}
    for _, table, key, target, _, kind, *_ in rows(REFERENCES):
        if kind == "c" and not any((table, column) in nullable for column in key):
            ways.setdefault(table, set()).add(target)

    def reaches(table: str) -> bool:
        return table == USER or any(reaches(target) for target in ways.get(table, ()) if target != table)

    assert {table for table in owned_tables() if not reaches(table)} == set()
    assert not {table for table in owned_tables() if (table, "user_id") in nullable}


def test_every_table_with_a_user_is_owned_or_djangos_own():
    """A new table of ours that names a user must be an OwnedModel."""
    with_user = {table for (table,) in rows(
        "SELECT c.relname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attname = 'user_id'"
        " AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
    )}  # fmt: skip
    assert with_user - owned_tables() == {"django_admin_log", "accounts_user_groups", "accounts_user_user_permissions"}
    assert owned_tables() == {m._meta.db_table for m in apps.get_models() if issubclass(m, OwnedModel)} | {
        "conversations_changecounter"
    }


def test_every_reference_has_an_index_that_serves_its_cascade():
    """One whose columns, up to the reference's last, are all of the reference: a delete reads no other rows."""
    indexes = [(table, key, where) for _, table, key, _, _, _, where in rows(INDEXES) if key]
    for name, table, key, *_ in rows(REFERENCES):
        if f"{table}.{key[-1]}" in SET_NULL | RESTRICTED:
            continue
        served = [
            index
            for other, index, where in indexes
            if other == table
            and key[-1] in index
            and set(index[: index.index(key[-1]) + 1]) <= set(key)
            and (where is None or where == f"({key[-1]} IS NOT NULL)")
        ]
        assert served, f"{name}: {table} {key}"


def test_a_person_deleted_by_bare_sql_leaves_no_row_anywhere(user, owner, stranger):
    made = owner.post(LIST, {"messages": [{"role": "user", "content": "x"}] * 3}, format="json",
                      headers={"Idempotency-Key": "k"}).json()  # fmt: skip
    owner.post(f"{LIST}/{made['id']}/messages", {"role": "user", "content": "b", "parent_id": None}, format="json")
    owner.post(f"{LIST}/{made['id']}/fork")
    owner.delete(f"{LIST}/{made['id']}")
    AttachmentFactory(message=Message.objects.filter(user=user).first())
    DocumentFactory(user=user)
    owner.post("/api/v1/imports", [exports.branch(1)], format="json")
    owner.post("/api/v1/exports", {"format": "jsonl"}, format="json")
    tables = sorted(owned_tables())
    count = "SELECT " + ", ".join(f"(SELECT count(*) FROM {table} WHERE user_id = %s)" for table in tables)
    before = dict(zip(tables, rows(count, *[user.pk] * len(tables))[0], strict=True))
    assert all(before.values()), before  # each table had something to lose
    others = {table: rows(f"SELECT count(*) FROM {table} WHERE user_id <> %s", user.pk) for table in tables}
    rows("DELETE FROM accounts_user WHERE id = %s", user.pk)
    assert set(rows(count, *[user.pk] * len(tables))[0]) == {0}
    assert others == {table: rows(f"SELECT count(*) FROM {table} WHERE user_id <> %s", user.pk) for table in tables}


def test_a_conversation_deleted_by_bare_sql_takes_its_messages_along(user, owner):
    first, second = (
        owner.post(LIST, {"messages": [{"role": "user", "content": "x"}] * 5}, format="json").json()["id"]
        for _ in range(2)
    )
    rows("DELETE FROM conversations_conversation WHERE id = %s", first)
    assert set(Message.objects.values_list("conversation_id", flat=True)) == {UUID(second)}


# --- what the database refuses ----------------------------------------------------------------------------------------


@pytest.fixture
def theirs():
    return ConversationFactory()


def refused(name: str, sql: str, *params: Any) -> None:
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        rows(sql, *params)
    assert caught.value.__cause__.diag.constraint_name == name


INSERT = "INSERT INTO conversations_message (user_id, id, conversation_id, parent_id, role) VALUES (%s, %s, %s, %s, %s)"


def test_a_message_cannot_stand_in_another_owners_conversation(user, theirs):
    refused("conversations_message_conversation_id_owned_fk", INSERT, user.pk, uuid4(), theirs.id, None, "user")


def test_a_message_cannot_follow_one_of_another_owner_or_conversation(user, theirs):
    own, other = ConversationFactory(user=user), ConversationFactory(user=user)
    foreign = MessageFactory(conversation=theirs)
    elsewhere = MessageFactory(conversation=other)
    for parent in (foreign.id, elsewhere.id, uuid4()):
        refused("conversations_message_parent_id_owned_fk", INSERT, user.pk, uuid4(), own.id, parent, "user")


def test_nothing_can_be_moved_to_another_owner_or_conversation(user, theirs):
    mine = MessageFactory(conversation__user=user)
    other = ConversationFactory(user=user)
    change = "UPDATE conversations_message SET {} = %s WHERE id = %s"
    refused("conversations_message_conversation_id_owned_fk", change.format("user_id"), theirs.user_id, mine.id)
    refused("conversations_message_conversation_id_owned_fk", change.format("conversation_id"), theirs.id, mine.id)
    follower = MessageFactory(conversation=mine.conversation, parent=mine)
    refused("conversations_message_parent_id_owned_fk", change.format("conversation_id"), other.id, follower.id)
    refused(
        "conversations_message_conversation_id_owned_fk",
        "UPDATE conversations_conversation SET user_id = %s WHERE id = %s",
        theirs.user_id,
        mine.conversation_id,
    )


def test_a_kept_answer_cannot_be_about_another_owners_conversation(user, theirs):
    refused(
        "conversations_idempotencykey_conversation_id_owned_fk",
        "INSERT INTO conversations_idempotencykey (user_id, id, fingerprint, status, body, conversation_id)"
        " VALUES (%s, %s, '', 201, '', %s)",
        user.pk,
        uuid4(),
        theirs.id,
    )


def test_an_attachment_cannot_belong_to_a_message_of_another_owner_or_conversation(user, theirs):
    own, other = ConversationFactory(user=user), ConversationFactory(user=user)
    insert = (
        "INSERT INTO conversations_attachment (user_id, id, conversation_id, message_id, external_id, missing)"
        " VALUES (%s, %s, %s, %s, 'x', 'too_large')"
    )
    for message in (MessageFactory(conversation=theirs), MessageFactory(conversation=other)):
        refused("conversations_attachment_message_id_owned_fk", insert, user.pk, uuid4(), own.id, message.id)
    refused("conversations_attachment_conversation_id_owned_fk", insert, user.pk, uuid4(), theirs.id, message.id)


def test_a_file_belongs_to_one_attachment(user):
    message = MessageFactory(conversation__user=user)
    known = {"message": message, "sha256": "0" * 64, "size": 1, "file": "x", "missing": None}
    AttachmentFactory(**known)
    with pytest.raises(IntegrityError, match="attachment_owns_its_file"), transaction.atomic():
        AttachmentFactory(**known)


@pytest.mark.parametrize("table", sorted(owned_tables() - {"accounts_session"}))
def test_nothing_can_belong_to_nobody(table):
    values = {
        "conversations_conversation": ("user_id, id", "%s, %s"),
        "conversations_message": ("user_id, id, conversation_id, role", "%s, %s, gen_random_uuid(), 'user'"),
        "conversations_change": (
            "user_id, id, kind, op, object_id, conversation_id",
            "%s, hashtext(%s), 'message', 'upsert', gen_random_uuid(), gen_random_uuid()",
        ),
        "conversations_changecounter": ("user_id, value", "%s, length(%s)"),
        "conversations_idempotencykey": ("user_id, id, fingerprint, status, body", "%s, %s, '', 200, ''"),
        "conversations_attachment": (
            "user_id, id, conversation_id, message_id, external_id, missing",
            "%s, %s, gen_random_uuid(), gen_random_uuid(), 'x', 'too_large'",
        ),
        "conversations_document": ("user_id, id, source, kind, external_id, raw", "%s, %s, 'x', 'y', 'z', '{}'"),
        "conversations_importjob": ("user_id, id, status, attempt, done, resumed", "%s, %s, 'queued', 0, 0, false"),
        "conversations_importitem": (
            "user_id, id, job_id, index, place, outcome",
            "%s, %s, gen_random_uuid(), 0, 0, 'failed'",
        ),
        "conversations_exportjob": ("user_id, id, status, format", "%s, %s, 'queued', 'jsonl'"),
    }
    names, places = values[table]
    rows("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(IntegrityError), transaction.atomic():
        rows(f"INSERT INTO {table} ({names}) VALUES ({places})", uuid4(), str(uuid4()))


@pytest.mark.parametrize(
    ("table", "assignment", "constraint"),
    [
        ("message", "role = 'oracle'", "message_role_known"),
        ("message", "role = ''", "message_role_known"),
        ("message", "status = 'done'", "message_status_known"),
        ("message", "parent_id = id", "message_not_its_own_parent"),
        ("message", "cost_cents = -0.00000001", "message_cost_not_negative"),
        ("message", "tokens_in = -1", "conversations_message_tokens_in_check"),
        ("message", "tokens_out = -1", "conversations_message_tokens_out_check"),
        ("message", "tokens_used = -1", "conversations_message_tokens_used_check"),
        ("message", "response_time_ms = -1", "conversations_message_response_time_ms_check"),
        ("message", "version = -1", "conversations_message_version_check"),
        ("conversation", "message_count = -1", "conversation_hidden_are_messages"),
        ("conversation", "hidden_count = -1", "conversations_conversation_hidden_count_check"),
        ("conversation", "hidden_count = message_count + 1", "conversation_hidden_are_messages"),
        ("conversation", "external_id = 'x'", "conversation_external_has_source"),
        ("conversation", "version = -1", "conversations_conversation_version_check"),
        ("change", "kind = 'tag'", "change_kind_known"),
        ("change", "op = 'insert'", "change_op_known"),
        ("changecounter", "value = -1", "conversations_changecounter_value_check"),
        ("attachment", "size = -1", "conversations_attachment_size_check"),
        ("attachment", "missing = NULL", "attachment_here_or_missing"),
        ("attachment", "file = 'x', sha256 = repeat('0', 64), size = 1", "attachment_here_or_missing"),
        ("attachment", "file = 'x', missing = NULL, size = 1", "attachment_bytes_known"),
        ("attachment", "file = 'x', missing = NULL, sha256 = repeat('0', 64), size = NULL", "attachment_bytes_known"),
        ("attachment", "file = 'x', missing = NULL, sha256 = repeat('A', 64), size = 1", "attachment_bytes_known"),
        ("attachment", "sha256 = repeat('0', 64)", "attachment_bytes_known"),
        ("document", "kind = ''", "document_named"),
        ("document", "source = ''", "document_named"),
        ("importjob", "status = 'done'", "import_status_known"),
        ("importjob", "imported_count = -1", "conversations_importjob_imported_count_check"),
        ("importitem", "outcome = 'lost'", "import_item_outcome_known"),
        ("exportjob", "status = 'done'", "export_status_known"),
    ],
)
def test_a_check_of_the_database_refuses_what_cannot_be(owner, user, table, assignment, constraint):
    owner.post(LIST, {"messages": [{"role": "user", "content": "x"}]}, format="json")
    AttachmentFactory(message=Message.objects.get(user=user))
    DocumentFactory(user=user)
    owner.post("/api/v1/imports", [exports.branch(1)], format="json")
    owner.post("/api/v1/exports", {"format": "jsonl"}, format="json")
    refused(constraint, f"UPDATE conversations_{table} SET {assignment}")


def test_the_checks_know_every_role_and_status(user):
    conversation = ConversationFactory(user=user)
    for role in Role.values:
        for status in Status.values:
            MessageFactory(conversation=conversation, role=role, status=status)


def test_what_people_wrote_is_not_sampled_by_the_planner():
    for table, names in CONTENT.items():
        targets = dict(rows("SELECT attname, attstattarget FROM pg_attribute WHERE attrelid = %s::regclass", table))
        assert {name for name in names if targets[name] == 0} == names, table


def test_every_column_of_text_or_json_is_known_to_be_content_or_not():
    """A new one has to be decided about: STATISTICS 0, or here."""
    known_to_be_none = {
        "model", "source", "external_id", "role", "status", "language", "kind", "op", "digest", "fingerprint",
        "revoked_reason", "media_type", "sha256", "file", "missing",
        # Of jobs: names of our own making, and where in a file something stood; never what was said there.
        "reason", "detail", "format", "format_asked", "files", "outcome", "pointer",
    }  # fmt: skip
    for table in owned_tables():
        free = {name for (name,) in rows(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
            " AND atttypid IN ('text'::regtype, 'jsonb'::regtype, 'text[]'::regtype, 'varchar'::regtype)", table
        )}  # fmt: skip
        assert free - CONTENT.get(table, set()) <= known_to_be_none, table


def test_after_analyze_nothing_that_was_said_is_in_pg_stats(owner):
    for n in range(3):
        secret = {"k": "xyzzy"}
        turn = [
            {"role": "user", "content": "xyzzy", "metadata": secret, "parts": ["xyzzy"], "selected_text": "xyzzy"}
        ] * 5
        owner.post(LIST, {"title": "xyzzy", "tags": ["xyzzy"], "metadata": secret, "messages": turn}, format="json",
                   headers={"Idempotency-Key": str(n)})  # fmt: skip
    for table in owned_tables():
        rows(f"ANALYZE {table}")
    assert rows("SELECT count(*) FROM pg_stats s WHERE s::text LIKE '%%xyzzy%%' AND %s", True) == [(0,)]


# --- migrations -------------------------------------------------------------------------------------------------------


def test_the_migrations_say_what_the_models_say():
    call_command("makemigrations", "--check", "--dry-run", stdout=StringIO())


CATALOGUE = (
    REFERENCES,
    INDEXES,
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace AND contype <> 'n'",
    "SELECT attrelid::regclass::text, attname, atttypid::regtype::text, attnotnull, attstattarget FROM pg_attribute a"
    " JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0",
)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("app", ["conversations", "accounts"])
def test_the_migrations_go_down_and_up_again_to_the_same_schema(app):
    before = [sorted(map(repr, rows(sql))) for sql in CATALOGUE]
    try:
        call_command("migrate", app, "zero", verbosity=0, interactive=False)
        left = {table for (table,) in rows("SELECT relname FROM pg_class WHERE relkind = 'r'")}
        assert not {table for table in left if table.startswith(f"{app}_")}
    finally:
        call_command("migrate", verbosity=0, interactive=False)
    assert [sorted(map(repr, rows(sql))) for sql in CATALOGUE] == before


# --- plans ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def large(user, owner):
    """Thousands of messages, one conversation of 1,000 among them, so that the planner has reason to use an index."""
    wanted = owner.post(LIST, {"messages": [{"role": "user", "content": "x"}] * 4}, format="json").json()
    trashed = owner.post(LIST, {"messages": [{"role": "user", "content": "x"}]}, format="json").json()["id"]
    url = f"{LIST}/{wanted['id']}/messages"
    deleted = owner.post(url, {"role": "user", "content": "x"}, format="json").json()["id"]
    owner.delete(f"{url}/{deleted}")
    owner.delete(f"{LIST}/{trashed}")
    User.objects.bulk_create(User(email=f"{n}@example.org") for n in range(1_000))
    rows("INSERT INTO conversations_conversation (user_id, id, title) SELECT u.id, gen_random_uuid(), 'x'"
         " FROM (SELECT id FROM accounts_user LIMIT 40) AS u, generate_series(1, 400)")  # fmt: skip
    rows("ANALYZE conversations_conversation")  # or the keys' own look-ups keep the plan for the small table it was
    for person in (user, UserFactory()):
        client_of(person)
        rows(
            """
            WITH made AS (
                INSERT INTO conversations_conversation (user_id, id, title, updated_at, created_at, deleted_at)
                SELECT %s, gen_random_uuid(), 'x' || n, now() - n * interval '1 minute', now() - n * interval '1 hour',
                       CASE WHEN n %% 10 = 0 THEN now() END
                  FROM generate_series(1, 400) AS n RETURNING user_id, id
            )
            INSERT INTO conversations_message (user_id, id, conversation_id, role, content, created_at)
            SELECT made.user_id, gen_random_uuid(), made.id, 'user', repeat('y', 100), now() + n * interval '1 second'
              FROM made, generate_series(1, 12) AS n
            """,
            person.pk,
        )
        rows(
            "INSERT INTO conversations_message (user_id, id, conversation_id, role, created_at)"
            " SELECT %s, gen_random_uuid(), id, 'user', now() - n * interval '1 second'"
            " FROM conversations_conversation, generate_series(1, 1000) AS n WHERE user_id = %s AND id = %s",
            person.pk,
            person.pk,
            wanted["id"],
        )
        rows(
            "UPDATE conversations_conversation SET message_count = message_count + 1000 WHERE user_id = %s AND id = %s",
            person.pk,
            wanted["id"],
        )
        rows(
            "INSERT INTO conversations_change (user_id, id, kind, object_id, conversation_id, op)"
            " SELECT %s, 1000000 + n, 'message', gen_random_uuid(), gen_random_uuid(), 'upsert'"
            " FROM generate_series(1, 5000) AS n",
            person.pk,
        )
        rows(
            "INSERT INTO conversations_idempotencykey (user_id, id, fingerprint, status, body) SELECT %s,"
            " gen_random_uuid(), '', 200, '{}' FROM generate_series(1, 2000) AS n",
            person.pk,
        )
    rows("INSERT INTO accounts_session (user_id, id, security_stamp, refresh_jti, expires_at) SELECT user_id,"
         " gen_random_uuid(), security_stamp, gen_random_uuid(), expires_at FROM accounts_session,"
         " generate_series(1, 500)")  # fmt: skip
    for table in (*owned_tables(), USER):
        rows(f"ANALYZE {table}")
    ids = {"c": wanted["id"], "m": wanted["current_message_id"], "d": deleted, "t": trashed, "n": str(uuid4())}
    return ids | branched(owner, user) | with_attachments(user, wanted["id"])


def with_attachments(user, conversation_id):
    """Thousands of attachments and documents; `a` is one whose bytes are here."""
    rows(
        "INSERT INTO conversations_attachment (user_id, id, conversation_id, message_id, external_id, missing,"
        " created_at) SELECT user_id, gen_random_uuid(), conversation_id, id, 'x', 'too_large', created_at"
        " FROM conversations_message"
    )
    rows("INSERT INTO conversations_document (user_id, id, source, kind, external_id, raw, created_at)"
         " SELECT u.id, gen_random_uuid(), 'claude', 'memory', n::text, '{}', now() - n * interval '1 hour'"
         " FROM (SELECT id FROM accounts_user ORDER BY id = %s DESC LIMIT 20) AS u, generate_series(1, 400) AS n",
         user.pk)  # fmt: skip
    message = Message.objects.filter(user=user, conversation_id=conversation_id).first()
    for table in ("conversations_attachment", "conversations_document"):
        rows(f"ANALYZE {table}")
    return {"a": str(attachment_with(b"bytes", message).id)}


LONG = 1_000


def branched(owner, user):
    """A conversation `b` that has branched, its active branch LONG; `l` its leaf, `x` a leaf in the trash."""
    made = owner.post(LIST, {"messages": [{"role": "user", "content": "x"}]}, format="json").json()
    rows(
        """
        WITH new AS MATERIALIZED (SELECT n, gen_random_uuid() AS id FROM generate_series(1, %s) AS n)
        INSERT INTO conversations_message (user_id, conversation_id, id, parent_id, role, content, created_at)
        SELECT %s, %s, id, coalesce(lag(id) OVER (ORDER BY n), %s), 'user', 'x', now() + n * interval '1 second'
          FROM new
        """,
        LONG - 1,
        user.pk,
        made["id"],
        made["current_message_id"],
    )
    leaf = Message.objects.filter(user=user, conversation_id=made["id"]).latest("created_at").id
    rows("UPDATE conversations_conversation SET linear = false, message_count = %s, current_message_id = %s"
         " WHERE id = %s", LONG, leaf, made["id"])  # fmt: skip
    url = f"{LIST}/{made['id']}/messages"
    aside = owner.post(url, {"role": "user", "content": "x", "parent_id": str(leaf)}, format="json").json()["id"]
    owner.delete(f"{url}/{aside}")
    return {"b": made["id"], "l": str(leaf), "x": aside}


def kind_of(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "bigint"
        case UUID():
            return "uuid"
        case bytes():
            return "bytea"
        case datetime():
            return "timestamptz"
        case [UUID(), *_]:
            return "uuid[]"
        case [int(), *_]:
            return "bigint[]"
    return "unknown"


def generic_plan(sql: str, params: dict[str, Any], *, run: bool = False) -> dict[str, Any]:
    """The plan that a prepared statement ends up with, whatever its parameters; with `run`, what it then did."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", sql)))
    numbered = re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", sql).replace("%%", "%")
    kinds = ", ".join(kind_of(params[name]) for name in names)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(f"PREPARE wanted ({kinds}) AS {numbered}")
        values = [Literal(params[name]).as_string(connection.connection) if run else "NULL" for name in names]
        cursor.execute(f"EXPLAIN (FORMAT JSON{', ANALYZE' if run else ''}) EXECUTE wanted ({', '.join(values)})")
        plan: dict[str, Any] = cursor.fetchone()[0][0]["Plan"]
        cursor.execute("DEALLOCATE wanted")
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def indexes_of(plan: dict[str, Any]) -> set[str]:
    return {node["Index Name"] for node in nodes(plan) if "Index Name" in node}


KEYS = ("_pkey", "message_in_conversation", "message_by_id", "conversation_by_id")


def sorted_tables(plan: dict[str, Any]) -> set[str]:
    """The tables of which a whole range is sorted: what comes through a LIMIT, or by its key, is a page."""

    def scanned(node: dict[str, Any]) -> Iterator[str]:
        if node["Node Type"] != "Limit":
            if "Relation Name" in node and not node.get("Index Name", "").endswith(KEYS):
                yield node["Relation Name"]
            for child in node.get("Plans", ()):
                yield from scanned(child)

    return {
        table
        for node in nodes(plan)
        if node["Node Type"] in ("Sort", "Incremental Sort")
        for child in node["Plans"]
        for table in scanned(child)
    }


def statements(client: Any, wanted: Ask, ids: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    found = []

    def remember(execute: Any, sql: str, params: Any, *rest: Any) -> Any:
        if isinstance(params, dict):
            found.append((sql, params))
        return execute(sql, params, *rest)

    with connection.execute_wrapper(remember), transaction.atomic():
        assert ask(client, wanted, ids).status_code < 300
        transaction.set_rollback(True)
    return found


EXPECTED = {
    "history_page": {"message_reading_order"},
    "conversation_page": {"conversation_by_activity"},
    "message_append": {"conversations_conversation_pkey"},
    "context": {"message_reading_order"},
    "attachment_page": {"attachment_reading_order"},
    "document_page": {"document_by_creation"},
}


def test_every_statement_of_a_request_uses_indexes_and_the_hot_ones_those_they_name(owner, large):
    """No request reads a whole table of people's rows, or sorts more of them than a page."""
    seen: dict[str, set[str]] = {}
    for wanted in HOT:
        for sql, params in statements(owner, wanted, large):
            plan = generic_plan(sql, params)
            scans = {n["Relation Name"] for n in nodes(plan) if n["Node Type"] == "Seq Scan" and "Relation Name" in n}
            assert not scans & {*owned_tables(), USER}, (wanted, scans, sql)
            name = re.search(r"/\* (\w+) \*/", sql)
            seen.setdefault(name[1] if name else "", set()).update(indexes_of(plan))
            if name and name[1] in ("history_page", "context", "attachment_page", "document_page"):
                assert not sorted_tables(plan), (name[1], sql)
    for name, indexes in EXPECTED.items():
        assert indexes <= seen[name], (name, seen[name])


def rows_read(plan: dict[str, Any], table: str) -> int:
    return sum(
        node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for node in nodes(plan)
        if node.get("Relation Name") == table and node["Node Type"] != "ModifyTable"
    )


A_BRANCH = [
    Ask("get", "/{b}/messages?limit=20"),
    Ask("get", "/{b}/messages?limit=20&order=desc"),
    Ask("get", "/{b}/messages?branch={l}"),
    Ask("get", "/{b}/exchanges"),
    Ask("get", "/{b}?include=messages"),
    Ask("post", "/{b}/fork"),
    Ask("put", "/{b}", {"messages": []}),
    Ask("post", "/{b}/messages/{x}/restore"),
]
A_FEW = [
    Ask("get", "/{c}/messages?limit=20"),
    Ask("get", "/{c}/messages?limit=20&order=desc"),
    Ask("get", "/{c}/messages?limit=20&branch=all"),
    Ask("get", "/{c}/context?limit=20"),
    Ask("get", "/{c}"),
    Ask("get", "/{c}/messages/{m}"),
    Ask("post", "/{c}/messages", {"role": "user", "content": "x"}),
    Ask("patch", "/{c}/messages/{m}", {"content": "x"}),
    Ask("delete", "/{c}/messages/{m}"),
    Ask("patch", "/{c}", {"title": "x"}),
    Ask("delete", "/{c}"),
    Ask("post", "/{c}/messages", {"role": "user", "content": "x", "parent_id": "{m}"}),
    Ask("post", "/{c}/messages", {"role": "user", "content": "x", "id": "{n}"}),
    Ask("post", "/{c}/messages/{d}/restore"),
    Ask("patch", "/{c}", {"current_message_id": "{m}"}),
    Ask("get", "/{b}/context?limit=20"),
    Ask("delete", "/{b}/messages/{l}"),
    Ask("post", "/{b}/messages", {"role": "user", "content": "x"}),
]


def test_no_more_messages_are_read_than_shown_however_long_the_conversation_is(owner, large):
    """With the plan for a conversation of average length, as a prepared statement has it."""
    for wanted in A_FEW:
        for sql, params in statements(owner, wanted, large):
            with transaction.atomic():
                plan = generic_plan(sql, params, run=True)
                transaction.set_rollback(True)
            assert rows_read(plan, "conversations_message") <= 60, (wanted, plan)
            assert rows_read(plan, "conversations_conversation") <= 8, (wanted, plan)


def test_a_branch_is_walked_by_one_probe_for_each_message(owner, large):
    """Not by reading the whole conversation at each step, which the plan for one of average length may be."""
    for wanted in A_BRANCH:
        for sql, params in statements(owner, wanted, large):
            with transaction.atomic():
                plan = generic_plan(sql, params, run=True)
                transaction.set_rollback(True)
            assert rows_read(plan, "conversations_message") <= 5 * LONG, (wanted, plan)


ORDERED_BY = {
    "": "conversation_by_activity",
    "ordering=updated_at": "conversation_by_activity",
    "ordering=-created_at": "conversation_by_creation",
    "ordering=created_at": "conversation_by_creation",
    "starred=false": "conversation_by_activity",
}


def test_a_page_of_the_list_comes_in_the_order_of_its_index(owner, large):
    for query, index in ORDERED_BY.items():
        first = f"?{query}&limit=5"
        for url in (first, owner.get(LIST + first).json()["next"].partition(LIST)[2]):
            found = statements(owner, Ask("get", url), large)
            ((sql, params),) = [one for one in found if "conversation_page" in one[0]]
            plan = generic_plan(sql, params)
            assert index in indexes_of(plan), (url, plan)
            assert not sorted_tables(plan), (url, plan)


def test_a_further_page_of_a_history_begins_where_the_last_one_ended(owner, large):
    for query in ("", "order=desc", "branch=all", "include_hidden=true"):
        following = owner.get(f"{LIST}/{large['c']}/messages?{query}&limit=5").json()["next"].partition(LIST)[2]
        found = statements(owner, Ask("get", following), large)
        ((sql, params),) = [one for one in found if "history_page" in one[0]]
        plan = generic_plan(sql, params)
        scans = [node for node in nodes(plan) if node.get("Index Name") == "message_reading_order"]
        assert any("ROW(" in scan["Index Cond"] for scan in scans), (query, plan)
        assert not sorted_tables(plan)
