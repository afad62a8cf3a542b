"""The form in which an e-mail address is kept, whoever writes it."""

from typing import Any

from django.db import models

MAX_EMAIL = 254  # RFC 5321, section 4.5.3.1.3, without the angle brackets


def normalised_email(text: str) -> str:
    """`" Ada@Example.COM "` -> `"ada@example.com"`. Nobody has two mailboxes that differ in case only."""
    return text.strip().lower()


class NormalisedEmailField(models.EmailField):  # type: ignore[type-arg]  # not generic at run time
    """An address in its one form: what is stored and what is looked up. Unknown is NULL, never an empty string."""

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return normalised_email(value) or None if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        return self.to_python(super().get_prep_value(value))
