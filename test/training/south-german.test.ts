// South German credit over 31 provinces with the real cryptography equals central training; the whole is 1,000 people, the least
// that may be trained on. The larger data sets: real-data.slow.ts.
import { expect, test } from "vitest";
import { compareWithCentral } from "./equals-central.ts";
import { readDataSet } from "./real-data-sets.ts";

const data = readDataSet("german");

test.skipIf(data === undefined).each(["raw", "woe"] as const)(
  "South German credit, %s columns (skipped where the data is absent)",
  async (columns) => {
    const { result, relativeError, errorOfScale, standardErrorGap, aucGap, ksGap } =
      await compareWithCentral(data!, columns);
    expect(result.people).toBe(1000);
    expect(result.bad).toBe(300);
    expect(relativeError).toBeLessThan(1e-4);
    expect(errorOfScale).toBeLessThan(1e-5);
    expect(standardErrorGap).toBeLessThan(1e-5);
    expect(aucGap).toBeLessThan(1e-3);
    expect(ksGap).toBeLessThan(1e-3);
    for (const { people } of result.bins?.flatMap(({ bins }) => bins) ?? []) {
      expect(people).toBeGreaterThanOrEqual(20);
    }
  },
);
