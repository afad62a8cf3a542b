"""The embedded PostgreSQL: starts together, ends with its last user however that one ended, and loses nothing."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from chatstore import embedded_postgres
from chatstore.embedded_postgres import CHECKOUT, ServerFailedError, detach, start

HOLDER = """
import sys, time
from pathlib import Path
from chatstore.embedded_postgres import start
print(start(Path(sys.argv[1])), flush=True)
time.sleep(600)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory of its own below /tmp: pytest's are closed to the user that root's server runs as."""
    path = Path(tempfile.mkdtemp(prefix="chatstore-"))
    path.chmod(0o711)
    yield path
    detach(path)
    wait_until(lambda: not running(path))
    shutil.rmtree(path)


@pytest.fixture
def hold(home: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts processes that attach and stay."""
    holders: list[subprocess.Popen[str]] = []

    def one() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLDER, str(home)]
        holders.append(subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True))
        return holders[-1]

    yield one
    for holder in holders:
        holder.kill()
        holder.communicate()


def postmaster(home: Path) -> int:
    """The server's process id; 0 without one."""
    files = [*home.glob("postgres-*/data/postmaster.pid"), *home.glob("postgres-*/moved-to/data/postmaster.pid")]
    try:
        return int(files[0].read_text().split()[0]) if files else 0
    except (FileNotFoundError, IndexError):
        return 0


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def running(home: Path) -> bool:
    pid = postmaster(home)
    return bool(pid) and Path(f"/proc/{pid}").exists()


def wait_until(condition: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def ask(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []


def test_the_data_directory_is_named_after_the_major_version(home: Path) -> None:
    url = start(home)
    ((version,),) = ask(url, "SHOW server_version_num")
    assert [path.name for path in home.iterdir()] == [f"postgres-{int(str(version)) // 10_000}"]


def test_only_the_owner_can_reach_the_server_and_it_listens_on_no_port(home: Path) -> None:
    url = start(home)
    assert ask(url, "SHOW listen_addresses") == [("",)]
    (sockets,) = home.glob("postgres-*/run")
    assert sockets.stat().st_mode & 0o777 == 0o700


def test_what_is_committed_is_durable_by_default_and_settings_can_be_given(home: Path) -> None:
    url = start(home, {"synchronous_commit": "off"})
    names = ("fsync", "full_page_writes", "synchronous_commit", "max_connections")
    assert [ask(url, f"SHOW {name}")[0][0] for name in names] == ["on", "on", "off", "200"]


def test_the_log_holds_nothing_of_what_is_stored(home: Path) -> None:
    url = start(home)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE said (content text PRIMARY KEY CHECK (length(content) < 20))")
        for text in ("a secret", "a secret", "a secret of more than twenty characters"):
            with suppress(psycopg.IntegrityError):
                connection.execute("INSERT INTO said VALUES (%s)", (text,))
        for statement in ("SELECT 'a secret'::uuid", "SELECT 'a secret' FROM nowhere"):
            with pytest.raises(psycopg.Error):
                connection.execute(statement)  # type: ignore[call-overload]
    (log,) = home.glob("postgres-*/server.log")
    assert "secret" not in log.read_text()


def test_eight_cold_starts_at_once_give_one_server(home: Path, hold: Callable[[], subprocess.Popen[str]]) -> None:
    holders = [hold() for _ in range(8)]
    urls = {holder.stdout.readline().strip() for holder in holders if holder.stdout}
    assert len(urls) == 1
    assert len(list(home.glob("postgres-*"))) == 1
    started = [
        line for line in next(home.glob("*/server.log")).read_text().splitlines() if "starting PostgreSQL" in line
    ]
    assert len(started) == 1
    assert ask(urls.pop(), "SELECT 1") == [(1,)]


def test_the_server_stops_when_its_last_holder_is_killed(home: Path, hold: Callable[[], subprocess.Popen[str]]) -> None:
    first, second = hold(), hold()
    for holder in (first, second):
        assert holder.stdout
        holder.stdout.readline()
    first.kill()
    first.wait()
    time.sleep(1)
    assert running(home)
    second.kill()
    assert wait_until(lambda: not postmaster(home))
    assert "database system is shut down" in next(home.glob("*/server.log")).read_text()  # cleanly


def test_detach_returns_when_the_server_has_stopped(home: Path) -> None:
    start(home)
    detach(home)
    assert not postmaster(home)


def test_detach_leaves_the_server_to_others(home: Path, hold: Callable[[], subprocess.Popen[str]]) -> None:
    start(home)
    other = hold()
    assert other.stdout
    url = other.stdout.readline().strip()
    detach(home)
    assert ask(url, "SELECT 1") == [(1,)]


def test_a_warm_start_is_fast_and_finds_the_data(home: Path) -> None:
    ask(start(home), "CREATE TABLE kept AS SELECT 7 AS number")
    detach(home)
    began = time.monotonic()
    url = start(home)
    assert time.monotonic() - began < 3  # 0.12 s on an idle machine
    assert ask(url, "SELECT number FROM kept") == [(7,)]


def test_a_server_killed_under_load_comes_back_with_every_acknowledged_row(home: Path) -> None:
    url = start(home)
    ask(url, "CREATE TABLE load (id bigint PRIMARY KEY)")
    acknowledged: list[int] = []

    def write(first: int) -> None:
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                for number in range(first, first + 10_000_000):
                    connection.execute("INSERT INTO load VALUES (%s)", (number,))
                    acknowledged.append(number)
        except psycopg.OperationalError:
            pass

    writers = [threading.Thread(target=write, args=(worker * 10_000_000,)) for worker in range(4)]
    for writer in writers:
        writer.start()
    assert wait_until(lambda: len(acknowledged) > 500)
    os.kill(postmaster(home), signal.SIGKILL)
    for writer in writers:
        writer.join()
    url = start(home)
    found = {number for (number,) in ask(url, "SELECT id FROM load")}
    assert found.issuperset(acknowledged)


def test_a_crashed_server_comes_back_by_itself(home: Path) -> None:
    url = start(home)
    os.kill(postmaster(home), signal.SIGKILL)

    def answers() -> bool:
        try:
            return ask(url, "SELECT 1") == [(1,)]
        except psycopg.OperationalError:
            return False

    assert wait_until(answers)


@pytest.mark.slow
def test_a_server_whose_supervisor_was_killed_too_is_taken_over(home: Path) -> None:
    start(home)
    pid = postmaster(home)
    supervisor = Path(f"/proc/{parent(pid)}")
    os.kill(int(supervisor.name), signal.SIGKILL)
    assert wait_until(lambda: parent(pid) != int(supervisor.name))
    assert ask(start(home), "SELECT 1") == [(1,)]
    assert postmaster(home) == pid
    detach(home)
    assert not postmaster(home)


@pytest.mark.slow
def test_an_initdb_that_was_killed_is_done_again(home: Path) -> None:
    start(home)
    detach(home)
    (data,) = home.glob("postgres-*/data")
    data.rename(data.with_name("data.new"))
    assert ask(start(home), "SELECT 1") == [(1,)]


def test_a_long_path_with_blanks_and_quotes_works(home: Path) -> None:
    deep = home / 'it\'s a "long" path, with ünusual signs' / ("x" * 100)
    deep.mkdir(parents=True)
    try:
        assert ask(start(deep), "SELECT 1") == [(1,)]
    finally:
        detach(deep)


@pytest.mark.slow
def test_a_start_that_fails_says_why(home: Path) -> None:
    with pytest.raises(ServerFailedError, match="no_such_setting"):
        start(home, {"no_such_setting": "1"})


def test_without_any_postgresql_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from chatstore import postgres_home

    monkeypatch.setattr(postgres_home.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(postgres_home.shutil, "which", lambda name: None)
    monkeypatch.setattr(postgres_home.Path, "glob", lambda *_: iter(()))
    monkeypatch.delenv("CHATSTORE_PG_BINDIR", raising=False)
    with pytest.raises(ServerFailedError, match="set DATABASE_URL"):
        embedded_postgres.find_binaries()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_a_home_that_is_closed_to_the_servers_user_is_moved_and_leaves_a_link(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    try:
        assert ask(start(closed), "SELECT 1") == [(1,)]
        (link,) = closed.glob("postgres-*/moved-to")
        assert postmaster(closed)
    finally:
        detach(closed)
    shutil.rmtree(link.resolve().parent)
    with suppress(OSError):  # somebody else's is there
        link.resolve().parents[1].rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become somebody else")
def test_it_runs_without_being_root(home: Path) -> None:
    os.chown(home, 65534, 65534)
    script = HOLDER.replace("time.sleep(600)", "import chatstore.embedded_postgres as e; e.detach(Path(sys.argv[1]))")
    python = Path(os.path.realpath(sys.executable))
    if subprocess.run(["test", "-x", python], user=65534, check=False).returncode:
        pytest.skip("this Python is closed to others")
    found = subprocess.run(
        [sys.executable, "-c", script, str(home)],
        cwd=CHECKOUT,
        user=65534,
        group=65534,
        extra_groups=(),
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout.startswith("postgresql://")
    assert not postmaster(home)
