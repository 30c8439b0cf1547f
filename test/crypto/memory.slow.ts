// The requirement itself: 100,000 encrypt-add-decrypt rounds do not grow memory, neither SEAL's nor the process's.
import { expect, test } from "vitest";
import { encryptAddDecrypt, watchScheme } from "./wasm-memory.ts";

/** Noise of the JavaScript heap around a steady state. */
const RESIDENT_SLACK_BYTES = 64 * 1024 * 1024;

test("100,000 encrypt-add-decrypt rounds do not grow memory", async () => {
  const { scheme, memory } = await watchScheme();
  using _scheme = scheme;
  encryptAddDecrypt(scheme, 2000);
  const [wasm, resident] = [memory.buffer.byteLength, process.memoryUsage.rss()];
  encryptAddDecrypt(scheme, 100_000);
  expect(memory.buffer.byteLength).toBe(wasm);
  expect(process.memoryUsage.rss() - resident).toBeLessThan(RESIDENT_SLACK_BYTES);
});
