"""Content as the makers of SDKs write it: a text, or a list of typed blocks, of which some have a text."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from conversations.interchange.readers.data_url import inline_file
from conversations.interchange.readers.unusable import UnusableError, check_ids
from conversations.interchange.records import AttachmentRecord, Json, MessageRecord
from conversations.interchange.shapes import as_dict, first_text, text_or_none
from conversations.interchange.tree import distinct

_TEXT_TYPES = {"text", "input_text", "output_text"}
_URL_TYPES = ("image_url", "audio_url", "video_url", "input_image", "file")
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Content:
    """`parts` are () where `text` says it all; `attachments` are the files that blocks name or hold."""

    text: str
    parts: tuple[Json, ...] = ()
    attachments: tuple[AttachmentRecord, ...] = ()


def read_content(content: Json) -> Content:
    """Blocks that are no text are kept verbatim, whatever they are; so is a content of any other shape."""
    match content:
        case None:
            return Content("")
        case str():
            return Content(content)
        case list(blocks):
            texts = [text for block in blocks if (text := _block_text(block))]
            said_by_text = len(blocks) <= 1 and all(_says_only_text(block) for block in blocks)
            files = [file for place, block in enumerate(blocks) if (file := _block_file(str(place), block))]
            return Content("\n".join(texts), () if said_by_text else tuple(blocks), tuple(files))
    return Content("", ({"type": "unknown", "raw": content},))


def url_attachment(external_id: str, url: Json, *, name: str = "", media_type: str = "") -> AttachmentRecord | None:
    """A file by its address: its bytes where the address holds them, and missing where it only points to them."""
    if not isinstance(url, str) or not url:
        return None
    inline = inline_file(url)
    is_data = url[:5].lower() == "data:"
    return AttachmentRecord(
        external_id=external_id,
        name=name or ("" if is_data else url.partition("?")[0].rpartition("/")[2][:_LONGEST_NAME]),
        media_type=media_type or (inline.media_type if inline else ""),
        opened=inline,
        raw=None if is_data else {"url": url},
    )


def chained(messages: Iterable[MessageRecord]) -> tuple[MessageRecord, ...]:
    """Messages one after another, each the child of the one before; ids that are empty or taken are made unique.

    Raises UnusableError where there is none, and for an id that is too long.
    """
    found = list(messages)
    if not found:
        raise UnusableError("skipped", "no_messages", "The conversation holds no messages.")
    check_ids(*(message.external_id for message in found))
    names = distinct([message.external_id for message in found])
    parents = [None, *names[:-1]]
    return tuple(
        replace(message, external_id=name, parent_external_id=parent)
        for message, name, parent in zip(found, names, parents, strict=True)
    )


def message_objects(item: dict[str, Json], key: str, *, pointer: str = "") -> list[dict[str, Json]]:
    """The list of objects that the messages are. Raises UnusableError: nothing is passed over in silence."""
    listed = item.get(key)
    if not isinstance(listed, list):
        raise UnusableError("failed", f"{key}_not_a_list", f"{key} is not a JSON array.", f"{pointer}/{key}")
    for place, message in enumerate(listed):
        if not isinstance(message, dict):
            detail = f"A member of {key} is not a JSON object."
            raise UnusableError("failed", "message_not_an_object", detail, f"{pointer}/{key}/{place}")
    return [as_dict(message) for message in listed]


def _block_text(block: Json) -> str:
    if isinstance(block, str):
        return block
    found = as_dict(block)
    return first_text(found, "text", "value") if text_or_none(found.get("type")) in _TEXT_TYPES else ""


def _says_only_text(block: Json) -> bool:
    return isinstance(block, str) or (_block_text(block) != "" and as_dict(block).keys() <= {"type", "text", "value"})


def _block_file(place: str, block: Json) -> AttachmentRecord | None:
    """{type: image_url, image_url: {url} or url}, LLaMA-Factory's {type, value: path}, input_audio, file."""
    found = as_dict(block)
    kind = text_or_none(found.get("type"))
    if kind == "input_audio":
        sound = as_dict(found.get("input_audio"))
        media_type = f"audio/{first_text(sound, 'format') or 'wav'}"
        return url_attachment(place, f"data:{media_type};base64,{first_text(sound, 'data')}", media_type=media_type)
    if kind not in _URL_TYPES:
        return None
    held = found.get(kind) or found.get("image_url") or found.get("value")
    inner = as_dict(held)
    url = held if isinstance(held, str) else inner.get("url") or inner.get("file_data") or inner.get("file_id")
    return url_attachment(place, url, name=first_text(inner, "filename"))
