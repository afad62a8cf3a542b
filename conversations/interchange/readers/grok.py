"""Grok's data export: `prod-grok-backend.json`, {conversations, projects, tasks, …}.

An item of `conversations` is {conversation, responses: [{response, share_link}]}; some tools drop the wrapper around a
response. `sender` is "human", "assistant" or "ASSISTANT"; a time is ISO 8601 or MongoDB's {"$date": …}, both in one
file. The leaf is leaf_response_id, and where it is null the newest answer.
"""

from collections.abc import Iterable, Iterator, Mapping

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.jsonstream import members_beside
from conversations.interchange.readers.documents import documents
from conversations.interchange.readers.reading import (
    identity,
    members,
    message_names,
    no_messages,
    read_each,
    reasoning,
    webpage,
)
from conversations.interchange.records import (
    AttachmentRecord,
    ConversationRecord,
    DocumentRecord,
    Json,
    MessageRecord,
    Role,
    Trouble,
)
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none
from conversations.interchange.sources import Member
from conversations.interchange.times import parse_time
from conversations.interchange.tree import distinct, normalised

NAME = "grok"

_ROLES: Mapping[str, Role] = {"human": "user", "user": "user", "assistant": "assistant", "system": "system"}
_KINDS = {"projects": "project", "tasks": "task", "media_posts": "media_post"}
_ABOUT = {"id", "conversation_id", "title", "create_time", "modify_time", "leaf_response_id", "starred"}
_MAPPED = {
    *("_id", "response_id", "conversation_id", "message", "sender", "create_time", "parent_response_id", "model"),
    "thinking_trace",
}
_FILES = ("file_attachments", "image_attachments", "generated_image_urls")


def recognises(sample: Json) -> bool:
    match sample:
        case {"conversation": dict(), "responses": list() | None}:
            return True
    return False


def read(
    items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE
) -> Iterator[ConversationRecord | DocumentRecord | Trouble]:
    """One record or one Trouble an item; then a document for each project, task and post beside them.

    Troubles: no_messages (skipped), not_an_object, responses_not_a_list, external_id_too_long (failed).
    """
    assets = bundle.once(_assets)
    yield from read_each(items, lambda item: _conversation(item, assets))
    for key, listed in members_beside(items).items():
        yield from documents(NAME, _KINDS.get(key, key), listed)


def _assets(bundle: Bundle) -> Mapping[str, Member]:
    """The files of the export by their id: it calls them …/prod-mc-asset-server/<id>/content."""
    paths = ((member.name.replace("\\", "/").split("/"), member) for member in bundle.members)
    return {path[-2]: member for path, member in paths if len(path) > 1 and path[-1] == "content"}


def _conversation(item: dict[str, Json], assets: Mapping[str, Member]) -> ConversationRecord:
    about = as_dict(item.get("conversation"))
    external_id = identity(about.get("id")) or identity(about.get("conversation_id"))
    wrapped = members(item, "responses")
    if not wrapped:
        raise no_messages(external_id)
    responses = [as_dict(response.get("response")) or response for response in wrapped]
    ids = [first_text(response, "_id", "response_id", "id") or str(at) for at, response in enumerate(responses)]
    names = message_names(ids)
    are_linked = any(response.get("parent_response_id") for response in responses)
    parents = [text_or_none(response.get("parent_response_id")) for response in responses]
    messages = tuple(
        _message(raw, response, external_id=own, parent=parent, assets=assets)
        for raw, response, own, parent in zip(
            wrapped, responses, names, parents if are_linked else [None, *names], strict=False
        )
    )
    return normalised(
        ConversationRecord(
            source=NAME,
            external_id=external_id,
            title=text_or_none(about.get("title")),
            created_at=parse_time(about.get("create_time")),
            updated_at=parse_time(about.get("modify_time")),
            metadata=plain_facts(about, without=_ABOUT),
            starred=about.get("starred") is True,
            current_external_id=text_or_none(about.get("leaf_response_id")),
            messages=messages,
            raw={key: value for key, value in item.items() if key != "responses"},
        )
    )


def _message(
    raw: dict[str, Json],
    response: dict[str, Json],
    *,
    external_id: str,
    parent: str | None,
    assets: Mapping[str, Member],
) -> MessageRecord:
    sender = (text_or_none(response.get("sender")) or "").lower()
    steps = as_list(response.get("steps"))
    unknown: tuple[Json, ...] = ({"type": "unknown", "raw": {"steps": steps}},) if steps else ()
    return MessageRecord(
        external_id=external_id,
        parent_external_id=parent,
        role=_ROLES.get(sender, "assistant"),
        content=text_or_none(response.get("message")) or "",
        parts=reasoning(response.get("thinking_trace")) + unknown,
        status="failed" if response.get("error") else "complete",
        model=text_or_none(response.get("model")) or "",
        created_at=parse_time(response.get("create_time")),
        sources=_sources(response) or None,
        metadata=plain_facts(response, without=_MAPPED)
        | ({} if sender in _ROLES else plain_facts({"sender": response.get("sender")})),
        attachments=tuple(_attachments(response, assets)),
        raw=raw,
    )


def _sources(response: dict[str, Json]) -> list[Json]:
    """What was found, and what of it the answer cites; the export says not where."""
    cited = [as_dict(page) for page in as_list(response.get("cited_web_search_results"))]
    urls = {first_text(page, "url") for page in cited}
    found = [as_dict(page) for page in as_list(response.get("web_search_results"))]
    pages = cited + [page for page in found if first_text(page, "url") not in urls]
    marks: list[Json] = [True] * len(cited) + [None] * (len(pages) - len(cited))
    return [webpage(page, cited=mark) for page, mark in zip(pages, marks, strict=True) if first_text(page, "url")]


def _attachments(response: dict[str, Json], assets: Mapping[str, Member]) -> Iterator[AttachmentRecord]:
    files = [file for key in _FILES for file in as_list(response.get(key))]
    described: list[dict[str, Json]] = [{"id": file} if isinstance(file, str) else as_dict(file) for file in files]
    ids = [first_text(file, "id", "file_id", "fileMetadataId", "asset_id", "url") for file in described]
    for external_id, key, file, raw in zip(distinct([key[-200:] for key in ids]), ids, described, files, strict=True):
        asset = assets.get(key)
        yield AttachmentRecord(
            external_id=external_id,
            name=first_text(file, "name", "file_name", "fileName"),
            media_type=first_text(file, "mime_type", "fileMimeType"),
            size=None if asset is None else asset.size,
            opened=None if asset is None else asset.opened,
            raw=raw,
        )
