"""How people come into being outside the API: `createsuperuser`, the admin, tests. The API's own way is `actions`."""

from typing import TYPE_CHECKING, Any

from django.contrib.auth.base_user import BaseUserManager

if TYPE_CHECKING:
    from accounts.models import User


class UserManager(BaseUserManager["User"]):
    """People, who sign in with their e-mail address."""

    use_in_migrations = True

    def create_user(self, email: str | None, password: str | None = None, **fields: Any) -> "User":
        """A person; without a password nobody can sign in as them. The field brings the address into its one form."""
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """What `manage.py createsuperuser` makes."""
        return self.create_user(email, password, **{"is_staff": True, "is_superuser": True, **fields})
