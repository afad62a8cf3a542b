from conversations.models.change import Change, ChangeCounter, Kind, Op
from conversations.models.conversation import Conversation
from conversations.models.idempotency import IdempotencyKey
from conversations.models.job import ExportJob, ImportItem, ImportJob, JobStatus
from conversations.models.message import Message, Role, Status

__all__ = [
    "Change",
    "ChangeCounter",
    "Conversation",
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
