// The pure parts of migrate.js, in Node: `node --test browser_tests/rules.test.mjs`, which `make test-browser` runs too.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

// Node takes a .js file for CommonJS where no package.json says otherwise: it comes as text.
const place = new URL("../conversations/static/conversations/", import.meta.url);
const module = async (name, imports = {}) => {
  let text = await readFile(new URL(name, place), "utf8");
  for (const [from, to] of Object.entries(imports)) text = text.replaceAll(`"./${from}"`, JSON.stringify(to));
  return `data:text/javascript,${encodeURIComponent(text)}`;
};
const storage = await module("migrate-storage.js");
const { fingerprint, pause, shapeOf, verdict } = await import(await module("migrate-rules.js", { "migrate-storage.js": storage }));
const { localStorageArray, localStorageKeys } = await import(storage);

const report = (more) => ({ status: "partial_success", imported_count: 0, updated_count: 0, unchanged_count: 0,
  conversations_imported: 0, conversations_updated: 0, conversations_unchanged: 0, skipped_count: 0, failed_count: 0, ...more });
const skipped = (pointer, index = 0) => ({ index, outcome: "skipped", reason: "r", detail: "d", pointer });

test("a pause is what Retry-After says, in seconds or as a date", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  assert.equal(pause(0, "7"), 7000);
  assert.equal(pause(5, "Thu, 01 Jan 2026 00:00:09 GMT", { now }), 9000);
  assert.equal(pause(5, "Wed, 31 Dec 2025 00:00:00 GMT", { now }), 0);
});

test("a pause without it doubles, within half of it, up to 30 s", () => {
  assert.deepEqual([0, 1, 2, 20].map((attempt) => pause(attempt, null, { dice: 0.5 })), [500, 1000, 2000, 30000]);
  assert.deepEqual([0, 1].map((dice) => pause(1, "soon", { dice })), [500, 1500]);
});

test("fingerprints tell texts apart", () => {
  const texts = Array.from({ length: 20000 }, (_, n) => `text ${n}`);
  assert.equal(new Set(texts.map(fingerprint)).size, texts.length);
  assert.equal(fingerprint("😀"), fingerprint("😀"));
});

test("a shape is seen, and anything else refused", () => {
  assert.equal(shapeOf({ query: "?" }), "exchanges");
  assert.equal(shapeOf({ messages: [] }), "threads");
  for (const item of [{}, 7, "text", []]) assert.throws(() => shapeOf(item), { code: "mapping_invalid" });
});

test("a verdict names the places in trouble", () => {
  const told = verdict("exchanges", 3, report({ imported_count: 1, unchanged_count: 1, skipped_count: 1 }),
    [skipped("/messages/2/query"), { index: 0, outcome: "imported", pointer: null }]);
  assert.deepEqual([...told.keys()], [2]);
  const threads = verdict("threads", 2, report({ conversations_updated: 1, failed_count: 1 }), [skipped("/1", 1)]);
  assert.deepEqual([...threads.keys()], [1]);
  assert.equal(verdict("exchanges", 2, report({ status: "success", imported_count: 2 }), []).size, 0);
});

for (const [why, size, figures, items] of [
  ["the sum is too small", 3, { imported_count: 2 }, []],
  ["the sum is too large", 1, { imported_count: 2 }, []],
  ["a trouble has no place", 1, { failed_count: 1 }, [skipped(null)]],
  ["a place is outside", 1, { failed_count: 1 }, [skipped("/messages/1")]],
  ["troubles are missing", 2, { imported_count: 1, failed_count: 1 }, []],
  ["it was cancelled", 1, { status: "cancelled", imported_count: 1 }, []],
  ["it failed, whatever it counts", 1, { status: "failed", imported_count: 1 }, []],
]) {
  test(`no verdict when ${why}`, () => assert.equal(verdict("exchanges", size, report(figures), items), null));
}

class Storage {
  #items = new Map();
  get length() { return this.#items.size; }
  key(index) { return [...this.#items.keys()][index] ?? null; }
  getItem(key) { return this.#items.get(key) ?? null; }
  setItem(key, text) { this.#items.set(key, text); }
  removeItem(key) { this.#items.delete(key); }
}

test("of equal records in a list as many go as were sent", async () => {
  const storage = new Storage();
  storage.setItem("list", "[1,2,1,1]");
  await localStorageArray("list", storage).remove([{ key: 0, record: 1 }, { key: 2, record: 1 }]);
  assert.equal(storage.getItem("list"), "[2,1]");
});

test("what is no list is refused and left alone", async () => {
  const storage = new Storage();
  for (const text of ["{}", "no json"]) {
    storage.setItem("list", text);
    await assert.rejects(localStorageArray("list", storage).entries().next(), { code: "storage_unreadable" });
    assert.equal(storage.getItem("list"), text);
  }
});

test("a key that was changed since stays", async () => {
  const storage = new Storage();
  for (const name of ["chat:1", "chat:2"]) storage.setItem(name, "1");
  const source = localStorageKeys("chat:", storage);
  const entries = [];
  for await (const entry of source.entries()) entries.push(entry);
  storage.setItem("chat:2", "2");
  await source.remove(entries);
  assert.deepEqual([storage.getItem("chat:1"), storage.getItem("chat:2")], [null, "2"]);
});
