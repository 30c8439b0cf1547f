// Real people, whole federation: the Sichuan file goes into province 51 through examples/sichuan/mapping.json, the fraud
// package of examples/sichuan/model.json is signed, admitted and approved everywhere, and every one of the 6,106 numbers is
// asked about through gateway, 31 nodes and authority. Each answer and the AUC are compared with the same package evaluated
// in plain TypeScript over the file. Skips, saying so, where the data is not there.
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadCatalogue } from "../../catalogue/index.ts";
import { readFederation } from "../../consent/epochs.ts";
import { partyFolder } from "../../core/config.ts";
import { silentLogger } from "../../core/log.ts";
import type { ProvinceCode } from "../../core/ids.ts";
import { PROVINCES } from "../../core/provinces.ts";
import { readSecretFile } from "../../core/secret-file.ts";
import { loadProvince, startProvinceNode } from "../../province-node/index.ts";
import { Bank, type GivenConsent, type Reply } from "../federation/bank.ts";
import { ASOF, type Federation, startFederation } from "../federation/federation.ts";
import { ModelOwner } from "../models/federation-models.ts";
import {
  aucOf,
  type ClearModel,
  clearScore,
  EXAMPLE,
  hasSichuan,
  kept,
  readSichuan,
  SICHUAN,
} from "./clear.ts";

const SICHUAN_PROVINCE = "51" as ProvinceCode;
const AT_ONCE = 48;
const catalogue = loadCatalogue();

interface Draft {
  readonly owner: string;
  readonly model: ClearModel & {
    readonly id: string;
    readonly version: number;
    readonly owner: string;
  };
}
const draft = JSON.parse(readFileSync(join(EXAMPLE, "model.json"), "utf8")) as Draft;
const product = `${draft.model.id}@${draft.model.version}`;

let federation: Federation;
let resources: AsyncDisposableStack;

beforeAll(async () => {
  if (!hasSichuan()) return;
  resources = new AsyncDisposableStack();
  federation = await startFederation({
    provinces: PROVINCES.length,
    peoplePerProvince: 3,
    environment: { WJF_FAN_OUT_TIMEOUT_MS: "60000", WJF_REPLY_QUANTUM_MS: "0" },
  });
  resources.use(federation);
  await loadSichuan();
}, 3_000_000);
afterAll(async () => await resources?.[Symbol.asyncDispose]());

/** The file takes the place of the province's generated people; its node is started again over it. */
async function loadSichuan(): Promise<void> {
  const { settings } = federation;
  const folder = partyFolder(settings.home, SICHUAN_PROVINCE);
  const raw = join(settings.home, "sichuan");
  mkdirSync(raw);
  copyFileSync(SICHUAN, join(raw, "sichuan_mobile_fraud.csv"));
  await federation.stopNode(SICHUAN_PROVINCE);
  const report = await loadProvince({
    rawDir: raw,
    mapping: join(EXAMPLE, "mapping.json"),
    storePath: join(folder, "store.db"),
    rejectsDir: join(folder, "rejects"),
    subjectKey: readSecretFile(join(folder, "secrets", "subject.key")),
    asof: ASOF,
    catalogue,
  });
  expect(report).toMatchObject({ rawRows: 6106, rejected: 0, numbers: 6106 });
  const { provinces } = readFederation(
    join(partyFolder(settings.home, "authority"), "federation.json"),
  );
  const own = provinces.find(({ code }) => code === SICHUAN_PROVINCE);
  const port = Number(own?.endpoint.split(":")[1]);
  const nodeSettings = { ...settings, nodeBasePort: port - Number(SICHUAN_PROVINCE) };
  resources.use(await startProvinceNode(SICHUAN_PROVINCE, folder, nodeSettings, silentLogger));
}

test("6,106 real numbers answered through the federation as in the clear", async (context) => {
  if (!hasSichuan()) return context.skip("the shared data folder is not here");
  const bank = await Bank.register(federation);
  const owner = await ModelOwner.register(federation, bank);
  const opened = await owner.submit(draft);
  owner.decide(
    opened,
    "approved",
    federation.provinces.map(({ code }) => code),
  );
  const people = readSichuan();
  await untilEveryProvinceAnswers(bank, people[0]?.msisdn as string);

  const startedMs = performance.now();
  const scores = new Map<string, number>();
  const queue = people.values();
  const worker = async (): Promise<void> => {
    // Shared between the workers: each takes the next number.
    for (const { msisdn } of queue) {
      const consent = await bank.consent({ subject: msisdn, products: [product] });
      const reply = await askAgainIfCut(bank, consent);
      expect(reply).toMatchObject({ status: 200, coverage: { answered: 31, of: 31 } });
      scores.set(msisdn, reply.answer.value as number);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const seconds = (performance.now() - startedMs) / 1000;

  const clear = people.map(({ msisdn, fraud, values }) => {
    const known = new Map(Object.entries(values).map(([id, value]) => [id, keptBy(id, value)]));
    return { msisdn, fraud, score: clearScore(draft.model, known) };
  });
  const answered = people.map(({ msisdn, fraud }) => ({
    fraud,
    score: scores.get(msisdn) as number,
  }));
  const differences = clear.filter(({ msisdn, score }) => scores.get(msisdn) !== score).length;
  const [federated, plain] = [aucOf(answered), aucOf(clear)];
  process.stdout.write(
    `Sichuan: ${answered.length} numbers over ${federation.provinces.length} provinces in ${seconds.toFixed(0)} s; ` +
      `AUC through the federation ${federated.toFixed(6)}, in the clear ${plain.toFixed(6)}; ` +
      `${differences} scores differ\n`,
  );
  expect(scores.size).toBe(6106);
  expect(differences).toBe(0);
  expect(federated.toFixed(4)).toBe(plain.toFixed(4));
  expect(plain).toBeGreaterThan(0.9);
});

/** A busy machine lets a kept connection time out under a request; an institution asks again then, and so does this. */
async function askAgainIfCut(bank: Bank, consent: GivenConsent): Promise<Reply> {
  try {
    return await bank.ask(consent, product);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return await bank.ask(consent, product);
  }
}

function keptBy(id: string, value: number | null): number | null {
  const indicator = catalogue.indicatorById.get(id);
  if (indicator === undefined) throw new Error(`no indicator ${id}`);
  return kept(value, indicator);
}

/** Packages and decisions take effect within a second of being written. */
async function untilEveryProvinceAnswers(bank: Bank, msisdn: string): Promise<void> {
  for (;;) {
    const consent = await bank.consent({ subject: msisdn, products: [product] });
    const { coverage } = await bank.ask(consent, product);
    if (coverage?.answered === PROVINCES.length) return;
  }
}
