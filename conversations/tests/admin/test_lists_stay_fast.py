"""What a page of the admin costs does not grow with what is stored."""

import re
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.admin.lists import CappedPaginator
from accounts.tests.factories import UserFactory
from conversations.actions.messages import messages_append
from conversations.admin.people import COUNTED
from conversations.drafts import MessageDraft
from conversations.models import Conversation
from conversations.tests.admin.conftest import LIST, PEOPLE, SUPPORT, page, staff_client, talk

pytestmark = pytest.mark.django_db
BIG = ("accounts_user", "accounts_session", "conversations_conversation", "conversations_message")

# 20,000 people, each with a session; 60,000 conversations, 10,000 of them the heavy user's; 100,000 messages, half of
# them in one conversation.
# The n-th of each has n for its id; statistics come in between, or the checks of foreign keys would read whole tables.
MADE = """
    INSERT INTO accounts_user (id, email, password, is_superuser, security_stamp)
    SELECT lpad(to_hex(n), 32, '0')::uuid, 'p' || n || '@example.org', '', false, gen_random_uuid()
      FROM generate_series(1, 20000) n;
    ANALYZE accounts_user;
    INSERT INTO accounts_session (user_id, id, security_stamp, refresh_jti, expires_at)
    SELECT id, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), now() FROM accounts_user;
    ANALYZE accounts_session;
    INSERT INTO conversations_conversation (user_id, id, title, metadata, message_count, updated_at, deleted_at)
    SELECT CASE WHEN n <= 10000 THEN '{heavy}' ELSE lpad(to_hex(1 + n % 20000), 32, '0')::uuid END,
           lpad(to_hex(n), 32, '0')::uuid, 'title ' || n, '{{}}', 1, now() - n * interval '1 minute',
           CASE WHEN n % 50 = 0 THEN now() - n * interval '1 second' END
      FROM generate_series(1, 60000) n;
    ANALYZE conversations_conversation;
    INSERT INTO conversations_message (user_id, conversation_id, id, role, content, created_at)
    SELECT '{heavy}', lpad(to_hex(CASE WHEN n <= 50000 THEN 1 ELSE 1 + n % 1000 END), 32, '0')::uuid,
           lpad(to_hex(n), 32, '0')::uuid, 'user', 'some words', now() + n * interval '1 second'
      FROM generate_series(1, 100000) n;
    ANALYZE conversations_message
"""


def queries_of(client, path):
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(path)
    assert answer.status_code == 200, path
    return [query["sql"] for query in queries.captured_queries]


@pytest.fixture
def client(db):
    """Of one who may see content too: the most that is asked for."""
    return staff_client(*SUPPORT, "view_content")


def pages(conversation):
    owner = conversation.user_id
    return {
        "people": PEOPLE,
        "people found": f"{PEOPLE}?q=p123",
        "person by id": f"{PEOPLE}?q={owner}",
        "person": f"{PEOPLE}{owner}/change/",
        "conversations": LIST,
        "conversations, page 3": f"{LIST}?p=3",
        "conversation by id": f"{LIST}?q={conversation.pk}",
        "theirs": f"{LIST}?owner={owner}",
        "theirs, trash": f"{LIST}?owner={owner}&state=trash",
        "conversation": page(conversation),
        "conversation, page 2": f"{page(conversation)}?page=2",
        "message": page(conversation, f"messages/{conversation.messages.first().pk}"),
        "history": page(conversation, "history"),
    }


def test_the_number_of_queries_does_not_grow(client, user):
    def grow(count):
        for number in range(count):
            UserFactory(email=f"p{number}-{count}@example.org")
            talk(UserFactory(), title="x")
            talk(user, title="x")

    conversation = talk(user, *(MessageDraft(role="user", content="x") for _ in range(2)), title="x")
    grow(2)
    paths = {name: path for name, path in pages(conversation).items() if "page" not in name}
    for path in paths.values():
        client.get(path)  # the first time asks for content types too, which are kept
    few = {name: len(queries_of(client, path)) for name, path in paths.items()}
    grow(30)
    messages_append(
        user_id=user.pk, conversation_id=conversation.pk, drafts=[MessageDraft(role="user", content="x")] * 40
    )
    many = {name: len(queries_of(client, path)) for name, path in paths.items()}
    assert many == few
    assert max(many.values()) <= 10, many


def test_with_a_hundred_thousand_messages_every_page_reads_indexes_and_counts_no_table(client):
    heavy = UserFactory(email="heavy@example.com")
    with connection.cursor() as cursor:
        for statement in MADE.format(heavy=heavy.pk).split(";"):
            cursor.execute(statement)
    conversation = Conversation.objects.get(user=heavy, id=UUID(int=1))
    for name, path in pages(conversation).items():
        for sql in queries_of(client, path):
            if any(f'"{table}"' in sql for table in BIG):
                assert_cheap(name, sql)


def assert_cheap(name, sql):
    if "COUNT(" in sql.upper():
        assert re.search(r"FROM \(SELECT .* LIMIT \d+\)", sql), (name, sql)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN ANALYZE {sql}".replace("%", "%%"), ())
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert not re.search(rf"Seq Scan on ({'|'.join(BIG)})\b", plan), (name, sql, plan)
    most = COUNTED if f"LIMIT {COUNTED}" in sql else CappedPaginator.MOST
    for rows in (*re.findall(r"actual time=\S+ rows=(\d+)", plan), *re.findall(r"Rows Removed by Filter: (\d+)", plan)):
        assert int(rows) <= most, (name, sql, plan)  # neither taken nor stepped over
