// `wjf model sign | admit | install | submit`: a model's way from a file to every party's folder. Each step can
// be done by another party on another machine; `submit` does the last ones for a sandbox, where they share a disk.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  installPackage,
  LiveCatalogue,
  loadCatalogue,
  packageFolder,
  type PackageFile,
  parsePackageFile,
  signPackage,
} from "../catalogue/index.ts";
import { systemClock } from "../core/clock.ts";
import { partyFolder, readSettings, type Settings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { ProvinceCode } from "../core/ids.ts";
import { parseJsonWith, parseWith } from "../core/parse.ts";
import { readSecretFile } from "../core/secret-file.ts";
import { importPrivate, PrivateP256Jwk } from "../crypto/index.ts";
import {
  admitModel,
  readAuthoritySecrets,
  readFederation,
  readTrustAnchor,
  withConsentDatabase,
} from "../consent/index.ts";
import { readInstitutionKeys } from "./demo-institution.ts";
import { checkDraft, readDraft, readText } from "./model-check.ts";
import type { Output } from "./output.ts";

export interface SignOptions {
  readonly key?: string;
  readonly out?: string;
}

export async function modelSign(output: Output, path: string, options: SignOptions): Promise<void> {
  const draft = readDraft(path);
  const { ref, sha256, body } = checkDraft(draft, loadCatalogue());
  const jwk =
    options.key === undefined
      ? readInstitutionKeys(readSettings().home, body.owner).signing
      : readKey(options.key);
  const file = signPackage(draft, importPrivate(jwk));
  const out = options.out ?? `${ref.replace("risk-model:", "").replace("@", "-")}.package.json`;
  writePackage(out, file);
  output.line(`${ref} signed for ${body.owner}: ${out}`);
  output.line(`SHA-256 ${sha256}`);
  output.result({ product: ref, sha256, file: out });
}

function readKey(path: string): PrivateP256Jwk {
  const text = readSecretFile(path).toString("utf8");
  return parseJsonWith(PrivateP256Jwk, text, "config-invalid", path);
}

function writePackage(path: string, file: PackageFile): void {
  writeFileSync(path, `${JSON.stringify(file, null, 2)}\n`);
}

export interface AdmitOptions {
  readonly out?: string;
}

export async function modelAdmit(
  output: Output,
  path: string,
  options: AdmitOptions,
): Promise<void> {
  const { file, opened } = await admit(parsePackageFile(readText(path)), readSettings());
  const out = options.out ?? path;
  writePackage(out, file);
  output.line(`${opened.ref} of ${opened.body.owner} admitted: ${out}`);
  output.result({ product: opened.ref, sha256: opened.sha256, file: out });
}

/** As the authority's operator: with its keys, its register of institutions, its packages so far. */
async function admit(file: PackageFile, settings: Settings) {
  const folder = partyFolder(settings.home, "authority");
  const { rootKey, rootPublicKey } = readAuthoritySecrets(join(folder, "secrets"));
  const live = new LiveCatalogue({
    folder: packageFolder(folder),
    authorityKey: rootPublicKey,
    clock: systemClock,
    onFault: () => undefined,
  });
  return await withConsentDatabase(settings, (db) =>
    admitModel(file, { db, catalogue: live.current(), rootKey, clock: systemClock }),
  );
}

export async function modelInstall(output: Output, path: string, party: string): Promise<void> {
  const { home } = readSettings();
  const file = parsePackageFile(readText(path));
  const installed = install(file, home, readParty(party));
  output.line(`installed for ${party}: ${installed}`);
  output.result({ party, file: installed });
}

type Party = "authority" | "gateway" | ProvinceCode;

function readParty(party: string): Party {
  if (party === "authority" || party === "gateway") return party;
  return parseWith(ProvinceCode, party, "config-invalid", "--party");
}

function install(file: PackageFile, home: string, party: Party): string {
  const folder = partyFolder(home, party);
  const secrets = join(folder, "secrets");
  const authorityKey =
    party === "authority"
      ? readAuthoritySecrets(secrets).rootPublicKey
      : readTrustAnchor(join(secrets, "trust.jwk"));
  return installPackage(packageFolder(folder), file, authorityKey);
}

export async function modelSubmit(output: Output, path: string): Promise<void> {
  const settings = readSettings();
  if (settings.production) {
    throw new WjfError(
      "config-invalid",
      "in production the authority admits and each party installs",
    );
  }
  const { file, opened } = await admit(parsePackageFile(readText(path)), settings);
  const federation = readFederation(
    join(partyFolder(settings.home, "authority"), "federation.json"),
  );
  const provinces = federation.provinces.map(({ code }) => code);
  const parties: readonly Party[] = ["authority", "gateway", ...provinces];
  for (const party of parties) install(file, settings.home, party);
  output.line(`${opened.ref} admitted and installed at ${parties.length} parties`);
  output.line(`No province answers yet: wjf node models approve ${opened.ref} --province all`);
  output.result({ product: opened.ref, sha256: opened.sha256, parties });
}
