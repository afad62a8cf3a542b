"""People: found by e-mail address or id, deactivated, signed out; their rights are given by superusers alone."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm

from accounts.actions.sessions import sessions_end, sessions_revoke_all
from accounts.actions.users import user_activate, user_deactivate
from accounts.admin.records import Deed, Link, Panel, RecordAdmin, staff_of
from accounts.admin.texts import as_uuid, isolated, moment
from accounts.fields import MAX_EMAIL, normalised_email
from accounts.models import RevocationReason, Session, User
from chatstore.storable import to_storable

SESSIONS_SHOWN = 20
RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")


class PasswordForm(AdminPasswordChangeForm):  # type: ignore[misc]  # unfold has no types
    """A new password, or none: either ends every session. The rest of the row may have changed meanwhile, and stays."""

    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit=False)
        with transaction.atomic():
            user.save(update_fields=["password"])
            sessions_end(user_id=user.id, reason=RevocationReason.PASSWORD_CHANGED)
        return user


class UserAdmin(RecordAdmin, DjangoUserAdmin):  # type: ignore[misc, type-arg]
    """Support staff with `view_user` find and see, with `change_user` deactivate and sign out, but no one of the staff.

    Rights and passwords are a superuser's to give: with either, `change_user` would open every door. There is no
    deleting: a person is erased, which is more than a row.
    """

    change_password_form = PasswordForm
    deeds: ClassVar[Sequence[Deed]] = (
        Deed(
            "deactivate",
            "Deactivate",
            "Deactivated, and signed out everywhere",
            "accounts.change_user",
            lambda person: user_deactivate(user_id=person.id),
            applies=lambda person: person.is_active,
            variant="danger",
        ),
        Deed(
            "reactivate",
            "Reactivate",
            "Reactivated",
            "accounts.change_user",
            lambda person: user_activate(user_id=person.id),
            applies=lambda person: not person.is_active,
        ),
        Deed(
            "sign-out",
            "Sign out everywhere",
            "Signed out everywhere",
            "accounts.change_user",
            lambda person: sessions_revoke_all(user_id=person.id),
        ),
    )
    filter_horizontal = ()
    form = ModelForm
    list_display = ("address", "called", "id", "is_active", "is_staff", "joined")
    list_filter = ()
    readonly_fields = ("id", "address", "called", "language", "is_active", "signs_in", "joined")
    search_fields = ("email",)
    search_help_text = "The beginning of an e-mail address, or an id"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return staff_of(request).is_superuser

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        # Of a right's name Django makes a query each where it cannot be edited.
        rights = RIGHTS if self.has_change_permission(request, obj) else RIGHTS[:2]
        return [(None, {"fields": self.readonly_fields}), ("Rights", {"fields": rights})]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user_permissions":
            kwargs["queryset"] = db_field.related_model.objects.select_related("content_type")
        field: Any = super().formfield_for_manytomany(db_field, request, **kwargs)
        field.widget.attrs["size"] = 12
        return field

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """What changed, alone: the rest of the row may have changed meanwhile, its password among it."""
        if fields := [name for name in RIGHTS[:2] if name in form.changed_data]:
            obj.save(update_fields=fields)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """Uses accounts_user_pkey, or user_email_taken: the beginning of an address is a range of it."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if (person_id := as_uuid(term)) is not None:
            return queryset.filter(id=person_id), False
        if len(term) > MAX_EMAIL:
            return queryset.none(), False
        prefix = to_storable(normalised_email(term))
        return queryset.filter(email__startswith=prefix).order_by("email", "-id"), False

    def may_do(self, request: HttpRequest, deed: Deed, record: Any) -> bool:
        if not super().may_do(request, deed, record):
            return False
        if record.pk == staff_of(request).id and deed.name == "deactivate":
            return False  # nobody locks themselves out
        return staff_of(request).is_superuser or not (record.is_staff or record.is_superuser)

    def links_of(self, request: HttpRequest, record: Any) -> list[Link]:
        links = super().links_of(request, record)
        if self.has_change_permission(request, record):
            links.append(("Set a password", reverse("admin:auth_user_password_change", args=[record.pk])))
        return links

    def panels_of(self, request: HttpRequest, record: Any) -> list[Panel]:
        panels = super().panels_of(request, record)
        if staff_of(request).has_perm("accounts.view_session"):
            panels.append(sessions_panel(record))
        return panels

    @admin.display(description="E-mail address")
    def address(self, person: User) -> str:
        return isolated(person.email or "")

    @admin.display(description="Name")
    def called(self, person: User) -> str:
        return isolated(person.name)

    @admin.display(description="Joined")
    def joined(self, person: User) -> str:
        return moment(person.date_joined)

    @admin.display(description="Signs in with")
    def signs_in(self, person: User) -> str:
        ways = ["a password"] if person.has_usable_password() else []
        ways += [f"the identity provider {person.oidc_issuer}"] if person.oidc_issuer else []
        return " and ".join(ways) or "nothing: no password is set"


def sessions_panel(person: User) -> Panel:
    """Where the person is signed in, without anything of a token. Uses accounts_session_pkey."""
    sessions = list(Session.objects.filter(user_id=person.pk).order_by("-id")[: SESSIONS_SHOWN + 1])
    return Panel(
        title="Sessions",
        headers=("Began", "Last refreshed", "State", "Id"),
        rows=[
            (
                moment(session.created_at),
                moment(session.refreshed_at),
                _state(session, person.security_stamp),
                session.id,
            )
            for session in sessions[:SESSIONS_SHOWN]
        ],
        note=f"The latest {SESSIONS_SHOWN}." if len(sessions) > SESSIONS_SHOWN else "",
    )


def _state(session: Session, stamp: UUID) -> str:
    if session.revoked_at:
        return f"ended {moment(session.revoked_at)}: {session.get_revoked_reason_display()}"
    if session.security_stamp != stamp:
        return "ended"
    return f"{'expired' if session.expires_at <= timezone.now() else 'live until'} {moment(session.expires_at)}"


class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Whoever could change a group could give themselves any right: superusers only, whatever the permissions say."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return staff_of(request).is_superuser

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)
