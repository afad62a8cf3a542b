// What migrate.js moves from: a source is { entries(): AsyncIterable<{key, record}>, remove(entries): Promise }.
// remove() spares what the app has changed since it was read.

/** Why a migration ended early. `code` is the server's, or unreachable, mapping_invalid, storage_unreadable. */
export class MigrationError extends Error {
  constructor(code, message, { status = 0, cause } = {}) {
    super(message, { cause });
    Object.assign(this, { name: "MigrationError", code, status });
  }
}

/** A JSON array under one key of localStorage. */
export function localStorageArray(key, storage = globalThis.localStorage) {
  const listed = () => {
    const list = parsed(storage.getItem(key) ?? "[]", key);
    if (!Array.isArray(list)) throw new MigrationError("storage_unreadable", `${key} holds no list`);
    return list;
  };
  return {
    async *entries() {
      for (const [index, record] of listed().entries()) yield { key: index, record };
    },
    async remove(entries) {
      // By what they say: places shift when the app adds or removes. No await in between: no other tab comes in.
      const due = new Map();
      for (const { record } of entries) count(due, JSON.stringify(record), 1);
      const rest = listed().filter((record) => !taken(due, JSON.stringify(record)));
      if (rest.length) storage.setItem(key, JSON.stringify(rest));
      else storage.removeItem(key);
    },
  };
}

/** Keys of localStorage that begin alike, a JSON record each. */
export function localStorageKeys(prefix, storage = globalThis.localStorage) {
  const read = (key) => parsed(storage.getItem(key), key);
  return {
    async *entries() {
      const keys = Array.from({ length: storage.length }, (_, index) => storage.key(index));
      for (const key of keys.filter((key) => key.startsWith(prefix)).sort()) {
        if (storage.getItem(key) !== null) yield { key, record: read(key) };
      }
    },
    async remove(entries) {
      for (const { key, record } of entries) {
        if (storage.getItem(key) !== null && same(read(key), record)) storage.removeItem(key);
      }
    },
  };
}

/** An object store of IndexedDB, read in slices, so that a long history never is in memory as a whole. */
export function indexedDBStore(database, store, { slice = 500 } = {}) {
  return {
    async *entries() {
      for (let after = null, full = true; full; ) {
        const [keys, records] = await sliceOf(database, store, after, slice); // closed between: sending takes long
        for (const [index, key] of keys.entries()) yield { key, record: records[index] };
        full = keys.length === slice;
        after = keys.at(-1);
      }
    },
    async remove(entries) {
      const db = await opened(database, store);
      if (!db) return;
      try {
        const transaction = db.transaction(store, "readwrite");
        const writing = transaction.objectStore(store);
        for (const { key, record } of entries) {
          const asking = writing.get(key);
          asking.onsuccess = () => {
            if (same(asking.result, record)) writing.delete(key);
          };
        }
        await new Promise((resolve, reject) => {
          transaction.oncomplete = resolve;
          transaction.onabort = () => reject(transaction.error);
        });
      } finally {
        db.close();
      }
    },
  };
}

async function sliceOf(database, store, after, slice) {
  const db = await opened(database, store);
  if (!db) return [[], []];
  try {
    const reading = db.transaction(store).objectStore(store);
    const range = after === null ? null : IDBKeyRange.lowerBound(after, true);
    return await Promise.all([reading.getAllKeys(range, slice), reading.getAll(range, slice)].map(settled));
  } finally {
    db.close();
  }
}

/** The database, or null where it or its store was never made: looking must not create it. */
async function opened(database, store) {
  const asking = indexedDB.open(database);
  asking.onupgradeneeded = () => asking.transaction.abort();
  const db = await settled(asking).catch((error) => {
    if (error?.name === "AbortError") return null;
    throw new MigrationError("storage_unreadable", `${database} cannot be opened`, { cause: error });
  });
  if (db?.objectStoreNames.contains(store)) return db;
  db?.close();
  return null;
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function parsed(text, key) {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MigrationError("storage_unreadable", `${key} holds no JSON`, { cause });
  }
}

function same(one, other) {
  try {
    return JSON.stringify(one) === JSON.stringify(other);
  } catch {
    return false; // a BigInt, a circle: it stays
  }
}

function count(map, key, by) {
  map.set(key, (map.get(key) ?? 0) + by);
}

function taken(due, key) {
  const found = (due.get(key) ?? 0) > 0;
  if (found) count(due, key, -1);
  return found;
}
