"""Text as PostgreSQL can store it: a reversible escape for U+0000 and lone surrogates.

PostgreSQL refuses U+0000 in `text` and `jsonb`, and lone surrogates cannot be encoded as UTF-8 at all; real chats hold
both, and they must come back as they went in. Each is stored as U+FDD0 and four hex digits. U+FDD0 is a noncharacter,
"intended for process-internal uses" (Unicode, section 23.7); one that does occur in the input is escaped the same way.

The form is chosen so that decoding a whole JSON answer is one search for three bytes: U+FDD0 + `0000` becomes the JSON
escape `\\u0000`, wherever it stands, in values and in keys.
"""

import re
from typing import Any

import msgspec

MARK = "\ufdd0"
MARK_UTF8 = MARK.encode()

_UNSTORABLE = re.compile("[\0\ud800-\udfff\ufdd0]")
_ESCAPES = {code: f"{MARK}{code:04x}" for code in (0, 0xFDD0, *range(0xD800, 0xE000))}
_STORED = re.compile(MARK + "([0-9a-f]{4})")
_STORED_UTF8 = re.compile(MARK_UTF8 + b"(?=[0-9a-f]{4})")
_FOREIGN_UTF8 = re.compile(MARK_UTF8 + b"(?![0-9a-f]{4})")


def to_storable(text: str) -> str:
    """The text with what PostgreSQL refuses escaped; the same object when there is nothing to escape."""
    # A million of them are 0.1 s so; calling a function for each is 2.
    return text.translate(_ESCAPES) if _UNSTORABLE.search(text) else text


def from_storable(text: str) -> str:
    """The inverse of `to_storable`."""
    return _STORED.sub(lambda found: chr(int(found[1], 16)), text) if MARK in text else text


def json_to_storable(value: Any) -> str:
    """A JSON value as the text of a `jsonb` parameter, keys and strings escaped.

    NaN and infinities, which JSON does not have, become null. Raises TypeError for foreign types.
    """
    try:
        encoded = msgspec.json.encode(value)
    except UnicodeEncodeError:  # a lone surrogate somewhere
        return msgspec.json.encode(_escaped(value)).decode()
    if b"\\u0000" in encoded or MARK_UTF8 in encoded:
        return msgspec.json.encode(_escaped(value)).decode()
    return encoded.decode()


def json_from_storable(value: Any) -> Any:
    """A value read from `jsonb`, as it was before `json_to_storable`."""
    match value:
        case str():
            return from_storable(value)
        case list():
            return [json_from_storable(item) for item in value]
        case dict():
            return {from_storable(key): json_from_storable(item) for key, item in value.items()}
    return value


def stored_json(text: str) -> Any:
    """What JSON text made by the database says, its strings still in their stored form: rendering it gives them back.

    msgspec, because whole numbers beyond 64 bits stay exact (orjson makes floats of them, and refuses 309 digits).
    """
    return msgspec.json.decode(text)


def answer_from_storable(body: bytes) -> bytes:
    """A rendered JSON answer with every stored escape turned into JSON's own (`\\u0000`, `\\ud800`)."""
    if MARK_UTF8 not in body:
        return body
    return _STORED_UTF8.sub(rb"\\u", body) if _FOREIGN_UTF8.search(body) else body.replace(MARK_UTF8, rb"\u")


def _escaped(value: Any) -> Any:
    match value:
        case str():
            return to_storable(value)
        case list() | tuple():
            return [_escaped(item) for item in value]
        case dict():
            return {to_storable(key): _escaped(item) for key, item in value.items()}
    return value
