"""Times as the vendors write them, made aware datetimes in UTC, to the microsecond."""

import re
from datetime import UTC, datetime, timedelta

from conversations.interchange.records import Json

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Seconds reach 1e11 in the year 5138, milliseconds did in 1973: beyond it a number counts milliseconds.
MILLISECONDS_FROM = 1e11

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")


def parse_time(value: Json) -> datetime | None:
    """The moment a JSON value names, or None when it names none.

    Taken: seconds or milliseconds since 1970, as number or as text; ISO 8601, where no zone means UTC; MongoDB's
    {"$date": …}. Not taken: booleans, years outside 1 to 9999, and anything else. Nothing is raised.
    """
    match value:
        case bool():
            return None
        case int() | float():
            return _since_epoch(value)
        case str():
            text = value.strip()
            return _since_epoch(float(text)) if _NUMBER.fullmatch(text) else _from_iso(text)
        case {"$date": {"$numberLong": str() | int() as milliseconds}}:
            return _from_milliseconds(milliseconds)
        case {"$date": str() | int() | float() as moment}:
            return parse_time(moment)
    return None


def _since_epoch(number: float) -> datetime | None:
    try:
        unit = timedelta(milliseconds=1) if abs(number) > MILLISECONDS_FROM else timedelta(seconds=1)
        return EPOCH + number * unit  # timedelta rounds to the nearest microsecond: …00.123456 stays …00.123456
    except (OverflowError, ValueError):  # beyond the calendar, infinite, not a number
        return None


def _from_milliseconds(milliseconds: str | int) -> datetime | None:
    try:
        return EPOCH + timedelta(milliseconds=int(milliseconds))
    except (OverflowError, ValueError):
        return None


def _from_iso(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.upper())  # RFC 3339 allows t and z
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (OverflowError, ValueError):
        return None
