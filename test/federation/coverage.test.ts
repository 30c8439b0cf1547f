// When a province does not answer. A failure of this test: a wrong answer, a "no" or "unknown" or score that a missing
// province could change, a consent spent on a refusal, a hang. Not a failure: a refusal that may be repeated.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLogger } from "../../core/log.ts";
import { Bank } from "./bank.ts";
import { type Federation, randomUUID, startFederation } from "./federation.ts";

const IDENTITY = "identity-verification@1";

let federation: Federation;
let bank: Bank;
/** How often the gateway has found a province missing. */
let missed = 0;

beforeAll(async () => {
  const destination = {
    write: (line: string) => void (missed += line.includes("a province did not answer") ? 1 : 0),
  };
  const log = createLogger({ service: "test", level: "warn", destination });
  federation = await startFederation({ provinces: 3, peoplePerProvince: 8, log });
  bank = await Bank.register(federation);
});
afterAll(() => federation[Symbol.asyncDispose]());

/** Somebody who has one number, in that province. */
function livingIn(province: string) {
  const found = federation.truth.find(
    ({ numbers }) => numbers.length === 1 && numbers[0]?.province === province,
  );
  if (found === undefined) throw new Error("the sandbox is too small");
  return { ...found, msisdn: found.numbers[0]?.msisdn as string };
}

function nameOf(someone: { msisdn: string }, name: string) {
  return { checks: [{ indicator: "id.number_name", claim: { msisdn: someone.msisdn, name } }] };
}

interface Asked {
  readonly status: number;
  readonly code?: string;
  readonly retryable?: boolean;
  readonly retryAfter: string | null;
  readonly answer?: { readonly value: unknown };
  readonly coverage?: { readonly answered: number; readonly of: number };
}

async function ask(
  subject: string,
  product: string,
  claims?: unknown,
  options: { maxUses?: number; query_id?: string } = {},
): Promise<Asked> {
  const consent = await bank.consent({ subject, maxUses: options.maxUses ?? 1 });
  const sealed = claims === undefined ? {} : { claims: await bank.sealClaims(claims) };
  const query_id = options.query_id ?? randomUUID();
  const response = await bank.send(consent, { product, query_id, ...sealed });
  const retryAfter = response.headers.get("retry-after");
  return { status: response.status, retryAfter, ...((await response.json()) as object) };
}

const INCOMPLETE = { status: 503, code: "coverage-incomplete", retryable: true, retryAfter: "1" };

async function states(): Promise<Record<string, string>> {
  const response = await fetch(`${federation.gateway.url}/v1/federation`);
  const { provinces } = (await response.json()) as { provinces: { code: string; state: string }[] };
  return Object.fromEntries(provinces.map(({ code, state }) => [code, state]));
}

describe("with all three", () => {
  test("every kind of answer is given, on full coverage", async () => {
    const someone = livingIn("11");
    const full = { status: 200, coverage: { answered: 3, of: 3 } };
    const yes = await ask(someone.msisdn, IDENTITY, nameOf(someone, someone.name));
    expect(yes).toMatchObject({ ...full, answer: { value: "yes" } });
    const no = await ask(someone.msisdn, IDENTITY, nameOf(someone, "不是他"));
    expect(no).toMatchObject({ ...full, answer: { value: "no" } });
    expect(await ask(someone.msisdn, "credit-score@1")).toMatchObject(full);
    expect(await states()).toEqual({ "11": "up", "12": "up", "13": "up" });
  });
});

describe("with one down", () => {
  beforeAll(() => federation.stopNode("13"));

  test("yes stands on what is left, and says so", async () => {
    const someone = livingIn("11");
    const yes = await ask(someone.msisdn, IDENTITY, nameOf(someone, someone.name));
    expect(yes).toMatchObject({
      status: 200,
      answer: { value: "yes" },
      coverage: { answered: 2, of: 3 },
    });
    expect((await states())["13"]).toBe("down");
  });

  test("no and unknown do not: the missing province could hold the person", async () => {
    const someone = livingIn("11");
    expect(await ask(someone.msisdn, IDENTITY, nameOf(someone, "不是他"))).toMatchObject(
      INCOMPLETE,
    );
    const stranger = "+8613900000000";
    expect(await ask(stranger, IDENTITY, nameOf(someone, someone.name))).toMatchObject(INCOMPLETE);
    expect(await ask(stranger, "credit-score@1")).toMatchObject(INCOMPLETE);
  });

  test("a score is given where its product says so (`partial`: known), and says of how many", async () => {
    const reply = await ask(livingIn("11").msisdn, "credit-score@1");
    expect(reply).toMatchObject({ status: 200, coverage: { answered: 2, of: 3 } });
  });

  test("it is not waited for every time: after two failures it is left out, but for a trial now and then", async () => {
    missed = 0;
    for (let asked = 0; asked < 8; asked++) {
      expect(await ask(livingIn("11").msisdn, "credit-score@1")).toMatchObject({ status: 200 });
    }
    expect(missed).toBeLessThan(8);
  });

  test("somebody who lives in the missing province is not said to be unknown", async () => {
    const missing = livingIn("13");
    const reply = await ask(missing.msisdn, IDENTITY, nameOf(missing, missing.name));
    expect(reply).toMatchObject(INCOMPLETE);
  });

  test("the refusal spends nothing: the one use is still there for a question that can be answered", async () => {
    const someone = livingIn("12");
    const consent = await bank.consent({ subject: someone.msisdn, maxUses: 1 });
    const query_id = randomUUID();
    const wrong = await bank.sealClaims(nameOf(someone, "不是他"));
    const refused = await bank.send(consent, { product: IDENTITY, query_id, claims: wrong });
    expect(refused.status).toBe(503);
    const claims = nameOf(someone, someone.name);
    expect(await bank.ask(consent, IDENTITY, claims)).toMatchObject({ status: 200 });
    expect(await bank.ask(consent, IDENTITY, claims)).toMatchObject({ code: "consent-consumed" });
  });
});

describe("with two down", () => {
  beforeAll(() => federation.stopNode("12"));

  test("nothing is asked of one province alone: its sum would be its partial", async () => {
    const someone = livingIn("11");
    const reply = await ask(someone.msisdn, IDENTITY, nameOf(someone, someone.name));
    expect(reply).toMatchObject(INCOMPLETE);
  });
});

describe("with none", () => {
  beforeAll(() => federation.stopNode("11"));

  test("the gateway still answers, that it cannot", async () => {
    const someone = livingIn("11");
    const reply = await ask(someone.msisdn, IDENTITY, nameOf(someone, someone.name));
    expect(reply).toMatchObject(INCOMPLETE);
    expect((await fetch(`${federation.gateway.url}/healthz`)).status).toBe(200);
    expect(await states()).toEqual({ "11": "down", "12": "down", "13": "down" });
  });
});
