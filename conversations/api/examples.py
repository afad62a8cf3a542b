"""Examples for the schema; docs/api.md has more, which a test runs."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

CONVERSATION: dict[str, Any] = {
    "id": "019ab1c2-3f0e-7c11-9a53-1d5a6f0c2b77",
    "title": "How high is the Matterhorn?",
    "title_is_generated": True,
    "model": "gpt-5",
    "metadata": {},
    "tags": ["alps"],
    "starred": False,
    "archived": False,
    "message_count": 2,
    "current_message_id": "019ab1c2-3f0f-7a02-8c11-4b2e9d0a7f10",
    "source": None,
    "external_id": None,
    "created_at": "2026-11-22T10:15:30.123456Z",
    "updated_at": "2026-11-22T10:15:30.123457Z",
    "last_message_at": "2026-11-22T10:15:30.123457Z",
    "deleted_at": None,
}
MESSAGE: dict[str, Any] = {
    "id": "019ab1c2-3f0f-7a02-8c11-4b2e9d0a7f10",
    "conversation_id": "019ab1c2-3f0e-7c11-9a53-1d5a6f0c2b77",
    "parent_id": "019ab1c2-3f0e-7d93-b1b4-0c8a52e7d934",
    "role": "assistant",
    "content": "4,478 metres.",
    "parts": [],
    "status": "complete",
    "model": "gpt-5",
    "tool_calls": None,
    "tool_results": None,
    "sources": None,
    "selected_text": None,
    "metadata": {},
    "language": "en",
    "tokens_in": 14,
    "tokens_out": 6,
    "tokens_used": 20,
    "cost_cents": "0.25",
    "response_cached": False,
    "response_time_ms": 830,
    "hidden": False,
    "created_at": "2026-11-22T10:15:30.123457Z",
    "updated_at": "2026-11-22T10:15:30.123457Z",
    "deleted_at": None,
}
QUESTION = {"role": "user", "content": "How high is the Matterhorn?"}
ANSWER = {"role": "assistant", "content": "4,478 metres.", "model": "gpt-5", "tokens_used": 20, "cost_cents": "0.25"}

CONVERSATION_CREATE = [
    OpenApiExample("Empty", {"title": "Alps"}, request_only=True),
    OpenApiExample(
        "With its messages", {"model": "gpt-5", "tags": ["alps"], "messages": [QUESTION, ANSWER]}, request_only=True
    ),
    OpenApiExample("Made", CONVERSATION, response_only=True, status_codes=["201"]),
]
CONVERSATION_UPDATE = [
    OpenApiExample("Rename and star", {"title": "The Matterhorn", "starred": True}, request_only=True),
]
CONVERSATION_REPLACE = [
    OpenApiExample("The active branch shall be", {"messages": [QUESTION, ANSWER]}, request_only=True),
]
MESSAGES_APPEND = [
    OpenApiExample("One message", QUESTION, request_only=True),
    OpenApiExample("A turn", {"messages": [QUESTION, ANSWER]}, request_only=True),
    OpenApiExample("A new version of the first question", {**QUESTION, "parent_id": None}, request_only=True),
    OpenApiExample("Appended", MESSAGE, response_only=True, status_codes=["201"]),
]
MESSAGE_UPDATE = [OpenApiExample("Correct it", {"content": "4,478 m."}, request_only=True)]

ATTACHMENT: dict[str, Any] = {
    "id": "019ab1c2-4a01-7b3c-a512-6f0e2d9c8b71",
    "conversation_id": "019ab1c2-3f0e-7c11-9a53-1d5a6f0c2b77",
    "message_id": "019ab1c2-3f0f-7a02-8c11-4b2e9d0a7f10",
    "external_id": "file-7Yx2",
    "name": "matterhorn.jpg",
    "media_type": "image/jpeg",
    "size": 48213,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "missing": None,
    "text": "",
    "created_at": "2026-11-22T10:15:30.123457Z",
}
DOCUMENT: dict[str, Any] = {
    "id": "019ab1c2-4b77-7d10-8e2f-2a9c5d41e0f3",
    "source": "claude",
    "kind": "project",
    "external_id": "0190163d-8694-739b-aea5-966c26f8ad91",
    "title": "Alps",
    "raw": {"name": "Alps", "prompt_template": "You know every mountain."},
    "created_at": "2026-11-22T10:15:30.123456Z",
    "updated_at": "2026-11-22T10:15:30.123456Z",
}


def _page_of(result: dict[str, Any]) -> dict[str, Any]:
    return {"results": [result], "next": None, "previous": None, "limit": 50, "offset": 0, "total": 1}


ATTACHMENT_LIST = [OpenApiExample("A picture", _page_of(ATTACHMENT), response_only=True, status_codes=["200"])]
DOCUMENT_LIST = [OpenApiExample("A project", _page_of(DOCUMENT), response_only=True, status_codes=["200"])]
