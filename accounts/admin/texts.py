"""What people wrote, on a page: readable whatever it holds, and without an effect on what stands beside it."""

import re
from datetime import datetime
from uuid import UUID

from django.utils.html import format_html
from django.utils.safestring import SafeString

from chatstore.storable import from_storable

NOTHING = "—"
# What a reader does not see, what turns the text around it about, and what has no UTF-8. Joiners of letters stay.
_UNSEEN = re.compile(
    "[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufdd0-\ufdef\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)


def shown(stored: str) -> str:
    """Stored text for a reader, what cannot be seen by its name (`⟨U+202E⟩`). Whoever renders escapes it for HTML."""
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", from_storable(stored))


def isolated(stored: str) -> SafeString:
    """The same as HTML, in a direction of its own."""
    return format_html('<bdi dir="auto">{}</bdi>', shown(stored)) if stored else format_html("{}", NOTHING)


def moment(at: datetime | None) -> str:
    """`22 Nov 2026, 02:57 UTC`, on one line."""
    return f"{at:%d %b %Y, %H:%M} UTC".replace(" ", "\N{NO-BREAK SPACE}") if at else NOTHING


def as_uuid(text: str) -> UUID | None:
    """The id that somebody pasted, in whatever form Python's UUID reads."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None
