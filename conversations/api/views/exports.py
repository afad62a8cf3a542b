"""One conversation as a download."""

from typing import Any
from uuid import UUID

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from chatstore.rendering import JsonRenderer
from chatstore.schema import problems
from chatstore.settings import VERSION
from conversations.api import parameters as p
from conversations.api.actor import actor_id, session_to_check
from conversations.api.base import ApiViewSet
from conversations.api.downloads import download, file_name
from conversations.api.etags import etag, is_unchanged, not_modified
from conversations.api.paging import query_choice
from conversations.interchange.errors import WriterError
from conversations.interchange.writers import WRITERS
from conversations.problems import ExportFailed, ExportTooLarge
from conversations.queries import archive
from conversations.queries.conversations import conversation_version

_FILES: dict[Any, Any] = {
    (200, media_type): OpenApiTypes.ANY if media_type == JsonRenderer.media_type else OpenApiTypes.BINARY
    for media_type in (writer.MEDIA_TYPE.partition(";")[0] for writer in WRITERS.values())
}


@extend_schema(tags=["conversations"])
class ExportViewSet(ApiViewSet):
    """A conversation in any of the formats of `interchange/writers`."""

    checked_by_statement = frozenset({"retrieve"})

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """The format is asked for by name, not by Accept; refusals are problems."""
        renderer = self.get_renderers()[0]
        return renderer, renderer.media_type

    @extend_schema(
        operation_id="conversations_export",
        summary="Download a conversation",
        parameters=[p.EXPORT_FORMAT, p.IF_NONE_MATCH],
        responses={**_FILES, 304: None, **problems(422)},
    )
    def retrieve(self, request: Request, pk: UUID) -> HttpResponseBase:
        """As a file. `jsonl` and `json` hold everything; the formats for reading, the active branch."""
        writer = WRITERS[query_choice(request, "format", "jsonl", list(WRITERS))]
        user_id = actor_id(request)
        version = conversation_version(user_id=user_id, conversation_id=pk, session_id=session_to_check(request))
        tag = etag(version, f"export {writer.NAME} {VERSION}")
        if is_unchanged(request, tag):
            return not_modified(tag)
        record = archive.conversation(user_id=user_id, conversation_id=pk)
        name = file_name(record.title or "", writer.EXTENSION)
        try:
            return download(writer.write([record]), name=name, media_type=writer.MEDIA_TYPE, etag=tag)
        except WriterError as fault:
            raise (ExportTooLarge if fault.reason == "too_large" else ExportFailed)(fault.detail) from None
