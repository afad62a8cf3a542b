"""Before anything is timed: whether all sides do the same work. What differs ends the run."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import psycopg

from bench.dataset import person
from bench.http import Answer, Call, Client
from bench.people import People, Target, message_body, token
from bench.servers import Server

CURSOR = re.compile(r"(?<=[?&]cursor=)[A-Za-z0-9_-]+")
ORIGIN = re.compile(r"^http://127\.0\.0\.1:\d+")
MADE_BY_THE_SERVER = ("id", "created_at", "updated_at")
COMPARED_HEADERS = ("content-type",)


class DifferentError(Exception):
    """Two sides do not do the same work: their figures must not be compared."""


def difference(expected: Any, given: Any, where: str = "$") -> str:
    """Where two JSON values begin to differ, in words; "" when they are equal (the keys of an object have no order)."""
    if type(expected) is not type(given):
        return f"{where}: {expected!r:.200} and {given!r:.200}"
    if isinstance(expected, dict):
        if set(expected) != set(given):
            return f"{where}: keys {sorted(set(expected) ^ set(given))} are on one side only"
        pairs = [(expected[key], given[key], f"{where}.{key}") for key in expected]
    elif isinstance(expected, list):
        if len(expected) != len(given):
            return f"{where}: {len(expected)} and {len(given)} items"
        pairs = [(one, two, f"{where}[{place}]") for place, (one, two) in enumerate(zip(expected, given, strict=True))]
    else:
        return "" if expected == given else f"{where}: {expected!r:.200} and {given!r:.200}"
    return next((found for one, two, at in pairs if (found := difference(one, two, at))), "")


def normalised_page(body: bytes) -> Any:
    """A page without what must differ: the origin and the cursors, which each side signs for itself."""
    page = json.loads(body)
    for name in ("next", "previous"):
        if page[name] is not None:
            page[name] = ORIGIN.sub("", CURSOR.sub("*", page[name]))
    return page


def normalised_message(body: bytes, known: Mapping[str, str]) -> Any:
    """A new message without the id and the times that its server gave it; `known` names ids of other rows."""
    message = json.loads(body)
    for name in MADE_BY_THE_SERVER:
        message[name] = f"<{name}>" if message[name] else message[name]
    return {name: known.get(value, value) if isinstance(value, str) else value for name, value in message.items()}


def require_equal(what: str, views: Mapping[str, Any]) -> None:
    """Raises DifferentError unless all sides' views of something are the same."""
    (first, expected), *others = views.items()
    for name, given in others:
        if found := difference(expected, given):
            raise DifferentError(f"{what}: {first} and {name} differ at {found}")


def compare(servers: Sequence[Server], people: People, connection: psycopg.Connection) -> int:
    """Ask all sides the same and compare what they say and what they write. Returns how many answers were equal.

    Raises DifferentError.
    """
    reads = [
        *(Call("GET", f"{t.messages}?order={o}&limit=50", t.token) for t in people.long[:8] for o in ("desc", "asc")),
        *(Call("GET", f"{t.messages}?order=desc&limit=50", t.token) for t in people.short[:4]),
        *(Call("GET", "/api/v1/conversations?limit=20", bearer) for bearer in list(people.tokens.values())[:5]),
    ]
    for call in reads:
        _same_read(servers, call)
    return len(reads) + _same_refusals(servers, people) + _same_append(servers, people, connection)


def _same_read(servers: Sequence[Server], call: Call) -> None:
    what, pages, following, again = f"{call.method} {call.path}", {}, {}, {}
    for server in servers:
        with Client(server.port) as client:
            answer = _expect(client.ask(call), 200, server, what)
            pages[server.side.name] = normalised_page(answer.body)
            headers = (("If-None-Match", answer.headers["etag"]),)
            again[server.side.name] = client.ask(Call("GET", call.path, call.token, headers)).status
            if (link := json.loads(answer.body)["next"]) is not None:
                second = _expect(client.ask(Call("GET", ORIGIN.sub("", link), call.token)), 200, server, link)
                page = normalised_page(second.body)
                del page["previous"]  # the peers page forwards only: less work for them, and none that is timed
                following[server.side.name] = page
    require_equal(what, pages)
    require_equal(f"{what}, unchanged", again)
    if following:
        require_equal(f"{what}, the page after", following)


def _same_refusals(servers: Sequence[Server], people: People) -> int:
    own, other = people.long[0], next(target for target in people.long if target.user_id != people.long[0].user_id)
    ended = token(person(0), ended=True)
    calls = {
        "without a token": Call("GET", own.messages),
        "with a broken token": Call("GET", own.messages, own.token[:-3] + "AAA"),
        "with the token of an ended session": Call("GET", "/api/v1/conversations", ended),
        "another's conversation": Call("GET", own.messages, other.token),
        "no conversation": Call("GET", f"/api/v1/conversations/{uuid4()}/messages", own.token),
        "limit=0": Call("GET", f"{own.messages}?limit=0", own.token),
        "a foreign cursor": Call("GET", f"{own.messages}?cursor=AAAA", own.token),
        "append to another's": Call("POST", own.messages, other.token, body=message_body("Hello")),
        "append nothing": Call("POST", own.messages, own.token, body=b'{"role": "user"}'),
    }
    for what, call in calls.items():
        statuses = {}
        for server in servers:
            with Client(server.port) as client:
                statuses[server.side.name] = client.ask(call).status
        require_equal(what, statuses)
    return len(calls)


def _same_append(servers: Sequence[Server], people: People, connection: psycopg.Connection) -> int:
    """Two messages to an empty conversation of each side's own, and the second once more under its key."""
    texts = ('## A title with "quotes"\nand a second line — ünïcödé \U0001f600', "The second one\tof two")
    views: dict[str, list[Any]] = {}
    for server in servers:
        target = _empty_conversation(people, connection)
        known, seen = {str(target.id): "<conversation>"}, []
        with Client(server.port) as client:
            for place, text in enumerate(texts):
                call = append(target, text)
                answer = _expect(client.ask(call), 201, server, "append")
                seen.append(normalised_message(answer.body, known))
                known[json.loads(answer.body)["id"]] = f"<message {place}>"
                seen.append([name in answer.headers for name in ("etag", "location")])
                again = client.ask(call)
                replay = json.loads(again.body) == json.loads(answer.body)
                seen.append([again.status, again.headers.get("idempotency-replayed"), replay])
        seen.append(_effects(connection, target, known))
        views[server.side.name] = seen
    require_equal("append", views)
    return 2 * len(texts)


def _effects(connection: psycopg.Connection, target: Target, known: Mapping[str, str]) -> list[Any]:
    """What the two appends left behind."""
    of_conversation = connection.execute(
        "SELECT title, title_is_generated, message_count, hidden_count, version, linear, current_message_id::text,"
        " last_message_at = updated_at FROM conversations_conversation WHERE user_id = %s AND id = %s",
        [target.user_id, target.id],
    ).fetchall()
    changes = connection.execute(
        "SELECT kind, object_id::text, op, id - min(id) OVER (),"
        " (SELECT value FROM conversations_changecounter k WHERE k.user_id = c.user_id) - max(id) OVER ()"
        " FROM conversations_change c WHERE user_id = %s AND conversation_id = %s ORDER BY id",
        [target.user_id, target.id],
    ).fetchall()
    keys = connection.execute(
        "SELECT status, body FROM conversations_idempotencykey WHERE user_id = %s AND conversation_id = %s"
        " ORDER BY created_at",
        [target.user_id, target.id],
    ).fetchall()
    rows = [[known.get(value, value) for value in row] for row in (*of_conversation, *changes)]
    kept = [[status, normalised_message(body.encode(), known)] for status, body in keys]
    return [*rows, *kept]


def append(target: Target, text: str) -> Call:
    """A message under a key of its own."""
    headers = (("Idempotency-Key", str(uuid4())),)
    return Call("POST", target.messages, target.token, headers, message_body(text))


def _empty_conversation(people: People, connection: psycopg.Connection) -> Target:
    user: UUID = people.long[0].user_id
    target = Target(uuid4(), user, people.tokens[user])
    connection.execute("INSERT INTO conversations_conversation (user_id, id) VALUES (%s, %s)", [user, target.id])
    return target


def _expect(answer: Answer, status: int, server: Server, what: str) -> Answer:
    if answer.status != status:
        raise DifferentError(f"{what}: {server.side.name} answers {answer.status}: {answer.body[:300]!r}")
    for name in COMPARED_HEADERS:
        if not answer.headers.get(name, "").startswith("application/json"):
            raise DifferentError(f"{what}: {server.side.name} says {name} {answer.headers.get(name)!r}")
    if "etag" not in answer.headers:
        raise DifferentError(f"{what}: {server.side.name} gives no ETag")
    return answer
