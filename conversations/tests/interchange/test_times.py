"""Times as vendors write them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.interchange.times import parse_time

pytestmark = pytest.mark.interchange

MOMENT = datetime(2025, 8, 24, 1, 46, 40, 123456, tzinfo=UTC)
WHOLE = MOMENT.replace(microsecond=0)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1756000000.123456, MOMENT),
        (1756000000, WHOLE),
        (1756000000123.456, MOMENT),
        (1756000000000, WHOLE),
        ("1756000000.123456", MOMENT),
        ("1756000000000", WHOLE),
        ("2025-08-24T01:46:40.123456Z", MOMENT),
        ("2025-08-24t01:46:40z", WHOLE),
        ("2025-08-24T01:46:40.123456789+00:00", MOMENT),
        ("2025-08-24T09:46:40.123+08:00", MOMENT.replace(microsecond=123000)),
        (" 2025-08-24 01:46:40 ", WHOLE),
        ({"$date": {"$numberLong": "1756000000000"}}, WHOLE),
        ({"$date": "2025-08-24T01:46:40Z"}, WHOLE),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-86400.5, datetime(1969, 12, 30, 23, 59, 59, 500000, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_every_spelling_names_its_moment_to_the_microsecond(value, moment):
    parsed = parse_time(value)
    assert parsed == moment
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, "", "yesterday", [], {}, {"$date": None}, {"$date": {"$numberLong": "soon"}}),
        *(float("nan"), float("inf"), 10**400, -(10**400), "1" * 5000, 1e18, "10000-01-01", "\ud800", "12:00", "NaN"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-14:00", "0000-01-01T00:00:00Z", "1_000"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_what_names_no_moment_is_none(value):
    assert parse_time(value) is None


@given(st.datetimes(min_value=datetime(1974, 1, 1), timezones=st.just(UTC)))
def test_iso_text_makes_the_round_trip(moment):
    assert parse_time(moment.isoformat()) == moment


@given(st.integers(min_value=-(10**15), max_value=4 * 10**15))
def test_seconds_keep_their_microseconds(microseconds):
    parsed = parse_time(microseconds / 1e6)
    assert round((parsed - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6) == microseconds
