// What an upload of watches may cost: it is read no further than so many rows, and no further than its first ones when nothing in them is an
// institution's; it never waits for somebody to read its results. Failure would be an upload that goes on, or waits, for ever.
import { expect, test, vi } from "vitest";
import { ManualClock } from "../../core/clock.ts";
import { silentLogger } from "../../core/log.ts";
import { takeUpload, type UploadParts } from "../../gateway/watches/watch-upload.ts";
import { resultsOf } from "./watch-client.ts";

async function upload(maxRows: number) {
  let read = 0;
  let over = false;
  async function* lines(): AsyncGenerator<Buffer> {
    try {
      for (; read < 1000; read++) yield Buffer.from("{}\n");
    } finally {
      over = true;
    }
  }
  const origin = "https://party.example";
  const view = { current: () => ({ roster: { issuer: origin, audience: origin }, tokenKeys: {} }) };
  const store = { create: async () => [] };
  const parts = { store, view, log: silentLogger, clock: new ManualClock(0), maxRows };
  const results = takeUpload(lines(), parts as unknown as UploadParts);
  results.read(0);
  // Over before anybody looks at the first result.
  await vi.waitUntil(() => over, { timeout: 30_000, interval: 1 });
  return { read, told: resultsOf((await results.toArray()).join("")) };
}

test("nothing of an institution's in the first rows: those are told, and no more is read", async () => {
  const { read, told } = await upload(100_000);
  expect(read).toBeLessThan(1000);
  expect(told.at(-1)).toMatchObject({ error: { code: "request-malformed" } });
  expect(told.at(-1)?.line).toBeUndefined();
  const before = told.slice(0, -1);
  expect(before.length).toBeGreaterThan(0);
  expect(before.every(({ line, error }) => line && error?.code === "request-malformed")).toBe(true);
});

test("too many rows: told, and no more is read", async () => {
  const { read, told } = await upload(50);
  expect(read).toBeLessThan(1000);
  expect(told).toMatchObject([{ error: { code: "body-too-large" } }]);
});
