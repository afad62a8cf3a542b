"""JSON bodies (hostile.md, 1 to 9): what is odd comes back as it was, what is wrong is a clear refusal, and fast."""

import json
import time
from typing import Annotated, Any, Literal

import msgspec
import pytest
from django.test import Client

from chatstore.bodies import MAX_DEPTH, Body, too_deep, validated
from chatstore.problems import Invalid, Malformed

pytestmark = pytest.mark.urls("chatstore.tests.urls")


class Inner(Body):
    name: str


class Outer(Body):
    title: str = ""
    count: Annotated[int, msgspec.Meta(ge=0)] = 0
    role: Literal["user", "tool"] = "user"
    tags: list[str] = []
    inner: Inner | None = None
    metadata: dict[str, Any] = {}


class Sent:
    """As much of a request as `validated` looks at."""

    def __init__(self, data: bytes) -> None:
        self.data = data


def read(body: bytes | str) -> Outer:
    return validated(Outer, Sent(body.encode() if isinstance(body, str) else body))


def refused(body: bytes | str) -> list[Any]:
    with pytest.raises(Invalid) as refusal:
        read(body)
    return refusal.value.errors


def nested(depth: int, kind: str = "[]", field: str = "metadata") -> str:
    opening = kind[0] if kind == "[]" else '{"a":'
    return f'{{"{field}": {{"a": {opening * depth}1{kind[1] * depth}}}}}'


@pytest.mark.parametrize(
    "text",
    [
        "nul \0",
        "half a pair \ud800",
        "the other \udfff",
        "\ud83d \ude00",
        "\u202eright to left",
        "zero\u200bwidth\ufeff",
        " \t\n",
        "\ufdd0",
    ],
    ids=ascii,
)
def test_text_is_read_as_it_was_sent(text):
    found = read(json.dumps({"title": text, "metadata": {text: [text]}}))
    assert (found.title, found.metadata) == (text, {text: [text]})


@pytest.mark.parametrize("field", ["metadata", "unknown"])
@pytest.mark.parametrize("kind", ["[]", "{}"])
@pytest.mark.parametrize("start", ["{", '{"title": "\\ud800", '], ids=["plain", "surrogate"])
def test_a_hundred_thousand_levels_are_refused_at_once(kind, field, start):
    body = start + nested(100_000, kind, field)[1:]
    started = time.monotonic()
    with pytest.raises(Malformed):
        read(body)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("depth", "good"), [(MAX_DEPTH - 2, True), (MAX_DEPTH - 1, True), (MAX_DEPTH, False), (900, False)]
)
def test_free_json_may_be_so_deep_and_no_deeper(depth, good):
    assert too_deep(read(nested(depth)).metadata) is not good


@pytest.mark.parametrize("figure", ["9" * 5_000, "-" + "9" * 5_000, "1e130000", "-1e400"])
@pytest.mark.parametrize("field", ["count", "metadata"])
def test_figures_beyond_measure_are_invalid(figure, field):
    value = figure if field == "count" else f'{{"a": {figure}}}'
    assert refused(f'{{"{field}": {value}}}')[0]["pointer"].startswith(f"/{field}")


@pytest.mark.parametrize(
    "figure", ["NaN", "Infinity", "-Infinity", "nan", "01", "+1", "1.", ".5", "0x10", "9" * 5_000, "1e400"]
)
def test_what_is_no_figure_is_refused_beside_a_surrogate_too(figure):
    with pytest.raises((Malformed, Invalid)):
        read(f'{{"title": "\\ud800", "metadata": {{"a": {figure}}}}}')


@pytest.mark.parametrize("figure", ["NaN", "Infinity", "-Infinity", "nan", "01", "+1", "1.", ".5", "0x10"])
def test_what_is_no_figure_is_no_json(figure):
    with pytest.raises(Malformed):
        read(f'{{"metadata": {{"a": {figure}}}}}')


def test_of_duplicate_keys_the_last_counts():
    assert read('{"title": "a", "title": "b", "metadata": {"k": 1, "k": 2}}') == Outer(title="b", metadata={"k": 2})
    assert read('{"title": "\\ud800", "title": "b", "metadata": {"k": 1, "k": 2}}') == Outer(
        title="b", metadata={"k": 2}
    )


def test_a_megabyte_of_combining_marks_is_text():
    text = "e" + "\u0301" * 500_000
    started = time.monotonic()
    assert read(json.dumps({"title": text}, ensure_ascii=False)).title == text
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "body",
    [
        '{"title": "é"}'.encode("latin-1"),
        '{"title": "a"}'.encode("utf-16"),
        '{"title": "a"}'.encode("utf-32"),
        b'\xef\xbb\xbf{"title": "a"}',
        b'{"title": "\xed\xa0\x80"}',
        b'{"title": "\xed\xa0\x80", "metadata": {"a": "\\ud800"}}',
        b'{"title": "a\x00"}',
        b'{"title": "a\n"}',
        b"\x00",
        b"{} {}",
    ],
    ids=[
        "latin-1",
        "utf-16",
        "utf-32",
        "bom",
        "raw surrogate",
        "both surrogates",
        "raw nul",
        "raw newline",
        "nul",
        "two",
    ],
)
def test_other_charsets_and_raw_controls_are_malformed(body):
    with pytest.raises(Malformed):
        read(body)


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ("[]", "", "invalid"),
        ("null", "", "invalid"),
        ('"text"', "", "invalid"),
        ('{"title": 7}', "/title", "invalid"),
        ('{"title": null}', "/title", "invalid"),
        ('{"count": -1}', "/count", "invalid"),
        ('{"count": "1"}', "/count", "invalid"),
        ('{"count": 1.5}', "/count", "invalid"),
        ('{"role": "system; DROP"}', "/role", "invalid"),
        ('{"tags": ["a", 1]}', "/tags/1", "invalid"),
        ('{"inner": {}}', "/inner/name", "required"),
        ('{"inner": {"name": 1}}', "/inner/name", "invalid"),
        ('{"inner": {"name": 1}, "title": "\\ud800"}', "/inner/name", "invalid"),
    ],
)
def test_a_fault_is_pointed_at(body, pointer, code):
    assert [(error["pointer"], error["code"]) for error in refused(body)] == [(pointer, code)]


def test_what_was_sent_is_not_quoted():
    assert "DROP" not in json.dumps(refused('{"role": "DROP"}'))


def test_fields_that_are_not_there_mean_nothing():
    assert read('{"title": "a", "user": 1, "is_staff": true, "id": "x", "created_at": 0}') == Outer(title="a")


def test_no_body_is_an_empty_one():
    assert read(b"") == Outer()


def test_the_answer_gives_odd_text_back_unchanged():
    sent = {"title": "nul \0, half \ud800", "number": 1, "metadata": {"\0": ["\udc00", None, 1.5]}}
    answer = Client().post("/api/v1/notes", json.dumps(sent), content_type="application/json")
    assert (answer.status_code, json.loads(answer.content)) == (201, sent)


def test_an_invalid_body_is_a_422_with_pointers():
    answer = Client().post("/api/v1/notes", '{"number": "1"}', content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert answer.json()["errors"][0]["pointer"] == "/number"
