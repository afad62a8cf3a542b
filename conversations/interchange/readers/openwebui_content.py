"""What an Open WebUI message says: its text, its structured parts, its tools and the sources it cites."""

from collections.abc import Iterator

from conversations.interchange.readers.claude_blocks import arguments_text
from conversations.interchange.readers.tool_pairs import ToolPairs, text_of_result
from conversations.interchange.records import Json
from conversations.interchange.shapes import as_dict, as_list, first_text, text_or_none

_KNOWN_ITEMS = {"reasoning", "message", "function_call", "function_call_output", "open_webui:code_interpreter"}
_KNOWN_PARTS = {"text", "image_url", "file", "input_audio"}


def message_text(message: dict[str, Json]) -> str:
    """`content`, as it is: since 2026 it repeats `output` with its <details>, and people search what they saw.

    A list gives its texts, a line each; `output` speaks only where there is no content.
    """
    match message.get("content"):
        case str() as text if text:
            return text
        case list(parts):
            return "\n".join(_texts(parts))
    return "\n".join(first_text(part, "text") for part in _answers(message))


def message_parts(message: dict[str, Json]) -> tuple[Json, ...]:
    """The parts of a content that is a list, the items of `output`, an error: verbatim, the unknown as unknown."""
    content = as_list(message.get("content"))
    found = [_labelled(part, _KNOWN_PARTS) for part in content] if not _only_text(content) else []
    found += [_labelled(item, _KNOWN_ITEMS) for item in as_list(message.get("output"))]
    if (error := message.get("error")) not in (None, False, "", {}):
        found.append({"type": "error", "error": error})
    return tuple(found)


def message_tools(external_id: str, message: dict[str, Json]) -> tuple[list[Json] | None, list[Json] | None]:
    """The calls in OpenAI's form, and the results, each naming its call; None for none."""
    pairs = ToolPairs(external_id)
    names: dict[str, str] = {}
    for item in map(as_dict, as_list(message.get("output"))):
        call_id, name = item.get("call_id") or item.get("id"), first_text(item, "name")
        if item.get("type") == "function_call":
            pairs.call(call_id, name, arguments_text(item.get("arguments")))
            names[str(call_id)] = name
        elif item.get("type") == "function_call_output":
            name = name or names.get(str(item.get("call_id")), "")
            pairs.result(item.get("call_id"), name, text_of_result(item.get("output")))
    for call in map(as_dict, as_list(message.get("tool_calls"))):
        function = as_dict(call.get("function"))
        pairs.call(call.get("id"), first_text(function, "name"), arguments_text(function.get("arguments")))
    return pairs.calls or None, pairs.results or None


def message_sources(message: dict[str, Json]) -> list[Json] | None:
    """What was retrieved for the answer, and the places it cites: {type, title, url, id, start, end}."""
    retrieved = as_list(message.get("sources")) or as_list(message.get("citations"))
    found: list[Json] = [page for entry in retrieved for page in _pages(as_dict(entry))]
    found += _annotations(message)
    return found or None


def _texts(parts: list[Json]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        elif as_dict(part).get("type") == "text":
            yield first_text(as_dict(part), "text")


def _only_text(parts: list[Json]) -> bool:
    return len(parts) <= 1 and all(
        isinstance(part, str) or (as_dict(part).keys() <= {"type", "text"} and as_dict(part).get("type") == "text")
        for part in parts
    )


def _answers(message: dict[str, Json]) -> Iterator[dict[str, Json]]:
    for item in map(as_dict, as_list(message.get("output"))):
        if item.get("type") == "message":
            for part in map(as_dict, as_list(item.get("content"))):
                if part.get("type") == "output_text":
                    yield part


def _labelled(part: Json, known: set[str]) -> Json:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    kind = text_or_none(as_dict(part).get("type"))
    return part if kind in known else {"type": "unknown", "raw": part}


def _pages(entry: dict[str, Json]) -> Iterator[Json]:
    """A source is found in one or several places, each with metadata of its own."""
    source = as_dict(entry.get("source"))
    seen: set[str] = set()
    distances = as_list(entry.get("distances"))
    for number, place in enumerate(map(as_dict, as_list(entry.get("metadata")) or [None])):
        urls = (first_text(values, key) for values in (place, source) for key in ("url", "source"))
        found: dict[str, Json] = {
            "type": first_text(source, "type") or "document",
            "title": first_text(place, "title") or first_text(source, "name") or first_text(place, "name"),
            "url": next((url for url in urls if url.startswith(("http://", "https://"))), ""),
            "id": source.get("id"),
            "page": place.get("page"),
            "distance": distances[number] if number < len(distances) else None,
        }
        known: Json = {name: value for name, value in found.items() if value not in (None, "")}
        if (same := repr(known)) not in seen:
            seen.add(same)
            yield known


def _annotations(message: dict[str, Json]) -> Iterator[Json]:
    """The citations of `output`, their offsets moved to where its text stands in the message's."""
    text, searched_from = message_text(message), 0
    for part in _answers(message):
        said = first_text(part, "text")
        offset = text.find(said, searched_from)
        searched_from = max(searched_from, offset)
        for annotation in map(as_dict, as_list(part.get("annotations"))):
            found: dict[str, Json] = {name: annotation.get(name) for name in ("title", "url", "file_id")}
            for name, index in (("start", annotation.get("start_index")), ("end", annotation.get("end_index"))):
                if offset >= 0 and isinstance(index, int) and not isinstance(index, bool):
                    found[name] = index + offset
            kind = text_or_none(annotation.get("type")) or "citation"
            yield {"type": kind, **{name: value for name, value in found.items() if value not in (None, "")}}
