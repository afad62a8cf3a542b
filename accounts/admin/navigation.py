"""Who is offered which list in the sidebar (settings.UNFOLD). The lists themselves ask again."""

from typing import Any

from django.http import HttpRequest


def may_see_people(request: HttpRequest) -> bool:
    return _may(request, "accounts.view_user", "accounts.change_user")


def may_see_conversations(request: HttpRequest) -> bool:
    return _may(request, "conversations.view_conversation", "conversations.change_conversation")


def may_see_imports(request: HttpRequest) -> bool:
    return _may(request, "conversations.view_importjob", "conversations.change_importjob")


def may_see_exports(request: HttpRequest) -> bool:
    return _may(request, "conversations.view_exportjob", "conversations.change_exportjob")


def may_see_groups(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.is_superuser)


def _may(request: HttpRequest, *permissions: str) -> bool:
    user: Any = request.user
    return any(user.has_perm(permission) for permission in permissions)
