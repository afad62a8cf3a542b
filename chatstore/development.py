"""What a checkout needs to run without any configuration: a database and a secret of its own, below `var/`.

`manage.py`, `chatstore.serve` and the tests call `prepare()` before the settings are loaded. Production loads
`chatstore.wsgi` and `chatstore.asgi` directly: there a missing secret stops the start, and nothing is made up.
"""

import os
import secrets
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from chatstore import embedded_postgres
from chatstore.env import env_str

BASE_DIR = Path(__file__).resolve().parent.parent
# Commands that only read code. `check --database` and the like do connect: see needs_database().
WITHOUT_DATABASE = ("", "check", "collectstatic", "diffsettings", "help", "spectacular", "version")
# For data that no one misses: a test run's. A crash of the machine may lose it all.
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def data_dir() -> Path:
    """Where the checkout keeps its data: CHATSTORE_DATA_DIR, or `var/`."""
    return Path(env_str("CHATSTORE_DATA_DIR", str(BASE_DIR / "var"))).resolve()


def prepare(*, database: bool = True, durable: bool = True) -> None:
    """Set DATABASE_URL and CHATSTORE_SECRET_KEY in this process's environment, each only if it is unset.

    The database is the embedded one, attached for as long as this process lives; what is not `durable` is a server of
    its own, beside the one that `make run` keeps its data in. Raises embedded_postgres.ServerFailedError.
    """
    if not env_str("CHATSTORE_SECRET_KEY"):
        os.environ["CHATSTORE_SECRET_KEY"] = _secret(data_dir() / "secret_key")
    if database and not env_str("DATABASE_URL"):
        home, conf = (data_dir(), {}) if durable else (data_dir() / "tests", NOT_DURABLE)
        os.environ["DATABASE_URL"] = embedded_postgres.start(home, conf)


def release() -> None:
    """Let go of the embedded database, if this process uses it; it has stopped then, unless others are attached."""
    for home in (data_dir(), data_dir() / "tests"):
        embedded_postgres.detach(home)


def keep_demo_notice(text: str) -> None:
    """Keep what the `demo` command said of the account it made, for the runs after the first."""
    path = data_dir() / "demo.txt"
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def demo_notice() -> str:
    """What the `demo` command said on the first run; "" without one."""
    with suppress(FileNotFoundError):
        return (data_dir() / "demo.txt").read_text(encoding="utf-8")
    return ""


def needs_database(argv: Sequence[str]) -> bool:
    """Whether the command line `argv`, of manage.py, will connect to the database."""
    command = argv[1] if len(argv) > 1 and not argv[1].startswith("-") else ""
    if any(word.startswith("--database") for word in argv):
        return True
    return command not in WITHOUT_DATABASE and "--help" not in argv and "-h" not in argv


def _secret(path: Path) -> str:
    """The secret kept in `path`, made on first use; of several processes at once, all get the same."""
    with suppress(FileNotFoundError):
        return path.read_text(encoding="ascii").strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, new = tempfile.mkstemp(dir=path.parent, prefix="secret-")  # mode 600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48))
        with suppress(FileExistsError):
            os.link(new, path)  # whole, or not at all; and never over another's
    finally:
        Path(new).unlink()
    return path.read_text(encoding="ascii").strip()
