"""The files of ChatGPT's messages: what a message names, and where in the export the bytes are.

A file is named by metadata.attachments [{id, name, mime_type, size}] and by pointers: "file-service://file-…" (old),
"sediment://file_<hex>" (new), at any place of the content or of a code interpreter's results. Its bytes lie in
`<id>.dat` (2026; `conversation_asset_file_names.json` and `library_files.json` tell the names) or in a file whose name
begins with the id, in the root, in `dalle-generations/` or in `user-<id>/`. `library_files.json` also knows files of
messages that do not name them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from conversations.interchange.bundle import Bundle, last_name
from conversations.interchange.records import AttachmentRecord, Json
from conversations.interchange.shapes import as_dict, as_list, first_text, text_or_none
from conversations.interchange.sources import Member

NAMES, LIBRARY, MANIFEST = "conversation_asset_file_names.json", "library_files.json", "export_manifest.json"

_POINTER = re.compile(r"(?:file-service|sediment)://([^?#]{1,200})")
_BY_ID = re.compile(r"file[-_][0-9A-Za-z]+")


@dataclass(frozen=True, slots=True)
class ExportFiles:
    """The export's files by id, and what its side-cars say of them."""

    members: Mapping[str, Member]
    names: Mapping[str, str]
    library: Mapping[str, dict[str, Json]]
    of_messages: Mapping[str, tuple[str, ...]]  # message id -> files that the library says came with it


def export_files(bundle: Bundle) -> ExportFiles:
    members: dict[str, Member] = {}
    for member in bundle.members:
        if by_id := _BY_ID.match(last_name(member.name)):
            members.setdefault(by_id[0], member)
    named = as_dict(bundle.json(NAMES))
    names = {last_name(key).removesuffix(".dat"): name for key, name in named.items() if isinstance(name, str)}
    for key in names:
        if (named_member := bundle.named(f"{key}.dat")) is not None:
            members[key] = named_member
    library = {first_text(file, "file_id"): file for file in map(as_dict, as_list(bundle.json(LIBRARY)))}
    of_messages: dict[str, list[str]] = {}
    for file_id, file in library.items():
        if file_id and (message_id := first_text(file, "origination_message_id")):
            of_messages.setdefault(message_id, []).append(file_id)
    return ExportFiles(members, names, library, {key: tuple(ids) for key, ids in of_messages.items()})


def message_attachments(
    message: dict[str, Json], message_ids: Iterable[str], files: ExportFiles
) -> tuple[AttachmentRecord, ...]:
    """Each file once, in the order the message names them; those that only the library knows come last."""
    metadata = as_dict(message.get("metadata"))
    found: dict[str, dict[str, Json]] = {}
    for attachment in map(as_dict, as_list(metadata.get("attachments"))):
        if file_id := first_text(attachment, "id", "file_id", "name")[:200]:
            found.setdefault(file_id, attachment)
    pointed: dict[str, dict[str, Json]] = {}
    for file_id, place in _pointers([message.get("content"), metadata.get("aggregate_result")]):
        pointed.setdefault(file_id, place)
    known = [file_id for message_id in message_ids for file_id in files.of_messages.get(message_id, ())]
    ordered = dict.fromkeys([*found, *pointed, *known])
    return tuple(_attachment(file_id, found.get(file_id), pointed.get(file_id), files) for file_id in ordered)


def _pointers(values: list[Json]) -> Iterator[tuple[str, dict[str, Json]]]:
    """Every pointer to a file and the object it stands in, in the order of the text."""
    waiting: list[tuple[Json, dict[str, Json]]] = [(value, {}) for value in reversed(values)]
    while waiting:
        value, place = waiting.pop()
        match value:
            case str() if len(value) < 400 and (pointer := _POINTER.fullmatch(value)):
                yield pointer[1], place
            case dict():
                waiting.extend((inner, value) for inner in reversed(value.values()))
            case list():
                waiting.extend((inner, place) for inner in reversed(value))


def _attachment(
    file_id: str, said: dict[str, Json] | None, place: dict[str, Json] | None, files: ExportFiles
) -> AttachmentRecord:
    in_library = files.library.get(file_id, {})
    member = files.members.get(file_id)
    sizes = ((said or {}).get("size"), (place or {}).get("size_bytes"), in_library.get("file_size_bytes"))
    size = next((size for size in sizes if isinstance(size, int) and not isinstance(size, bool) and size >= 0), None)
    raws: dict[str, Json] = {"attachment": said, "pointer": place, "library": in_library or None}
    return AttachmentRecord(
        external_id=file_id,
        name=first_text(said or {}, "name") or files.names.get(file_id) or first_text(in_library, "file_name"),
        media_type=first_text(said or {}, "mime_type", "mimeType") or text_or_none(in_library.get("mime_type")) or "",
        size=size,
        opened=None if member is None else member.opened,
        raw={key: raw for key, raw in raws.items() if raw is not None},
    )
