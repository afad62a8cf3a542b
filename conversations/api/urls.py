"""The paths of this app, the most frequent first."""

from django.urls import path

from conversations.api.direct import direct
from conversations.api.views.attachments import AttachmentContentViewSet, AttachmentViewSet
from conversations.api.views.conversations import ConversationViewSet
from conversations.api.views.documents import DocumentViewSet
from conversations.api.views.export_jobs import ExportJobViewSet
from conversations.api.views.exports import ExportViewSet
from conversations.api.views.imports import ImportViewSet
from conversations.api.views.messages import MessageViewSet

ONE = "conversations/<uuid:conversation_id>/messages/<uuid:pk>"

urlpatterns = [
    path(
        "conversations/<uuid:conversation_id>/messages",
        direct(MessageViewSet.as_view({"get": "list", "post": "create"})),
        name="messages",
    ),
    path("conversations", ConversationViewSet.as_view({"get": "list", "post": "create"}), name="conversations"),
    path(
        "conversations/<uuid:pk>",
        ConversationViewSet.as_view(
            {"get": "retrieve", "patch": "partial_update", "put": "update", "delete": "destroy"}
        ),
        name="conversation",
    ),
    path("conversations/<uuid:conversation_id>/context", MessageViewSet.as_view({"get": "context"}), name="context"),
    path(
        "conversations/<uuid:conversation_id>/exchanges",
        MessageViewSet.as_view({"get": "exchanges"}),
        name="exchanges",
    ),
    path("conversations/<uuid:pk>/restore", ConversationViewSet.as_view({"post": "restore"}), name="restore"),
    path("conversations/<uuid:pk>/fork", ConversationViewSet.as_view({"post": "fork"}), name="fork"),
    path("conversations/<uuid:pk>/export", ExportViewSet.as_view({"get": "retrieve"}), name="export"),
    path(
        ONE,
        MessageViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="message",
    ),
    path("imports", ImportViewSet.as_view({"get": "list", "post": "create"}), name="imports"),
    path("imports/<uuid:pk>", ImportViewSet.as_view({"get": "retrieve"}), name="import"),
    path("imports/<uuid:pk>/items", ImportViewSet.as_view({"get": "items"}), name="import-items"),
    path("imports/<uuid:pk>/cancel", ImportViewSet.as_view({"post": "cancel"}), name="import-cancel"),
    path("imports/<uuid:pk>/retry", ImportViewSet.as_view({"post": "retry"}), name="import-retry"),
    path("exports", ExportJobViewSet.as_view({"get": "list", "post": "create"}), name="exports"),
    path("exports/<uuid:pk>", ExportJobViewSet.as_view({"get": "retrieve"}), name="export-job"),
    path("exports/<uuid:pk>/download", ExportJobViewSet.as_view({"get": "download"}), name="export-download"),
    path(f"{ONE}/restore", MessageViewSet.as_view({"post": "restore"}), name="message-restore"),
    path(
        "conversations/<uuid:conversation_id>/attachments",
        AttachmentViewSet.as_view({"get": "list"}),
        name="attachments",
    ),
    path(
        "attachments/<uuid:pk>/content",
        AttachmentContentViewSet.as_view({"get": "retrieve"}),
        name="attachment-content",
    ),
    path("documents", DocumentViewSet.as_view({"get": "list"}), name="documents"),
]
