"""A JSON array, or JSON Lines, item by item, from a stream of any length: memory for one chunk and the largest item.

The text is decoded as it comes, and `raw_decode` of the standard library takes one item after another from its front:
about 100 MB a second. ijson's yajl backend is no way: it turns a lone surrogate into "?" and refuses NaN; orjson and
msgspec refuse lone surrogates, and orjson rounds integers beyond 64 bits.
"""

import codecs
import json
import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator

from conversations.interchange.errors import MalformedSource
from conversations.interchange.records import Json, Readable, Trouble

ENVELOPE_KEY = "conversations"
MAX_ITEM_CHARACTERS = 256 << 20
MAX_BROKEN_LINES = 1000  # in a row: then it is no JSON Lines, and a report of each would be longer than the file

_CHUNK = 1 << 20
_FIRST_LINE = 4 << 20  # looked at as a whole, in characters, to tell JSON Lines
_PIECE = 1 << 16  # a damaged archive fails a whole read: small ones lose little of what came before
_LONGEST_TOKEN = (
    16  # a little over "-Infinity" and "\ud83d\ude00": what can be cut in two at the end of the text at hand
)


_BLANKS = " \t\r\n"
_WHITE_SPACE = re.compile(rf"[{_BLANKS}]*")


def _finite(number: str) -> float | None:
    value = float(number)
    return value if math.isfinite(value) else None


# NaN, Infinity and numbers beyond a double are no JSON; browsers' JSON.stringify writes null for them, and so do we.
# Raw line breaks inside strings are no JSON either, but they say what they mean. Of equal keys the last wins.
_decode = json.JSONDecoder(parse_float=_finite, parse_constant=lambda _: None, strict=False).raw_decode


class JsonItems:
    """The items of a top-level array, of the array under "conversations" in a top-level object, or that one object.

    An object with something else on the lines after it is JSON Lines: a line an item, blank lines aside. A line that is
    not JSON is told to `on_broken` (its `index` is that of the item after it), and reading goes on.

    A blank stream has no items. Iterate once. What is wrong raises MalformedSource after every complete item before it:
    broken or truncated JSON or UTF-8, nesting deeper than the interpreter goes (about 1,000), integers of more than
    4,300 digits, an item of more than `max_item` characters. `on_bytes` is told of each read; `bytes_read` is the sum.
    """

    def __init__(
        self,
        stream: Readable,
        *,
        on_bytes: Callable[[int], None] | None = None,
        on_broken: Callable[[Trouble], None] | None = None,
        max_item: int = MAX_ITEM_CHARACTERS,
    ) -> None:
        self._text = _Text(stream, on_bytes, max_item)
        self._on_broken = on_broken
        self._prefix: str | None = None  # of an item's pointer; None: the whole document is one item
        self._broken_before: list[int] = []  # of each broken line, how many items stand before it
        self._items = self._read()

    @property
    def bytes_read(self) -> int:
        return self._text.bytes_read

    def pointer(self, index: int) -> str:
        """The JSON Pointer of the item with this index; JSON Lines count as an array of lines, blank ones aside."""
        if self._prefix is None:
            return ""
        return f"{self._prefix}/{index + bisect_right(self._broken_before, index)}"

    def __iter__(self) -> Iterator[Json]:
        return self._items

    def _read(self) -> Iterator[Json]:
        match self._text.peek():
            case "":
                return
            case "[":
                yield from self._array("")
            case "{" if self._text.is_lines():
                yield from self._lines(0)
            case "{":
                yield from self._object()
                if self._prefix is None and self._text.peek() == "{":
                    yield from self._lines(1)
            case _:
                raise self._text.malformed("not_json", "The file is neither a JSON array nor a JSON object.")
        if self._text.peek():
            raise self._text.malformed("trailing_data", "Something follows the end of the JSON value.")

    def _array(self, prefix: str) -> Iterator[Json]:
        self._prefix = prefix
        self._text.take("[")
        if self._text.peek() == "]":
            self._text.take("]")
            return
        while True:
            yield self._text.value()
            if self._text.take(",", "]") == "]":
                return

    def _object(self) -> Iterator[Json]:
        """The items of the envelope; an object that is none is an item itself, whole only at its end."""
        members: dict[str, Json] | None = {}
        self._text.take("{")
        mark = "," if self._text.peek() != "}" else self._text.take("}")
        while mark == ",":
            if self._text.peek() != '"':
                raise self._text.malformed("not_json", "A key in double quotes is missing.")
            key = self._text.value()
            self._text.take(":")
            if key == ENVELOPE_KEY and self._text.peek() == "[":
                members = None
                yield from self._array(f"/{ENVELOPE_KEY}")
            else:
                value = self._text.value()
                if members is not None:
                    members[str(key)] = value
            mark = self._text.take(",", "}")
        if members is not None:
            yield members

    def _lines(self, index: int) -> Iterator[Json]:
        """The items of JSON Lines from the line at hand on; `index` items came before it."""
        self._prefix = ""
        in_a_row = 0
        for number, line in self._text.lines():
            try:
                item = _whole(line)
            except MalformedSource as fault:
                in_a_row += 1
                if self._on_broken is None or in_a_row > MAX_BROKEN_LINES:
                    raise
                pointer = f"/{index + len(self._broken_before)}"
                self._broken_before.append(index)
                detail = f"Line {number}: {fault.detail}"
                trouble = Trouble(index=index, outcome="failed", reason=fault.reason, detail=detail, pointer=pointer)
                self._on_broken(trouble)
            else:
                in_a_row = 0
                yield item
                index += 1


def _whole(text: str) -> Json:
    """The one value a text is. Raises MalformedSource."""
    try:
        value, end = _decode(text, 0)
    except json.JSONDecodeError as error:
        raise MalformedSource("not_json", f"{error.msg.rstrip(': ')}.") from None  # the error holds the text
    except RecursionError:
        raise MalformedSource("nested_too_deep", "A value is nested too deeply.") from None
    except ValueError:
        raise MalformedSource("number_too_long", "An integer has too many digits.") from None
    if end < len(text):
        raise MalformedSource("not_json", "Something follows the end of the JSON value.")
    return value  # type: ignore[no-any-return] # json's own stubs say Any; it is Json


class _Text:
    """The part of the text at hand: `_at` is where reading stands in it, and `_fill` gets more."""

    def __init__(self, stream: Readable, on_bytes: Callable[[int], None] | None, max_item: int) -> None:
        self.bytes_read = 0
        self._stream, self._on_bytes, self._max_item = stream, on_bytes, max_item
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()  # Windows tools write the mark
        self._text, self._at, self._ended = "", 0, False
        self._lines_used = 0  # line breaks in what was dropped
        self._fault: MalformedSource | None = None  # raised when all before it has been used

    def peek(self) -> str:
        """The next character that is no white space, left where it is; "" at the end."""
        while True:
            self._at = _WHITE_SPACE.match(self._text, self._at).end()  # type: ignore[union-attr] # it matches nothing, too
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill():
                return ""

    def take(self, *expected: str) -> str:
        """The next character, which must be one of those expected."""
        if (character := self.peek()) not in expected:
            if character:
                raise self.malformed("not_json", f"Expected {' or '.join(expected)}.")
            raise self.malformed("truncated_json", "The JSON ends in the middle.")
        self._at += 1
        return character

    def value(self) -> Json:
        """The next value, however many reads it takes; each doubles the text at hand, so that retries stay linear."""
        self.peek()
        while True:
            try:
                value, end = _decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - _LONGEST_TOKEN
                if not (cut and self._goes_on()):
                    raise self._undecodable(error) from None  # the error holds the document, which is the user's
                self._fill()
                continue
            except RecursionError:
                raise self.malformed("nested_too_deep", "A value is nested too deeply.") from None
            except ValueError:
                raise self.malformed("number_too_long", "An integer has too many digits.") from None
            # What has brackets or quotes says itself where it ends.
            if isinstance(value, dict | list | str) or not (self._may_go_on(end) and self._goes_on()):
                self._at = end
                return value  # type: ignore[no-any-return] # json's own stubs say Any; it is Json
            self._fill()

    def is_lines(self) -> bool:
        """Whether the first line, which begins as an object, ends as one and is not all there is."""
        line, _, rest = self._text[self._at :].partition("\n")
        while not rest.strip(_BLANKS) and len(line) + len(rest) < _FIRST_LINE:
            if self._ended or self._fault is not None:
                break
            self._fill()
            line, _, rest = self._text[self._at :].partition("\n")
        line, rest = line.rstrip(_BLANKS), rest.lstrip(_BLANKS)
        if not (line.endswith("}") and rest):
            return False
        if rest.startswith("{"):
            return True  # no JSON value goes on like this
        try:
            _whole(line)
        except MalformedSource:
            return False
        return True

    def lines(self) -> Iterator[tuple[int, str]]:
        """What is left, line by line, with the line's number (from 1) in the whole text; without blank ones."""
        number = self._lines_used + self._text.count("\n", 0, self._at)
        while True:
            number += 1
            while (end := self._text.find("\n", self._at)) < 0 and self._goes_on():
                self._fill()
            line = self._text[self._at : end if end >= 0 else None].strip(_BLANKS)
            self._at = end + 1 if end >= 0 else len(self._text)
            if line:
                yield number, line
            if end < 0:
                return

    def _may_go_on(self, end: int) -> bool:
        """Whether a number that ends here may be the beginning of one that the next read completes."""
        return self._text[end : end + 1] in ("", ".", "e", "E") and len(self._text) - end < _LONGEST_TOKEN

    def _goes_on(self) -> bool:
        return self._fault is not None or not self._ended

    def malformed(self, reason: str, detail: str, at: int | None = None) -> MalformedSource:
        rest = self._text[self._at if at is None else at :]
        undecoded = len(self._decoder.getstate()[0])
        position = self.bytes_read - undecoded - len(rest.encode("utf-8", "surrogatepass"))
        return MalformedSource(reason, detail, position)

    def _undecodable(self, error: json.JSONDecodeError) -> MalformedSource:
        if error.msg.startswith("Unterminated string") or not self._text[error.pos :].strip():
            return self.malformed("truncated_json", "The JSON ends in the middle.", error.pos)
        return self.malformed("not_json", f"{error.msg.rstrip(': ')}.", error.pos)

    def _fill(self) -> bool:
        """Drop what is used up and read as much again as is left, a chunk at least; False at the end of the stream."""
        self._lines_used += self._text.count("\n", 0, self._at)
        self._text, self._at = self._text[self._at :], 0
        if self._fault is not None:
            raise self._fault
        if self._ended:
            return False
        if len(self._text) > self._max_item:
            raise self.malformed("item_too_large", "One item is larger than what is read at once.", 0)
        pieces = [self._text]
        wanted = max(_CHUNK, len(self._text))
        while wanted > 0 and self._fault is None and not self._ended:
            pieces.append(piece := self._piece())
            wanted -= len(piece)
        self._text = "".join(pieces)
        return len(self._text) > len(pieces[0]) or self._fill()

    def _piece(self) -> str:
        try:
            data = self._stream.read(_PIECE)
        except MalformedSource as fault:
            self._fault = fault
            return ""
        self.bytes_read += len(data)
        self._ended = not data
        if self._on_bytes is not None and data:
            self._on_bytes(len(data))
        try:
            return self._decoder.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            position = self.bytes_read - len(error.object) + error.start
            self._fault = MalformedSource("not_utf8", "The text is not UTF-8, which JSON files are.", position)
            return error.object[: error.start].decode()
