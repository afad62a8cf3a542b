"""The watch over SQL sees what it is there to see, and every statement of ours stands before it."""

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from itertools import chain, combinations, product
from types import ModuleType
from typing import Any

import pytest
from django.db import connection

import accounts
import accounts.actions
import conversations.actions
import conversations.queries
from accounts.models import Session
from accounts.queries import USER_BY_SESSION
from conversations.actions import branches as replacing
from conversations.actions import conversations as conversation_actions
from conversations.actions import message_edits as message_actions
from conversations.actions.changes import Write
from conversations.models import Conversation, Message
from conversations.queries import attachments, documents
from conversations.queries import conversations as lists
from conversations.queries.standing import STANDING
from conversations.tests.ownership import UnboundStatement, owned_tables, unbound_tables, watch

C, M = "conversations_conversation", "conversations_message"
A_STATEMENT = re.compile(r"\s*(/\*.*?\*/)?\s*(WITH|SELECT|INSERT|UPDATE|DELETE)\b", re.DOTALL)


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT * FROM {M} WHERE user_id = %s",
        f"SELECT * FROM {M} m WHERE m.id = %(id)s AND m.user_id = %(user)s",
        f"SELECT * FROM {M} m WHERE (m.id = %s AND (m.user_id = %s))",
        f"SELECT * FROM {M} m JOIN {C} c ON c.user_id = m.user_id AND c.id = m.conversation_id WHERE m.user_id = %s",
        f"SELECT * FROM {C} c LEFT JOIN {M} m ON m.user_id = %s AND m.conversation_id = c.id WHERE c.user_id = %s",
        f"SELECT * FROM {C} c LEFT JOIN (page JOIN {M} m ON m.user_id = %s) ON true WHERE c.user_id = %s",
        f"SELECT * FROM {C} c WHERE c.user_id = %s AND EXISTS (SELECT FROM {M} m WHERE m.user_id = c.user_id)",
        f"WITH x AS (SELECT id FROM {C} WHERE user_id = %s) UPDATE {M} m SET hidden = true FROM x WHERE m.user_id = %s",
        f"UPDATE {M} SET user_id = user_id WHERE user_id = %s",
        f"DELETE FROM {M} WHERE user_id = %s",
        f"INSERT INTO {M} (user_id, id) VALUES (%s, %s)",
        f"INSERT INTO {M} (user_id, id) SELECT %s, id FROM {C} WHERE user_id = %s",
        "SELECT * FROM accounts_user",
        "BEGIN",
        STANDING,
    ],
)
def test_a_statement_that_says_whose_rows_it_means_passes(sql):
    assert unbound_tables(sql) == set()


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        (f"SELECT * FROM {M}", {M}),
        (f"SELECT * FROM {M} WHERE id = %s", {M}),
        (f"SELECT * FROM {M} WHERE user_id = %s OR true", {M}),
        (f"SELECT * FROM {M} WHERE NOT user_id = %s", {M}),
        (f"SELECT * FROM {M} WHERE user_id <> %s", {M}),
        (f"SELECT * FROM {M} WHERE user_id IS NOT NULL", {M}),
        (f"SELECT user_id = %s FROM {M}", {M}),
        (f"SELECT * FROM {M} WHERE CASE WHEN user_id = %s THEN true ELSE true END", {M}),
        (f"SELECT * FROM {M} m WHERE m.user_id = m.user_id", {M}),
        (f"SELECT * FROM {M} m WHERE m.user_id = m.id", {M}),
        (f"SELECT * FROM {M} m WHERE m.user_id = (SELECT user_id FROM somewhere)", {M}),
        (f"SELECT * FROM {M} m JOIN {C} c ON c.user_id = m.user_id", {M, C}),
        (f"SELECT * FROM {M} m JOIN {C} c ON c.id = m.conversation_id WHERE c.user_id = %s", {M}),
        (f"SELECT * FROM {M} m, {C} c WHERE m.user_id = %s AND c.id = m.conversation_id", {C}),
        (f"SELECT * FROM {C} c LEFT JOIN {M} m ON c.user_id = %s AND m.user_id = %s", {C}),
        (f"SELECT * FROM {C} c FULL JOIN {M} m ON c.user_id = %s AND m.user_id = %s", {C, M}),
        (f"SELECT (SELECT count(*) FROM {M}) FROM {C} WHERE user_id = %s", {M}),
        (f"SELECT * FROM {C} WHERE user_id = %s AND id IN (SELECT conversation_id FROM {M})", {M}),
        (f"SELECT * FROM {C} c WHERE EXISTS (SELECT FROM {M} m WHERE m.user_id = c.user_id)", {C, M}),
        (f"WITH x AS (SELECT * FROM {M}) SELECT * FROM {C} WHERE user_id = %s", {M}),
        (f"SELECT * FROM {C} WHERE user_id = %s UNION ALL SELECT * FROM {C}", {C}),
        (f"SELECT * FROM {C} c CROSS JOIN LATERAL (SELECT * FROM {M} m LIMIT 1) l WHERE c.user_id = %s", {M}),
        (f"UPDATE {M} SET user_id = %s", {M}),
        (f"UPDATE {M} SET content = '' WHERE id = %s", {M}),
        (f"UPDATE {M} m SET content = '' FROM {C} c WHERE c.user_id = %s AND c.id = m.conversation_id", {M}),
        (f"DELETE FROM {M}", {M}),
        (f"DELETE FROM {M} m USING {C} c WHERE c.user_id = %s AND m.conversation_id = c.id", {M}),
        (f"INSERT INTO {M} (id) VALUES (%s)", {M}),
        (f"INSERT INTO {M} VALUES (%s)", {M}),
        (f"INSERT INTO {M} (user_id, id) SELECT %s, id FROM {C}", {C}),
    ],
)
def test_a_statement_that_does_not_is_caught(sql, tables):
    assert unbound_tables(sql) == tables


@pytest.mark.django_db
def test_the_orms_statements_are_seen_too(user):
    with connection.execute_wrapper(watch):
        list(Conversation.objects.filter(user=user))
        list(Message.objects.filter(user=user).select_related("conversation"))
        Message.objects.filter(user=user, content="x").update(hidden=True)
        assert not Message.objects.filter(conversation__user=user).exists()  # the join carries the owner along
        for unbound in (
            Conversation.objects.filter(title="x").exists,
            Message.objects.filter(content="x").delete,
            Session.objects.filter(id=user.pk).first,
        ):
            with pytest.raises(UnboundStatement):
                unbound()


@pytest.mark.django_db
def test_a_row_that_is_saved_reloaded_or_followed_names_its_owner(user):
    conversation = Conversation.objects.create(user=user, title="a")
    message = Message.objects.create(user=user, conversation=conversation, role="user", content="a")
    with connection.execute_wrapper(watch):
        conversation.title = "b"
        conversation.save(update_fields=["title"])
        message.save()
        loaded = Message.objects.filter(user=user).get()
        assert loaded.conversation.title == "b"
        assert loaded.conversation.messages.filter(user=user).count() == 1


def test_every_owned_table_is_watched():
    assert owned_tables() >= {
        C, M, "conversations_change", "conversations_changecounter", "conversations_idempotencykey", "accounts_session",
        "conversations_attachment", "conversations_document",
    }  # fmt: skip


def modules() -> Iterator[ModuleType]:
    for package in (accounts, accounts.actions, conversations.queries, conversations.actions):
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if not found.ispkg and not found.name.endswith(("admin", "apps")):
                yield import_module(found.name)


def statements_in(value: Any) -> Iterator[str]:
    match value:
        case str() if A_STATEMENT.match(value):
            yield value
        case Write():
            yield from filter(None, (value.plain, value.kept))
        case dict() | list() | tuple():
            for item in value.values() if isinstance(value, dict) else value:
                yield from statements_in(item)


def subsets(names: Any) -> Iterator[tuple[str, ...]]:
    names = tuple(names)
    return chain.from_iterable(combinations(names, size) for size in (1, len(names)))


def named() -> Iterator[Any]:
    for module in modules():
        for name, value in vars(module).items():
            for number, sql in enumerate(statements_in(value)):
                yield pytest.param(sql, id=f"{module.__name__}.{name}-{number}")
    made = {
        "conversation_page": [
            lists._page_statement(filters, trash, column, down, more, back)
            for filters, columns in [
                ((), lists.ORDERINGS),
                (tuple(lists.FILTERS), lists.ORDERINGS),
                *(((name,), ["title"]) for name in lists.FILTERS),
            ]
            for trash, more in ((True, False), (False, True))
            for column in columns
            for down, back in ((True, True), (False, False))
        ],
        "conversation_update": [
            conversation_actions._update_statement(f) for f in subsets(conversation_actions.FIELDS)
        ],
        "conversation_replace": [replacing._replace_statement(f) for f in [(), *subsets(conversation_actions.FIELDS)]],
        "attachment_page": [attachments._page_statement(*flags) for flags in product((True, False), repeat=3)],
        "document_page": [
            documents._page_statement(filters, *flags)
            for filters in [(), *subsets(documents.FILTERS)]
            for flags in product((True, False), repeat=2)
        ],
        "message_update": [message_actions._update_statement(f) for f in subsets(message_actions.FIELDS)],
    }
    for name, statements in made.items():
        yield pytest.param("\0".join(statements_in(statements)), id=name)


@pytest.mark.parametrize("sql", list(named()))
def test_every_named_statement_says_whose_rows_it_means(sql):
    for statement in sql.split("\0"):
        assert not unbound_tables(statement), statement


def test_the_statements_are_found_where_they_are():
    names = {param.id.rpartition("-")[0] for param in named()}
    assert {"conversations.queries.history.LINEAR", "conversations.queries.history.WALK",
            "conversations.queries.branches.EXCHANGES", "conversations.queries.context.CONTEXT",
            "conversations.queries.conversations.CONVERSATION_GET", "conversations.queries.messages.MESSAGE_GET",
            "conversations.actions.messages.APPEND_ONE", "conversations.actions.message_edits.RESTORE",
            "conversations.actions.conversations.CREATE", "conversations.actions.conversations.DELETE",
            "conversations.actions.branches.FORK", "conversations.actions.idempotency.ANSWER",
            "conversations.actions.ingest_merge.UPDATE_MESSAGES",
            "conversations.actions.ingest_attachments.UPSERT", "conversations.actions.ingest_documents.UPSERT",
            "conversations.actions.files.HELD", "conversations.queries.attachments.ATTACHMENT_BYTES",
            "accounts.actions.sessions.SESSIONS_END",
            "accounts.queries.USER_BY_SESSION"} <= names  # fmt: skip
    assert USER_BY_SESSION in {param.values[0] for param in named()}
