// A model package through a whole federation: nobody answers with it before a province has approved it, partial approval
// is partial coverage, shadow is evaluated and never released, and the log says which package answered.
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadCatalogue, decideAnswer, requireProduct, withPackage } from "../../catalogue/index.ts";
import { httpReader, showLeaves } from "../../consent/log/index.ts";
import { partyFolder } from "../../core/config.ts";
import { readSecretFile } from "../../core/secret-file.ts";
import { normaliseMsisdn, subjectTag } from "../../crypto/index.ts";
import { evaluateItem } from "../../province-node/evaluate.ts";
import { FeatureStore } from "../../province-node/feature-store.ts";
import { readDecisions, rollBack } from "../../province-node/models/decisions.ts";
import { systemClock } from "../../core/clock.ts";
import { Bank, type Reply } from "../federation/bank.ts";
import { type Federation, startFederation } from "../federation/federation.ts";
import { ModelOwner } from "./federation-models.ts";
import { draft } from "./package-fixture.ts";

const CODES = ["11", "12", "13"];
const REF = "risk-model:test@1";

let federation: Federation;
let bank: Bank;
let owner: ModelOwner;

beforeAll(async () => {
  federation = await startFederation({ provinces: CODES.length });
  bank = await Bank.register(federation);
  owner = await ModelOwner.register(federation, bank);
});
afterAll(() => federation[Symbol.asyncDispose]());

/** Somebody whose only number is in this province. */
function someoneIn(code: string): string {
  const found = federation.truth.find(
    ({ province, numbers }) => province === code && numbers.every((each) => each.province === code),
  );
  if (found?.numbers[0] === undefined) throw new Error("the sandbox is too small");
  return found.numbers[0].msisdn;
}

/** Decisions and packages take effect within a second: asks until the answer is of that kind. */
async function askUntil(
  msisdn: string,
  wanted: (reply: Reply) => boolean,
  product = REF,
): Promise<Reply> {
  for (;;) {
    const consent = await bank.consent({ subject: msisdn, products: [product] });
    const reply = await bank.ask(consent, product);
    if (wanted(reply)) return reply;
  }
}

/** What the model says of this number in the clear, over the store that holds it. */
function expectedScore(
  msisdn: string,
  code: string,
  opened: Parameters<typeof withPackage>[1],
): unknown {
  const catalogue = withPackage(loadCatalogue(), opened);
  const folder = partyFolder(federation.settings.home, code as never);
  const subjectKey = readSecretFile(`${folder}/secrets/subject.key`);
  using store = FeatureStore.open(`${folder}/store.db`, catalogue);
  const person = store.lookup(subjectTag(subjectKey, "msisdn", normaliseMsisdn(msisdn)));
  const product = requireProduct(catalogue, opened.ref);
  const slots = evaluateItem(product, person, undefined, { subjectKey });
  const decision = decideAnswer(product, [...slots], 1);
  return decision.kind === "answer" ? decision.answer : undefined;
}

test("from submission over partial approval to every province, and back", async () => {
  const held = someoneIn("11");
  const elsewhere = someoneIn("13");
  const opened = await owner.submit(draft());
  const none = await askUntil(held, ({ code }) => code === "model-not-approved");
  expect(none.status).toBe(403);

  owner.decide(opened, "approved", ["11", "12"]);
  const partial = await askUntil(held, ({ coverage }) => coverage?.answered === 2);
  expect(partial).toMatchObject({ status: 200, coverage: { answered: 2, of: 3 } });
  const expected = expectedScore(held, "11", opened);
  expect(partial.answer).toEqual(expected);
  // Nobody known among those who answered: the province that would not evaluate could hold the person.
  const open = await askUntil(elsewhere, ({ code }) => code !== "model-not-approved");
  expect(open).toMatchObject({ status: 503, code: "coverage-incomplete" });

  owner.decide(opened, "approved", ["13"]);
  const whole = await askUntil(elsewhere, ({ coverage }) => coverage?.answered === 3);
  expect(whole.answer).toEqual(expectedScore(elsewhere, "13", opened));
  expect(whole).toMatchObject({ model: { id: "risk-model:test", version: "1" } });
  expect(await leafOf(whole)).toMatchObject({
    product: REF,
    model: { id: "risk-model:test", version: "1" },
    model_package_sha256: opened.sha256,
  });

  const second = await owner.submit(draft(2, { identity: 100 }));
  owner.decide(second, "shadow", CODES);
  const shadow = await askUntil(held, ({ code }) => code === "model-in-shadow", second.ref);
  expect(shadow.status).toBe(403);

  owner.decide(second, "approved", CODES);
  const newer = await askUntil(held, ({ status }) => status === 200, second.ref);
  expect(newer.answer).toEqual(expectedScore(held, "11", second));
  for (const code of CODES) {
    const folder = partyFolder(federation.settings.home, code as never);
    rollBack(folder, [opened, second], "risk-model:test", systemClock);
    expect(readDecisions(folder).length).toBeGreaterThan(2);
  }
  await askUntil(held, ({ code }) => code === "model-not-approved", second.ref);
  const restored = await askUntil(held, ({ status }) => status === 200);
  expect(restored.answer).toEqual(expected);
});

async function leafOf(reply: Reply): Promise<unknown> {
  const reader = httpReader(`${federation.authority.url}/log`);
  for await (const { leaf } of showLeaves(reader, { query: reply.query_id })) return leaf;
  return undefined;
}

test("the gateway lists it, and nobody may sign for another institution", async () => {
  const response = await fetch(`${federation.gateway.url}/v1/products`);
  const { products } = (await response.json()) as { products: { product: string }[] };
  expect(products.map(({ product }) => product)).toContain(REF);
  const stranger = await Bank.register(federation);
  const other = await ModelOwner.register(federation, stranger);
  await expect(other.submit(draft(9))).rejects.toMatchObject({
    code: "model-invalid",
    detail: expect.stringMatching(/belongs to somebody else/),
  });
});
