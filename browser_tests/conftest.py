"""Chromium, and the product in processes of its own."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from chatstore.tests.served import Client, Server, served

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
]
APP = "<!doctype html><meta charset=utf-8><title>A web app</title>"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if not CHROMIUM:
        pytest.skip("There is no chromium here: apt-get install chromium, or name one in CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(browser: Any) -> Iterator[Server]:
    with served() as server:
        yield server


@pytest.fixture
def person(server: Server) -> Iterator[Client]:
    person = server.signed_in()
    yield person
    person.close()


class App:
    """A page of the server's origin, with helpers.js; `token` is the person's."""

    def __init__(self, browser: Any, server: Server, token: str, html: str = APP) -> None:
        self.base, self.token = f"http://127.0.0.1:{server.port}", token
        self.context = browser.new_context()
        self.context.set_default_timeout(60_000)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        # The page is the app's own; everything else, migrate.js too, is the server's.
        self.page.route(f"{self.base}/app", lambda route: route.fulfill(body=html, content_type="text/html"))
        self.page.goto(f"{self.base}/app")

    def run(self, script: str, **values: Any) -> Any:
        """The value of an async function's body that sees `values`, `token` and what migrate.js exports."""
        names = ", ".join(["token", *values])
        module = "const m = await import('/static/conversations/migrate.js');"
        script = f"async ({{ {names} }}) => {{ {module} {HELPERS} {script} }}"
        return self.page.evaluate(script, {"token": self.token, **values})


HELPERS = """
const map = (said) => ({ id: said.n, session_id: said.chat, query: said.q, response: said.a, timestamp: said.at });
const record = (n) => ({ n: `r${n}`, chat: `chat ${Math.floor(n / 10)}`, q: `question ${n}`, a: `answer ${n} 😀`,
                         at: Date.UTC(2026, 0, 1) + n * 1000 });
const records = (count) => Array.from({ length: count }, (_, n) => record(n));
const keep = (list) => localStorage.setItem("history", JSON.stringify(list));
const kept = () => JSON.parse(localStorage.getItem("history") ?? "[]");
const migration = (more) => new m.Migration({ source: m.localStorageArray("history"), map, token: () => token,
                                              batchRecords: 10, ...more });
const outcome = async (it, how) => {
  try { await it.run(how); } catch (error) {
    return { ...it.state, error: error.status === undefined ? error.name : error.code, status: error.status };
  }
  return it.state;
};
const database = async (list, fill) => {
  const opening = indexedDB.open("app", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("chats", { keyPath: "n" });
  const db = await new Promise((resolve) => { opening.onsuccess = () => resolve(opening.result); });
  const store = db.transaction("chats", "readwrite").objectStore("chats");
  list.forEach((one) => store.put(one));
  const asking = store.count();
  const count = await new Promise((resolve) => { asking.onsuccess = () => resolve(asking.result); });
  db.close();
  return count;
};
"""


@pytest.fixture
def app(browser: Any, server: Server, person: Client) -> Iterator[App]:
    app = App(browser, server, person.token)
    yield app
    app.context.close()
    assert app.faults == []
