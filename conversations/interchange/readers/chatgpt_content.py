"""What a ChatGPT message says: its text, its structured parts, and the sources it cites."""

from collections.abc import Iterator, Mapping

from conversations.interchange.records import Json
from conversations.interchange.shapes import as_dict, as_list, first_text, text_or_none

# Where the text of each content type stands: the first of these fields that has any.
_TEXT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "code": ("text",),
    "execution_output": ("text",),
    "tether_quote": ("text",),
    "tether_browsing_display": ("result", "summary"),
    "sonic_webpage": ("text", "snippet"),
    "system_error": ("text", "name"),
    "reasoning_recap": ("content",),
    "model_editable_context": ("model_set_context",),
    "citable_code_output": ("output_str",),
}
_UNKNOWN_TYPE_FIELDS = ("text", "content", "result", "output_str", "summary")
_WITH_PARTS = {"text", "multimodal_text"}
_TEXT_ONLY = {*_TEXT_FIELDS, "user_editable_context"}  # the text is all there is, but for what `raw` and `sources` hold


def message_text(content: Json) -> str:
    """The readable text. Parts win: their strings joined by line breaks, markers of citations and all.

    A voice message has no strings; there it is what was transcribed.
    """
    match content:
        case str():
            return content
        case list():
            return _text_of_parts(content)
        case dict():
            content_type = text_or_none(content.get("content_type")) or ""
            of_parts = _text_of_parts(as_list(content.get("parts")))
            if of_parts or content_type in _WITH_PARTS:
                return of_parts
            return _text_of_type(content_type, content)
    return ""


def message_parts(content: Json) -> tuple[Json, ...]:
    """The structured content, verbatim; () where the text says it all. Types we do not know are kept whole."""
    match content:
        case None | str():
            return ()
        case list(parts):
            return _verbatim(parts)
        case {"content_type": str(content_type), "parts": list(parts)} if content_type in _WITH_PARTS:
            return _verbatim(parts)
        case {"content_type": str(content_type)} if content_type in _WITH_PARTS:
            return ()
        case {"content_type": str(content_type)} if content_type in _TEXT_ONLY:
            return () if message_text(content) else (content,)
        case {"content_type": "thoughts" | "computer_output"}:
            return (content,)
    return ({"type": "unknown", "raw": content},)


def message_sources(content: Json, metadata: dict[str, Json]) -> list[Json] | None:
    """The sources a message cites, or is the text of: {type, title, url, …}, in order; None without any.

    `start` and `end` are the export's offsets into the text, as they are: code points in some exports, UTF-16 units in
    others, so that `matched_text` decides where there is one. Quoted page texts stay in `raw`.
    """
    found = [*_page(as_dict(content)), *_citations(metadata), *_references(metadata)]
    return found or None


def _text_of_parts(parts: list[Json]) -> str:
    strings = "\n".join(part for part in parts if isinstance(part, str))
    if strings:
        return strings
    spoken = [as_dict(part) for part in parts]
    return "\n".join(first_text(part, "text") for part in spoken if part.get("content_type") == "audio_transcription")


def _text_of_type(content_type: str, content: dict[str, Json]) -> str:
    match content_type:
        case "thoughts":
            thoughts = (
                first_text(as_dict(thought), "content", "summary") for thought in as_list(content.get("thoughts"))
            )
            return "\n".join(thought for thought in thoughts if thought)
        case "user_editable_context":
            notes = (first_text(content, field) for field in ("user_profile", "user_instructions"))
            return "\n\n".join(note for note in notes if note)
        case "computer_output":
            return ""  # a screenshot, kept as a part
    return first_text(content, *_TEXT_FIELDS.get(content_type, _UNKNOWN_TYPE_FIELDS))


def _verbatim(parts: list[Json]) -> tuple[Json, ...]:
    said_by_text = len(parts) <= 1 and all(isinstance(part, str) for part in parts)
    return () if said_by_text else tuple(parts)


def _page(content: dict[str, Json]) -> Iterator[Json]:
    """A tool's message that is itself a page of the web."""
    if text_or_none(content.get("content_type")) in ("tether_quote", "sonic_webpage"):
        yield _source("webpage", content)


def _citations(metadata: dict[str, Json]) -> Iterator[Json]:
    for citation in map(as_dict, as_list(metadata.get("citations"))):
        cited = as_dict(citation.get("metadata"))
        if cited:
            place: dict[str, Json] = {"start": citation.get("start_ix"), "end": citation.get("end_ix")}
            yield _source("webpage", cited, **place, format=citation.get("citation_format_type"))


def _references(metadata: dict[str, Json]) -> Iterator[Json]:
    """content_references: one that groups pages names them in `items`, `sources` or, at the least, `safe_urls`."""
    for reference in map(as_dict, as_list(metadata.get("content_references"))):
        kind = text_or_none(reference.get("type")) or "reference"
        place: dict[str, Json] = {
            "start": reference.get("start_idx"),
            "end": reference.get("end_idx"),
            "matched_text": reference.get("matched_text"),
        }
        pages = (
            as_list(reference.get("items"))
            or as_list(reference.get("sources"))
            or as_list(reference.get("fallback_items"))
        )
        if not pages and first_text(reference, "url", "title", "name"):
            pages = [reference]
        for page in pages or [{"url": url} for url in as_list(reference.get("safe_urls"))]:
            yield _source(kind, as_dict(page), **place)


def _source(default_type: str, page: dict[str, Json], **place: Json) -> Json:
    fields = {name: page.get(name) for name in ("title", "url", "attribution", "name", "id", "ref_id")}
    known = {name: value for name, value in {**fields, **place}.items() if value not in (None, "")}
    return {"type": text_or_none(page.get("type")) or default_type, **known}
