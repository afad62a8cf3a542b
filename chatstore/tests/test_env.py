"""Settings from the environment: typed, and nonsense stops the start with the variable's name."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from chatstore.env import env_bool, env_choice, env_int, env_list, env_str
from chatstore.throttle_rates import DEFAULT_RATES, Rate, parse_rates

NAME = "CHATSTORE_TEST_VALUE"


@pytest.fixture
def value(monkeypatch):
    def put(text, name=NAME):
        monkeypatch.setenv(name, text)

    return put


def test_unset_and_blank_are_the_default(value):
    assert env_str(NAME, "d") == "d"
    value("  ")
    assert (env_str(NAME, "d"), env_int(NAME, 7), env_bool(NAME, True), env_list(NAME, ["x"])) == ("d", 7, True, ["x"])


def test_a_file_holds_the_value_and_wins(value, tmp_path):
    value("from the variable")
    (tmp_path / "secret").write_text(" from the file\n")
    value(str(tmp_path / "secret"), f"{NAME}_FILE")
    assert env_str(NAME) == "from the file"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_stops_the_start(value, tmp_path, content):
    if content:
        (tmp_path / "secret").write_bytes(content)
    value(str(tmp_path / "secret"), f"{NAME}_FILE")
    with pytest.raises(ImproperlyConfigured, match=f"{NAME}_FILE"):
        env_str(NAME)


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "1e3", "٣", "0x10", "4", "1_000"])
def test_what_is_no_whole_number_of_that_size_is_refused(value, text):
    value(text)
    with pytest.raises(ImproperlyConfigured, match=NAME):
        env_int(NAME, 7, minimum=5)


def test_a_whole_number_is_read(value):
    value(" 12 ")
    assert env_int(NAME, 7, minimum=12) == 12


@pytest.mark.parametrize(
    ("text", "expected"), [("YES", True), ("on", True), ("1", True), ("Off", False), ("0", False), ("no", False)]
)
def test_truth_has_few_words(value, text, expected):
    value(text)
    assert env_bool(NAME, not expected) is expected


@pytest.mark.parametrize("text", ["yess", "2", "y", "None"])
def test_other_words_are_no_truth(value, text):
    value(text)
    with pytest.raises(ImproperlyConfigured, match=NAME):
        env_bool(NAME, False)


def test_lists_have_no_empty_items(value):
    value(" a, ,b,, c ")
    assert env_list(NAME) == ["a", "b", "c"]


def test_a_choice_is_one_of_those_offered(value):
    value("OPEN")
    assert env_choice(NAME, "closed", ("open", "closed")) == "open"
    value("ajar")
    with pytest.raises(ImproperlyConfigured, match="open, closed"):
        env_choice(NAME, "closed", ("open", "closed"))


def test_rates_are_set_over_the_defaults():
    assert parse_rates("") == DEFAULT_RATES
    assert parse_rates("user=5/s, login=2/hour") == {**DEFAULT_RATES, "user": Rate(5, 1), "login": Rate(2, 3_600)}
    assert parse_rates(" OFF ") == {}


@pytest.mark.parametrize(
    "text",
    ["user", "user=5", "user=0/min", "user=-1/min", "user=5/fortnight", "nobody=5/min", "user=x/min", "user=٣/min"],
)
def test_a_rate_that_makes_no_sense_is_refused(text):
    with pytest.raises(ImproperlyConfigured, match="CHATSTORE_THROTTLE_RATES"):
        parse_rates(text)
