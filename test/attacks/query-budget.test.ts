// A hostile institution that has every consent it needs and narrows one person down: by many products, by claims that differ
// a little, by one question under ever new ids, by many at once, through batches, or with a hostile gateway's help. Failure:
// one answer more than its budget. Not failure: the same answer again under the same query id, which tells nothing new.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { DEFAULT_LIMITS } from "../../consent/clients.ts";
import { consentTables } from "../../consent/ledger.ts";
import { QueryBudget } from "../../consent/query-budget.ts";
import { createLogger, silentLogger } from "../../core/log.ts";
import { ProvinceNodeClient } from "../../proto/index.ts";
import { BatchClient } from "../batches/batch-client.ts";
import { openLedgerBench } from "../consent/ledger-fixture.ts";
import { Bank, type GivenConsent } from "../federation/bank.ts";
import { openScene, type Scene } from "../federation/scene.ts";

const SCORE = "credit-score@1";
const CLAIMS = "identity-verification@1";
const BUDGET = { queries_per_person_per_day: 5, claims_per_person_per_day: 3 };

const logged: string[] = [];
let scene: Scene;
beforeAll(async () => {
  const destination = { write: (line: string) => void logged.push(line) };
  const log = createLogger({ service: "test", level: "warn", destination });
  scene = await openScene({ provinces: 2, log });
});
afterAll(() => scene[Symbol.asyncDispose]());

interface Probe {
  readonly bank: Bank;
  readonly phone: string;
  readonly consent: () => Promise<GivenConsent>;
}

let people = 0;
/** A new institution with a budget, and a person nobody has asked about. */
async function probe(limits: object = BUDGET): Promise<Probe> {
  const bank = await Bank.register(scene.federation, { limits });
  const phone = scene.msisdn(people++ % scene.federation.truth.length);
  return { bank, phone, consent: () => bank.consent({ subject: phone, maxUses: 50 }) };
}

const guess = (msisdn: string, name: string) => ({
  checks: [{ indicator: "id.number_name", claim: { msisdn, name } }],
});

/** The codes of asking so often, each time under a consent of its own; "" for an answer. */
async function asked(times: number, ask: (i: number) => Promise<{ code?: string }>) {
  const codes: string[] = [];
  for (let i = 0; i < times; i++) codes.push((await ask(i)).code ?? "");
  return codes;
}

describe("one person, one institution, one day", () => {
  test("guessing by claims: so many guesses, each under a new consent; then not even one", async () => {
    const { bank, phone, consent } = await probe();
    const names = ["张伟", "王伟", "李娜", "刘洋", "陈静"];
    const codes = await asked(5, async (i) =>
      bank.ask(await consent(), CLAIMS, guess(phone, names[i] as string)),
    );
    expect(codes).toEqual(["", "", "", "query-budget", "query-budget"]);
    // What takes no claims is not a guess, and has what is left of the larger budget.
    const rest = await asked(3, async () => bank.ask(await consent(), SCORE));
    expect(rest).toEqual(["", "", "query-budget"]);
  });

  test("one question each to many products, each under a consent of its own", async () => {
    const products = ["credit-score@1", "personal-score@1", "credit-at-least:650@1"];
    products.push("many-numbers@1", "risk-model:insurer@1", "risk-model:rental@1");
    const bank = await Bank.register(scene.federation, { limits: BUDGET, products });
    const codes = await asked(products.length, async (i) => {
      const product = products[i] as string;
      const given = await bank.consent({ subject: scene.msisdn(0), products: [product] });
      return await bank.ask(given, product);
    });
    expect(codes).toEqual(["", "", "", "", "", "query-budget"]);
  });

  test("a refusal asks no province, is a leaf, and an alert without a word about the person", async () => {
    const { bank, phone, consent } = await probe({ queries_per_person_per_day: 1 });
    const given = await consent();
    expect(await bank.ask(given, SCORE)).toMatchObject({ status: 200 });
    const evaluate = vi.spyOn(ProvinceNodeClient.prototype, "evaluate");
    logged.length = 0;
    const reply = await bank.ask(given, SCORE);
    expect(reply).toMatchObject({ status: 429, code: "query-budget", retryable: false });
    expect(evaluate).not.toHaveBeenCalled();
    const refusals = await scene.leaves("refusal");
    expect(refusals.at(-1)).toMatchObject({ code: "query-budget", client_id: bank.clientId });
    const alerts = logged.filter((line) => line.includes('"alert":"query-budget"'));
    expect(alerts).toHaveLength(1);
    expect(JSON.parse(alerts[0] as string)).toMatchObject({ client_id: bank.clientId });
    expect(alerts[0]).not.toContain(phone.slice(-8));
    expect(alerts[0]).not.toContain(given.id);
    evaluate.mockRestore();
  });

  test("the same question under the same id is answered again, also when nothing is left", async () => {
    const { bank, consent } = await probe({ queries_per_person_per_day: 1 });
    const given = await consent();
    const body = { product: SCORE, query_id: randomUUID() };
    const first = (await (await bank.send(given, body)).json()) as Record<string, unknown>;
    expect(await bank.ask(given, SCORE)).toMatchObject({ code: "query-budget" });
    const again = (await (await bank.send(given, body)).json()) as Record<string, unknown>;
    expect(again["answer"]).toEqual(first["answer"]);
    expect(again["query_id"]).toBe(body.query_id);
  });

  test("forty at once: as many answers as the budget has, whatever the fan-outs they travel in", async () => {
    const { bank, consent } = await probe();
    const given = await consent();
    const replies = await Promise.all(Array.from({ length: 40 }, () => bank.ask(given, SCORE)));
    const answered = replies.filter(({ status }) => status === 200);
    expect(answered).toHaveLength(BUDGET.queries_per_person_per_day);
    for (const { status, code } of replies)
      expect(status === 200 || code === "query-budget").toBe(true);
  });

  test("a hostile gateway that evaluates first and asks for the release later gains nothing", async () => {
    const { bank, consent } = await probe({ queries_per_person_per_day: 2 });
    const given = await consent();
    const { hostile } = scene;
    const fanOuts = [];
    for (let i = 0; i < 4; i++) {
      fanOuts.push(await hostile.fanOut([await bank.sign(given, { product: SCORE })]));
    }
    const results = [];
    for (const fanOut of fanOuts) results.push(...(await hostile.release(fanOut)));
    expect(results.map((outcome) => outcome.result === "refusal" && outcome.refusal)).toEqual([
      false,
      false,
      "query-budget",
      "query-budget",
    ]);
    const together = await Promise.all(
      Array.from({ length: 3 }, () => bank.sign(given, { product: SCORE })),
    );
    for (const outcome of await hostile.release(await hostile.fanOut(together))) {
      expect(outcome).toEqual({ result: "refusal", refusal: "query-budget" });
    }
  });

  test("the rows of a batch count as single questions do", async () => {
    const { bank, consent } = await probe();
    const given = await Promise.all(Array.from({ length: 8 }, () => consent()));
    const client = new BatchClient(scene.federation, bank);
    const { id } = await client.submit(given.map(({ token }) => ({ product: SCORE, token })));
    expect(await client.finished(id)).toMatchObject({ answered: 5, refused: 3 });
    const codes = (await client.results(id)).flatMap(({ error }) => error?.code ?? []);
    expect(codes).toEqual(["query-budget", "query-budget", "query-budget"]);
    expect(await bank.ask(await consent(), SCORE)).toMatchObject({ code: "query-budget" });
  });

  test("another person, and another institution, have budgets of their own", async () => {
    const { bank, phone, consent } = await probe({ queries_per_person_per_day: 1 });
    expect(await bank.ask(await consent(), SCORE)).toMatchObject({ status: 200 });
    expect(await bank.ask(await consent(), SCORE)).toMatchObject({ code: "query-budget" });
    const stranger = scene.federation.truth.flatMap(({ numbers }) => numbers.map((n) => n.msisdn));
    const other = stranger.find((number) => number !== phone) as string;
    const about = await bank.consent({ subject: other });
    expect(await bank.ask(about, SCORE)).toMatchObject({ status: 200 });
    const second = await Bank.register(scene.federation, { limits: BUDGET });
    const theirs = await second.consent({ subject: phone });
    expect(await second.ask(theirs, SCORE)).toMatchObject({ status: 200 });
  });
});

test("the budget comes back when a day has passed since the first answer, one by one", async () => {
  await using bench = await openLedgerBench();
  const db = consentTables(bench.db);
  const asker = async () => {
    const row = await db.selectFrom("consent").select("subject_index").executeTakeFirstOrThrow();
    return { clientId: "demo-bank", subjectIndex: row.subject_index };
  };
  const left = async (limits: object): Promise<boolean> => {
    const budget = await QueryBudget.read(db, [await asker()], bench.clock.nowMs(), {
      products: new Map([[SCORE, { claims: "none" } as never]]),
      limitsOf: () => ({ ...DEFAULT_LIMITS, ...limits }),
      log: silentLogger,
    });
    try {
      budget.requireLeft(await asker(), SCORE);
      return true;
    } catch {
      return false;
    }
  };
  const two = { queries_per_person_per_day: 2 };
  const HOUR_MS = 3_600_000;
  await bench.release(await bench.give());
  bench.clock.advance(HOUR_MS);
  expect(await left(two)).toBe(true);
  await bench.release(await bench.give());
  expect(await left(two)).toBe(false);
  expect(await left({ queries_per_person_per_day: null })).toBe(true);
  bench.clock.advance(23 * HOUR_MS - 1);
  expect(await left(two)).toBe(false);
  bench.clock.advance(1);
  expect(await left(two)).toBe(true);
  await bench.release(await bench.give());
  expect(await left(two)).toBe(false);
});
