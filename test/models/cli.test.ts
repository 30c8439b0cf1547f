// The commands as a shell runs them: the catalogue printed and checked, a model from weights to a signed file, refusals by
// code. What packages do in a federation is federation.test.ts's.
import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadCatalogue, openPackage, parsePackageFile } from "../../catalogue/index.ts";
import { writeSecretFile } from "../../core/secret-file.ts";
import { CatalogueFolder } from "../catalogue/folder.ts";
import { draft, signer, TemporaryFolder } from "./package-fixture.ts";

const MAIN = join(import.meta.dirname, "../../cli/main.ts");

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function wjf(cwd: string, ...args: string[]): Promise<Ran> {
  const env = { ...process.env, WJF_HOME: join(cwd, "home") };
  return await new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { cwd, env }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

test("catalogue list and show print what is loaded", async () => {
  using folder = new TemporaryFolder();
  const counts = await wjf(folder.path, "catalogue", "list", "--json");
  expect(JSON.parse(counts.stdout)).toMatchObject({
    indicators: loadCatalogue().indicators.length,
    verifications: 33,
    watches: 24,
  });
  const listed = await wjf(folder.path, "catalogue", "list", "products");
  expect(listed.stdout).toContain("credit-score@1");
  expect(listed.stdout).toContain("信用评分");
  const shown = await wjf(folder.path, "catalogue", "show", "id.tenure_at_least", "--json");
  expect(JSON.parse(shown.stdout)).toMatchObject([
    { kind: "verifications", number: 5, params: { months: { min: 1, max: 240 } } },
  ]);
  const unknown = await wjf(folder.path, "catalogue", "show", "use.nothing");
  expect(unknown).toMatchObject({ code: 1, stdout: "" });
  expect(unknown.stderr).toContain("config-invalid");
});

test("catalogue check runs the SQL, and names the declaration that does not", async () => {
  using folder = new TemporaryFolder();
  const good = await wjf(folder.path, "catalogue", "check", "--json");
  expect(JSON.parse(good.stdout)).toMatchObject({ ok: true, sql: true, version: 1 });
  using spoiled = new CatalogueFolder();
  spoiled.edit("indicators/spending.json", (json: { sql: string }[]) => {
    (json[1] as { sql: string }).sql = "avg(no_such_column)";
  });
  const bad = await wjf(folder.path, "catalogue", "check", "--folder", spoiled.path);
  expect(bad.code).toBe(1);
  expect(bad.stderr).toMatch(/data-invalid: .*indicators from/);
});

test("a model from weights: written, checked, previewed, signed", async () => {
  using folder = new TemporaryFolder();
  const at = (name: string): string => join(folder.path, name);
  const weights = "identity=20,stability=30,fulfilment=50";
  const made = await wjf(folder.path, "model", "new", "--id", "small", "--sub-scores", weights);
  expect(made.code).toBe(0);
  const again = await wjf(folder.path, "model", "new", "--id", "small", "--sub-scores", weights);
  expect(again.stderr).toContain("is there already");
  const previewed = await wjf(
    folder.path,
    "model",
    "preview",
    "small.model.json",
    "--people",
    "60",
    "--json",
  );
  const preview = JSON.parse(previewed.stdout) as {
    scored: number;
    buckets: number[];
    bands: { count: number }[];
  };
  expect(preview.scored).toBeGreaterThan(50);
  const sum = (counts: readonly number[]): number => counts.reduce((total, n) => total + n, 0);
  expect(sum(preview.buckets)).toBe(preview.scored);
  expect(sum(preview.bands.map(({ count }) => count))).toBe(preview.scored);
  const page = readFileSync(at("model-preview.html"), "utf8");
  expect(page).toContain("<svg");
  expect(page).not.toMatch(/<script|https?:\/\//);

  const owner = signer();
  writeSecretFile(at("owner.jwk"), JSON.stringify(owner.jwk));
  const signed = await wjf(folder.path, "model", "sign", "small.model.json", "--key", "owner.jwk");
  expect(signed.code).toBe(0);
  const file = parsePackageFile(readFileSync(at("small-1.package.json"), "utf8"));
  expect(openPackage(file, owner.public).ref).toBe("risk-model:small@1");
});

test("over indicators: points rise with what is good and fall with what is not", async () => {
  using folder = new TemporaryFolder();
  const weights = "use.spend_avg_3m=30,val.loan_days_90d=-20";
  const made = await wjf(folder.path, "model", "new", "--id", "lib", "--indicators", weights);
  expect(made.code).toBe(0);
  const { model } = JSON.parse(readFileSync(join(folder.path, "lib.model.json"), "utf8")) as {
    model: { dimensions: { weight: number; features: { bins: { points: number }[] }[] }[] };
  };
  const points = model.dimensions.map(({ features }) => features[0]?.bins.map((bin) => bin.points));
  expect(points[0]).toEqual(points[0]?.toSorted((a, b) => a - b));
  expect(points[1]).toEqual(points[1]?.toSorted((a, b) => b - a));
  expect(model.dimensions.map(({ weight }) => weight)).toEqual([30, 20]);
});

test("refused by code and field: weights, files, keys, parties", async () => {
  using folder = new TemporaryFolder();
  const refusals: readonly (readonly [args: string[], stderr: RegExp])[] = [
    [["model", "new", "--id", "x"], /config-invalid: .*one of them/],
    [
      ["model", "new", "--id", "x", "--sub-scores", "luck=3"],
      /config-invalid: .*no such sub-score/,
    ],
    [["model", "new", "--id", "x", "--indicators", "id.status=3"], /config-invalid: .*is a code/],
    [["model", "check", "nothing.json"], /model-invalid: .*cannot be read/],
    [["model", "check", "bad.json"], /model-invalid: .*model\.dimensions/],
    [["model", "sign", "good.json"], /secret-missing/],
    [["model", "install", "good.json", "--party", "51"], /model-invalid/],
    [["node", "models", "list", "--province", "99"], /config-invalid/],
  ];
  writeFileSync(join(folder.path, "good.json"), JSON.stringify(draft()));
  const bad = draft();
  bad.model.dimensions = [];
  writeFileSync(join(folder.path, "bad.json"), JSON.stringify(bad));
  for (const [args, stderr] of refusals) {
    const ran = await wjf(folder.path, ...args);
    expect(ran.stderr, args.join(" ")).toMatch(stderr);
    expect(ran.code).toBe(1);
  }
  expect(existsSync(join(folder.path, "x.model.json"))).toBe(false);
});
