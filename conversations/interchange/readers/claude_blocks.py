"""What a Claude message says: the text, the blocks, the tools and the sources in its `content`."""

import json
from collections.abc import Iterator

from conversations.interchange.readers.tool_pairs import ToolPairs, text_of_result
from conversations.interchange.records import Json
from conversations.interchange.shapes import as_dict, as_list, first_text, text_or_none

_BETWEEN_BLOCKS = "\n\n"
_KNOWN_BLOCKS = {"text", "thinking", "redacted_thinking", "tool_use", "tool_result", "token_budget", "voice_note"}
_CALLS, _RESULTS = {"tool_use", "server_tool_use"}, {"tool_result", "web_search_tool_result"}

Block = dict[str, Json]


def blocks_of(message: dict[str, Json]) -> list[Json]:
    """The blocks, verbatim; [] in the old style, which had none. A bare string for `content` is one block of text."""
    match message.get("content"):
        case list(blocks):
            return blocks
        case str() as text if text:
            return [{"type": "text", "text": text}]
        case dict() as block:
            return [block]
    return []


def message_text(message: dict[str, Json]) -> str:
    """The text blocks, a blank line between them.

    `text` speaks only where there are no blocks: beside them it is empty, glued together with the thinking, or says
    that a block is not supported on the device.
    """
    blocks = blocks_of(message)
    return _BETWEEN_BLOCKS.join(_texts(blocks)) if blocks else text_or_none(message.get("text")) or ""


def message_parts(message: dict[str, Json]) -> tuple[Json, ...]:
    """The blocks, verbatim and in order, with what we do not know as unknown; () where the text says it all."""
    blocks = blocks_of(message)
    if len(blocks) == 1 and _is_text(blocks[0]):
        return ()
    return tuple(block if _is_known(block) else {"type": "unknown", "raw": block} for block in blocks)


def message_tools(external_id: str, message: dict[str, Json]) -> tuple[list[Json] | None, list[Json] | None]:
    """The calls in OpenAI's form, and the results, each naming its call; None for none."""
    pairs = ToolPairs(external_id)
    for block in map(as_dict, blocks_of(message)):
        kind, name = text_or_none(block.get("type")), text_or_none(block.get("name")) or ""
        if kind in _CALLS:
            pairs.call(block.get("id"), name, arguments_text(block.get("input")))
        elif kind in _RESULTS:
            text = text_of_result(block.get("content")) or first_text(block, "message")
            pairs.result(block.get("tool_use_id"), name, text, is_error=block.get("is_error") is True)
    return pairs.calls or None, pairs.results or None


def arguments_text(arguments: Json) -> str:
    """A call's arguments as OpenAI has them, which is JSON in a text; what is a text already stays as it is."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def message_sources(message: dict[str, Json]) -> list[Json] | None:
    """The citations: {type, title, url, id, start, end}, offsets counted in the text of the whole message."""
    blocks = [as_dict(block) for block in blocks_of(message)]
    titles = dict(_titles(blocks))
    found: list[Json] = []
    offset = 0
    for block in blocks:
        if not _is_text(block):
            continue
        found += [_source(as_dict(citation), offset, titles) for citation in as_list(block.get("citations"))]
        offset += len(first_text(block, "text")) + len(_BETWEEN_BLOCKS)
    return found or None


def _texts(blocks: list[Json]) -> Iterator[str]:
    for block in blocks:
        if _is_text(block):
            yield first_text(as_dict(block), "text")


def _is_text(block: Json) -> bool:
    match block:
        case {"type": "text", "text": str()}:
            return True
    return False


def _is_known(block: Json) -> bool:
    kind = text_or_none(as_dict(block).get("type"))
    return _is_text(block) or (kind != "text" and (kind in _KNOWN_BLOCKS or kind in _CALLS or kind in _RESULTS))


def _titles(blocks: list[Block]) -> Iterator[tuple[str, str]]:
    """url -> title of every page that a tool found: a citation names the url alone."""
    for block in blocks:
        if text_or_none(block.get("type")) in _RESULTS:
            for page in map(as_dict, as_list(block.get("content"))):
                if (url := first_text(page, "url")) and (title := first_text(page, "title")):
                    yield url, title


def _source(citation: dict[str, Json], offset: int, titles: dict[str, str]) -> Json:
    details = as_dict(citation.get("details"))
    url = first_text(details, "url") or first_text(citation, "url")
    found: dict[str, Json] = {
        "type": first_text(details, "type") or first_text(citation, "type") or "citation",
        "title": first_text(details, "title") or first_text(citation, "title") or titles.get(url),
        "url": url,
        "id": citation.get("uuid"),
        "start": _moved(citation.get("start_index"), offset),
        "end": _moved(citation.get("end_index"), offset),
    }
    return {name: value for name, value in found.items() if value not in (None, "")}


def _moved(index: Json, offset: int) -> Json:
    return index + offset if isinstance(index, int) and not isinstance(index, bool) else None
