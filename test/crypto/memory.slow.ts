// The requirement itself: 100,000 encrypt-add-decrypt rounds do not grow memory, neither SEAL's nor the process's.
import { expect, test } from "vitest";
import { encryptAddDecrypt, watchScheme } from "./wasm-memory.ts";

/** Noise of the JavaScript heap around a steady state. */
const RESIDENT_SLACK_BYTES = 64 * 1024 * 1024;

test("100,000 encrypt-add-decrypt rounds do not grow memory", async () => {
  using watched = await watchScheme();
  const { scheme } = watched;
  encryptAddDecrypt(scheme, 2000);
  const [wasm, resident] = [watched.memoryBytes(), process.memoryUsage.rss()];
  encryptAddDecrypt(scheme, 100_000);
  expect(watched.memoryBytes()).toBe(wasm);
  expect(process.memoryUsage.rss() - resident).toBeLessThan(RESIDENT_SLACK_BYTES);
});
