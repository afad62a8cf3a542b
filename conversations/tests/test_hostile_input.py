"""Input that breaks parsers, encodings and trees: a clear refusal or an exact round trip, and never a 5xx.

hostile.md, 1 to 14; what is another's (13) is in test_isolation.py.
"""

import gzip
import json
import secrets
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import User
from conversations.actions.ingest import conversations_ingest
from conversations.interchange.records import ConversationRecord, MessageRecord
from conversations.models import Conversation, Message
from conversations.tests.whole_database import Unchanged

LIST = "/api/v1/conversations"
SAID = {"role": "user", "content": "x"}
unchanged = Unchanged()

TEXTS = {
    "nul": "a\0b",
    "nul alone": "\0",
    "high surrogate": "a\ud800",
    "low surrogate": "\udc00b",
    "surrogates the wrong way round": "\udfff\ud800",
    "a pair in halves": "\U0001f600",
    "bidi overrides": "\u202eevil\u202c \u2066x\u2069 \u200f",
    "zero width": "a\u200b\u200c\u200d\u2060\ufeffb",
    "our own mark": "\ufdd0",
    "what our escape looks like": "\ufdd00000 \ufdd0d800 \ufdd0fdd0",
    "escaped twice": "\ufdd0\ufdd00000\0",
    "an escape as text": "\\u0000 \\ud800 \\ufdd0 \\\\u0000",
    "noncharacters": "\uffff\ufffe\U0010ffff",
    "controls": "\x01\x07\x1b[31m\x7f\x85\r\n\t\u2028",
    "quotes": "'\"`$1 %s %(user)s {0} --; DROP TABLE",
    "combining": "e" + "\u0301" * 50,
    "blanks": "  x  ",
    "not normalised": "e\u0301 \u00e9 \u212b",
}


def raw(
    client: Any, method: str, url: str, body: bytes | str, content_type: str = "application/json", **headers: str
) -> Any:
    data = body.encode() if isinstance(body, str) else body
    return client.generic(method, url, data, content_type=content_type, headers=headers)


def sent(client: Any, method: str, url: str, body: Any, **headers: str) -> Any:
    return raw(client, method, url, json.dumps(body), **headers)  # json.dumps writes \ud800 as clients do


def refused(answer: Any, *statuses: int) -> dict[str, Any]:
    assert answer.status_code in statuses, (answer.status_code, answer.content[:300])
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == answer.status_code
    assert {"type", "title", "detail", "instance", "code", "request_id"} <= set(body)
    return body


# --- text, in each place that takes it --------------------------------------------------------------------------------


def conversation_with(text: str) -> dict[str, Any]:
    """The text wherever a conversation takes text."""
    return {
        "title": text,
        "model": text,
        "metadata": {text: {text: [text]}, "k": text},
        "tags": [text, text + "2"],
    }


def message_with(text: str) -> dict[str, Any]:
    """The text wherever a message takes text."""
    return {
        "role": "assistant",
        "content": text,
        "parts": [{"type": "text", "text": text}, {text: [text]}, text],
        "tool_calls": [{"id": text, "function": {"name": text, "arguments": text}}],
        "tool_results": {text: text},
        "sources": [{"title": text}],
        "metadata": {text: {text: text}},
        "model": text,
        "selected_text": text,
        "language": text[:35],
    }


def part_of(body: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in wanted}


every_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())


@every_text
def test_a_conversation_gives_text_back_unchanged_on_every_way(owner, text):
    wanted = conversation_with(text)
    made = sent(owner, "post", LIST, wanted, **{"Idempotency-Key": "k"})
    assert made.status_code == 201, made.content
    url = f"{LIST}/{made.json()['id']}"
    again = sent(owner, "post", LIST, wanted, **{"Idempotency-Key": "k"})
    patched = sent(owner, "patch", url, wanted)
    replaced = sent(owner, "put", url, {**wanted, "messages": [SAID]})
    ways = (made, again, patched, replaced, owner.get(url), owner.get(f"{url}?include=messages"))
    bodies = [answer.json() for answer in ways] + owner.get(LIST).json()["results"]
    fork = owner.post(f"{url}/fork").json()
    assert fork["metadata"].pop("forked_from")
    owner.delete(url)
    bodies += [fork, *owner.get(f"{LIST}?deleted=true").json()["results"]]
    for body in bodies:
        assert part_of(body, wanted) == wanted


@every_text
def test_a_message_gives_text_back_unchanged_on_every_way(owner, text):
    wanted = message_with(text)
    url = f"{LIST}/{owner.post(LIST, {}, format='json').json()['id']}"
    with_id = {**wanted, "id": str(uuid4())}
    made = sent(owner, "post", f"{url}/messages", with_id, **{"Idempotency-Key": "k"})
    assert made.status_code == 201, made.content
    again = sent(owner, "post", f"{url}/messages", with_id, **{"Idempotency-Key": "k"})
    repeated = sent(owner, "post", f"{url}/messages", with_id)
    assert (again.status_code, repeated.status_code) == (201, 200), repeated.content
    one = f"{url}/messages/{made.json()['id']}"
    edit = {name: value for name, value in wanted.items() if name != "role"}
    patched = sent(owner, "patch", one, edit)
    replaced = sent(owner, "put", url, {"messages": [wanted]})
    assert (replaced.status_code, replaced.json().get("message_count")) == (200, 1)  # it was recognised
    fork = f"{LIST}/{owner.post(f'{url}/fork').json()['id']}"
    bodies = [answer.json() for answer in (made, again, repeated, patched, owner.get(one))]
    for branch in ("", "?branch=all", f"?branch={made.json()['id']}"):
        bodies += owner.get(f"{url}/messages{branch}").json()["results"]
    bodies += owner.get(f"{fork}/messages").json()["results"]
    bodies += owner.get(f"{url}?include=messages").json()["messages"]
    bodies += owner.get(f"{url}/context?format=native").json()["messages"]
    bodies += sent(owner, "post", f"{url}/messages", {"messages": [wanted, wanted]}).json()["messages"]
    assert len(bodies) == 13
    for body in bodies:
        assert part_of(body, wanted) == wanted
    openai = owner.get(f"{url}/context").json()["messages"][0]
    assert (openai["content"], openai["tool_calls"]) == (text, wanted["tool_calls"])


@every_text
def test_the_context_gives_structured_content_back_unchanged(owner, text):
    """One message holds what the database cannot store, another what orjson cannot write: each comes back as it was."""
    parts = [{"type": "text", "text": text, "n": 2**70}]
    messages = [
        {"role": "user", "parts": parts},
        {"role": "assistant", "content": text},
        {"role": "user", "content": "a\0b"},
    ]
    made = sent(owner, "post", LIST, {"messages": messages}).json()
    context = owner.get(f"{LIST}/{made['id']}/context").json()["messages"]
    assert [m["content"] for m in context] == [parts, text, "a\0b"]


@every_text
def test_exchanges_give_text_back_unchanged(owner, text):
    turn = [{"role": "user", "content": text}, {"role": "assistant", "content": text, "model": text}]
    made = sent(owner, "post", LIST, {"messages": turn}).json()
    found = owner.get(f"{LIST}/{made['id']}/exchanges").json()["results"][0]
    assert (found["query"], found["response"], found["model_used"]) == (text, text, text)


@every_text
def test_a_title_made_from_any_text_is_a_line_that_comes_back(owner, text):
    made = sent(owner, "post", LIST, {"messages": [{"role": "user", "content": text}]}).json()
    assert len(made["title"]) <= 80
    assert "\n" not in made["title"]
    assert made == owner.get(f"{LIST}/{made['id']}").json()


@every_text
def test_text_in_a_filter_finds_what_it_says(owner, text):
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        pytest.skip("a URL has no way to write half a surrogate pair")
    sent(owner, "post", LIST, {"title": text, "tags": [text], "model": text})
    sent(owner, "post", LIST, {"title": "another", "tags": ["another"], "model": "another"})
    for name in ("q", "tag", "model"):
        answer = owner.get(LIST, {name: text})
        assert answer.status_code == 200, answer.content
        assert [c["title"] for c in answer.json()["results"]] == [text], name
        following = owner.get(LIST, {name: text, "limit": 1, "offset": 0}).json()["previous"]
        assert following is None


QUERIES = ("%ED%A0%80", "%00", "%FF%FE", "%C3", "%", "%ZZ", "%F0%9F", "a" * 1_000, "%25%5F%5C", "+", "")
PARAMETERS = ("q", "tag", "model", "archived", "ordering", "created_after", "cursor", "limit", "offset", "branch",
              "order", "unknown", "%00", "%ED%A0%80")  # fmt: skip


@pytest.mark.parametrize("name", PARAMETERS)
def test_any_bytes_in_a_query_are_answered(owner, conversation, name):
    url = f"{LIST}/{conversation['id']}"
    with unchanged:
        for query in QUERIES:
            for path in (LIST, url, f"{url}/messages", f"{url}/context", f"{url}/exchanges"):
                answer = owner.get(f"{path}?{name}={query}")
                if answer.status_code != 200:
                    refused(answer, 400, 422)


@pytest.mark.parametrize("name", ["q", "tag", "model"])
def test_a_filter_that_is_too_long_is_422(owner, name):
    assert refused(owner.get(LIST, {name: "a" * 1_001}), 422)["errors"][0]["pointer"] == f"/{name}"


@pytest.mark.parametrize(
    "path",
    ["%00", "%ED%A0%80", "..%2F..", "a%2Fb", "%E2%80%AE", "{id}%00", "{id}/%00", "{id}/messages/%00", "{id};x=1",
     "null", "00000000-0000-0000-0000-000000000000'", "{id}/messages/{id}%0d%0aX:1"],
)  # fmt: skip
def test_a_path_that_leads_nowhere_is_404_whatever_it_holds(owner, conversation, path):
    with unchanged:
        for method in ("get", "post", "put", "patch", "delete"):
            refused(getattr(owner, method)(f"{LIST}/{path.replace('{id}', conversation['id'])}"), 404, 405)


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "\u202e", "é", "\r\n", "\x7f", "x" * 10_000, ""], ids=ascii)
def test_any_text_in_a_header_is_answered(owner, conversation, value):
    url = f"{LIST}/{conversation['id']}"
    for name in ("X-Request-ID", "If-None-Match", "If-Match", "Accept", "Accept-Language", "Content-Encoding", "Host"):
        for answer in (owner.get(url, headers={name: value}), sent(owner, "patch", url, {}, **{name: value})):
            assert answer.status_code in (200, 304, 400, 406, 412, 415), (name, answer.content)
            assert answer["X-Request-ID"].isascii()
            assert not value or value not in answer["X-Request-ID"]


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Bearer \0", "Bearer é", "Bearer a.b.c", "Basic YTpi", "bearer " + "a" * 20_000]
)
def test_any_authorization_that_is_none_is_401(conversation, outsider, value):
    answer = outsider.get(LIST, HTTP_AUTHORIZATION=value)
    refused(answer, 401)
    assert "WWW-Authenticate" in answer


def as_sent(text: str) -> str:
    """As JSON carries it: two halves side by side are a pair."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


any_text = st.text(st.characters(exclude_categories=()), min_size=1, max_size=60) | st.text(
    '\0\ud800\udc00\ufdd00dfc\\u"', min_size=1
)
any_text = any_text.map(as_sent)
thorough = hypothesis_settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@thorough
@given(any_text)
def test_any_text_makes_the_round_trip(owner, text):
    wanted = {
        "title": text, "tags": [text], "metadata": {text: text},
        "messages": [{"role": "user", "content": text, "parts": [text, {text: text}], "selected_text": text}],
    }  # fmt: skip
    made = sent(owner, "post", LIST, {**wanted, "id": str(uuid4())})
    assert made.status_code == 201, made.content
    body = owner.get(f"{LIST}/{made.json()['id']}?include=messages").json()
    assert {name: body[name] for name in ("title", "tags", "metadata")} == {
        name: wanted[name] for name in ("title", "tags", "metadata")
    }
    message = body["messages"][0]
    assert {name: message[name] for name in wanted["messages"][0]} == wanted["messages"][0]


def rounded(value: Any) -> Any:
    """Large floats come back as the whole numbers they are; JSON does not tell the two apart."""
    return json.loads(json.dumps(value), parse_int=float)


any_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | any_text
    | st.floats(allow_nan=False, allow_infinity=False, min_value=-1e22, max_value=1e22),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@thorough
@given(any_json)
def test_any_json_makes_the_round_trip_and_is_known_again(owner, value):
    message = {"role": "user", "content": "x", "id": str(uuid4()), "parts": [value], "metadata": {"k": value}}
    made = sent(owner, "post", LIST, {"messages": [message]})
    assert made.status_code == 201, made.content
    url = f"{LIST}/{made.json()['id']}"
    stored = owner.get(f"{url}/messages").json()["results"][0]
    assert rounded([stored["parts"], stored["metadata"]]) == rounded([[value], {"k": value}])
    assert sent(owner, "post", f"{url}/messages", message).status_code == 200
    assert sent(owner, "put", url, {"messages": [message]}).json()["message_count"] == 1
    assert owner.get(f"{url}/context").status_code == 200


# --- numbers, nesting, encodings --------------------------------------------------------------------------------------

FREE_PLACES = {
    "metadata": (LIST, '{"metadata": {"k": %s}}'),
    "tags": (LIST, '{"tags": [%s]}'),
    "title": (LIST, '{"title": %s}'),
    "message metadata": ("messages", '{"role": "user", "content": "x", "metadata": {"k": %s}}'),
    "parts": ("messages", '{"role": "user", "content": "x", "parts": [%s]}'),
    "tool_calls": ("messages", '{"role": "user", "content": "x", "tool_calls": [%s]}'),
    "batch": ("messages", '{"messages": [{"role": "user", "content": "x", "parts": [%s]}]}'),
    "batch, in a message we do not know": ("messages", '{"messages": [%s]}'),
    "content": ("messages", '{"role": "user", "content": %s}'),
    "tokens_in": ("messages", '{"role": "user", "content": "x", "tokens_in": %s}'),
    "cost_cents": ("messages", '{"role": "user", "content": "x", "cost_cents": %s}'),
    "id": ("messages", '{"role": "user", "content": "x", "id": %s}'),
    "the body itself": ("messages", "%s"),
}
BAD_VALUES = {
    "NaN": "NaN",
    "Infinity": "Infinity",
    "minus infinity": "-Infinity",
    "1e130000": "1e130000",
    "-1e400": "-1e400",
    "1e400 beside a surrogate": '["\\ud800", 1e400]',
    "NaN beside a surrogate": '["\\ud800", NaN]',
    "5,000 digits": "9" * 5_000,
    "5,000 digits beside a surrogate": '["\\ud800", ' + "9" * 5_000 + "]",
    "100,000 deep": "[" * 100_000 + "]" * 100_000,
    "100,000 objects deep": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "100,000 deep beside a surrogate": '["\\ud800", ' + "[" * 100_000 + "]" * 100_001,
    "100,000 deep, cut off": "[" * 100_000,
    "a leading zero": "01",
    "hexadecimal": "0x1F",
    "a comment": "1 /* one */",
    "single quotes": "'x'",
    "a raw newline in a string": '"a\nb"',
    "a raw NUL": '"a\0b"',
    "half an escape": '"\\u12"',
    "a trailing comma": "[1,]",
    "two values": "1 2",
}


@pytest.mark.parametrize("value", BAD_VALUES.values(), ids=BAD_VALUES.keys())
def test_a_value_that_is_none_is_refused_wherever_it_stands(owner, conversation, value):
    with unchanged:
        for place, (path, template) in FREE_PLACES.items():
            url = LIST if path == LIST else f"{LIST}/{conversation['id']}/{path}"
            refused(raw(owner, "post", url, template.replace("%s", value)), 400, 422)
            assert owner.get(LIST).status_code == 200, place


@pytest.mark.parametrize("value", BAD_VALUES.values(), ids=BAD_VALUES.keys())
def test_a_value_that_is_none_in_a_field_that_we_do_not_know_is_no_fault(owner, value):
    answer = raw(owner, "post", LIST, '{"unknown": ' + value + "}")
    if answer.status_code != 201:  # a number out of range is skipped with its field
        refused(answer, 400, 422)
    assert Conversation.objects.count() == (answer.status_code == 201)


@pytest.mark.parametrize("value", ["1e400", "1e130000", "-1e130000", "1E-130000", "1e-999999999",
                                   "1e-99999999999999999999", "NaN", "sNaN", "Infinity", "-1",
                                   "100000000000", "0x1", "1,5", "", "1" * 5_000,
                                   "0." + "1" * 5_000, "--1", "1e", "½"])  # fmt: skip
def test_a_cost_is_a_decimal_number_in_range_or_refused(owner, conversation, value):
    url = f"{LIST}/{conversation['id']}"
    message = f"{url}/messages/{conversation['current_message_id']}"
    with unchanged:
        refused(sent(owner, "post", f"{url}/messages", {**SAID, "cost_cents": value}), 400, 422)
        refused(sent(owner, "patch", message, {"cost_cents": value}), 400, 422)
        if "e" in value.lower() and value[-1].isdigit():
            refused(raw(owner, "patch", message, '{"cost_cents": ' + value + "}"), 400, 422)


@pytest.mark.parametrize(
    ("sent_as", "stored"),
    [("1e-8", "0.00000001"), ("1e3", "1000"), ("99999999999.99999999", "99999999999.99999999"),
     ("0.30000000000000004", "0.3"), ("-0", "0"), ("-0.0", "0")],
)  # fmt: skip
def test_a_cost_in_range_is_kept_to_eight_places(owner, conversation, sent_as, stored):
    url = f"{LIST}/{conversation['id']}/messages"
    for body in ('{"role":"user","content":"x","cost_cents":"%s"}', '{"role":"user","content":"x","cost_cents":%s}'):
        answer = raw(owner, "post", url, body % sent_as)
        assert (answer.status_code, answer.json().get("cost_cents")) == (201, stored)
        patched = raw(owner, "patch", f"{url}/{answer.json()['id']}", json.dumps({"cost_cents": sent_as}))
        assert patched.json()["cost_cents"] == stored


@pytest.mark.parametrize("digits", [19, 20, 40, 308, 309, 400, 4_000])
def test_a_whole_number_of_any_size_that_is_taken_comes_back_exactly(owner, digits):
    number = int("9" * digits)
    message = {"role": "user", "parts": [{"type": "text", "text": "x", "n": number}], "id": str(uuid4())}
    answer = raw(owner, "post", LIST, json.dumps({"metadata": {"n": -number}, "messages": [message]}))
    assert answer.status_code == 201, answer.content
    url = f"{LIST}/{answer.json()['id']}"
    assert owner.get(url).json()["metadata"] == {"n": -number}
    assert owner.get(f"{url}/messages").json()["results"][0]["parts"] == message["parts"]
    assert owner.get(f"{url}/context").json()["messages"][0]["content"] == message["parts"]
    assert sent(owner, "post", f"{url}/messages", message).status_code == 200
    assert sent(owner, "put", url, {"messages": [message]}).json()["message_count"] == 1
    assert owner.post(f"{url}/fork").json()["metadata"]["n"] == -number


@pytest.mark.parametrize("depth", [32, 60, 70, 200, 600, 2_000])
def test_what_is_taken_at_any_depth_can_be_read_on_every_way(owner, depth):
    value = "[" * depth + "]" * depth
    body = '{"metadata": {"k": %s}, "messages": [{"role": "user", "parts": %s, "metadata": {"k": %s}}]}'
    answer = raw(owner, "post", LIST, body % (value, value, value))
    if answer.status_code in (400, 422):
        assert depth > 60
        assert Conversation.objects.count() == 0
        return
    url = f"{LIST}/{answer.json()['id']}"
    for path in ("", "?include=messages", "/messages", "/context", "/context?format=native", "/exchanges"):
        assert owner.get(url + path).status_code == 200
    assert owner.post(f"{url}/fork").status_code == 201


def test_of_a_key_that_stands_twice_the_last_one_counts(owner):
    answer = raw(
        owner, "post", LIST, '{"title":"a","title":"b","metadata":{"k":1,"k":{"x":2,"x":3}},"tags":["a"],"tags":[]}'
    )
    body = answer.json()
    assert (body["title"], body["metadata"], body["tags"]) == ("b", {"k": {"x": 3}}, [])
    url = f"{LIST}/{body['id']}/messages"
    batch = raw(
        owner, "post", url, '{"messages":[{"role":"user","content":"a"}],"messages":[{"role":"user","content":"b"}]}'
    )
    assert [m["content"] for m in batch.json()["messages"]] == ["b"]
    with_surrogate = raw(owner, "post", url, '{"role":"user","content":"\\ud800","role":"system"}')
    assert (with_surrogate.json()["role"], with_surrogate.json()["content"]) == ("system", "\ud800")


UTF8 = json.dumps({"title": "grüße"}, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("body", "content_type", "statuses"),
    [
        (b"\xef\xbb\xbf" + UTF8, "application/json", (201, 400)),  # RFC 8259, section 8.1: a parser may do either
        (UTF8.decode().encode("utf-16"), "application/json", (400,)),
        (UTF8.decode().encode("utf-16-le"), "application/json", (400,)),
        (UTF8.decode().encode("utf-16"), "application/json; charset=utf-16", (400, 415)),
        (UTF8.decode().encode("utf-32"), "application/json", (400,)),
        (UTF8.decode().encode("latin-1"), "application/json", (400,)),
        (UTF8.decode().encode("latin-1"), "application/json; charset=latin-1", (400, 415)),
        (UTF8, "application/json; charset=utf-8", (201,)),
        (UTF8, "application/json; charset=nonsense", (201, 415)),
        (UTF8, "text/plain", (415,)),
        (UTF8, "application/x-www-form-urlencoded", (415,)),
        (b"--b\r\n\r\nx\r\n--b--", "multipart/form-data; boundary=b", (415,)),
        (UTF8, "nonsense", (415,)),
        (UTF8, "application/json\0", (400, 415)),
        (b'"\xed\xa0\x80"', "application/json", (400, 422)),
        (b'{"title": "\xff"}', "application/json", (400,)),
        (b'{"title": "\xc0\x80"}', "application/json", (400,)),
        (b'{"title": "\xed\xa0\x80"}', "application/json", (400,)),
        (b'{"title": "\\ud800 \xff"}', "application/json", (400,)),
        (b'{"title": "\xf8\x88\x80\x80\x80"}', "application/json", (400,)),
        (b"\0\0\0\0", "application/json", (400,)),
        (b"\x1f\x8b", "application/json", (400,)),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_bytes_that_are_not_json_in_utf_8_are_refused(owner, body, content_type, statuses):
    answer = raw(owner, "post", LIST, body, content_type)
    assert answer.status_code in statuses, answer.content
    if answer.status_code == 201:
        assert answer.json()["title"] == "grüße"
    else:
        refused(answer, *statuses)
        assert not Conversation.objects.exists()
    assert owner.post(LIST, {"title": "next"}, format="json").status_code == 201


def test_a_compressed_body_is_refused_and_never_unpacked(owner):
    answer = raw(
        owner, "post", LIST, gzip.compress(b'{"title":"' + b"a" * 1_000_000 + b'"}'), **{"Content-Encoding": "gzip"}
    )
    refused(answer, 400, 415)


@pytest.mark.parametrize("body", ["null", "[]", "7", '"x"', "{", "}", "{}{}", '{"a"}', "\x00"])
def test_a_body_that_is_no_object_is_400_or_422(owner, conversation, body):
    url, message = f"{LIST}/{conversation['id']}", conversation["current_message_id"]
    with unchanged:
        for method, path in (("post", LIST), ("patch", url), ("put", url), ("post", f"{url}/messages"),
                             ("patch", f"{url}/messages/{message}"), ("post", f"{url}/fork")):  # fmt: skip
            refused(raw(owner, method, path, body), 400, 422)


@pytest.mark.parametrize("body", ["", "{}"])
def test_an_empty_body_asks_for_nothing(owner, conversation, body):
    url, message = f"{LIST}/{conversation['id']}", conversation["current_message_id"]
    with unchanged:
        for method, path in (("patch", url), ("put", url), ("patch", f"{url}/messages/{message}")):
            assert raw(owner, method, path, body).status_code == 200
        refused(raw(owner, "post", f"{url}/messages", body), 422)
    assert raw(owner, "post", LIST, body).status_code == 201
    assert raw(owner, "post", f"{url}/fork", body).status_code == 201


# --- sizes ------------------------------------------------------------------------------------------------------------


def test_a_body_of_50_mb_is_413_at_once(owner, conversation):
    body = b'{"role": "user", "content": "' + b"a" * 50_000_000 + b'"}'
    with unchanged:
        for method, url in (
            ("post", f"{LIST}/{conversation['id']}/messages"),
            ("post", LIST),
            ("patch", f"{LIST}/{conversation['id']}"),
        ):
            refused(raw(owner, method, url, body), 413)
    assert owner.get(LIST).status_code == 200


@pytest.mark.parametrize("declared", ["-1", "1e9", "99999999999999999999", "x", "", "٣"])
def test_a_length_that_is_none_is_refused(owner, declared):
    answer = owner.generic("POST", LIST, b"{}", content_type="application/json", CONTENT_LENGTH=declared)
    assert answer.status_code in (201, 400, 411, 413)
    assert owner.get(LIST).status_code == 200


@pytest.mark.parametrize("sign", ["a", "\u0301", "é", "\U0001f600", "\0", "\ud800"], ids=ascii)
def test_a_message_of_the_greatest_length_comes_back_and_one_longer_is_422(owner, conversation, sign):
    url = f"{LIST}/{conversation['id']}/messages"
    text = sign * settings.MESSAGE_MAX_CHARACTERS
    encoded = json.dumps({"role": "user", "content": text}, ensure_ascii=sign in "\0\ud800").encode()
    answer = raw(owner, "post", url, encoded)
    assert answer.status_code == 201, answer.content[:300]
    assert owner.get(f"{url}/{answer.json()['id']}").json()["content"] == text
    longer = json.dumps({"role": "user", "content": text + sign}, ensure_ascii=sign in "\0\ud800").encode()
    with unchanged:
        assert refused(raw(owner, "post", url, longer), 422)["errors"][0]["pointer"] == "/content"
        assert (
            refused(raw(owner, "patch", f"{url}/{answer.json()['id']}", longer), 422)["errors"][0]["pointer"]
            == "/content"
        )


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"title": "x" * 1_001}, "/title"),
        ({"model": "x" * 201}, "/model"),
        ({"tags": ["x"] * 101}, "/tags"),
        ({"tags": ["x" * 101]}, "/tags/0"),
        ({"tags": [""]}, "/tags/0"),
        ({"tags": "x"}, "/tags"),
        ({"tags": [["x"]]}, "/tags/0"),
        ({"metadata": "x"}, "/metadata"),
        ({"starred": 1}, "/starred"),
        ({"archived": "true"}, "/archived"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_field_out_of_bounds_is_422_and_named(owner, conversation, fields, pointer):
    url = f"{LIST}/{conversation['id']}"
    with unchanged:
        for method, path in (("post", LIST), ("patch", url), ("put", url)):
            assert refused(sent(owner, method, path, fields), 422)["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("place", ["conversation", "message"])
def test_an_import_goes_on_after_an_id_that_is_too_long_to_be_found_again(user, place):
    def record(index: int) -> ConversationRecord:
        external_id, message_id = f"c{index}", f"m{index}"
        if index == 1:
            long = secrets.token_hex(4_000)  # an index takes 2,704 bytes, compressed
            external_id, message_id = (long, "m") if place == "conversation" else ("c", long)
        said = MessageRecord(external_id=message_id, role="user", content="x")
        return ConversationRecord(
            source="chatgpt", external_id=external_id, messages=(said,), current_external_id=message_id
        )

    reports = list(conversations_ingest(user_id=user.pk, found=map(record, range(3))))
    assert [report.outcome for report in reports] == ["imported", "failed", "imported"]
    assert reports[1].reason == "refused_by_database"
    assert Conversation.objects.filter(user=user).count() == 2


def test_a_batch_of_the_greatest_length_is_taken_and_one_longer_refused(owner, conversation):
    url = f"{LIST}/{conversation['id']}/messages"
    batch = [{"role": "user", "content": str(n)} for n in range(settings.MESSAGES_PER_REQUEST)]
    answer = sent(owner, "post", url, {"messages": batch})
    assert answer.status_code == 201
    made = answer.json()["messages"]
    assert [m["content"] for m in made] == [m["content"] for m in batch]
    assert [m["parent_id"] for m in made] == [conversation["current_message_id"], *(m["id"] for m in made[:-1])]
    assert owner.get(f"{LIST}/{conversation['id']}").json()["message_count"] == len(batch) + 2
    last = owner.get(f"{url}?limit=500&order=desc").json()
    assert [m["content"] for m in last["results"]] == [m["content"] for m in batch[:-501:-1]]
    longer = {"messages": [*batch, SAID]}
    with unchanged:
        for method, path in (("post", url), ("post", LIST), ("put", f"{LIST}/{conversation['id']}")):
            assert refused(sent(owner, method, path, longer), 422)["errors"][0]["pointer"] == "/messages"


@pytest.mark.slow
def test_100_000_messages_in_one_conversation_are_read_as_fast_as_100(owner):
    import time

    url = f"{LIST}/{owner.post(LIST, {}, format='json').json()['id']}"
    batch = json.dumps(
        {"messages": [{"role": "user" if n % 2 else "assistant", "content": str(n)} for n in range(1_000)]}
    )
    for _ in range(100):
        assert raw(owner, "post", f"{url}/messages", batch).status_code == 201
    for path in ("/messages?limit=50", "/messages?limit=50&order=desc", "/context", ""):
        owner.get(url + path)
        began = time.perf_counter()
        assert owner.get(url + path).status_code == 200
        assert time.perf_counter() - began < 0.1, path
    began = time.perf_counter()
    assert sent(owner, "post", f"{url}/messages", SAID).status_code == 201
    assert time.perf_counter() - began < 0.1
    assert owner.get(url).json()["message_count"] == 100_001
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE conversations_message")  # as autovacuum does: the plan is a small table's
    began = time.perf_counter()
    assert owner.delete(f"{url}?permanent=true").status_code == 204
    assert time.perf_counter() - began < 25


# --- trees ------------------------------------------------------------------------------------------------------------


def cycles() -> Iterator[Any]:
    a, b, c = (str(uuid4()) for _ in range(3))
    of = lambda own, parent: {**SAID, "id": own, "parent_id": parent}  # noqa: E731
    yield pytest.param([of(a, a)], id="its own parent")
    yield pytest.param([of(a, b), of(b, a)], id="two in a circle")
    yield pytest.param([of(a, c), of(b, a), of(c, b)], id="three in a circle")
    yield pytest.param([of(a, b), of(b, None)], id="the parent comes later")
    yield pytest.param([SAID, of(a, str(uuid4()))], id="no such parent")
    yield pytest.param([of(a, None), of(b, b)], id="the second is its own parent")


@pytest.mark.parametrize("messages", list(cycles()))
def test_messages_that_are_no_tree_are_refused_as_a_whole(owner, conversation, messages):
    url = f"{LIST}/{conversation['id']}"
    with unchanged:
        for path in (f"{url}/messages", LIST):
            body = refused(sent(owner, "post", path, {"messages": messages}), 422)
            assert body["errors"][0]["pointer"].endswith("/parent_id")
            assert body["errors"][0]["code"] in ("parent_is_itself", "parent_not_found")


def test_a_message_cannot_be_given_another_place_afterwards(owner, conversation):
    url = f"{LIST}/{conversation['id']}/messages"
    first, second = owner.get(url).json()["results"]
    moved = sent(
        owner,
        "patch",
        f"{url}/{first['id']}",
        {"parent_id": second["id"], "conversation_id": str(uuid4()), "content": "y"},
    )
    assert (moved.status_code, moved.json()["parent_id"]) == (200, None)
    assert [m["id"] for m in owner.get(url).json()["results"]] == [first["id"], second["id"]]


def test_a_replaced_list_follows_its_own_order_whatever_parents_it_names(owner, conversation):
    url = f"{LIST}/{conversation['id']}"
    own = str(uuid4())
    replaced = sent(
        owner, "put", url, {"messages": [{**SAID, "id": own, "parent_id": own}, {**SAID, "parent_id": str(uuid4())}]}
    )
    assert replaced.status_code == 200, replaced.content
    first, second = owner.get(f"{url}/messages").json()["results"]
    assert (first["id"], first["parent_id"], second["parent_id"]) == (own, None, own)


# --- times, and fields that are not the client's ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "status"),
    [
        ("0001-01-01T00:00:00Z", 200),
        ("9999-12-31T23:59:59.999999Z", 200),
        ("2026-01-01T00:00:00", 200),
        ("2026-01-01", 200),
        ("2026-01-01T00:00:00.123456789Z", 200),
        ("0001-01-01T00:00:00%2B14:00", 422),
        ("9999-12-31T23:59:59-14:00", 422),
        ("0000-01-01T00:00:00Z", 422),
        ("10000-01-01T00:00:00Z", 422),
        ("-2026-01-01T00:00:00Z", 422),
        ("1763770000", 422),
        ("1763770000000", 422),
        ("-1", 422),
        ("2026-02-30T00:00:00Z", 422),
        ("2026-01-01T25:00:00Z", 422),
        ("2026-01-01T00:00:00%2B99:99", 422),
        ("infinity", 422),
        ("now", 422),
        ("", 422),
        ("2026-01-01T00:00:00Z%00", 422),
        ("%D9%A2%D9%A0%D9%A2%D9%A6-01-01", 422),
    ],
)
def test_a_time_is_one_of_the_years_1_to_9999_or_refused(owner, moment, status):
    for name in ("created_after", "created_before", "updated_after", "updated_before"):
        answer = owner.get(f"{LIST}?{name}={moment}")
        assert answer.status_code == status, answer.content
        if status == 422:
            assert refused(answer, 422)["errors"][0]["pointer"] == f"/{name}"


GIVEN_BY_THE_SERVER = {
    "user": str(uuid4()), "user_id": str(uuid4()), "is_staff": True, "is_superuser": True,
    "created_at": "0001-01-01T00:00:00Z", "updated_at": "9999-12-31T00:00:00Z",
    "deleted_at": "2000-01-01T00:00:00Z", "last_message_at": 1763770000000,
    "version": 99, "linear": False, "message_count": 99, "hidden_count": 99,
    "source": "chatgpt", "external_id": "x", "raw": {"a": 1},
    "digest": "x", "title_is_generated": True, "conversation_id": str(uuid4()), "conversation": str(uuid4()),
    "__proto__": {"is_staff": True}, "constructor": {"prototype": {}},
}  # fmt: skip


def test_what_the_server_gives_cannot_be_assigned(owner, user, conversation):
    url = f"{LIST}/{conversation['id']}"
    made = sent(
        owner, "post", LIST, {**GIVEN_BY_THE_SERVER, "title": "t", "messages": [{**SAID, **GIVEN_BY_THE_SERVER}]}
    ).json()
    message = sent(owner, "post", f"{url}/messages", {**SAID, **GIVEN_BY_THE_SERVER}).json()
    edit = {**GIVEN_BY_THE_SERVER, "content": "y", "id": str(uuid4()), "role": "system", "hidden": True}
    edited = sent(owner, "patch", f"{url}/messages/{message['id']}", edit).json()
    changed = sent(owner, "patch", url, {**GIVEN_BY_THE_SERVER, "starred": True, "id": str(uuid4())}).json()
    replaced = sent(owner, "put", url, {**GIVEN_BY_THE_SERVER, "messages": [SAID], "id": str(uuid4())}).json()
    assert (message["conversation_id"], edited["id"], edited["role"], edited["hidden"]) == (
        conversation["id"],
        message["id"],
        "user",
        False,
    )
    assert changed["id"] == replaced["id"] == conversation["id"]
    for body in (made, message, edited, changed, replaced):
        assert "2026" <= body["created_at"] <= body["updated_at"] < "9999"
        assert body["deleted_at"] is None
        assert not {"user", "user_id", "version", "linear", "raw", "digest", "is_staff"} & set(body)
    assert (made["message_count"], made["title_is_generated"], made["source"], made["external_id"]) == (
        1,
        False,
        None,
        None,
    )
    assert set(Conversation.objects.values_list("user_id", flat=True)) == {user.pk}
    assert set(Message.objects.values_list("user_id", "raw", "external_id")) == {(user.pk, None, None)}
    assert not User.objects.filter(is_staff=True).exists()
    assert Conversation.objects.get(id=made["id"]).version != GIVEN_BY_THE_SERVER["version"]
