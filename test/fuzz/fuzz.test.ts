// A few hundred inputs for every reader that faces the outside: each takes its input or refuses it with a documented code. The
// seed is fixed; fuzz.slow.ts does the same with more than a million inputs, and looks at memory.
import { afterAll, expect, test } from "vitest";
import { openTable } from "./table.ts";
import { fuzz } from "./target.ts";

const SEED = 6;

const table = await openTable(SEED);
afterAll(() => table[Symbol.asyncDispose]());

test.for(table.targets.map((each) => [each.name, each] as const))("%s", async ([, each]) => {
  const { watchdog } = table;
  const measure = async () => ({ live: 0, rss: 0 });
  const inputs = each.inputs.quick;
  const { accepted, refused } = await fuzz(each, { inputs, seed: SEED, watchdog, measure });
  expect(accepted + refused).toBeGreaterThanOrEqual(inputs);
});
