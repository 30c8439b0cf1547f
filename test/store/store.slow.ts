// A province of 26 million people on one machine: the store is built, and lookups answer rightly (a wrong one throws). Needs 35 GB
// of disk where temporary files go. 1 and 5 million: `npm run bench -- store`.
import { expect, test } from "vitest";
import { run } from "../../bench/store.ts";

const PEOPLE = 26_000_000;

test("26 million people", async () => {
  const { runs } = await run({
    sizes: [PEOPLE],
    onProgress: (done, of) => {
      if (done % 1_000_000 === 0) process.stderr.write(`${done} of ${of}\n`);
    },
  });
  process.stdout.write(`${JSON.stringify(runs)}\n`);
  expect(runs).toMatchObject([{ people: PEOPLE }]);
});
