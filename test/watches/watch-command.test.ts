// `wjf watch`, as processes of their own against a whole federation: what the person is asked for, what is watched, and who sees
// and ends it; and the sink's 410, from the sink to the watch.
import { execFile } from "node:child_process";
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { registerDemoInstitution } from "../../cli/demo-institution.ts";
import { readConditions } from "../../cli/watch-conditions.ts";
import { cnIdCheckCharacter } from "../../crypto/subject.ts";
import { createSinkCa, type RunningSink, startSink } from "../alerts/sink-server.ts";
import { openScene, type Scene } from "../federation/scene.ts";
import { resultsOf, type WatchState } from "./watch-client.ts";

/** For whoever waits for a machine that does much else. */
const LONG = { timeout: 60_000, interval: 200 };

interface FileResult {
  readonly refusals: Readonly<Record<string, number>>;
  readonly results: string;
}

describe("over a federation", () => {
  let folder: string;
  let scene: Scene;
  let sink: RunningSink;
  let status = 204;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "wjf-watch-"));
    const ca = await createSinkCa();
    writeFileSync(join(folder, "ca.pem"), ca.pem);
    sink = await startSink(await ca.issue(), (request, response) => {
      request.resume().on("end", () => response.writeHead(status).end());
    });
    scene = await openScene({ environment: { WJF_ALERT_SANDBOX_CA: join(folder, "ca.pem") } });
    await registerDemoInstitution(scene.federation.settings);
  }, 120_000);
  afterAll(async () => {
    await scene[Symbol.asyncDispose]();
    await sink[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  /** To people, by the last command. */
  let said = "";

  async function wjf<T = WatchState>(...args: string[]): Promise<T> {
    const { home, authorityPort, gatewayPort } = scene.federation.settings;
    const env = {
      ...process.env,
      WJF_HOME: home,
      WJF_AUTHORITY_PORT: String(authorityPort),
      WJF_GATEWAY_PORT: String(gatewayPort),
    };
    const all = ["cli/main.ts", "watch", ...args, "--json"];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, all, { env });
    said = stderr;
    return JSON.parse(stdout) as T;
  }

  const add = async (...args: string[]): Promise<WatchState> =>
    await wjf("add", "--phone", scene.msisdn(0), "--sink", sink.url, ...args);

  async function until(id: string, holds: (watch: WatchState) => boolean): Promise<WatchState> {
    return await vi.waitFor(async () => {
      const watch = await wjf("show", id);
      if (!holds(watch)) throw new Error(`still ${watch.state}`);
      return watch;
    }, LONG);
  }

  test("adds under a consent of its own, shows, lists, changes and removes", async () => {
    const conditions = ["--condition", "closed", "--condition", "sim_changed:days=30"];
    const watch = await add(...conditions, "--every", "12h", "--days", "30", "--max-events", "9");
    expect(watch).toMatchObject({ state: "active", product: "watch-phone@1", max_events: 9 });
    const approved = (await scene.leaves("consent")).filter(({ event }) => event === "approved");
    expect(approved.at(-1)).toMatchObject({
      purpose: "dpv:CustomerSolvencyMonitoring",
      products: ["watch-phone@1"],
      frequency: { unit: "HOUR", value: 1 },
      max_uses: 61,
      result: "boolean",
    });
    await until(watch.watch_id, ({ evaluated }) => evaluated !== undefined);
    expect(await scene.leaves("release")).toMatchObject([{ product: "watch-phone@1" }]);
    const { watches } = await wjf<{ watches: WatchState[] }>("list");
    expect(watches.map(({ watch_id: id }) => id)).toEqual([watch.watch_id]);
    const changed = await wjf(
      "set",
      watch.watch_id,
      "--sink",
      `${sink.url}/2`,
      "--max-events",
      "3",
    );
    expect(changed).toMatchObject({ sink: { url: `${sink.url}/2` }, max_events: 3 });
    await wjf("remove", watch.watch_id);
    expect(await wjf("show", watch.watch_id)).toMatchObject({ state: "ended", reason: "deleted" });
  });

  test("adds those of a file, and again: nobody is asked twice, the same rows are the same watches", async () => {
    const file = join(folder, "people.ndjson");
    const row = (more: object) => `${JSON.stringify({ conditions: ["closed"], ...more })}\n`;
    const [a, b] = [scene.msisdn(1), scene.msisdn(2)];
    writeFileSync(file, row({ phone: a }) + row({ phone: b, sink: "https://10.0.0.1/" }));
    const addAll = async () => await wjf<FileResult>("add", "--from", file, "--sink", sink.url);
    const consents = async () =>
      (await scene.leaves("consent")).filter(({ event }) => event === "approved").length;
    const before = await consents();
    const first = await addAll();
    expect(first).toMatchObject({ rows: 2, created: 1, present: 0, refused: 1 });
    expect(first.refusals).toEqual({ "sink-refused": 1 });
    appendFileSync(file, row({ phone: scene.msisdn(3) }));
    expect(await addAll()).toMatchObject({ rows: 3, created: 1, present: 1, refused: 1 });
    expect((await consents()) - before).toBe(3);
    const results = readFileSync(first.results, "utf8").trim().split("\n");
    expect(results.map((line) => (JSON.parse(line) as { line: number }).line)).toEqual([1, 2, 3]);
    expect(statSync(first.results).mode & 0o777).toBe(0o600);
    expect(statSync(`${file}.rows.ndjson`).mode & 0o777).toBe(0o600);
  });

  test("a row of a file that is refused holds up no other, is told, and is taken once it is mended", async () => {
    const file = join(folder, "some-refused.ndjson");
    const row = (more: object) => JSON.stringify({ conditions: ["closed"], ...more });
    const id17 = "11010119900307721";
    const lines = [
      row({ phone: scene.msisdn(1) }),
      "no row",
      row({ phone: "110" }),
      row({ id_number: `${id17}${cnIdCheckCharacter(id17)}` }),
      row({ phone: scene.msisdn(2), conditions: ["no_such_test"] }),
      row({ phone: scene.msisdn(3) }),
    ];
    const addAll = async () => {
      writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
      return await wjf<FileResult>("add", "--from", file, "--sink", sink.url);
    };
    const first = await addAll();
    expect(first).toMatchObject({ rows: 6, created: 2, present: 0, refused: 4 });
    expect(first.refusals).toEqual({ "request-malformed": 3, "person-unknown": 1 });
    for (const line of [2, 3, 5])
      expect(said).toMatch(new RegExp(`^${line} +request-malformed`, "m"));
    expect(said).toMatch(/^4 +person-unknown .*Check the number/m);
    const results = resultsOf(readFileSync(first.results, "utf8"));
    expect(new Set(results.map(({ line }) => line))).toEqual(new Set([1, 2, 3, 4, 5, 6]));
    expect(results).toHaveLength(6);
    expect(results.find(({ line }) => line === 4)?.error).toMatchObject({
      code: "person-unknown",
      next: expect.stringContaining("Check"),
    });
    // Neither of those who are refused is named.
    expect(said + readFileSync(first.results, "utf8")).not.toContain(id17);
    lines[4] = row({ phone: scene.msisdn(2) });
    const second = await addAll();
    expect(second).toMatchObject({ rows: 6, created: 1, present: 2, refused: 3 });
  });

  test("the gateway's refusals are told, and what is no watch is not asked for", async () => {
    await expect(wjf("show", crypto.randomUUID())).rejects.toThrow("route-unknown");
    await expect(wjf("remove", "../batches")).rejects.toThrow("request-malformed");
    await expect(add("--condition", "closed", "--every", "soon")).rejects.toThrow("a period");
  });

  test("a sink that answers 410 ends its watch", async () => {
    status = 410;
    const { watch_id: id } = await add("--condition", "closed");
    expect(await until(id, ({ state }) => state === "ended")).toMatchObject({
      reason: "sink-gone",
    });
  });
});

describe("conditions", () => {
  const read = (...texts: string[]) => {
    const { product, conditions } = readConditions(texts);
    return { product: product.ref, conditions };
  };

  test("tests, thresholds and claims, by the catalogue", () => {
    expect(read("watch.closed", "sim_changed:days=30")).toEqual({
      product: "watch-phone@1",
      conditions: [
        { indicator: "watch.closed", params: {}, claim: {} },
        { indicator: "watch.sim_changed", params: { days: 30 }, claim: {} },
      ],
    });
    expect(read("contact_silent:days=30,contact_msisdn=+8613800138000")).toEqual({
      product: "watch-communication@1",
      conditions: [
        {
          indicator: "watch.contact_silent",
          params: { days: 30 },
          claim: { contact_msisdn: "+8613800138000" },
        },
      ],
    });
  });

  test.each([
    ["of two products", ["closed", "left_city"]],
    ["that is none", ["no_such_test"]],
    ["outside of its range", ["sim_changed:days=91"]],
    ["with a threshold that it has not", ["closed:days=30"]],
    ["with a threshold that is no number", ["sim_changed:days=x"]],
    ["without its claim", ["contact_silent:days=30"]],
  ])("one %s is refused, without what it held", (_, texts) => {
    expect(() => readConditions(texts)).toThrow("--condition");
    expect(() => readConditions(texts)).not.toThrow(/91|no_such/);
  });
});
