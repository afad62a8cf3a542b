"""The admin of people, and what it shares with the admin of their data: staff find, see and act.

Registered on unfold's site; `accounts.admin.people` can be extended by the apps that hold a person's data.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path

from accounts.admin.people import GroupAdmin, UserAdmin
from accounts.admin.sign_in import SignInForm
from accounts.models import User


def nothing_here(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    raise Http404


# unfold's application makes the site and leaves no other place to choose these than the instance.
site: Any = admin.site
site.login_form = SignInForm
site.index_title = "Support"
# Unused, and both answer 500 to input of the wrong form: a search of menus, and redirects to pages of objects.
site.search = nothing_here
site.extra_urls = lambda: [path("r/<int:content_type_id>/<path:object_id>/", nothing_here)]

admin.site.unregister(Group)
admin.site.register(Group, GroupAdmin)
admin.site.register(User, UserAdmin)
