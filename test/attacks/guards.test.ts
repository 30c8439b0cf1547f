// The patches of the guards (guards.slow.ts takes them out one by one) still match the source, each exactly once, and name
// a suite that is there.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { GUARDS } from "./guards.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

test.each(GUARDS.map((guard) => [guard.guard, guard] as const))("%s", (_name, guard) => {
  expect(read(guard.file).split(guard.source)).toHaveLength(2);
  expect(guard.without).not.toContain(guard.source);
  expect(existsSync(join(ROOT, guard.test))).toBe(true);
});
