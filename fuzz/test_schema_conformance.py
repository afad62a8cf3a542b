"""Requests made from the schema, sound and unsound, against the real server: never a 5xx, and answers as promised.

Bounded: FUZZ_SECONDS (default 150) and FUZZ_EXAMPLES for each operation (default 40). Apart from the other tests, for
schemathesis comes with a pytest plugin that would load in every run: `make test-fuzz`.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.request import Request, urlopen

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from chatstore.development import BASE_DIR
from chatstore.tests.test_bridge import free_port, wait_until

SECONDS = int(os.environ.get("FUZZ_SECONDS", "150"))
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))
KNOWN = 200  # conversations that the requests are about (fuzz/hooks.py); some of them delete one
# A 5xx is our fault whatever was asked; the others hold us to what openapi.yaml says.
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# These end the session that the run itself uses.
ENDS_THE_SESSION = r"/auth/(logout|logout-all|password)$"


class Server(NamedTuple):
    base: str
    log: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`python -m chatstore.serve` on a free port, with a database of its own, unthrottled."""
    name, port, home = f"fuzz_{secrets.token_hex(6)}", free_port(), tmp_path_factory.mktemp("fuzz")
    env = os.environ | {
        "DATABASE_URL": make_conninfo(os.environ["DATABASE_URL"], dbname=name),
        "CHATSTORE_DATA_DIR": str(home),
        "CHATSTORE_THROTTLE_RATES": "off",
        "CHATSTORE_LOG_LEVEL": "info",
        "CHATSTORE_ACCESS_TOKEN_SECONDS": "3600",
        "PORT": str(port),
    }
    log, base = home / "serve.log", f"http://127.0.0.1:{port}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as admin, log.open("wb") as sink:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        command = [sys.executable, "-m", "chatstore.serve"]
        process = subprocess.Popen(command, cwd=BASE_DIR, env=env, stdout=sink, stderr=subprocess.STDOUT)
        try:
            assert wait_until(lambda: process.poll() is not None or answers(base), 60), "The server did not start"
            yield Server(base, log)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(15)
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def answers(base: str) -> bool:
    try:
        return bool(urlopen(f"{base}/readyz", timeout=5).status == 200)
    except OSError:
        return False


def posted(base: str, path: str, body: dict[str, object], token: str = "") -> dict[str, object]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = Request(f"{base}/api/v1/{path}", json.dumps(body).encode(), headers)
    with urlopen(request, timeout=30) as answer:
        found: dict[str, object] = json.load(answer)
        return found


def conversation_made(base: str, token: str, number: int) -> tuple[str, list[str]]:
    """A conversation with a turn and a branch: its id, and its messages'."""
    said = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    made = posted(base, "conversations", {"title": f"known {number}", "messages": said}, token)
    url = f"conversations/{made['id']}/messages"
    branch = posted(base, url, {"role": "tool", "parts": [{"type": "text", "text": "?"}], "parent_id": None}, token)
    return str(made["id"]), [str(made["current_message_id"]), str(branch["id"])]


def test_no_request_made_from_the_schema_breaks_the_server_or_its_promises(server, tmp_path):
    account = posted(server.base, "auth/register", {"email": "fuzz@example.com", "password": secrets.token_hex(12)})
    token = str(account["access"])
    known = tmp_path / "known.json"
    known.write_text(json.dumps([conversation_made(server.base, token, number) for number in range(KNOWN)]))
    run = subprocess.run(
        [
            str(Path(sys.executable).with_name("st")), "run", f"{server.base}/api/schema", "--no-color",
            "--header", f"Authorization:Bearer {token}", "--checks", CHECKS, "--exclude-path-regex", ENDS_THE_SESSION,
            "--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(EXAMPLES),
            "--max-time", str(SECONDS), "--request-timeout", "20", "--continue-on-failure", "--warnings", "off",
            "--report-dir", str(tmp_path),
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS + 120, check=False,
        env=os.environ | {"SCHEMATHESIS_HOOKS": "fuzz.hooks", "FUZZ_KNOWN": str(known), "PYTHONPATH": str(BASE_DIR)},
    )  # fmt: skip
    print(run.stdout[-20_000:], run.stderr[-5_000:])
    assert run.returncode == 0, "schemathesis found failures: see above"
    served = server.log.read_text()
    assert "request_failed" not in served
    assert '"status":500' not in served
    assert served.count('"event":"request"') > 200, "hardly anything was asked"
