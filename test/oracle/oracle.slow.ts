// Issue 4, must-show 1: for more than 2,000 generated people over 31 provinces, and for wild rows as of awkward days,
// every indicator, product, parameter edge and combination equals the oracle. What counts as failure: one difference,
// or an answer that never turned out both ways. What does not: how long it takes.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { PROVINCES } from "../../core/provinces.ts";
import { generateSandbox, type TruthPerson } from "../../province-node/sandbox/generate.ts";
import { Keystream, sandboxKey } from "../../province-node/sandbox/keystream.ts";
import { Oracle, type OracleSubject } from "../../province-node/sandbox/oracle/index.ts";
import { Folder } from "../province-node/load-fixture.ts";
import { ClearFederation } from "./clear-federation.ts";
import { Comparison } from "./compare.ts";
import { questionsAbout } from "./questions.ts";
import { wildPeople, writeWildProvince } from "./wild-rows.ts";

const ASOF = "2026-06-01";
const PEOPLE_PER_PROVINCE = 66;
/** Nobody in the sandbox has five numbers; among the wild rows somebody has. */
const MANY_NUMBERS = "many-numbers@1";

function compareAll(
  federation: ClearFederation,
  comparison: Comparison,
  subjects: readonly OracleSubject[],
  seed: string,
): void {
  for (const [index, subject] of subjects.entries()) {
    const random = new Keystream(sandboxKey(seed), 1, index);
    comparison.indicators(subject, index);
    comparison.questions(subject, index, (own) =>
      questionsAbout(own, federation.catalogue, random),
    );
  }
}

describe("the oracle, at length", () => {
  it("agrees with the product about more than 2,000 people in 31 provinces", async () => {
    using folder = new Folder();
    const codes = PROVINCES.map(({ code }) => code);
    const options = { peoplePerProvince: PEOPLE_PER_PROVINCE, outDir: folder.path, asof: ASOF };
    await generateSandbox({ ...options, seed: 4 });
    using federation = await ClearFederation.load(folder.path, ASOF, codes);
    const comparison = new Comparison(federation, Oracle.open(folder.path, ASOF));
    const truth = readFileSync(join(folder.path, "truth", "people.ndjson"), "utf8").trim();
    const people = truth.split("\n").map((line) => JSON.parse(line) as TruthPerson);
    const subjects = people.map(({ cnId, numbers }, index) =>
      index % 2 ? { cnId } : { msisdn: numbers[0]?.msisdn as string },
    );
    compareAll(federation, comparison, [...subjects, { msisdn: "13012345678" }], "slow");
    process.stdout.write(
      `${people.length} people, ${codes.length} provinces, ${federation.rawRows} raw rows: ` +
        `${comparison.report()}\n`,
    );
    expect(comparison.differences).toEqual([]);
    expect(federation.rejected).toBe(0);
    expect(people.length).toBeGreaterThanOrEqual(2000);
    const { verifications, products } = federation.catalogue;
    const never = [...verifications.keys()].flatMap((id) =>
      comparison.neverSeen(id, ["yes", "no"]),
    );
    for (const { ref, kind, rule } of products.values()) {
      if (kind === "yes_no" && rule.type !== "any" && ref !== MANY_NUMBERS) {
        never.push(...comparison.neverSeen(ref, ["yes", "no"]));
      }
    }
    expect(never).toEqual([]);
  });

  it("agrees with the product about wild rows as of awkward days", async () => {
    const seen = new Map<string, number>();
    for (const asof of ["2024-02-29", "2025-12-31", "2026-01-01", "2026-03-31", "2026-06-30"]) {
      for (let round = 0; round < 6; round++) {
        using folder = new Folder();
        const seed = `${asof} ${round}`;
        const people = wildPeople(12);
        const numbers = ["11", "50", "51"].flatMap((code) =>
          writeWildProvince(join(folder.path, code), seed + code, asof, people, `1380${code}0`),
        );
        using federation = await ClearFederation.load(folder.path, asof, ["11", "50", "51"]);
        expect(federation.rejected).toBe(0);
        const comparison = new Comparison(federation, Oracle.open(folder.path, asof));
        const subjects = [
          ...people.map(({ cnId }) => ({ cnId })),
          ...numbers.map((msisdn) => ({ msisdn })),
          { msisdn: "13012345678" },
          { cnId: "11010519491231002X" },
        ];
        compareAll(federation, comparison, subjects, seed);
        process.stdout.write(`wild rows as of ${seed}: ${comparison.report()}\n`);
        expect(comparison.differences).toEqual([]);
        expect(comparison.neverSeen(MANY_NUMBERS, ["yes", "no", "unknown"])).toEqual([]);
        for (const [kind, count] of comparison.counts) {
          seen.set(kind, (seen.get(kind) ?? 0) + count);
        }
      }
    }
    process.stdout.write(`wild rows in all: ${JSON.stringify(Object.fromEntries(seen))}\n`);
  });
});
