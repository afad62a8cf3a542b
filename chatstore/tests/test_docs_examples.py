"""The examples of docs/api.md and README.md, run against a real server as a reader would run them."""

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import psycopg
import pytest
import yaml
from psycopg import sql
from psycopg.conninfo import make_conninfo

from chatstore.development import BASE_DIR
from chatstore.tests.docs_examples import COMMANDS, Section, differs, run, sections
from chatstore.tests.test_bridge import free_port, wait_until

API_PAGE, README = BASE_DIR / "docs" / "api.md", BASE_DIR / "README.md"
FIRST_CONVERSATION = "A first conversation"
METHOD_AND_PATH = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/\S*)`")


class Server(NamedTuple):
    base: str
    env: dict[str, str]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`python -m chatstore.serve` on a free port, with a database of its own and throttling as it comes."""
    name, port, home = f"docs_{secrets.token_hex(6)}", free_port(), tmp_path_factory.mktemp("docs")
    env = {key: value for key, value in os.environ.items() if not key.startswith(("CHATSTORE_", "DATABASE_"))}
    env |= {
        "DATABASE_URL": make_conninfo(os.environ["DATABASE_URL"], dbname=name),
        "CHATSTORE_DATA_DIR": str(home),
        "PORT": str(port),
    }
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        log = (home / "serve.log").open("w+b")
        process = subprocess.Popen(
            [sys.executable, "-m", "chatstore.serve"], cwd=BASE_DIR, env=env, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            base = f"http://127.0.0.1:{port}"
            assert wait_until(lambda: process.poll() is not None or _answers(base), 60), "The server did not start"
            assert process.poll() is None, (home / "serve.log").read_text()
            yield Server(base, env)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(15)
            log.close()
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _answers(base: str) -> bool:
    try:
        with urlopen(f"{base}/healthz", timeout=1):
            return True
    except URLError:
        return False


def _check(found: list[Section], language: str, server: Server, directory: Path) -> int:
    """Run the examples of a language. Returns how many answers were compared."""
    printed = run(found, language, base=server.base, directory=directory, env=server.env)
    compared = [section for section in found if section.answer and language in section.code]
    faults = {
        section.heading: fault
        for section in compared
        if section.answer and (fault := differs(section.answer, printed[section.heading], base=server.base))
    }
    assert not faults
    return len(compared)


@pytest.mark.slow
@pytest.mark.parametrize("language", COMMANDS)
def test_every_example_of_the_api_page_prints_what_the_page_shows(server, language, tmp_path):
    if shutil.which(COMMANDS[language][0]) is None:
        pytest.skip(f"{COMMANDS[language][0]} is not installed here: the {language} examples were not run")
    assert _check(sections(API_PAGE), language, server, tmp_path) >= len(_operations())


@pytest.mark.slow
def test_the_first_conversation_of_the_readme_prints_what_it_shows(server, tmp_path):
    found = [section for section in sections(README) if section.heading == FIRST_CONVERSATION]
    assert _check(found, "bash", server, tmp_path) == 1


def test_every_operation_has_an_example_in_each_language_and_an_answer():
    documented = {
        f"{found[1]} {re.sub(r'{[^}]*}', '{}', found[2])}": section
        for section in sections(API_PAGE)
        if (found := METHOD_AND_PATH.match(section.heading))
    }
    assert documented.keys() == _operations()
    for operation, section in documented.items():
        assert section.code.keys() == COMMANDS.keys(), operation
        assert section.answer, operation


def _operations() -> set[str]:
    """METHOD and path of each operation, ids as {}."""
    paths = yaml.safe_load((BASE_DIR / "openapi.yaml").read_text(encoding="utf-8"))["paths"]
    return {
        f"{method.upper()} {re.sub(r'{[^}]*}', '{}', path.removeprefix('/api/v1'))}"
        for path, methods in paths.items()
        for method in methods
    }


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ('{"a": 1}', '{"a": 2}'),
        ('{"a": 1}', '{"a": true}'),
        ('{"a": 1}', '{"a": 1, "b": 2}'),
        ('{"a": 1, "…": "…"}', '{"b": 2}'),
        ('{"a": [1]}', '{"a": [1, 2]}'),
        ('{"a": "Al…"}', '{"a": "Bob"}'),
        ('{"id": "019ab1c2-3f0e-7c11-9a53-1d5a6f0c2b77"}', '{"id": "7"}'),
        ("{}", "Traceback"),
    ],
)
def test_an_answer_that_is_not_the_one_shown_is_noticed(shown, printed):
    assert differs(("json", shown), printed, base="http://127.0.0.1:8000")
