// Product against oracle, quickly: the sandbox's people in four provinces, and two provinces of wild rows. The slow
// suite (oracle.slow.ts) does the same for thousands of people over all 31.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { generateSandbox, type TruthPerson } from "../../province-node/sandbox/generate.ts";
import { Keystream, sandboxKey } from "../../province-node/sandbox/keystream.ts";
import { Oracle } from "../../province-node/sandbox/oracle/index.ts";
import { READINGS } from "../../province-node/sandbox/oracle/number-reading.ts";
import { TAGS } from "../../province-node/sandbox/oracle/tags.ts";
import { VERIFICATIONS } from "../../province-node/sandbox/oracle/verifications.ts";
import { Folder } from "../province-node/load-fixture.ts";
import { ClearFederation } from "./clear-federation.ts";
import { Comparison } from "./compare.ts";
import { questionsAbout } from "./questions.ts";
import { wildPeople, writeWildProvince } from "./wild-rows.ts";

const ASOF = "2026-06-01";

describe("the oracle", () => {
  it("knows every indicator, verification and tag of the catalogue, and no other", async () => {
    using federation = await ClearFederation.load("", ASOF, []);
    const { indicatorById, verifications, tagClasses } = federation.catalogue;
    expect(Object.keys(READINGS).toSorted()).toEqual([...indicatorById.keys()].toSorted());
    expect(Object.keys(VERIFICATIONS).toSorted()).toEqual([...verifications.keys()].toSorted());
    const tags = [...tagClasses.values()].flatMap((each) => each.tags.map(({ id }) => id));
    expect(Object.keys(TAGS).toSorted()).toEqual(tags.toSorted());
  });

  it("shares no path with the product: parameters and types are all that it imports", () => {
    const folder = join(import.meta.dirname, "../../province-node/sandbox/oracle");
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
    const sources = files.filter((file) => file.endsWith(".ts"));
    expect(sources.length).toBeGreaterThan(15);
    const foreign = sources.flatMap((file) => {
      const imports = readFileSync(join(folder, file), "utf8").matchAll(
        /import (type )?\{([^}]*)\} from "([^"]+)"/g,
      );
      return [...imports].flatMap(([, typeOnly, names = "", from = ""]) =>
        typeOnly !== undefined ||
        (from.startsWith(".") && join(folder, file, "..", from).startsWith(`${folder}/`))
          ? []
          : names
              .split(",")
              .map((name) => name.trim())
              .filter((name) => name !== "" && !name.startsWith("type "))
              .map((name) => `${name} from ${from.replace(/^(\.\.\/)+/, "")}`),
      );
    });
    expect([...new Set(foreign)].toSorted()).toEqual([
      "PROVINCES from core/provinces.ts",
      "existsSync from node:fs",
      "join from node:path",
      "loadCatalogue from catalogue/index.ts",
      "parse from csv-parse/sync",
      "readFileSync from node:fs",
    ]);
  });

  it("agrees with the product about the sandbox's people", async () => {
    using folder = new Folder();
    const provinces = ["11", "31", "44", "51"];
    const options = { peoplePerProvince: 15, outDir: folder.path, asof: ASOF, provinces };
    await generateSandbox({ ...options, seed: 41 });
    using federation = await ClearFederation.load(folder.path, ASOF, provinces);
    expect(federation.rejected).toBe(0);
    const comparison = new Comparison(federation, Oracle.open(folder.path, ASOF));
    const truth = readFileSync(join(folder.path, "truth", "people.ndjson"), "utf8");
    const people = truth
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as TruthPerson);
    for (const [index, { cnId, numbers }] of people.entries()) {
      const subject = index % 2 ? { cnId } : { msisdn: numbers[0]?.msisdn as string };
      const random = new Keystream(sandboxKey("questions"), 1, index);
      comparison.indicators({ cnId }, index);
      comparison.questions(subject, index, (own) =>
        questionsAbout(own, federation.catalogue, random, 0.4),
      );
    }
    process.stdout.write(`${comparison.report()}\n`);
    expect(comparison.differences).toEqual([]);
    expect(people).toHaveLength(60);
    expect(comparison.total).toBeGreaterThan(20_000);
  });

  it("agrees with the product about rows on every edge", async () => {
    using folder = new Folder();
    const people = wildPeople(8);
    const numbers = ["11", "51"].flatMap((code) =>
      writeWildProvince(join(folder.path, code), `wild ${code}`, ASOF, people, `1380${code}0`),
    );
    using federation = await ClearFederation.load(folder.path, ASOF, ["11", "51"]);
    expect(federation.rejected).toBe(0);
    const comparison = new Comparison(federation, Oracle.open(folder.path, ASOF));
    const subjects = [
      ...people.map(({ cnId }) => ({ cnId })),
      ...numbers.map((msisdn) => ({ msisdn })),
      { msisdn: "13012345678" },
      { cnId: "11010519491231002X" },
    ];
    for (const [index, subject] of subjects.entries()) {
      const random = new Keystream(sandboxKey("wild questions"), 1, index);
      comparison.indicators(subject, index);
      comparison.questions(subject, index, (own) =>
        questionsAbout(own, federation.catalogue, random),
      );
    }
    process.stdout.write(`${comparison.report()}\n`);
    expect(comparison.differences).toEqual([]);
    expect(comparison.total).toBeGreaterThan(15_000);
    const bothWays = [...federation.catalogue.verifications.keys()].flatMap((id) =>
      comparison.neverSeen(id, ["yes", "no"]),
    );
    expect(bothWays).toEqual([]);
  });
});
