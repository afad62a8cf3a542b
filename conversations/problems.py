"""The refusals of this app, by name."""

from chatstore.problems import BY_CONSTRAINT, TITLES, Conflict, DomainError, Forbidden, IdTaken, Invalid, NotFound


class ConversationNotFound(NotFound):
    code, title = "conversation_not_found", "There is no such conversation"


class ConversationInTrash(NotFound):
    code, title = "conversation_in_trash", "This conversation is in the trash"


class ConversationForbidden(Forbidden):
    code, title = "conversation_forbidden", "This conversation belongs to somebody else"


class MessageNotFound(NotFound):
    code, title = "message_not_found", "There is no such message in this conversation"


class MessageInTrash(NotFound):
    code, title = "message_in_trash", "This message is in the trash"


class MessageForbidden(Forbidden):
    code, title = "message_forbidden", "This message belongs to somebody else"


class AttachmentNotFound(NotFound):
    code, title = "attachment_not_found", "There is no such attachment"


class AttachmentMissing(NotFound):
    code, title = "attachment_missing", "The bytes of this attachment are not here"


class AttachmentForbidden(Forbidden):
    code, title = "attachment_forbidden", "This attachment belongs to somebody else"


class RangeNotSatisfiable(DomainError):
    status, code, title = 416, "range_not_satisfiable", TITLES[416][1]


class ParentNotFound(Invalid):
    code, title = "parent_not_found", "The parent is not a message of this conversation"


class ParentIsItself(Invalid):
    code, title = "parent_is_itself", "A message cannot follow itself"


class CurrentMessageNotFound(Invalid):
    code, title = "current_message_not_found", "The current message must be a message of this conversation"


class ContentRequired(Invalid):
    code, title = "content_required", "Without content there must be tool_calls, tool_results or parts"


class ChangedMeanwhile(Conflict):
    code, title = "changed_meanwhile", "Others changed this conversation meanwhile; try again"


class IdempotencyKeyReused(Invalid):
    code, title = "idempotency_key_reused", "This Idempotency-Key was used for another request"


class IdempotencyKeyInvalid(Invalid):
    code, title = "idempotency_key_invalid", "An Idempotency-Key has 1 to 255 printable ASCII characters"


class ImportNotFound(NotFound):
    code, title = "import_not_found", "There is no such import"


class ImportForbidden(Forbidden):
    code, title = "import_forbidden", "This import belongs to somebody else"


class ImportHasEnded(Conflict):
    code, title = "import_has_ended", "This import has ended already"


class ImportNotRetryable(Conflict):
    code, title = "import_not_retryable", "This import cannot be tried again: upload the file once more"


class FormatUnknown(Invalid):
    code, title = "format_unknown", "There is no such format"


class FileRequired(Invalid):
    code, title = "file_required", "An import needs at least one file"


class ExportNotFound(NotFound):
    code, title = "export_not_found", "There is no such export"


class ExportForbidden(Forbidden):
    code, title = "export_forbidden", "This export belongs to somebody else"


class ExportNotReady(Conflict):
    code, title = "export_not_ready", "This export has no file, or none yet"


class ExportExpired(DomainError):
    status, code, title = 410, "export_expired", "The file of this export was deleted: make a new one"


class NotSupportedYet(Invalid):
    code, title = "not_supported_yet", "This is not offered yet"


class ExportTooLarge(Invalid):
    code, title = "export_too_large", "The conversation is too large for this format"


class ExportFailed(DomainError):
    status, code, title = 500, "export_failed", "The conversation could not be written in this format"


BY_CONSTRAINT |= {
    "conversations_message_parent_id_owned_fk": ParentNotFound,
    "conversations_message_conversation_id_owned_fk": ConversationNotFound,
    "message_not_its_own_parent": ParentIsItself,
    "conversations_conversation_pkey": IdTaken,
    "conversations_message_pkey": IdTaken,
    "message_in_conversation": IdTaken,
}
