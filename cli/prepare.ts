// What a first run makes before anything starts: the development ceremony, a sandbox of generated people for every
// province without data, and a registered institution to ask with. A second run finds it all and makes nothing.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadCatalogue } from "../catalogue/index.ts";
import { shanghaiDay, systemClock } from "../core/clock.ts";
import { partyFolder, type Settings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { PROVINCES, type Province } from "../core/provinces.ts";
import { readSecretFile, writeSecretFile } from "../core/secret-file.ts";
import { readFederation, writeSandboxDirectory } from "../consent/index.ts";
import { generateSandbox, loadProvince, type TruthPerson } from "../province-node/index.ts";
import { isCeremonyDone, performCeremony } from "./ceremony.ts";
import { registerDemoInstitution } from "./demo-institution.ts";
import type { Output } from "./output.ts";

export interface SandboxOptions {
  readonly seed: number;
  readonly peoplePerProvince: number;
}

export const SANDBOX: SandboxOptions = { seed: 2026, peoplePerProvince: 30 };

export function sandboxFolder(home: string): string {
  return join(home, "sandbox");
}

/** The day that the sandbox takes as today. */
export function sandboxAsof(home: string): string {
  return readFileSync(join(sandboxFolder(home), "asof"), "utf8").trim();
}

/** Who lives in the sandbox. The provinces never read it. */
export function readTruth(home: string): readonly TruthPerson[] {
  const path = join(sandboxFolder(home), "truth", "people.ndjson");
  const lines = readFileSync(path, "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as TruthPerson);
}

/** Returns the provinces of the federation. @throws WjfError `config-invalid` in production without a ceremony. */
export async function prepareFederation(
  settings: Settings,
  output: Output,
  sandbox: SandboxOptions = SANDBOX,
): Promise<readonly Province[]> {
  if (!isCeremonyDone(settings.home)) {
    if (settings.production) {
      throw new WjfError("config-invalid", "no federation here: run the key ceremony first");
    }
    output.line(`First run: making keys and certificates in ${settings.home}`);
    await performCeremony({ settings, nowMs: systemClock.nowMs() });
  }
  const { provinces: members } = readFederation(
    join(partyFolder(settings.home, "authority"), "federation.json"),
  );
  const codes = new Set(members.map(({ code }) => code));
  const provinces = PROVINCES.filter(({ code }) => codes.has(code));
  if (!settings.production) {
    await prepareSandbox(settings, provinces, sandbox, output);
    await registerDemoInstitution(settings);
  }
  return provinces;
}

async function prepareSandbox(
  settings: Settings,
  provinces: readonly Province[],
  { seed, peoplePerProvince }: SandboxOptions,
  output: Output,
): Promise<void> {
  const folder = sandboxFolder(settings.home);
  const store = ({ code }: Province): string => join(partyFolder(settings.home, code), "store.db");
  const missing = provinces.filter((province) => !existsSync(store(province)));
  if (missing.length === 0) return;
  if (!existsSync(join(folder, "asof"))) {
    const people = peoplePerProvince * provinces.length;
    output.line(`Generating a sandbox of ${people} people over ${provinces.length} provinces`);
    const asof = shanghaiDay(systemClock);
    const codes = provinces.map(({ code }) => code);
    using progress = output.progress("people generated", people);
    await generateSandbox({
      seed,
      peoplePerProvince,
      outDir: folder,
      asof,
      provinces: codes,
      onProgress: (done) => progress.update(done),
    });
    writeSandboxDirectory(
      join(partyFolder(settings.home, "authority"), "sandbox-directory.json"),
      readTruth(settings.home).flatMap(({ cnId, numbers: [first] }) =>
        first === undefined ? [] : [{ cnId, phone: first.msisdn }],
      ),
      readSecretFile(join(partyFolder(settings.home, "authority"), "secrets", "subject.key")),
    );
    writeSecretFile(join(folder, "asof"), asof);
  }
  output.line(`Loading ${missing.length} provinces' tables into their own stores`);
  using progress = output.progress("loading provinces", missing.length);
  const queue = missing.values();
  let done = 0;
  const worker = async (): Promise<void> => {
    // Shared between the workers: each takes the next province.
    for (const province of queue) {
      await loadSandboxProvince(settings, province);
      progress.update(++done);
    }
  };
  await Promise.all(Array.from({ length: LOADED_AT_ONCE }, worker));
}

/** Two keep both cores busy: one computes in DuckDB while the other writes its store. */
const LOADED_AT_ONCE = 2;

async function loadSandboxProvince(settings: Settings, { code }: Province): Promise<void> {
  const home = partyFolder(settings.home, code);
  await loadProvince({
    rawDir: join(sandboxFolder(settings.home), code),
    storePath: join(home, "store.db"),
    rejectsDir: join(home, "rejects"),
    subjectKey: readSecretFile(join(home, "secrets", "subject.key")),
    asof: sandboxAsof(settings.home),
    catalogue: loadCatalogue(),
    threads: 1,
  });
}
