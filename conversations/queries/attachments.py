"""Reading attachments: a page of a conversation's, and what is to be known of one before its bytes are sent."""

import functools
from dataclasses import dataclass
from typing import IO, NoReturn, cast
from uuid import UUID

from django.core.files.storage import default_storage

from accounts.queries import CALLER_IS_LIVE
from chatstore.sql import fetch_one
from chatstore.storable import from_storable
from conversations.problems import (
    AttachmentForbidden,
    AttachmentMissing,
    AttachmentNotFound,
    ConversationInTrash,
    MessageInTrash,
)
from conversations.queries.columns import ATTACHMENT, message_probe
from conversations.queries.pages import LIMITS, Page, as_page, beyond
from conversations.queries.standing import refuse_conversation


@dataclass(frozen=True, slots=True)
class AttachmentRequest:
    """What to list. `after` is the time and the id of the row that the page continues from."""

    user_id: UUID
    conversation_id: UUID
    session_id: UUID | None = None  # accounts.queries.CALLER_IS_LIVE
    message_id: UUID | None = None  # only of this message
    limit: int = 50
    offset: int = 0
    after: tuple[str, str] | None = None
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class AttachmentPage:
    """A page of attachments, and how many there are in all."""

    page: Page
    total: int


@functools.cache
def _page_statement(continued: bool, backwards: bool, of_message: bool) -> str:
    """ATTACHMENT_PAGE: uses attachment_reading_order; for one message attachment_imported_once, and sorts its few.

    Attachments of messages in the trash are left out.
    """
    direction, way = ("DESC", "<") if backwards else ("ASC", ">")
    after = f"AND (a.created_at, a.id) {way} (%(after_at)s::timestamptz, %(after_id)s::uuid)" if continued else ""
    shown = f"""
                   conversations_attachment a
             CROSS JOIN {message_probe("a.message_id")}
             WHERE a.user_id = %(user)s AND a.conversation_id = %(conversation)s AND m.deleted_at IS NULL
                   {"AND a.message_id = %(message)s" if of_message else ""}"""
    source = f"FROM {shown} {after} ORDER BY a.created_at {direction}, a.id {direction}"
    page = as_page(
        ATTACHMENT,
        rows=f"SELECT a.* {source} {LIMITS}",
        more=beyond(source),
        value="created_at",
        direction=direction,
        backwards=backwards,
    )
    return f"""
    /* attachment_page */
    SELECT page.*, (SELECT count(*) FROM {shown}) AS total
      FROM conversations_conversation c
      LEFT JOIN LATERAL ({page}) AS page ON true
     WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NULL AND {CALLER_IS_LIVE}
    """


def attachments_page(request: AttachmentRequest) -> AttachmentPage:
    """One page of a conversation's attachments, in the order of its messages. Raises its refusals."""
    statement = _page_statement(request.after is not None, request.backwards, request.message_id is not None)
    params = {
        "user": request.user_id,
        "session": request.session_id,
        "conversation": request.conversation_id,
        "message": request.message_id,
        "limit": request.limit,
        "offset": request.offset,
        "after_at": request.after[0] if request.after else None,
        "after_id": request.after[1] if request.after else None,
    }
    row = fetch_one(statement, params)
    if row is None:
        refuse_conversation(user_id=request.user_id, conversation_id=request.conversation_id)
    return AttachmentPage(Page.of(row), row["total"])


# Uses the keys of attachments (or attachment_by_id), messages and conversations: a probe each.
ATTACHMENT_BYTES = f"""
    /* attachment_bytes */
    SELECT a.name, a.size, a.sha256, a.file, a.missing
      FROM conversations_attachment a
      JOIN conversations_message m
        ON m.user_id = %(user)s AND m.conversation_id = a.conversation_id AND m.id = a.message_id
       AND m.deleted_at IS NULL
      JOIN conversations_conversation c ON c.user_id = %(user)s AND c.id = a.conversation_id AND c.deleted_at IS NULL
     WHERE a.user_id = %(user)s AND a.id = %(attachment)s AND {CALLER_IS_LIVE}
"""
# Uses attachment_by_id.
ATTACHMENT_STANDING = """
    /* resolver: rows of all owners */
    SELECT bool_or(a.user_id = %(user)s) AS is_own,
           bool_or(a.user_id = %(user)s AND c.deleted_at IS NOT NULL) AS conversation_in_trash,
           bool_or(a.user_id = %(user)s AND m.deleted_at IS NOT NULL) AS message_in_trash
      FROM conversations_attachment a
      JOIN conversations_message m ON m.user_id = a.user_id AND m.id = a.message_id
      JOIN conversations_conversation c ON c.user_id = a.user_id AND c.id = a.conversation_id
     WHERE a.id = %(attachment)s
"""


@dataclass(frozen=True, slots=True)
class AttachmentBytes:
    """The bytes of an attachment: its name as the source has it, their size and SHA-256 in hex."""

    name: str
    size: int
    sha256: str
    file: str

    def opened(self) -> IO[bytes]:
        """From the beginning. Raises AttachmentMissing when the storage has lost them."""
        try:
            return cast(IO[bytes], default_storage.open(self.file))
        except FileNotFoundError:
            raise AttachmentMissing(reason="lost") from None


def attachment_bytes(*, user_id: UUID, attachment_id: UUID, session_id: UUID | None = None) -> AttachmentBytes:
    """An attachment whose bytes are here.

    Raises AttachmentMissing, AttachmentNotFound, AttachmentForbidden, ConversationInTrash, MessageInTrash.
    """
    row = fetch_one(ATTACHMENT_BYTES, {"user": user_id, "session": session_id, "attachment": attachment_id})
    if row is None:
        _refuse(user_id=user_id, attachment_id=attachment_id)
    if row["missing"] is not None:
        raise AttachmentMissing(reason=row["missing"])
    return AttachmentBytes(from_storable(row["name"]), row["size"], row["sha256"], row["file"])


def _refuse(*, user_id: UUID, attachment_id: UUID) -> NoReturn:
    """Say why no such attachment was found in use."""
    row = fetch_one(ATTACHMENT_STANDING, {"user": user_id, "attachment": attachment_id}) or {}
    if row.get("conversation_in_trash"):
        raise ConversationInTrash()
    if row.get("message_in_trash"):
        raise MessageInTrash()
    raise AttachmentForbidden() if row.get("is_own") is False else AttachmentNotFound()
