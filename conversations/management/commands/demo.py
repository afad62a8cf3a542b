"""`manage.py demo`: an account to look around with, and a small history that was once a ChatGPT export."""

import secrets
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from accounts.models import User

EMAIL = "demo@example.com"
HISTORY = Path(__file__).resolve().parents[2] / "demo" / "conversations.json"


class Command(BaseCommand):
    help = "Create a demo account with a small history, imported from a ChatGPT export; harmless when it is there."

    def handle(self, *args: Any, **options: Any) -> None:
        if User.objects.filter(email=EMAIL).exists():
            self.stdout.write(f"The demo account is {EMAIL}; its password was shown when it was made.")
            return
        password = secrets.token_urlsafe(9)
        User.objects.create_superuser(EMAIL, password, name="Demo")
        call_command("import_chats", str(HISTORY), user=EMAIL, stdout=StringIO())
        self.stdout.write(f"Demo account: {EMAIL}, password: {password} (API and admin)")
