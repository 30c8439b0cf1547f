// What operators and institutions hand over: settings, key files, registrations, consent terms, raw data and its mapping,
// model packages, catalogue declarations.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errors as oidcErrors } from "oidc-provider";
import * as fc from "fast-check";
import {
  loadCatalogue,
  openAdmitted,
  parsePackageFile,
  readPackages,
  withPackage,
} from "../../../catalogue/index.ts";
import { checkDraft } from "../../../cli/model-check.ts";
import { addClient, findClient } from "../../../consent/clients.ts";
import { openAuthorityDatabase } from "../../../consent/database.ts";
import { readFederation } from "../../../consent/epochs.ts";
import { consentTables } from "../../../consent/ledger.ts";
import { personOf } from "../../../consent/oidc/login-hint.ts";
import { loadSigningKeys } from "../../../consent/oidc/signing-keys.ts";
import { parseRequest } from "../../../consent/oidc/request-profile.ts";
import { readTrustAnchor } from "../../../consent/trust-anchor.ts";
import { createSigningKeys } from "../../../consent/oidc/signing-keys.ts";
import { readSettings } from "../../../core/config.ts";
import { type ErrorCode } from "../../../core/errors.ts";
import { parseJson } from "../../../core/parse.ts";
import { writeSecretFile } from "../../../core/secret-file.ts";
import { generateP256, importPublic, publicP256 } from "../../../crypto/index.ts";
import { readGatewayKey } from "../../../gateway/secrets.ts";
import { readCsvHeader } from "../../../province-node/load/csv-header.ts";
import { scanCsv } from "../../../province-node/load/csv-scan.ts";
import { loadProvince } from "../../../province-node/load/load.ts";
import { readMapping } from "../../../province-node/load/mapping.ts";
import { evaluateItem } from "../../../province-node/evaluate.ts";
import { CatalogueFolder } from "../../catalogue/folder.ts";
import { bank, makeClientKeys, PRODUCTS } from "../../consent/oidc-fixture.ts";
import { admitted, draft, signer as modelSigner } from "../../models/package-fixture.ts";
import {
  ASOF,
  CALLS,
  CATALOGUE,
  Folder,
  SUBJECT_KEY,
  SUBSCRIBERS,
} from "../../province-node/load-fixture.ts";
import { mutatedBytes, mutatedJson, mutatedText } from "../arbitraries.ts";
import { TERMS } from "../signers.ts";
import { REFUSED, type Target, target } from "../target.ts";

const isOAuthError = (error: unknown): boolean => error instanceof oidcErrors.OIDCProviderError;

export async function operatorTargets(resources: AsyncDisposableStack): Promise<Target[]> {
  const folder = mkdtempSync(join(tmpdir(), "wjf-fuzz-"));
  resources.defer(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string) => (text: string | Uint8Array) => {
    const path = join(folder, name);
    writeSecretFile(path, text);
    return path;
  };
  return [
    settings(),
    ...(await keyFiles(file)),
    ...(await registrations(resources)),
    ...consentTerms(),
    ...rawData(file),
    ...models(folder),
    claims(),
    declarations(resources),
  ];
}

type Writer = (name: string) => (text: string | Uint8Array) => string;

function settings(): Target {
  const valid = {
    WJF_HOME: ".wjf",
    WJF_ENV: "production",
    WJF_BIND: "0.0.0.0",
    WJF_GATEWAY_PORT: "8080",
    WJF_NODE_BASE_PORT: "9000",
    WJF_GATEWAY_URL: "https://gateway.example",
    WJF_AUTHORITY_URL: "https://authority.example",
    WJF_AUTHORITY_ENDPOINT: "authority.example:8090",
    WJF_DATABASE_URL: "sqlite:x.db",
    WJF_BATCH_RETENTION_DAYS: "7",
    WJF_MERGE_AUDIT_PROBABILITY: "0.5",
    WJF_FAN_OUT_TIMEOUT_MS: "5000",
    WJF_REPLY_QUANTUM_MS: "5",
    WJF_VERIFY_SAMPLE: "0.0625",
  };
  const names = Object.keys(valid) as (keyof typeof valid)[];
  const change = fc.tuple(
    fc.constantFrom(...names),
    fc.oneof(
      mutatedText(Object.values(valid)),
      fc.constantFrom("", " ", "0x10", "1e3", "Infinity", "NaN", "-0"),
    ),
  );
  return target<Record<string, string>>({
    name: "settings from the environment",
    corpus: fc
      .array(change, { minLength: 1, maxLength: 3 })
      .map((changes) => ({ ...valid, ...Object.fromEntries(changes) })),
    run: (environment) => {
      const read = readSettings(environment);
      const guards = [read.mergeAuditProbability, read.verifySample, read.replyQuantumMs];
      // Nothing that protects is turned off by a variable that is set to nothing.
      const off = ["WJF_MERGE_AUDIT_PROBABILITY", "WJF_VERIFY_SAMPLE", "WJF_REPLY_QUANTUM_MS"];
      guards.forEach((value, i) => {
        if (value === 0 && !/\d/.test(environment[off[i] as string] ?? ""))
          throw new Error(`${off[i]} is off`);
      });
    },
    codes: ["config-invalid"],
    inputs: { quick: 300, slow: 40_000 },
  });
}

async function keyFiles(file: Writer): Promise<Target[]> {
  const secret = generateP256("sig");
  const bytesOrJson = (value: object) =>
    fc.oneof(
      mutatedText([JSON.stringify(value)]),
      mutatedJson([value]).map((bent) => JSON.stringify(bent) ?? ""),
    );
  const codes: ErrorCode[] = ["config-invalid", "secret-missing"];
  const trust = file("trust.jwk");
  const signing = file("signing.jwk");
  const tokens = file("token-keys.json");
  const federation = file("federation.json");
  const { kid } = secret;
  const key = publicP256(secret);
  const parts = {
    issuer: "https://authority.example",
    audience: "https://gateway.example",
    token_keys: [{ ...key, kid }],
    gateway_key: key,
    admission_key: key,
    group_key: { ...key, kid },
    provinces: [],
  };
  return [
    target<string>({
      name: "key file: trust anchor",
      corpus: bytesOrJson(key),
      run: (text) => readTrustAnchor(trust(text)),
      codes,
      inputs: { quick: 80, slow: 2000 },
    }),
    target<string>({
      name: "key file: signing key",
      corpus: bytesOrJson(secret),
      run: (text) => readGatewayKey(join(signing(text), "..")),
      codes,
      inputs: { quick: 80, slow: 2000 },
    }),
    target<string>({
      name: "key file: token keys",
      corpus: bytesOrJson(await createSigningKeys()),
      run: (text) => loadSigningKeys(tokens(text)),
      codes,
      inputs: { quick: 80, slow: 2000 },
    }),
    target<string>({
      name: "federation file",
      corpus: bytesOrJson(parts),
      run: (text) => readFederation(federation(text)),
      codes,
      inputs: { quick: 80, slow: 2000 },
    }),
  ];
}

async function registrations(resources: AsyncDisposableStack): Promise<Target[]> {
  const db = await openAuthorityDatabase(readSettings({ WJF_DATABASE_URL: "sqlite::memory:" }));
  resources.defer(() => db.destroy());
  const tables = consentTables(db);
  const keys = await makeClientKeys();
  const encryption = await makeClientKeys("enc");
  const clock = { nowMs: () => 0 };
  const registration = {
    ...bank(keys),
    jwks: { keys: [keys.publicJwk, encryption.publicJwk] },
    sealed_only: true,
    limits: { queries_per_second: 1, queries_per_day: 1, consent_requests_per_minute: 1 },
  };
  return [
    target<unknown>({
      name: "client registration",
      corpus: mutatedJson([registration, bank(keys)]),
      run: async (bent) => {
        const { client_id } = await addClient(tables, clock, bent as never);
        const client = await findClient(tables, client_id);
        await tables.deleteFrom("client").execute();
        // What has been registered must be of use: tokens are bound to it, answers sealed to it.
        for (const key of client?.jwks.keys ?? []) importPublic(key);
      },
      codes: ["data-invalid"],
      inputs: { quick: 100, slow: 2000 },
    }),
  ];
}

function consentTerms(): Target[] {
  const detail = { ...TERMS, actions: ["credit-score@1", "id-check@1"] };
  const scope = "openid dpv:CreditChecking credit-score@1 id-check@1";
  const client = {
    products: ["credit-score@1", "id-check@1"],
    purposes: ["dpv:CreditChecking"],
  };
  const details = [[detail], [detail, detail]];
  return [
    target<readonly [string, string | undefined]>({
      name: "scope and authorization_details",
      corpus: fc.oneof(
        fc.tuple(fc.constant(scope), mutatedText(details.map((each) => JSON.stringify(each)))),
        fc.tuple(
          fc.constant(scope),
          mutatedJson(details).map((bent) => JSON.stringify(bent)),
        ),
        fc.tuple(mutatedText([scope]), fc.constant(JSON.stringify([detail]))),
      ),
      run: ([asked, authorizationDetails]) =>
        parseRequest({ scope: asked, authorizationDetails }, client as never, (ref) =>
          PRODUCTS.find((product) => product.ref === ref),
        ),
      codes: [],
      isRefusal: isOAuthError,
      inputs: { quick: 300, slow: 40_000 },
    }),
    target<string>({
      name: "login hint",
      corpus: mutatedText(["tel:+8613812345678", "tel:138-1234 5678", "cn-id:110101199003070011"]),
      run: async (hint) =>
        (await personOf(hint, SUBJECT_KEY, { phoneOf: async () => "+8613812345678" })) ?? REFUSED,
      codes: ["request-malformed"],
      inputs: { quick: 300, slow: 100_000 },
    }),
  ];
}

function rawData(file: Writer): Target[] {
  const mapping = {
    tables: {
      subscriber: {
        files: ["people*.csv"],
        delimiter: ";",
        encoding: "gb18030",
        columns: { msisdn: "phone" },
      },
      call: { columns: { duration_s: { sql: "ms / 1000" } } },
    },
    indicators: [{ files: ["i.csv"], msisdn: "phone", values: { "social.calls": "n" } }],
  };
  const mappingFile = file("mapping.json");
  const csvFile = file("raw.csv");
  const header = "msisdn,time,peer_msisdn,direction,duration_s,cell_id,district_code,is_spam";
  const csv = [header, ...CALLS].join("\n");
  const dataFile = { columns: CALLS, table: "call" } as const;
  return [
    target<string>({
      name: "mapping file",
      corpus: fc.oneof(
        mutatedText([JSON.stringify(mapping)]),
        mutatedJson([mapping]).map((bent) => JSON.stringify(bent) ?? ""),
      ),
      run: (text) => readMapping(mappingFile(text), CATALOGUE),
      codes: ["data-invalid"],
      inputs: { quick: 150, slow: 5000 },
    }),
    target<Buffer>({
      name: "CSV: header, and the count of its records",
      corpus: mutatedBytes([
        csv,
        `\ufeff${csv}`,
        csv.replaceAll("\n", "\r\n"),
        csv.replaceAll(",", '","'),
      ]),
      run: async (bytes) => {
        const path = csvFile(bytes);
        await scanCsv(path);
        return readCsvHeader(path, "raw.csv", ",");
      },
      codes: ["data-invalid"],
      inputs: { quick: 80, slow: 2000 },
    }),
    target<readonly [Buffer, Buffer, string | undefined]>({
      name: "wjf node load: raw tables and a mapping",
      corpus: fc.tuple(
        mutatedBytes([SUBSCRIBERS.join("\n"), SUBSCRIBERS.join("\r\n"), SUBSCRIBERS.join('"\n')]),
        mutatedBytes([dataFile.columns.join("\n"), dataFile.columns.join("\r")]),
        fc.option(
          mutatedJson([
            { tables: { call: mapping.tables.call } },
            { tables: {}, indicators: [] },
          ]).map((bent) => JSON.stringify(bent)),
          { nil: undefined },
        ),
      ),
      run: async ([subscribers, calls, bent]) => {
        using folder = new Folder();
        folder.table("subscriber", [subscribers]);
        folder.table("call", [calls]);
        if (bent !== undefined) writeFileSync(folder.at("mapping.json"), bent);
        return await loadProvince({
          rawDir: folder.at("raw"),
          storePath: folder.at("store.db"),
          rejectsDir: folder.at("rejects"),
          subjectKey: SUBJECT_KEY,
          asof: ASOF,
          catalogue: CATALOGUE,
          threads: 1,
          ...(bent !== undefined && { mapping: folder.at("mapping.json") }),
        });
      },
      codes: ["data-invalid"],
      inputs: { quick: 4, slow: 60 },
    }),
  ];
}

function models(folder: string): Target[] {
  const owner = modelSigner();
  const authority = modelSigner();
  const catalogue = loadCatalogue();
  const { file } = admitted(draft(), owner, authority);
  const json = JSON.stringify(file);
  const codes: ErrorCode[] = ["model-invalid"];
  const packages = join(folder, "models");
  return [
    target<string>({
      name: "model package: the file",
      corpus: fc.oneof(
        mutatedText([json]),
        mutatedJson([file]).map((bent) => JSON.stringify(bent) ?? ""),
      ),
      run: (text) => openAdmitted(parsePackageFile(text), authority.public),
      codes,
      inputs: { quick: 100, slow: 3000 },
    }),
    target<unknown>({
      name: "model package: well signed and admitted",
      corpus: mutatedJson([draft(), file.package as object]),
      run: (value) =>
        withPackage(
          catalogue,
          openAdmitted(
            admitted(parseJson(JSON.stringify(value) ?? "", "model-invalid"), owner, authority)
              .file,
            authority.public,
          ),
        ),
      codes,
      inputs: { quick: 80, slow: 2000 },
    }),
    target<unknown>({
      name: "model draft",
      corpus: mutatedJson([draft(), draft(2, { stability: 1 })]),
      run: (value) =>
        checkDraft(parseJson(JSON.stringify(value) ?? "", "model-invalid"), catalogue),
      codes,
      inputs: { quick: 100, slow: 4000 },
    }),
    target<string>({
      name: "a party's folder of packages",
      corpus: mutatedText([json]),
      run: (text) => {
        writeSecretFile(join(packages, "x.package.json"), text);
        const { faults } = readPackages(packages, authority.public);
        return faults.length > 0 ? REFUSED : "read";
      },
      codes,
      inputs: { quick: 50, slow: 1000 },
    }),
  ];
}

/** What an institution has sealed, opened at a node that holds the person: a claim that does not fit is a fault slot. */
function claims(): Target {
  const catalogue = loadCatalogue();
  const identity = catalogue.products.get("identity-verification@1");
  const products = [...catalogue.products.values()].filter(({ claims: takes }) => takes !== "none");
  const check = { indicator: "name", name: "张三" };
  const valid = [
    { combine: "all", checks: [check, { indicator: "district", code: "110101" }] },
    { combine: { at_least: 1 }, checks: [check] },
    { combine: { score: { weights: [1, 2], threshold: 50 } }, checks: [check, check] },
    { classes: ["travel"] },
    { contacts: ["+8613812345678"], work_district: [check] },
  ];
  const values = Array.from({ length: catalogue.positions.size }, (_, i) =>
    i % 3 === 0 ? null : i,
  );
  const person = {
    numbers: [
      { values, identity: { msisdn: "0".repeat(64), cnId: null, name: "1".repeat(64) }, lists: {} },
    ],
  };
  if (identity === undefined) throw new Error("no such product");
  return target<readonly [number, unknown]>({
    name: "opened claims, evaluated",
    corpus: fc.tuple(fc.nat(products.length - 1), fc.oneof(mutatedJson(valid), fc.jsonValue())),
    run: ([index, opened]) => {
      const product = products[index] as NonNullable<typeof identity>;
      const slots = evaluateItem(product, person, opened, { subjectKey: SUBJECT_KEY });
      return slots[0] === 1 ? REFUSED : slots;
    },
    codes: [],
    inputs: { quick: 300, slow: 10_000 },
  });
}

/** The declarations under catalogue/data, as an operator could edit them. */
function declarations(resources: AsyncDisposableStack): Target {
  const folder = resources.adopt(new CatalogueFolder(), (each) => each[Symbol.dispose]());
  const editable = [
    "views.json",
    "lists.json",
    "sub-scores.json",
    "verifications.json",
    "tags.json",
    "watches.json",
    "products.json",
    "models/credit-score.json",
    "indicators/social.json",
  ];
  const originals = new Map<string, string>();
  for (const name of editable)
    folder.edit(name, (json) => void originals.set(name, JSON.stringify(json)));
  const spoilt = fc.constantFrom(...editable).chain((name) => {
    const text = originals.get(name) as string;
    return fc.tuple(
      fc.constant(name),
      fc.oneof(
        {
          weight: 3,
          arbitrary: mutatedJson([JSON.parse(text) as object]).map(
            (bent) => JSON.stringify(bent) ?? "",
          ),
        },
        { weight: 1, arbitrary: mutatedText([text]) },
      ),
    );
  });
  let path = folder.path;
  let number = 0;
  resources.defer(() => rmSync(path, { recursive: true, force: true }));
  return target<readonly [string, string]>({
    name: "catalogue declarations",
    corpus: spoilt,
    run: ([name, text]) => {
      // A catalogue is kept by its folder's name, so each has a name of its own.
      const next = `${folder.path}-${number++}`;
      renameSync(path, next);
      path = next;
      writeFileSync(join(path, name), text);
      try {
        return loadCatalogue(path).digest;
      } finally {
        writeFileSync(join(path, name), originals.get(name) as string);
      }
    },
    codes: ["data-invalid"],
    inputs: { quick: 10, slow: 60 },
  });
}
