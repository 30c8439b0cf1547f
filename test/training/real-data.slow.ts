// UCI default and Sichuan fraud over 31 provinces with the real cryptography, against central training of the same rows.
import { expect, test } from "vitest";
import { compareWithCentral } from "./equals-central.ts";
import { readDataSet } from "./real-data-sets.ts";

for (const name of ["uci", "sichuan"] as const) {
  const data = readDataSet(name);
  test.skipIf(data === undefined).each(["raw", "woe"] as const)(
    `${name}, %s columns (skipped where the data is absent)`,
    async (columns) => {
      const { relativeError, standardErrorGap, aucGap, ksGap } = await compareWithCentral(
        data!,
        columns,
      );
      expect(standardErrorGap).toBeLessThan(1e-4);
      expect(relativeError).toBeLessThan(1e-4);
      expect(aucGap).toBeLessThan(1e-3);
      expect(ksGap).toBeLessThan(1e-3);
    },
  );
}
