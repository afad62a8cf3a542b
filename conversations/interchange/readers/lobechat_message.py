"""A message of LobeChat as a record."""

from collections.abc import Iterator, Mapping

from conversations.interchange.readers.conversation_facts import count_or_none
from conversations.interchange.readers.openai_message import function_call
from conversations.interchange.records import AttachmentRecord, Json, MessageRecord, Role
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none
from conversations.interchange.times import parse_time

_ROLES: Mapping[Json, Role] = {"user": "user", "assistant": "assistant", "system": "system", "tool": "tool"}
_MAPPED = {
    "id",
    "role",
    "content",
    "parentId",
    "topicId",
    "sessionId",
    "createdAt",
    "updatedAt",
    "model",
    "clientId",
} | {*("fromModel", "tool_call_id", "userId")}


def message_record(name: str, parent: str | None, row: dict[str, Json], plugin: dict[str, Json]) -> MessageRecord:
    """The record of a row; `plugin` is the row of messagePlugins under its id, {} for none. Nothing is raised."""
    stated = text_or_none(row.get("role"))
    role = _ROLES.get(stated, "assistant")
    own = as_dict(row.get("metadata")) or as_dict(row.get("extra"))
    thought = first_text(as_dict(row.get("reasoning")), "content")
    content = row.get("content")
    unknown: tuple[Json, ...] = () if isinstance(content, str | None) else ({"type": "unknown", "raw": content},)
    calls = [_call(f"{name}:{place}", as_dict(tool)) for place, tool in enumerate(as_list(row.get("tools")))]
    return MessageRecord(
        external_id=name,
        parent_external_id=parent,
        role=role,
        content=text_or_none(content) or "",
        parts=(*unknown, *(({"type": "reasoning", "text": thought},) if thought else ())),
        status="failed" if row.get("error") else "complete",
        model=first_text(row, "model") or first_text(as_dict(row.get("extra")), "fromModel"),
        created_at=parse_time(row.get("createdAt")),
        updated_at=parse_time(row.get("updatedAt")),
        tool_calls=calls or None,
        tool_results=_results(row, plugin) if role == "tool" else None,
        sources=list(_sources(row)) or None,
        metadata=plain_facts({"author_role": stated if stated not in _ROLES else None})
        | plain_facts(row, structures={"error"}, without=_MAPPED),
        tokens_in=count_or_none(own.get("totalInputTokens")),
        tokens_out=count_or_none(own.get("totalOutputTokens")),
        tokens_used=count_or_none(own.get("totalTokens")),
        attachments=tuple(_attachments(row)),
        raw={"message": row, "plugin": plugin} if plugin else row,
    )


def _tool_name(tool: dict[str, Json]) -> str:
    """Where a plugin has several tools, the name has both."""
    return "____".join(part for part in (first_text(tool, "identifier"), first_text(tool, "apiName")) if part)


def _call(name: str, tool: dict[str, Json]) -> Json:
    return function_call(first_text(tool, "id") or name, _tool_name(tool), tool.get("arguments"))


def _results(row: dict[str, Json], plugin: dict[str, Json]) -> list[Json]:
    asked = plugin or as_dict(row.get("plugin"))
    call = first_text(row, "tool_call_id") or first_text(plugin, "toolCallId")
    return [{"tool_call_id": call or None, "name": _tool_name(asked) or None}]


def _sources(row: dict[str, Json]) -> Iterator[Json]:
    for citation in map(as_dict, as_list(as_dict(row.get("search")).get("citations"))):
        known = {key: citation.get(key) for key in ("title", "url")}
        yield {"type": "webpage", **{key: value for key, value in known.items() if value is not None}}


def _attachments(row: dict[str, Json]) -> Iterator[AttachmentRecord]:
    """The export names files by their ids, and holds none."""
    for file in as_list(row.get("files")):
        name = file if isinstance(file, str) else first_text(as_dict(file), "id")
        if name:
            yield AttachmentRecord(external_id=name[:255], name=first_text(as_dict(file), "name"), raw=file)
