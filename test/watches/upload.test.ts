// The bound of an upload of watches: it is read to its end though nobody reads the results, and no further than so many rows.
// Failure would be an upload that waits for its reader for ever, or one that goes on for ever.
import { expect, test, vi } from "vitest";
import { silentLogger } from "../../core/log.ts";
import { takeUpload, type UploadParts } from "../../gateway/watches/watch-upload.ts";
import { resultsOf } from "./watch-client.ts";

const MAX_ROWS = 1000;

test("too many rows: those before are told, then why it broke off; nobody has to read meanwhile", async () => {
  const line = Buffer.from("{}\n");
  let read = 0;
  async function* lines(): AsyncGenerator<Buffer> {
    for (; read <= MAX_ROWS; read++) yield line;
  }
  const parts = { store: { create: async () => [] }, log: silentLogger, maxRows: MAX_ROWS };
  const results = takeUpload(lines(), parts as unknown as UploadParts);
  // Read to its end before anybody looks at the first result.
  results.read(0);
  await vi.waitUntil(() => read > MAX_ROWS, { timeout: 30_000, interval: 1 });
  const told = resultsOf((await results.toArray()).join(""));
  expect(told.at(-1)).toMatchObject({ error: { code: "body-too-large" } });
  expect(told.at(-1)?.line).toBeUndefined();
  const before = told.slice(0, -1);
  expect(before.length).toBeGreaterThan(MAX_ROWS - 93);
  expect(before.every(({ error }) => error?.code === "request-malformed")).toBe(true);
});
