"""Text that PostgreSQL refuses is stored in an escaped form and comes back as it was."""

import json

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatstore.rendering import encode_json
from chatstore.storable import (
    MARK,
    answer_from_storable,
    from_storable,
    json_from_storable,
    json_to_storable,
    to_storable,
)

# Every code point, and more often those that matter: NUL, surrogates, the mark itself, what looks like an escape.
CHARACTERS = st.one_of(
    st.characters(),
    st.characters(categories=["Cs"]),
    st.sampled_from(
        ["\0", MARK, f"{MARK}0000", f"{MARK}d800", "0000", "d83d", "\ud83d", "\ude00", '"', "\\", "\\u0000"]
    ),
)
TEXT = st.lists(CHARACTERS, max_size=12).map("".join)
FIGURES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    FIGURES | TEXT, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)


@given(TEXT)
def test_text_makes_the_round_trip(text):
    stored = to_storable(text)
    stored.encode()  # PostgreSQL's encoding
    assert "\0" not in stored
    assert from_storable(stored) == text


@given(TEXT, TEXT)
def test_two_texts_never_become_one(one, other):
    assert (to_storable(one) == to_storable(other)) == (one == other)


def test_harmless_text_is_the_same_object():
    text = "harmless, 日本語 😀"
    assert to_storable(text) is text
    assert from_storable(text) is text


@given(JSON)
def test_json_makes_the_round_trip(value):
    assert json_from_storable(json.loads(json_to_storable(value))) == value


@given(JSON)
def test_an_answer_is_decoded_without_being_parsed(value):
    """A stored pair of halves stays two halves; JSON cannot tell them from the character that they would make."""
    expected = json.loads(json.dumps(value))
    assert json.loads(answer_from_storable(json_to_storable(value).encode())) == expected


@given(JSON)
def test_any_value_can_be_answered(value):
    assert json.loads(encode_json(value)) == json.loads(json.dumps(value)) or MARK in json.dumps(
        value, ensure_ascii=False
    )


@pytest.mark.django_db
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(TEXT, JSON)
def test_postgresql_takes_it_and_gives_it_back(text, value):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text, %s::jsonb::text", [to_storable(text), json_to_storable({"k": value})])
        stored, document = cursor.fetchone()
    assert from_storable(stored) == text
    # jsonb keeps figures exactly, as decimals: 4.3e16 comes back as 43000000000000000.
    assert json_from_storable(json.loads(document, parse_int=float)) == {"k": value}


def test_foreign_types_are_no_json():
    with pytest.raises(TypeError):
        json_to_storable({"a": object()})
