// A node's files on a disk that is full: SQLite rolls back by itself then, and what fails is called what it is. Failure: another error
// in its place, or a part of what was to be kept together.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { systemClock } from "../../core/clock.ts";
import { BaselineStore } from "../../province-node/baseline-store.ts";
import { FanOutMemory } from "../../province-node/fan-out-memory.ts";
import { TrainingStore } from "../../province-node/training/training-store.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wjf-full-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What is opened, on a disk on which its file may not grow. */
function onFullDisk<T>(open: () => T): T {
  const exec = vi.spyOn(DatabaseSync.prototype, "exec");
  const opened = open();
  const [db] = exec.mock.contexts as DatabaseSync[];
  exec.mockRestore();
  db?.exec("PRAGMA max_page_count = 1");
  return opened;
}

test("of fan-outs that were answered", () => {
  const path = join(folder, "fan-outs.db");
  using memory = onFullDisk(() => FanOutMemory.open(path));
  const roster = memory.atomically(() => memory.begin(randomBytes(32), 1));
  const many = (): void => {
    for (let i = 0; i < 1000; i++) memory.add(roster, randomBytes(12));
  };
  expect(() => memory.atomically(many)).toThrow("database or disk is full");
  expect(memory.live()).toMatchObject([{ fanOuts: 0 }]);
  memory.atomically(() => memory.add(roster, randomBytes(12)));
  expect(memory.live()).toMatchObject([{ fanOuts: 1 }]);
});

test("of what numbers were when a watch began", () => {
  const path = join(folder, "baselines.db");
  using store = onFullDisk(() => BaselineStore.open(path, systemClock));
  const rows = Array.from({ length: 1000 }, () => [randomBytes(32).toString("hex"), "[]"] as const);
  expect(() => store.keep(new Map(rows))).toThrow("database or disk is full");
  const [[key]] = rows as [(typeof rows)[0]];
  expect(store.find(Buffer.from(key, "hex"))).toBeUndefined();
  store.keep(new Map([[key, "[]"]]));
  expect(store.find(Buffer.from(key, "hex"))).toBe("[]");
});

test("of training jobs", () => {
  using store = onFullDisk(() => TrainingStore.open(folder));
  const none = Buffer.alloc(0);
  store.add({ id: "job", client: "bank", statement: none, signature: none }, 0, 1);
  const block = { labels: randomBytes(100_000), tags: none, commitments: none };
  expect(() => store.addBlock("job", 0, block)).toThrow("database or disk is full");
  expect(store.find("job")).toMatchObject({ blocks: 0 });
});
