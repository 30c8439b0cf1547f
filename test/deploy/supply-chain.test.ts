// What is shipped of others: a bill of materials can be made, and every licence is one that decision 082 names.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { z } from "zod";

const PERMISSIVE = ["MIT", "Apache-2.0", "BSD-3-Clause", "ISC", "0BSD", "(MIT OR CC0-1.0)"];
const DEVELOPMENT = [...PERMISSIVE, "BlueOak-1.0.0", "Unlicense"];
/** Named in docs/decisions/082-supply-chain.md. */
const ANSWERED = /^(lightningcss(-.*)?|axe-core|ssh2|cpu-features|buildcheck)$/;

const Lock = z.object({
  packages: z.record(
    z.string(),
    z.looseObject({
      license: z.string().optional(),
      dev: z.boolean().optional(),
      integrity: z.string().optional(),
    }),
  ),
});
const Bom = z.looseObject({
  bomFormat: z.literal("CycloneDX"),
  specVersion: z.string(),
  components: z.array(z.looseObject({ name: z.string(), version: z.string(), purl: z.string() })),
});

const { packages } = Lock.parse(JSON.parse(readFileSync("package-lock.json", "utf8")));
const foreign = Object.entries(packages)
  .filter(([place]) => place !== "")
  .map(([place, entry]) => ({ name: place.replace(/^.*node_modules\//, ""), ...entry }));

test("every package has a hash and a licence that asks for nothing, or one that is answered for", () => {
  expect(foreign.length).toBeGreaterThan(300);
  expect(foreign.filter(({ integrity }) => integrity === undefined)).toEqual([]);
  const other = foreign.filter(
    ({ license = "", dev }) => !(dev === true ? DEVELOPMENT : PERMISSIVE).includes(license),
  );
  const shipped = other.filter(({ dev }) => dev !== true).map(({ name }) => name);
  expect(shipped).toEqual([]);
  expect(other.map(({ name }) => name).filter((name) => !ANSWERED.test(name))).toEqual([]);
});

test("npm run sbom: CycloneDX, with every package of the lock file", async () => {
  const { scripts } = z
    .object({ scripts: z.object({ sbom: z.string() }) })
    .parse(JSON.parse(readFileSync("package.json", "utf8")));
  const [command = "", path] = scripts.sbom.split(" > ");
  expect(readFileSync(".gitignore", "utf8").split("\n")).toContain(path);
  const [program = "", ...args] = command.split(" ");
  const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 64 * 1024 * 1024 });
  const names = Bom.parse(JSON.parse(stdout)).components.map(({ name }) => name);
  const missing = foreign.filter(({ name }) => !names.includes(name)).map(({ name }) => name);
  expect(missing).toEqual([]);
});
