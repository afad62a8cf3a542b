from conversations.models.attachment import Attachment
from conversations.models.change import Change, ChangeCounter, Kind, Op
from conversations.models.conversation import Conversation
from conversations.models.document import Document
from conversations.models.idempotency import IdempotencyKey
from conversations.models.job import ExportJob, ImportItem, ImportJob, JobStatus
from conversations.models.message import Message, Role, Status

__all__ = [
    "Attachment",
    "Change",
    "ChangeCounter",
    "Conversation",
    "Document",
    "ExportJob",
    "IdempotencyKey",
    "ImportItem",
    "ImportJob",
    "JobStatus",
    "Kind",
    "Message",
    "Op",
    "Role",
    "Status",
]
