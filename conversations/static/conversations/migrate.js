// Moves a web app's own history (localStorage, IndexedDB) to chatstore, by POST /api/v1/imports. docs/migrate.md has
// the use, migrate.d.ts the types. Nothing local is deleted before the server confirmed it; twice is as good as once.

import { fingerprint, pause, shapeOf, verdict } from "./migrate-rules.js";
import { MigrationError } from "./migrate-storage.js";

export { MigrationError, indexedDBStore, localStorageArray, localStorageKeys } from "./migrate-storage.js";

const ENDED = new Set(["success", "partial_success", "failed", "cancelled"]);
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]); // worth another try
const POLL_MS = 500;

// --- the server ------------------------------------------------------------------------------------------------------
/** Requests with a fresh token, until there is an answer that another try would not change. Throws MigrationError. */
class Server {
  constructor({ api, token, tries, timeout, onWait }) {
    Object.assign(this, { api, token, tries, timeout, onWait });
  }

  async call(path, body, signal) {
    for (let attempt = 0, renewed = false; ; ) {
      signal.throwIfAborted();
      const bearer = await this.token({ refresh: renewed });
      const answer = await this.#once(path, body, bearer, signal);
      if (answer.ok) return answer;
      if (answer.status === 401 && !renewed) {
        renewed = true;
      } else if ((answer.status === 0 || PASSING.has(answer.status)) && ++attempt < this.tries) {
        await this.#wait(pause(attempt - 1, answer.retryAfter), answer, signal);
      } else {
        throw new MigrationError(answer.code, answer.message, { status: answer.status, cause: answer.cause });
      }
    }
  }

  async #once(path, body, bearer, signal) {
    const ending = new AbortController();
    const end = () => ending.abort();
    signal.addEventListener("abort", end);
    const timer = setTimeout(end, this.timeout);
    try {
      const headers = { Authorization: `Bearer ${bearer}`, ...(body && { "Content-Type": "application/json" }) };
      const method = body ? "POST" : "GET";
      const options = { method, headers, body, signal: ending.signal, credentials: "omit", cache: "no-store" };
      const response = await fetch(this.api + path, options);
      const { ok, status, headers: told } = response;
      const data = await response.json().catch((cause) => {
        if (ok) throw cause; // broken off: nobody knows what became of it
        return {};
      });
      const [code, message] = [data.code ?? `http_${status}`, data.detail ?? `HTTP ${status}`];
      return { ok, status, data, code, message, retryAfter: told.get("Retry-After") };
    } catch (cause) {
      signal.throwIfAborted();
      return { ok: false, status: 0, code: "unreachable", message: "The server cannot be reached", cause };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
    }
  }

  async #wait(milliseconds, answer, signal) {
    this.onWait({ until: Date.now() + milliseconds, code: answer.code });
    await slept(milliseconds, signal, answer.status === 0);
    this.onWait(null);
  }

  /** The report of an import of this body, when it has ended, and the items of it that are in trouble. */
  async imported(shape, body, signal) {
    let { data: report } = await this.call(`/imports?format=${shape}`, body, signal);
    while (!ENDED.has(report.status)) {
      await slept(POLL_MS, signal);
      ({ data: report } = await this.call(`/imports/${report.id}`, null, signal));
    }
    const told = report.skipped_count + report.failed_count;
    const items = [...report.items]; // those in trouble come first
    for (let full = true; full && told > items.length; ) {
      const page = `/imports/${report.id}/items?limit=500&offset=${items.length}`;
      const { results } = (await this.call(page, null, signal)).data;
      items.push(...results);
      full = results.length > 0;
    }
    return { report, items };
  }
}

/** Waits; where the network was away, no longer than until the browser says that it is back. */
function slept(milliseconds, signal, network = false) {
  return new Promise((resolve, reject) => {
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      globalThis.removeEventListener?.("online", finish);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    };
    const timer = setTimeout(finish, milliseconds);
    signal.addEventListener("abort", finish);
    if (network) globalThis.addEventListener?.("online", finish);
  });
}

// --- the migration ---------------------------------------------------------------------------------------------------
const START = { moved: 0, ignored: 0, failed: 0, failures: [] };
const DEFAULTS = {
  api: "/api/v1",
  memoryKey: "chatstore-migration",
  keepLocal: false,
  batchRecords: 100,
  batchBytes: 500_000, // of JSON, in UTF-16 units; the server carries out up to 2 MB at once
  tries: 8,
  timeout: 60_000,
  onProgress: () => {},
};

class Batch {
  shape = "";
  size = 0;
  entries = [];

  isFullWith(more, { batchRecords, batchBytes }) {
    const length = this.entries.length + more.length;
    const tooLarge = length > batchRecords || this.size + sizeOf(more) > batchBytes;
    return this.entries.length > 0 && (tooLarge || this.shape !== more[0].shape);
  }

  add(more) {
    this.shape = more[0].shape;
    this.size += sizeOf(more);
    for (const entry of more) this.entries.push(entry);
  }
}

function sizeOf(entries) {
  return entries.reduce((total, { text }) => total + text.length + 1, 0);
}

/** What was confirmed: how much, where it is deleted here, else its marks. If lost, all is sent again: no harm. */
class Memory {
  constructor(key) {
    this.key = key;
    const kept = this.#read();
    this.moved = kept?.moved ?? 0;
    this.marks = new Set(kept?.marks);
  }

  #read() {
    try {
      return JSON.parse(localStorage.getItem(this.key));
    } catch {
      return null;
    }
  }

  add(moved, marks) {
    this.moved += moved;
    for (const mark of marks) this.marks.add(mark);
    try {
      localStorage.setItem(this.key, JSON.stringify({ moved: this.moved, marks: [...this.marks] }));
    } catch {
      // Full: the next visit sends more than it must.
    }
  }

  forget() {
    localStorage.removeItem(this.key);
    this.moved = 0;
    this.marks.clear();
  }
}

/** Fires "change" with its `state`, which a page can render. `run()` once more goes on where it ended. */
export class Migration extends EventTarget {
  #options;
  #server;
  #memory = null;
  #failures = [];

  constructor(options) {
    super();
    this.#options = { ...DEFAULTS, ...options };
    const { api, token, tries, timeout } = this.#options;
    this.#server = new Server({ api, token, tries, timeout, onWait: (waiting) => this.#tell({ waiting }) });
    this.state = Object.freeze({ phase: "idle", total: 0, ...START, waiting: null, error: null });
  }

  /** The final state; `failures` says what stayed. Throws MigrationError, or the signal's reason. */
  async run({ signal = new AbortController().signal } = {}) {
    if (["counting", "moving"].includes(this.state.phase)) throw new Error("It is running");
    try {
      const work = () => this.#run(signal); // of two tabs one goes first; locks are missing on plain http
      await (navigator.locks ? navigator.locks.request(this.#options.memoryKey, { signal }, work) : work());
      this.#tell({ phase: "done" });
    } catch (error) {
      this.#tell({ phase: signal.aborted ? "stopped" : "failed", waiting: null, error });
      throw error;
    }
    return this.state;
  }

  async #run(signal) {
    const { source, map, keepLocal, memoryKey } = this.#options;
    this.#memory = new Memory(memoryKey); // read now: another tab may have gone on
    this.#failures = [];
    const before = keepLocal ? 0 : this.#memory.moved;
    this.#tell({ phase: "counting", total: 0, ...START, failures: this.#failures, waiting: null, error: null });
    let total = before;
    for await (const _ of source.entries()) total++;
    this.#tell({ phase: "moving", total, moved: before });
    // A session goes as a whole: its questions follow each other in the order of what comes in one request.
    const sessions = new Map();
    let batch = new Batch();
    for await (const { key, record } of source.entries()) {
      const entry = this.#entry(map, key, record);
      if (entry?.shape === "threads") batch = await this.#put(batch, [entry], signal);
      else if (sessions.has(entry?.session)) sessions.get(entry.session).push(entry);
      else if (entry) sessions.set(entry.session, [entry]);
    }
    for (const session of sessions.values()) batch = await this.#put(batch, session, signal);
    await this.#send(batch, signal);
    if (!keepLocal) this.#memory.forget();
  }

  /** The batch to go on with: another one, when this was full and has been sent. */
  async #put(batch, entries, signal) {
    signal.throwIfAborted();
    const isFull = batch.isFullWith(entries, this.#options);
    if (isFull) await this.#send(batch, signal);
    const next = isFull ? new Batch() : batch;
    next.add(entries);
    return next;
  }

  /** What is to be sent of a record; undefined when it was confirmed before, is left out or cannot be mapped. */
  #entry(map, key, record) {
    try {
      const item = map(record, key);
      if (item === null || item === undefined) return void this.#tell({ ignored: this.state.ignored + 1 });
      const shape = shapeOf(item);
      const text = JSON.stringify(shape === "threads" ? { title: null, ...item } : item); // it is known by its title
      const entry = { key, record, shape, text, session: String(item.session_id), mark: fingerprint(text) };
      if (!this.#options.keepLocal || !this.#memory.marks.has(entry.mark)) return entry;
      return void this.#tell({ moved: this.state.moved + 1 });
    } catch (error) {
      const detail = String(error?.message ?? error);
      return void this.#fail([{ key, reason: "mapping_failed", detail, pointer: null }]);
    }
  }

  /** All of a batch that the server takes; halved where it takes none, to find the one that it does not. */
  async #send({ shape, entries }, signal) {
    if (!entries.length) return;
    const bad = await this.#asked(shape, entries, signal);
    if (bad instanceof Map) return void (await this.#confirm(entries, bad));
    if (entries.length === 1) return void this.#fail([{ key: entries[0].key, ...bad }]);
    const half = Math.ceil(entries.length / 2); // depth: the logarithm of batchRecords
    await this.#send({ shape, entries: entries.slice(0, half) }, signal);
    await this.#send({ shape, entries: entries.slice(half) }, signal);
  }

  async #asked(shape, entries, signal) {
    const list = `[${entries.map((entry) => entry.text).join()}]`;
    try {
      const body = shape === "threads" ? list : `{"messages":${list}}`;
      const { report, items } = await this.#server.imported(shape, body, signal);
      const detail = report.detail || "The figures of the report do not add up";
      const unclear = { reason: report.reason || "not_confirmed", detail, pointer: null };
      return verdict(shape, entries.length, report, items) ?? unclear;
    } catch (error) {
      if (![400, 413, 422].includes(error?.status)) throw error;
      return { reason: error.code, detail: error.message, pointer: null };
    }
  }

  async #confirm(entries, bad) {
    const good = entries.filter((_, place) => !bad.has(place));
    const { keepLocal, source } = this.#options;
    if (!keepLocal && good.length) await source.remove(good);
    this.#memory.add(good.length, keepLocal ? good.map((entry) => entry.mark) : []);
    this.#fail([...bad].map(([place, why]) => ({ key: entries[place].key, ...why })));
    this.#tell({ moved: this.state.moved + good.length });
  }

  #fail(failures) {
    if (!failures.length) return;
    this.#failures.push(...failures);
    this.#tell({ failed: this.#failures.length });
  }

  #tell(change) {
    this.state = Object.freeze({ ...this.state, ...change });
    this.#options.onProgress(this.state);
    this.dispatchEvent(new CustomEvent("change", { detail: this.state }));
  }
}
