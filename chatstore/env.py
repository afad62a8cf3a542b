"""Settings from the environment, typed; nonsense stops the start and names the variable.

Every `X` may also come as `X_FILE`, the path of a file that holds the value (Docker and Kubernetes secrets).
"""

import os
from collections.abc import Sequence
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def env_str(name: str, default: str = "") -> str:
    """The value of `name`, or what the file `{name}_FILE` holds; blanks around it are no part of it."""
    if path := os.environ.get(f"{name}_FILE", "").strip():
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"{name}_FILE={path!r}: cannot be read ({type(error).__name__})") from error
    return os.environ.get(name, "").strip() or default


def env_int(name: str, default: int, *, minimum: int = 0) -> int:
    """A whole number of at least `minimum`."""
    text = env_str(name, str(default))
    if not text.isascii() or not text.isdigit() or int(text) < minimum:
        raise ImproperlyConfigured(f"{name}={text!r}: expected a whole number of at least {minimum}")
    return int(text)


def env_bool(name: str, default: bool) -> bool:
    """One of true/false, yes/no, on/off, 1/0, in any case."""
    text = env_str(name, str(default)).lower()
    if text not in (*TRUE, *FALSE):
        raise ImproperlyConfigured(f"{name}={text!r}: expected one of {', '.join((*TRUE, *FALSE))}")
    return text in TRUE


def env_list(name: str, default: Sequence[str] = ()) -> list[str]:
    """Comma-separated values; empty ones are left out."""
    text = env_str(name)
    return [part.strip() for part in text.split(",") if part.strip()] if text else list(default)


def env_choice(name: str, default: str, choices: Sequence[str]) -> str:
    """One word of `choices`."""
    text = env_str(name, default).lower()
    if text not in choices:
        raise ImproperlyConfigured(f"{name}={text!r}: expected one of {', '.join(choices)}")
    return text
