"""docs/migrate.md in Chromium: everything moves once, whatever happens on the way, and nothing is deleted too early."""

from typing import Any

import psycopg
import pytest

from browser_tests.conftest import App
from chatstore.development import BASE_DIR
from chatstore.tests.served import PASSWORD, Client, served


def messages(person: Client) -> list[dict[str, Any]]:
    """All that the server has, in the order of the conversations' ids."""
    person.close()  # its connection may have ended with a worker
    listed = person.ask("GET", "/conversations?limit=100").json()["results"]
    pages = [person.ask("GET", f"/conversations/{one['id']}/messages?limit=500").json() for one in listed]
    return [message for page in pages for message in page["results"]]


def assert_all_came_in_once(person: Client, count: int) -> None:
    said = sorted(message["content"] for message in messages(person))
    assert said == sorted(text for n in range(count) for text in (f"question {n}", f"answer {n} 😀"))


def test_local_storage_moves_with_progress(app, person):
    told = app.run("""
        keep(records(300).map((one, n) => ({ ...one, chat: `chat ${n % 30}` })));
        const seen = [];
        const it = migration({ onProgress: (state) => seen.push([state.phase, state.moved]) });
        const events = [];
        it.addEventListener("change", ({ detail }) => events.push(detail.moved));
        const state = await it.run();
        return { seen, events, state, left: kept().length, keys: Object.keys(localStorage) };
    """)
    moved = [figure for phase, figure in told["seen"] if phase == "moving"]
    assert moved == sorted(moved)
    assert set(range(0, 301, 10)) <= set(moved)
    assert told["events"] == [figure for _, figure in told["seen"]]
    assert [told["state"][name] for name in ("phase", "total", "moved", "failed")] == ["done", 300, 300, 0]
    assert (told["left"], told["keys"]) == (0, [])
    assert_all_came_in_once(person, 300)


def test_indexed_db_moves_in_slices(app, person):
    told = app.run("""
        await database(records(300));
        const source = m.indexedDBStore("app", "chats", { slice: 70 });
        const state = await migration({ source, batchRecords: 40 }).run();
        return { moved: state.moved, left: await database([]) };
    """)
    assert told == {"moved": 300, "left": 0}
    assert_all_came_in_once(person, 300)


def test_keys_that_begin_alike_move_as_threads(app, person):
    told = app.run("""
        for (const n of [1, 2, 3]) localStorage.setItem(`chat:${n}`, JSON.stringify({ n, said: [`Hello ${n}`, "Hi"] }));
        localStorage.setItem("chat:9", JSON.stringify({ n: 9, said: [] }));
        localStorage.setItem("theme", "dark");
        const thread = ({ n, said }) => ({ id: n, messages: said.map((content, place) => (
          { role: place % 2 ? "assistant" : "user", content })) });
        const state = await migration({ source: m.localStorageKeys("chat:"), map: thread }).run();
        return { moved: state.moved, failures: state.failures, keys: Object.keys(localStorage).sort() };
    """)
    assert (told["moved"], told["keys"]) == (3, ["chat:9", "theme"])
    assert [(one["key"], one["reason"]) for one in told["failures"]] == [("chat:9", "no_messages")]
    assert len(messages(person)) == 6


def test_a_database_that_is_not_there_is_not_made(app):
    told = app.run("""
        const state = await migration({ source: m.indexedDBStore("nothing", "chats") }).run();
        return { total: state.total, names: (await indexedDB.databases()).map((one) => one.name) };
    """)
    assert told == {"total": 0, "names": []}


def test_bad_items_stay_and_are_reported_and_the_rest_moves(app, person):
    told = app.run("""
        const list = records(30);
        list[3].q = "";
        list[14].at = "no moment";
        list[25] = null;
        keep(list);
        const state = await migration().run();
        return { moved: state.moved, failures: state.failures, left: kept() };
    """)
    assert told["moved"] == 27
    assert sorted((one["key"], one["reason"]) for one in told["failures"]) == [
        (3, "query_missing"),
        (14, "timestamp_invalid"),
        (25, "mapping_failed"),
    ]
    assert [one and one["n"] for one in told["left"]] == ["r3", "r14", None]
    assert len(messages(person)) == 54


def test_more_troubles_than_a_report_shows_at_once(app):
    told = app.run("""
        keep(records(400).map((one, n) => (n % 2 ? one : { ...one, q: "" })));
        const state = await migration({ batchRecords: 400 }).run();
        return { moved: state.moved, failed: state.failed, left: kept().length };
    """)
    assert told == {"moved": 200, "failed": 200, "left": 200}


def test_records_that_say_the_same_all_go(app, person):
    told = app.run("""
        const one = { chat: "c", q: "Again?", a: "Again.", at: 1767225600000 };
        keep([one, one, { ...one, q: "Other?" }, one]);
        return { state: await outcome(migration()), left: kept() };
    """)
    assert (told["state"]["moved"], told["left"]) == (4, [])
    assert len(messages(person)) == 8


def test_the_second_run_changes_nothing(app, person):
    told = app.run("""
        keep(records(40));
        await migration({ keepLocal: true }).run();
        let asked = 0;
        const again = await migration({ keepLocal: true, token: () => { asked++; return token; } }).run();
        localStorage.removeItem("chatstore-migration");
        const forgotten = await migration().run();
        return { again: again.moved, asked, forgotten: forgotten.moved, left: kept().length };
    """)
    assert told == {"again": 40, "asked": 0, "forgotten": 40, "left": 0}
    assert_all_came_in_once(person, 40)


def test_a_reload_in_the_middle_goes_on(app, person):
    app.page.evaluate("() => { window.sent = 0; }")
    app.run("""
        keep(records(300));
        window.going = migration({ token: async () => {
          if (window.sent++ >= 12) await new Promise(() => {});
          return token;
        } }).run();
    """)
    app.page.wait_for_function("() => window.sent > 12")
    app.page.reload()
    told = app.run("""
        const before = kept().length, seen = [];
        const state = await migration({ onProgress: ({ phase, moved }) => phase === "moving" && seen.push(moved),
        }).run();
        return { before, total: state.total, moved: state.moved, first: seen[0], left: kept().length };
    """)
    assert told == {"before": 180, "total": 300, "moved": 300, "first": 120, "left": 0}
    assert_all_came_in_once(person, 300)


def test_an_abort_stops_and_keeps_the_rest(app, person):
    told = app.run("""
        keep(records(50));
        const ending = new AbortController();
        const it = migration({ onProgress: ({ moved }) => moved >= 20 && ending.abort() });
        const state = await outcome(it, { signal: ending.signal });
        const left = kept().length;
        return { phase: state.phase, error: state.error, left, moved: (await it.run()).moved };
    """)
    assert told == {"phase": "stopped", "error": "AbortError", "left": 30, "moved": 50}
    assert_all_came_in_once(person, 50)


def test_what_the_app_changes_meanwhile_stays(app):
    told = app.run("""
        keep(records(10));
        const token_ = () => {
          keep([{ n: "new" }, ...kept().map((one) => (one.n === "r4" ? { ...one, a: "edited" } : one))]);
          return token;
        };
        await migration({ token: token_ }).run();
        return kept().map((one) => [one.n, one.a]);
    """)
    assert told == [["new", None], ["r4", "edited"]]


FAULTS = ("kill", "postgres", "offline")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_middle_is_waited_for(app, person, server, fault):
    def strike() -> None:
        if fault == "kill":
            server.kill_worker()
        elif fault == "postgres":
            server.stop_postgres()
        else:
            app.context.set_offline(True)

    app.run("""
        keep(records(300));
        window.waits = [];
        window.moved = 0;
        let asked = 0;
        const slow = async () => {
          if (++asked === 12) { window.ready = true; await new Promise((resolve) => { window.go = resolve; }); }
          return token;
        };
        window.done = outcome(migration({ token: slow, tries: 20, onProgress: (state) => {
          window.moved = state.moved;
          if (state.waiting) window.waits.push(state.waiting.code);
        } }));
    """)
    app.page.wait_for_function("() => window.ready")
    strike()
    app.page.evaluate("() => window.go()")
    if fault != "kill":  # the supervisor brings a killed worker back at once
        app.page.wait_for_function("() => window.waits.length > 1")
        assert app.page.evaluate("() => window.moved") == 110
    if fault == "postgres":
        server.start_postgres()
    elif fault == "offline":
        app.context.set_offline(False)
    state = app.page.evaluate("() => window.done")
    assert (state["phase"], state["moved"], state["waiting"]) == ("done", 300, None)
    assert_all_came_in_once(person, 300)


def test_a_server_that_stays_away_ends_it_and_nothing_is_deleted(app):
    app.run("keep(records(20)); return true;")
    app.run("window.it = migration({ tries: 2 });")
    app.context.set_offline(True)
    state = app.page.evaluate(
        "async () => { await window.it.run().catch((e) => { window.code = e.code; }); return window.it.state; }"
    )
    assert (state["phase"], app.page.evaluate("() => window.code")) == ("failed", "unreachable")
    assert app.page.evaluate("() => JSON.parse(localStorage.history).length") == 20


def test_an_expired_token_is_asked_for_again(app, person):
    told = app.run("""
        keep(records(20));
        const asked = [];
        const renewed = ({ refresh }) => { asked.push(refresh); return refresh ? token : "old"; };
        const state = await migration({ token: renewed }).run();
        return { asked, moved: state.moved };
    """)
    assert told == {"asked": [False, True, False, True], "moved": 20}


def test_401_ends_it_and_nothing_is_deleted(app):
    told = app.run("""
        keep(records(20));
        const state = await outcome(migration({ token: () => "nobody's" }));
        return { phase: state.phase, status: state.status, code: state.error, left: kept().length };
    """)
    assert told == {"phase": "failed", "status": 401, "code": "token_invalid", "left": 20}


def test_500_ends_it_and_nothing_is_deleted(app, person, server):
    def rename(old: str, new: str) -> None:
        with psycopg.connect(server.dsn) as connection:
            connection.execute(f"ALTER TABLE {old} RENAME TO {new}")

    app.run("keep(records(20));")
    rename("conversations_importjob", "away")
    try:
        told = app.run("""
            const state = await outcome(migration({ tries: 2 }));
            return { phase: state.phase, status: state.status, left: kept().length };
        """)
    finally:
        rename("away", "conversations_importjob")
    assert told == {"phase": "failed", "status": 500, "left": 20}
    assert app.run("return (await migration().run()).moved;") == 20


def test_413_is_halved_and_what_is_too_large_by_itself_stays(browser):
    with served(
        CHATSTORE_IMPORT_MAX_BYTES="1000", CHATSTORE_MAX_BODY_BYTES="1000", CHATSTORE_IMPORT_INLINE_BYTES="1"
    ) as server:
        person = server.signed_in()
        app = App(browser, server, person.token)
        told = app.run("""
            keep(records(20).map((one, n) => ({ ...one, chat: one.n, a: n === 11 ? "x".repeat(2000) : one.a })));
            const state = await migration().run();
            return { moved: state.moved, failures: state.failures, left: kept().map((one) => one.n) };
        """)
        app.context.close()
        assert (told["moved"], told["left"]) == (19, ["r11"])
        assert [(one["key"], one["reason"]) for one in told["failures"]] == [(11, "body_too_large")]
        # Everything above one byte was carried out by a worker: 202, and asked for until it had ended.
        assert len(messages(person)) == 38
        person.close()


def test_retry_after_is_heard(browser):
    with served(CHATSTORE_THROTTLE_RATES="user=12/min") as server:
        person = server.signed_in()
        person.close()
        app = App(browser, server, person.token)
        told = app.run("""
            keep(records(200));
            const waits = [], began = Date.now(), ending = new AbortController();
            const state = await outcome(migration({ onProgress: ({ waiting }) => {
              if (waiting) { waits.push([waiting.code, waiting.until - Date.now()]); ending.abort(); }
            } }), { signal: ending.signal });
            return { waits, left: kept().length, moved: state.moved };
        """)
        app.context.close()
        ((code, milliseconds),) = told["waits"]
        assert code == "throttled"
        assert 900 <= milliseconds <= 60_000
        assert told["left"] == 200 - told["moved"] > 0


def test_the_example_page_works_as_it_stands(browser, server):
    person = server.signed_in("example@example.com")
    app = App(browser, server, person.token, (BASE_DIR / "docs" / "migrate-example.html").read_text(encoding="utf-8"))
    app.run("""
        const opening = indexedDB.open("my-app", 1);
        opening.onupgradeneeded = () => opening.result.createObjectStore("history", { keyPath: "id" });
        const db = await new Promise((resolve) => { opening.onsuccess = () => resolve(opening.result); });
        const writing = db.transaction("history", "readwrite");
        for (const id of [1, 2, 3]) writing.objectStore("history").put(
          { id, chatId: 1, question: id === 2 ? "" : "Why?", answer: "So.", askedAt: 1767225600000 + id });
        await new Promise((resolve) => { writing.oncomplete = resolve; });
        db.close();
    """)
    app.page.fill("[name=email]", "example@example.com")
    app.page.fill("[name=password]", PASSWORD)
    app.page.click("text=Sign in and move")
    app.page.wait_for_selector("#failures li")
    told = app.page.inner_text("#told"), app.page.inner_text("#failures")
    app.context.close()
    assert app.faults == []
    assert told == ("2 moved, 1 could not be and are still here", "2: The query is no text, or an empty one.")
    assert len(messages(person)) == 4
    person.close()
