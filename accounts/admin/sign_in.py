"""Signing in to the admin: by e-mail address, counted together with sign-ins of the API."""

from contextlib import suppress
from typing import Any

from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm

from accounts.fields import normalised_email
from chatstore import throttling
from chatstore.problems import Throttled


class SignInForm(AuthenticationForm):  # type: ignore[misc]  # unfold has no types
    """Failures count by address, and by address and account: a guesser here has no more tries than at the API."""

    def clean(self) -> dict[str, Any]:
        email, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if not email or not password:  # what is missing, or no text, was refused by the field
            return dict(self.cleaned_data)
        address = throttling.client_address(self.request)
        counters = (("login", address, normalised_email(email)), ("login_address", address))
        try:
            for counter in counters:
                throttling.check(*counter)
        except Throttled as refusal:
            raise ValidationError(f"Too many failed attempts. {refusal.detail}", code="throttled") from None
        try:
            return dict(super().clean())
        except ValidationError:
            # Also a right password of somebody who is not of the staff: the refusal must not tell it from a wrong one.
            for counter in counters:
                with suppress(Throttled):
                    throttling.hit(*counter)
            raise
