// One release per query id, ever; and answers that the gateway cannot read.
import { compactDecrypt, decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { importPrivate } from "../../crypto/index.ts";
import { ProvinceNodeClient } from "../../proto/index.ts";
import { Bank, type GivenConsent } from "./bank.ts";
import { type Federation, randomUUID, startFederation } from "./federation.ts";

const SCORE = "credit-score@1";
const IDENTITY = "identity-verification@1";

let federation: Federation;
let bank: Bank;
const sent = vi.spyOn(ProvinceNodeClient.prototype, "evaluate");

beforeAll(async () => {
  federation = await startFederation({ provinces: 2, peoplePerProvince: 6 });
  bank = await Bank.register(federation);
});
afterAll(() => federation[Symbol.asyncDispose]());
beforeEach(() => {
  sent.mockClear();
});

function person(index: number) {
  const found = federation.truth[index];
  if (found === undefined) throw new Error("the sandbox is too small");
  return { ...found, msisdn: found.numbers[0]?.msisdn as string };
}

async function json(response: Response): Promise<{ status: number } & Record<string, unknown>> {
  return { status: response.status, ...((await response.json()) as object) };
}

describe("one query id", () => {
  test("asked again it gets the same stored answer: nothing is spent, nobody is asked again", async () => {
    const consent = await bank.consent({ subject: person(1).msisdn, maxUses: 1 });
    const question = { product: SCORE, query_id: randomUUID() };
    const first = await json(await bank.send(consent, question));
    expect(first).toMatchObject({ status: 200, query_id: question.query_id });
    sent.mockClear();
    for (let again = 0; again < 3; again++) {
      const { receipt, ...rest } = await json(await bank.send(consent, question));
      expect({ receipt: first["receipt"], ...rest }).toEqual(first);
      expect(receipt).toContain("c2sp.org/tlog-proof@v1");
    }
    expect(sent).not.toHaveBeenCalled();
    const spent = await json(await bank.send(consent, { product: SCORE }));
    expect(spent).toMatchObject({ status: 403, code: "consent-consumed" });
  });

  test("asked many times at once it is one release", async () => {
    const consent = await bank.consent({ subject: person(2).msisdn, maxUses: 1 });
    const question = { product: SCORE, query_id: randomUUID() };
    const replies = await Promise.all(
      Array.from({ length: 8 }, async () => await json(await bank.send(consent, question))),
    );
    const told = new Set(replies.map((reply) => JSON.stringify(reply["answer"])));
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200));
    expect(told.size).toBe(1);
  });

  test("with another question under it, a conflict: product, claims, person, or institution", async () => {
    const consent = await bank.consent({ subject: person(1).msisdn });
    const query_id = randomUUID();
    const claims = await bank.sealClaims({
      checks: [{ indicator: "id.number_name", claim: { msisdn: person(1).msisdn, name: "某" } }],
    });
    expect((await bank.send(consent, { product: IDENTITY, query_id, claims })).status).toBe(200);
    const conflict = expect.objectContaining({ status: 409, code: "query-conflict" });
    expect(await json(await bank.send(consent, { product: SCORE, query_id }))).toEqual(conflict);
    const others = await bank.sealClaims({ checks: [] });
    const otherClaims = { product: IDENTITY, query_id, claims: others };
    expect(await json(await bank.send(consent, otherClaims))).toEqual(conflict);
    const otherPerson = await bank.consent({ subject: person(2).msisdn });
    const same = { product: IDENTITY, query_id, claims };
    expect(await json(await bank.send(otherPerson, same))).toEqual(conflict);
    const otherBank = await Bank.register(federation);
    const theirs = await otherBank.consent({ subject: person(1).msisdn });
    expect(await json(await otherBank.send(theirs, same))).toEqual(conflict);
  });

  test("left out, it comes from the proof: two requests are two queries", async () => {
    const consent = await bank.consent({ subject: person(1).msisdn });
    const [one, two] = [
      await json(await bank.send(consent, { product: SCORE })),
      await json(await bank.send(consent, { product: SCORE })),
    ];
    expect(one["query_id"]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab]/);
    expect(two["query_id"]).not.toBe(one["query_id"]);
    expect(two["answer"]).toEqual(one["answer"]);
  });
});

describe("a sealed answer", () => {
  async function sealed(consent: GivenConsent, body: object, from = bank) {
    const response = await from.send(consent, body, { accept: "application/jose" });
    expect(response.headers.get("content-type")).toContain("application/jose");
    const jwe = await response.text();
    const { plaintext } = await compactDecrypt(jwe, importPrivate(from.encryptionKey));
    const opened = JSON.parse(Buffer.from(plaintext).toString("utf8")) as Record<string, unknown>;
    return { jwe, opened };
  }

  test("says what the plain one would, to the institution's key alone", async () => {
    const consent = await bank.consent({ subject: person(1).msisdn });
    const question = { product: SCORE, query_id: randomUUID() };
    const { jwe, opened } = await sealed(consent, question);
    expect(decodeProtectedHeader(jwe)).toMatchObject({
      alg: "ECDH-ES",
      enc: "A256GCM",
      kid: "enc-1",
    });
    const plain = await json(await bank.send(consent, question));
    expect(plain).toMatchObject({ status: 200, answer: opened["answer"] });
    const other = importPrivate((await Bank.register(federation)).encryptionKey);
    await expect(compactDecrypt(jwe, other)).rejects.toThrow();
  });

  test("is as long for yes as for no and for unknown", async () => {
    const someone = person(1);
    const claim = (name: string) => ({
      checks: [{ indicator: "id.number_name", claim: { msisdn: someone.msisdn, name } }],
    });
    const consent = await bank.consent({ subject: someone.msisdn });
    const stranger = await bank.consent({ subject: "+8613900000000" });
    const lengths = new Set<number>();
    const values: unknown[] = [];
    for (const [about, name] of [
      [consent, someone.name],
      [consent, "不是他"],
      [stranger, someone.name],
    ] as const) {
      const claims = await bank.sealClaims(claim(name));
      const { jwe, opened } = await sealed(about, { product: IDENTITY, claims });
      lengths.add(jwe.length);
      values.push((opened["answer"] as { value: unknown }).value);
    }
    expect(values).toEqual(["yes", "no", "unknown"]);
    expect(lengths.size).toBe(1);
  });

  test("is the only one for an institution that is registered so", async () => {
    const closed = await Bank.register(federation, { sealedOnly: true });
    const consent = await closed.consent({ subject: person(1).msisdn, maxUses: 1 });
    const question = { product: SCORE, query_id: randomUUID() };
    expect(await json(await closed.send(consent, question))).toMatchObject({
      status: 406,
      code: "client-sealed-only",
    });
    // Nothing was spent by the refusal.
    const { opened } = await sealed(consent, question, closed);
    expect(opened).toMatchObject({ query_id: question.query_id, coverage: { answered: 2, of: 2 } });
  });

  test("an error is a problem in the clear: it says nothing about the person", async () => {
    const consent = await bank.consent({ subject: person(1).msisdn, products: [SCORE] });
    const response = await bank.send(
      consent,
      { product: "no-such@1" },
      { accept: "application/jose" },
    );
    expect(response.headers.get("content-type")).toContain("application/problem+json");
    expect(await response.json()).toMatchObject({ code: "product-unknown" });
  });
});
