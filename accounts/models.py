"""People, and where they are signed in."""

from typing import ClassVar
from uuid import uuid4

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.fields import MAX_EMAIL, NormalisedEmailField
from accounts.managers import UserManager
from chatstore.owned import OwnedModel, new_id


class User(AbstractBaseUser, PermissionsMixin):
    """One person. Requests never write here (in a cluster sharded by user it is a reference table): no `last_login`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # null: an identity provider did not vouch for one, or it was taken. Such a person signs in there only.
    email = NormalisedEmailField(max_length=MAX_EMAIL, null=True, blank=True)
    name = models.TextField(blank=True, default="", db_default="")
    language = models.TextField(blank=True, default="", db_default="")  # BCP 47; empty: the client's own choice
    is_active = models.BooleanField(default=True, db_default=True)
    is_staff = models.BooleanField(default=False, db_default=False)
    date_joined = models.DateTimeField(default=timezone.now, db_default=Now(), editable=False)
    last_login = None
    # Sessions carry the stamp that stood here when they began, and end with it: a login that races a password change
    # cannot outlive the old password, in whichever order the two commit.
    security_stamp = models.UUIDField(default=uuid4, editable=False)
    # The same for tokens that an identity provider issued, which we cannot stamp. null: all of them.
    tokens_valid_after = models.DateTimeField(null=True, blank=True, editable=False)
    # Who the person is at the identity provider (OpenID Connect Core, section 5.7: only `iss` and `sub` together).
    oidc_issuer = models.TextField(blank=True, default="", db_default="", editable=False)
    oidc_subject = models.TextField(blank=True, default="", db_default="", editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        indexes = [
            # The admin's search by the beginning of an address; the unique index serves it in the C collation only.
            models.Index(fields=["email"], name="user_email_prefix", opclasses=["varchar_pattern_ops"]),
        ]
        constraints = [
            # sign-in: user_by_email
            models.UniqueConstraint(fields=["email"], name="user_email_taken"),
            models.CheckConstraint(condition=Q(email=Lower("email")), name="user_email_normalised"),
            # tokens of an identity provider: user_by_oidc
            models.UniqueConstraint(
                fields=["oidc_issuer", "oidc_subject"], condition=~Q(oidc_subject=""), name="user_oidc_known"
            ),
            models.CheckConstraint(
                condition=Q(oidc_issuer="", oidc_subject="") | ~Q(oidc_issuer="") & ~Q(oidc_subject=""),
                name="user_oidc_whole",
            ),
        ]

    def __str__(self) -> str:
        return self.email or str(self.id)

    def set_password(self, raw_password: str | None) -> None:
        """Also ends every session, once the row is saved: `changepassword` and the admin come this way."""
        super().set_password(raw_password)
        if not self._state.adding:
            self.security_stamp, self.tokens_valid_after = uuid4(), timezone.now()

    def check_password(self, raw_password: str | None) -> bool:
        """Django's, but a hash that is renewed because its strength is outdated is no new password: nothing ends."""
        return check_password(raw_password, self.password, setter=self._renew_hash)

    def _renew_hash(self, raw_password: str) -> None:
        self.password = make_password(raw_password)
        self.save(update_fields=["password"])

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        # The admin's cookie sessions end with the others: Django looks at the password alone.
        return salted_hmac(
            "accounts.User", f"{self.password}{self.security_stamp}", secret=secret, algorithm="sha256"
        ).hexdigest()


class RevocationReason(models.TextChoices):
    """Why a session ended before its time."""

    LOGOUT = "logout"
    LOGOUT_ALL = "logout_all"
    REUSED = "reused"  # a refresh token came twice: it is in two hands
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    DEACTIVATED = "deactivated"


class Session(OwnedModel):
    """One sign-in, and the family of refresh tokens that came from it; of these only the newest works.

    It lives while it is not revoked, not expired, and its stamp is the user's. Neither tokens nor addresses nor
    browsers are stored.
    """

    security_stamp = models.UUIDField(editable=False)
    refresh_jti = models.UUIDField(editable=False)  # the newest token's `jti`: worth nothing without the signing key
    created_at = models.DateTimeField(db_default=Now())
    refreshed_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_reason = models.TextField(choices=RevocationReason, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(revoked_reason__in=["", *RevocationReason.values]), name="session_reason_known"
            ),
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True, revoked_reason="")
                | Q(revoked_at__isnull=False) & ~Q(revoked_reason=""),
                name="session_reason_given",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
