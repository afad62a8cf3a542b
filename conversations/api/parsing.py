"""Uploads: multipart forms whose files go to disk as they come, and JSON bodies as they are."""

from typing import Any

from django.conf import settings
from rest_framework.parsers import DataAndFiles, MultiPartParser

from chatstore.problems import BodyTooLarge, Invalid
from conversations.uploads import SpoolingHandler


class UploadParser(MultiPartParser):
    """multipart/form-data, up to IMPORT_MAX_BYTES in all."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> "DataAndFiles[Any, Any]":
        request = parser_context["request"]
        declared = request.META.get("CONTENT_LENGTH") or "0"
        undeclared = "HTTP_TRANSFER_ENCODING" in request.META  # the bridge then says the largest number there is
        if not (declared.isascii() and declared.isdigit()):
            raise Invalid("Content-Length is no number.")
        if not undeclared and int(declared) > settings.IMPORT_MAX_BYTES:
            raise BodyTooLarge()
        request.upload_handlers = [SpoolingHandler(settings.IMPORT_MAX_BYTES)]
        return super().parse(stream, media_type, parser_context)
