// The parts of migrate.js that neither ask a server nor touch a storage.

import { MigrationError } from "./migrate-storage.js";

const CAME_IN = new Set(["imported", "updated", "unchanged"]);

/** 106 bits of a text: crypto.subtle is missing on plain http. Not against forgers. */
export function fingerprint(text) {
  return [1, 2].map((seed) => cyrb53(text, seed).toString(36)).join("");
}

// bryc, cyrb53 (public domain), https://github.com/bryc/code/blob/master/jshash/experimental/cyrb53.js
function cyrb53(text, seed) {
  let [high, low] = [0xdeadbeef ^ seed, 0x41c6ce57 ^ seed];
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    high = Math.imul(high ^ unit, 2654435761);
    low = Math.imul(low ^ unit, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return 4294967296 * (2097151 & low) + (high >>> 0);
}

/** Milliseconds until the next try: as Retry-After says (seconds or a date), else 0.5, 1, 2 … 30 s, give or take half. */
export function pause(attempt, retryAfter, { now = Date.now(), dice = Math.random() } = {}) {
  const asked = retryAfter?.trim();
  if (asked && /^\d+$/.test(asked)) return Number(asked) * 1000;
  const until = asked ? Date.parse(asked) : NaN;
  if (!Number.isNaN(until)) return Math.max(0, until - now);
  return Math.min(30_000, 500 * 2 ** attempt) * (0.5 + dice);
}

/** The shape of a mapped record; every batch has one shape. Throws MigrationError for what is neither. */
export function shapeOf(item) {
  if (item && typeof item === "object" && Array.isArray(item.messages)) return "threads";
  if (item && typeof item === "object" && "query" in item) return "exchanges";
  throw new MigrationError("mapping_invalid", "map() must give an exchange, a thread or null");
}

/** What a report says of a batch of `size`: the places that failed, with why. null: the figures do not add up. */
export function verdict(shape, size, report, items) {
  if (!["success", "partial_success", "failed"].includes(report.status)) return null;
  const bad = new Map();
  for (const item of items.filter((item) => !CAME_IN.has(item.outcome))) {
    const listed = /^\/messages\/(\d+)/.exec(item.pointer ?? "");
    const place = shape === "threads" ? item.index : listed ? Number(listed[1]) : -1;
    if (!(place >= 0 && place < size) || bad.has(place)) return null;
    bad.set(place, { reason: item.reason, detail: item.detail, pointer: item.pointer });
  }
  const of = shape === "threads" ? "conversations" : "";
  const came = ["imported", "updated", "unchanged"].map((what) => report[of ? `${of}_${what}` : `${what}_count`]);
  const told = report.skipped_count + report.failed_count;
  const sum = came.reduce((total, figure) => total + figure, 0) + told;
  if (sum !== size || told !== bad.size || (report.status === "failed" && told !== size)) return null;
  return bad;
}
