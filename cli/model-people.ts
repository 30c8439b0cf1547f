// Generated people for an institution to try a model on: one province of the sandbox, made, loaded and read in a folder
// that goes away. No real person and no party's store is touched, so it runs anywhere.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Catalogue, PersonRecord } from "../catalogue/index.ts";
import { subjectTag } from "../crypto/index.ts";
import {
  FeatureStore,
  generateSandbox,
  loadProvince,
  type TruthPerson,
} from "../province-node/index.ts";
import { LoadBars } from "./load-bars.ts";
import type { Output } from "./output.ts";

export interface GeneratedPerson {
  readonly record: PersonRecord;
  /** What the generator had in mind: 0 … 1, higher is better. */
  readonly creditworthiness: number;
}

const PROVINCE = "51";
const SEED = 2026;
/** Fixed, so that a preview can be repeated. */
const ASOF = "2026-11-01";
/** These tags never leave the folder that they are made in. */
const SUBJECT_KEY = Buffer.alloc(32, 1);

/** At most `count` people with a number in the generated province. */
export async function withGeneratedPeople<T>(
  count: number,
  catalogue: Catalogue,
  output: Output,
  use: (people: readonly GeneratedPerson[]) => T,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "wjf-people-"));
  try {
    return use(await generatedPeople(folder, count, catalogue, output));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function generatedPeople(
  folder: string,
  count: number,
  catalogue: Catalogue,
  output: Output,
): Promise<GeneratedPerson[]> {
  await generate(folder, count, output);
  const storePath = join(folder, "store.db");
  await load(folder, storePath, catalogue, output);
  using store = FeatureStore.open(storePath, catalogue);
  const lines = readFileSync(join(folder, "truth", "people.ndjson"), "utf8")
    .trim()
    .split("\n");
  return lines.flatMap((line) => {
    const { cnId, creditworthiness } = JSON.parse(line) as TruthPerson;
    const record = store.lookup(subjectTag(SUBJECT_KEY, "cn-id", cnId));
    return record === undefined ? [] : [{ record, creditworthiness }];
  });
}

async function generate(folder: string, count: number, output: Output): Promise<void> {
  using progress = output.progress("people generated", count);
  await generateSandbox({
    seed: SEED,
    peoplePerProvince: count,
    outDir: folder,
    asof: ASOF,
    provinces: [PROVINCE],
    onProgress: (done) => progress.update(done),
  });
}

async function load(
  folder: string,
  storePath: string,
  catalogue: Catalogue,
  output: Output,
): Promise<void> {
  using bars = new LoadBars(output);
  await loadProvince({
    rawDir: join(folder, PROVINCE),
    storePath,
    rejectsDir: join(folder, "rejects"),
    subjectKey: SUBJECT_KEY,
    asof: ASOF,
    catalogue,
    onProgress: (at) => bars.show(at),
  });
}
