// Issue 4, must show 5: a load killed at any moment leaves the old store serving, and a rerun finishes; a day that is
// loaded twice changes nothing. Failure is: no store, a store that does not open, or one that is neither old nor new.
// Not a failure: files of a dead load beside the store, until the next load removes them.
import { spawn } from "node:child_process";
import { existsSync, readdirSync, rmSync, watch } from "node:fs";
import { describe, expect, it } from "vitest";
import { subjectTag } from "../../crypto/subject.ts";
import { FeatureStore } from "../../province-node/feature-store.ts";
import { loadProvince, type LoadReport } from "../../province-node/load/load.ts";
import { ASOF, CALLS, CATALOGUE, Folder, SUBJECT_KEY, SUBSCRIBERS } from "./load-fixture.ts";

// Every other step in the quick suite: each takes a process and three loads.
const STRIDE = process.env["WJF_SLOW"] ? 1 : 2;
const NEXT = "2026-06-02";
const who = "+8613800000001";

function optionsFor(folder: Folder, asof: string) {
  return {
    rawDir: folder.at("raw"),
    storePath: folder.at("home", "node.store"),
    historyPath: folder.at("home", "history.duckdb"),
    rejectsDir: folder.at("rejects"),
    asof,
  };
}

function load(folder: Folder, asof: string): Promise<LoadReport> {
  return loadProvince({
    ...optionsFor(folder, asof),
    subjectKey: SUBJECT_KEY,
    catalogue: CATALOGUE,
  });
}

function state(folder: Folder): { asof: string; calls: number | null | undefined } {
  using store = FeatureStore.open(folder.at("home", "node.store"), CATALOGUE);
  const record = store.lookup(subjectTag(SUBJECT_KEY, "msisdn", who))?.numbers[0];
  return { asof: store.meta.asof, calls: record?.values[0] };
}

/** Two days: the first loaded, the second lying ready. */
async function prepared(): Promise<Folder> {
  const folder = new Folder();
  folder.table("subscriber", SUBSCRIBERS);
  folder.table("call", CALLS);
  await load(folder, ASOF);
  folder.table("call", [`${who},2026-06-01 09:00:00,95588,in,5,c1,110100,false`]);
  return folder;
}

function runChild(
  folder: Folder,
  dieAt: number,
  onStart?: (kill: () => void) => void,
): Promise<string> {
  const script = new URL("load-child.ts", import.meta.url).pathname;
  const child = spawn(
    process.execPath,
    [script, JSON.stringify({ ...optionsFor(folder, NEXT), dieAt })],
    {
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  onStart?.(() => child.kill("SIGKILL"));
  let out = "";
  child.stdout.on("data", (text: Buffer) => (out += text.toString()));
  return new Promise((resolve) => child.on("close", (_code, signal) => resolve(signal ?? out)));
}

const OLD = { asof: ASOF, calls: 4 };
const NEW = { asof: NEXT, calls: 5 };

describe("a load that is killed", () => {
  it(
    "at any step leaves the old store serving, and a rerun finishes",
    { timeout: 120_000 },
    async () => {
      using whole = await prepared();
      const steps = Number(await runChild(whole, 0));
      expect(steps).toBeGreaterThan(5);
      expect(state(whole)).toEqual(NEW);
      for (let dieAt = 1; dieAt <= steps; dieAt += STRIDE) {
        using folder = await prepared();
        expect(await runChild(folder, dieAt)).toBe("SIGKILL");
        expect(state(folder)).toEqual(OLD);
        await load(folder, NEXT);
        expect(state(folder)).toEqual(NEW);
        expect(readdirSync(folder.at("home")).sort()).toEqual(["history.duckdb", "node.store"]);
      }
    },
  );

  it(
    "while the new store is being written leaves the old or the new one, whole",
    { timeout: 60_000 },
    async () => {
      using folder = await prepared();
      const ended = await runChild(folder, 0, (kill) => {
        const watcher = watch(folder.at("home"), (_event, name) => {
          if (!name?.startsWith("node.store.building-")) return;
          watcher.close();
          kill();
        });
      });
      expect(ended).toBe("SIGKILL");
      expect([OLD, NEW]).toContainEqual(state(folder));
      await load(folder, NEXT);
      expect(state(folder)).toEqual(NEW);
    },
  );
});

describe("loading by day", () => {
  it("adds a day, and changes nothing when the day comes again", async () => {
    using folder = await prepared();
    await load(folder, NEXT);
    expect(state(folder)).toEqual(NEW);
    const before = records(folder);
    const again = await load(folder, NEXT);
    expect(again.rejected).toBe(0);
    expect(records(folder)).toEqual(before);
    // And once more with the first day, in another order.
    folder.table("call", CALLS.toReversed());
    await load(folder, NEXT);
    expect(records(folder)).toEqual(before);
  });

  it("takes a corrected row for the one with the same key", async () => {
    using folder = await prepared();
    folder.table("call", [(CALLS[0] as string).replace(",90,", ",600,")]);
    rmSync(folder.at("raw", "subscriber.csv"));
    const report = await load(folder, NEXT);
    expect(report.tables).toEqual(expect.arrayContaining(["subscriber", "call"]));
    using store = FeatureStore.open(folder.at("home", "node.store"), CATALOGUE);
    const record = store.lookup(subjectTag(SUBJECT_KEY, "msisdn", who))?.numbers[0];
    expect(record?.values[0]).toBe(4);
    expect(record?.lists["contacts"]?.[0]).toMatchObject({ calls: 2, minutes: 105 });
  });

  it("replaces the tables that state the present, and forgets what has aged out", async () => {
    using folder = await prepared();
    folder.table("subscriber", SUBSCRIBERS.slice(1));
    await load(folder, "2030-01-01");
    using store = FeatureStore.open(folder.at("home", "node.store"), CATALOGUE);
    expect(store.lookup(subjectTag(SUBJECT_KEY, "msisdn", who))).toBeUndefined();
    const other = store.lookup(subjectTag(SUBJECT_KEY, "msisdn", "+8613900000003"))?.numbers[0];
    expect(other?.values[0]).toBe(0);
    expect(existsSync(folder.at("home", "history.duckdb"))).toBe(true);
  });
});

function records(folder: Folder): unknown {
  using store = FeatureStore.open(folder.at("home", "node.store"), CATALOGUE);
  return ["+8613800000001", "+8613800000002", "+8613900000003"].map((msisdn) =>
    store.lookup(subjectTag(SUBJECT_KEY, "msisdn", msisdn)),
  );
}
