export type Json = null | boolean | number | string | Json[] | { [name: string]: Json | undefined };

/** A question and its answer. All of one session_id go in one request, in the order of their times. */
export interface Exchange {
  id?: string | number; // without it the server knows it again by what it says
  session_id: string | number;
  query: string;
  response: string | null;
  timestamp?: string | number; // ISO 8601, seconds or milliseconds
  model_used?: string;
  tokens_used?: number | null;
  cost_cents?: number | string | null;
  response_cached?: boolean | null;
  response_time_ms?: number | null;
  language?: string;
  [more: string]: unknown;
}

export interface Thread {
  id?: string | number;
  title?: string | null;
  messages: { role: string; content: unknown; created_at?: string | number; [more: string]: unknown }[];
  [more: string]: unknown;
}

export interface Entry<Stored> {
  key: IDBValidKey;
  record: Stored;
}

/** What to move from. remove() must spare what has changed since it was read. */
export interface Source<Stored> {
  entries(): AsyncIterable<Entry<Stored>>;
  remove(entries: Entry<Stored>[]): Promise<void>;
}

export function localStorageArray<Stored = Json>(key: string, storage?: Storage): Source<Stored>;
export function localStorageKeys<Stored = Json>(prefix: string, storage?: Storage): Source<Stored>;
export function indexedDBStore<Stored = unknown>(
  database: string,
  store: string,
  options?: { slice?: number },
): Source<Stored>;

export interface Failure {
  key: IDBValidKey;
  reason: string; // the server's, or mapping_failed, not_confirmed
  detail: string;
  pointer: string | null; // RFC 6901, into the request that was sent
}

export interface MigrationState {
  readonly phase: "idle" | "counting" | "moving" | "done" | "stopped" | "failed";
  readonly total: number; // records, those moved before a reload included
  readonly moved: number; // confirmed by the server and, without keepLocal, deleted here
  readonly ignored: number; // map() gave null
  readonly failed: number;
  readonly failures: readonly Failure[]; // grows while it runs
  readonly waiting: { readonly until: number; readonly code: string } | null; // ms since 1970; why
  readonly error: unknown;
}

export interface MigrationOptions<Stored> {
  source: Source<Stored>;
  map(record: Stored, key: IDBValidKey): Exchange | Thread | null | undefined;
  /** An access token. `refresh`: the last one was refused with 401. */
  token(why: { refresh: boolean }): string | Promise<string>;
  api?: string; // "/api/v1"
  memoryKey?: string; // "chatstore-migration"; name the account in it where several share a browser
  keepLocal?: boolean; // false
  batchRecords?: number; // 100; a session is never divided for it
  batchBytes?: number; // 500,000
  tries?: number; // 8
  timeout?: number; // 60,000 ms for a request
  onProgress?(state: MigrationState): void;
}

export class MigrationError extends Error {
  readonly code: string;
  readonly status: number; // 0: there was no answer
}

export class Migration<Stored = unknown> extends EventTarget {
  constructor(options: MigrationOptions<Stored>);
  readonly state: MigrationState;
  run(options?: { signal?: AbortSignal }): Promise<MigrationState>;
}
