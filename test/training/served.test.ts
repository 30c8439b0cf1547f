// A scorecard trained over the sandbox's own provinces, served: the package goes the way of every package (signed, admitted, approved),
// and gives everybody the score that a card made centrally from the same rows gives; some are asked through a whole federation.
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  decideAnswer,
  loadCatalogue,
  type OpenedPackage,
  requireProduct,
  withPackage,
} from "../../catalogue/index.ts";
import { partyFolder } from "../../core/config.ts";
import { systemRandom } from "../../core/random.ts";
import { readSecretFile } from "../../core/secret-file.ts";
import { normaliseMsisdn, subjectTag } from "../../crypto/index.ts";
import { packageDraft } from "../../cli/train-package.ts";
import { train, TRAINING_DEFAULTS, type TrainingResult } from "../../cli/train-job.ts";
import { DEFAULT_SCALE } from "../../cli/train-scorecard.ts";
import { evaluateItem } from "../../province-node/evaluate.ts";
import { FeatureStore } from "../../province-node/feature-store.ts";
import { Keystream, sandboxKey } from "../../province-node/sandbox/keystream.ts";
import { Bank, type Reply } from "../federation/bank.ts";
import { type Federation, startFederation } from "../federation/federation.ts";
import { ModelOwner } from "../models/federation-models.ts";
import { centralRegression, centralWoe, centralWoeTables } from "./central-lr.ts";

const FEATURES = [
  "use.arrears_months_12m",
  "use.on_time_share_12m",
  "use.spend_avg_6m",
  "loy.history_months",
  "id.age_years",
  "net.circle_90d",
  "val.loan_days_90d",
  "asset.device_price",
  "online.shopping_days_30d",
  "loc.cities_30d",
];
const ASKED = 6;

interface Row {
  readonly msisdn: string;
  readonly code: string;
  readonly values: readonly number[];
  readonly label: number;
  /** As the node that holds it evaluates it. */
  readonly served: (opened: OpenedPackage) => unknown;
}

const catalogue = loadCatalogue();
let federation: Federation;
let stores: ReadonlyMap<string, FeatureStore>;
let rows: readonly Row[];

beforeAll(async () => {
  federation = await startFederation({ provinces: 2, peoplePerProvince: 520 });
  const folders = federation.provinces.map(
    ({ code }) => [code, partyFolder(federation.settings.home, code)] as const,
  );
  stores = new Map(
    folders.map(([code, folder]) => [code, FeatureStore.open(`${folder}/store.db`, catalogue)]),
  );
  const keys = new Map(
    folders.map(([code, folder]) => [code, readSecretFile(`${folder}/secrets/subject.key`)]),
  );
  rows = federation.truth.flatMap(({ creditworthiness, numbers }, person) =>
    numbers.flatMap(({ msisdn, province: code }, n) => {
      const subjectKey = keys.get(code as never);
      const store = stores.get(code);
      if (subjectKey === undefined || store === undefined) return [];
      const record = store.lookup(subjectTag(subjectKey, "msisdn", normaliseMsisdn(msisdn)));
      const [number] = record?.numbers ?? [];
      if (number === undefined) return [];
      const values = FEATURES.map((id) => {
        const stored = number.values[catalogue.positions.get(id)!] ?? null;
        return stored === null ? NaN : stored / catalogue.indicatorById.get(id)!.scale;
      });
      // What the bank saw of them: by their hidden creditworthiness, with chance.
      const drawn = new Keystream(sandboxKey("served"), 1, person, n);
      // The first draw of a stream is 0.
      drawn.unit();
      const label = drawn.chance(1 / (1 + Math.exp(6 * creditworthiness - 2))) ? 1 : 0;
      const served = (opened: OpenedPackage): unknown => {
        const product = requireProduct(withPackage(catalogue, opened), opened.ref);
        const slots = evaluateItem(product, record, undefined, { subjectKey });
        const decision = decideAnswer(product, [...slots], 1);
        return decision.kind === "answer" ? decision.answer : undefined;
      };
      return [{ msisdn, code, values, label, served }];
    }),
  );
});

afterAll(async () => {
  for (const store of stores.values()) store[Symbol.dispose]();
  await federation[Symbol.asyncDispose]();
});

function trainOver(): Promise<TrainingResult> {
  const provinces = federation.provinces.map(({ code }) => {
    const mine = rows.filter((row) => row.code === code);
    return {
      code,
      columns: FEATURES.map((_, c) => Float64Array.from(mine, ({ values }) => values[c]!)),
      labels: Uint8Array.from(mine, ({ label }) => label),
    };
  });
  const input = {
    id: "served",
    client: "demo-bank",
    purpose: "dpv:CreditChecking",
    features: FEATURES,
    provinces,
    random: systemRandom,
  };
  const options = { ...TRAINING_DEFAULTS, bins: 5, monotone: true, scale: DEFAULT_SCALE };
  return train(input, options);
}

/** The card that somebody with all rows and all labels would make with these cuts. */
function centralScores({ bins }: TrainingResult): number[] {
  const values = rows.map((row) => [...row.values]);
  const labels = rows.map(({ label }) => label);
  const cuts = bins!.map((column) => column.cuts);
  const { coefficients } = centralRegression(
    centralWoe(values, labels, cuts),
    labels,
    TRAINING_DEFAULTS.l2,
  );
  const [intercept, ...slopes] = coefficients;
  const factor = DEFAULT_SCALE.pdo / Math.log(2);
  const start = DEFAULT_SCALE.basePoints - factor * (Math.log(DEFAULT_SCALE.baseOdds) + intercept!);
  const points = centralWoeTables(values, labels, cuts).map((table, c) =>
    table.map((woe) => Math.round(-factor * slopes[c]! * woe)),
  );
  return values.map((row) => {
    const sum = row.reduce((total, value, c) => {
      const edges = cuts[c]!;
      const bin = Number.isNaN(value)
        ? edges.length + 1
        : edges.filter((cut) => cut <= value).length;
      return total + points[c]![bin]!;
    }, Math.round(start));
    return Math.min(DEFAULT_SCALE.max, Math.max(DEFAULT_SCALE.min, sum));
  });
}

test("everybody's served score is the central card's", async () => {
  const result = await trainOver();
  expect(result.people).toBe(rows.length);
  expect(result.evaluation!.auc).toBeGreaterThan(0.7);
  const bank = await Bank.register(federation);
  const owner = await ModelOwner.register(federation, bank);
  const draft = packageDraft(
    { ...result.card!, features: FEATURES, training: { kind: "test" } },
    { id: "served", version: 1, owner: bank.clientId, zh: "训练模型", en: "Trained model" },
    catalogue,
  );
  const opened = await owner.submit(draft);
  owner.decide(
    opened,
    "approved",
    federation.provinces.map(({ code }) => code),
  );
  const expected = centralScores(result);
  const answers = rows.map((row) => row.served(opened));
  expect(answers.map((answer) => (answer as { value: number }).value)).toEqual(expected);
  expect(new Set(expected).size).toBeGreaterThan(50);

  for (let i = 0; i < ASKED; i++) {
    const at = Math.floor((i * rows.length) / ASKED);
    const reply = await askUntilApproved(bank, rows[at]!.msisdn, opened.ref);
    expect(reply.answer).toEqual(answers[at]);
    expect(reply.answer).toMatchObject({ kind: "score", value: expected[at] });
  }
});

/** A decision takes effect within a second. */
async function askUntilApproved(bank: Bank, subject: string, product: string): Promise<Reply> {
  for (;;) {
    const reply = await bank.ask(await bank.consent({ subject, products: [product] }), product);
    if (reply.code !== "model-not-approved") return reply;
  }
}
