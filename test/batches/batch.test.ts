// Batches through the whole federation with the real cryptography: the same answers as single questions, every row once, a
// refusal for each row that earns one and for no other. Failure would be a row without a result, one with two, or an answer
// that a single question would not have got.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Leaf, showLeaves, verifyReceipt } from "../../consent/log/index.ts";
import { importPrivate, openJson } from "../../crypto/index.ts";
import { secondSignature } from "../attacks/forged-jws.ts";
import { Bank, type GivenConsent } from "../federation/bank.ts";
import { type Federation, startFederation } from "../federation/federation.ts";
import { HostileGateway } from "../federation/hostile-gateway.ts";
import { BatchClient, type ResultLine, type Row } from "./batch-client.ts";

const PRODUCT = "credit-score@1";

let federation: Federation;
let bank: Bank;
let batches: BatchClient;

beforeAll(async () => {
  federation = await startFederation({ provinces: 3, peoplePerProvince: 40 });
  bank = await Bank.register(federation);
  batches = new BatchClient(federation, bank);
}, 120_000);
afterAll(() => federation[Symbol.asyncDispose]());

function phones(): string[] {
  return federation.truth.flatMap(({ numbers }) => numbers.map(({ msisdn }) => msisdn));
}

async function consents(count: number, of = bank): Promise<GivenConsent[]> {
  const known = phones();
  const given: GivenConsent[] = [];
  for (let i = 0; i < count; i++) {
    given.push(await of.consent({ subject: known[i % known.length] as string }));
  }
  return given;
}

async function run(rows: readonly Row[], client = batches, sealed = false) {
  const { id } = await client.submit(rows, { sealed });
  const state = await client.finished(id);
  return { id, state, results: await client.results(id) };
}

function linesOf(results: readonly ResultLine[]): number[] {
  return results.map(({ line }) => line);
}

test("hundreds of rows get the answers of single questions, each once, with a receipt that verifies", async () => {
  const given = await consents(300);
  const { id, state, results } = await run(given.map(({ token }) => ({ product: PRODUCT, token })));
  expect(state).toMatchObject({ rows: 300, done: 300, answered: 300, refused: 0 });
  expect(linesOf(results)).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
  const keys = federation.authority.ledger.log.verifierKeys;
  for (const [i, consent] of given.entries()) {
    const row = results[i] as ResultLine;
    expect(row.query_id).toBe(batches.derivedId(id, i + 1));
    const { leaf } = verifyReceipt(row.receipt as string, keys);
    expect(leaf).toMatchObject({ type: "release", query_id: row.query_id, consent_id: consent.id });
  }
  const asked = await Promise.all(given.map((consent) => bank.ask(consent, PRODUCT)));
  for (const [i, single] of asked.entries()) {
    const { answer, coverage, product } = results[i] as ResultLine;
    expect({ answer, coverage, product }).toEqual({
      answer: single.answer,
      coverage: single.coverage,
      product: PRODUCT,
    });
  }
  expect(new Set(asked.map(({ answer }) => answer.value)).size).toBeGreaterThan(5);
}, 120_000);

test("products are mixed, claims are opened, query ids are the institution's", async () => {
  const someone = federation.truth[1];
  const msisdn = someone?.numbers[0]?.msisdn as string;
  const consent = await bank.consent({ subject: msisdn });
  const check = async (name: string) =>
    await bank.sealClaims({
      checks: [
        {
          indicator: "id.three_elements",
          claim: { msisdn, name, cn_id_number: someone?.cnId },
        },
      ],
    });
  const query_id = crypto.randomUUID();
  const { token } = consent;
  const product = "identity-verification@1";
  const { results } = await run([
    { product, token, claims: await check(someone?.name as string), query_id },
    { product: PRODUCT, token },
    { product, token, claims: await check("不是他") },
  ]);
  expect(results.map(({ answer }) => answer?.value)).toEqual(["yes", expect.any(Number), "no"]);
  expect(results[0]?.query_id).toBe(query_id);
});

describe("rows that are refused", () => {
  test("each by its own code and line, the others answered", async () => {
    const other = await Bank.register(federation);
    const [mine, theirs] = [await consents(8), await consents(1, other)];
    const token = (i: number): string => mine[i]?.token as string;
    const expired = await bank.signToken({ ...mine[6]?.claims, exp: 1_700_000_000 });
    await federation.authority.service.options.transact((tx) =>
      federation.authority.service.lifecycle.change(tx, mine[7]?.id as string, "revoke", "person"),
    );
    const { state, results } = await run([
      { product: PRODUCT, token: token(0) },
      "{not json",
      { product: PRODUCT },
      { product: "no-such-product@1", token: token(1) },
      { product: PRODUCT, token: `${token(2).slice(0, -8)}AAAAAAAA` },
      { product: PRODUCT, token: theirs[0]?.token as string },
      { product: "identity-verification@1", token: token(3) },
      { product: PRODUCT, token: expired },
      { product: PRODUCT, token: mine[7]?.token as string },
      { product: PRODUCT, token: "a.b.c" },
      { product: PRODUCT, token: token(4), colour: "red" },
      { product: PRODUCT, token: token(5) },
    ]);
    expect(results.map(({ error }) => error?.code)).toEqual([
      undefined,
      "request-malformed",
      "request-malformed",
      "product-unknown",
      "token-signature",
      "dpop-key",
      "claims-missing",
      "token-expired",
      "consent-revoked",
      "token-malformed",
      "request-malformed",
      undefined,
    ]);
    expect(results[1]?.error?.detail).toContain("not JSON");
    expect(results[2]?.error?.detail).toContain("token");
    expect(state).toMatchObject({ answered: 2, refused: 10 });
  });

  test("a consent with one use left answers one of two rows; a query id one question", async () => {
    const subject = phones()[3] as string;
    const once = await bank.consent({ subject, maxUses: 1 });
    const [many, again] = await consents(2);
    const query_id = crypto.randomUUID();
    const { results } = await run([
      { product: PRODUCT, token: once.token },
      { product: PRODUCT, token: once.token },
      { product: PRODUCT, token: many?.token as string, query_id },
      { product: PRODUCT, token: again?.token as string, query_id },
    ]);
    expect(results.map(({ error }) => error?.code)).toEqual([
      undefined,
      "consent-consumed",
      undefined,
      "query-conflict",
    ]);
  });

  test("a block that is admitted again leaves no second leaf of what is refused in it, but a count", async () => {
    const own = await Bank.register(federation);
    const client = new BatchClient(federation, own);
    const { lifecycle, options } = federation.authority.service;
    const stopped = await consents(2, own);
    for (const { id } of stopped) {
      await options.transact((tx) => lifecycle.change(tx, id, "revoke", "person"));
    }
    const text = client.text(stopped.map(({ token }) => ({ product: PRODUCT, token })));
    const proof = await client.proof(text);
    const blocks = [{ index: 0, lines: Buffer.from(text), path: [] }];
    using hostile = await HostileGateway.open(federation);
    for (let i = 0; i < 2; i++) {
      const { settled } = await hostile.authority.admitBatch({ proof, blocks }, 30_000);
      const codes = settled.map(({ outcome }) => "refusal" in outcome && outcome.refusal);
      expect(codes).toEqual(["consent-revoked", "consent-revoked"]);
    }
    const left: Leaf[] = [];
    const shown = showLeaves(federation.authority.ledger.log, { client: own.clientId });
    for await (const { leaf } of shown) if (leaf.type === "refusal") left.push(leaf);
    const leaf = { type: "refusal", code: "consent-revoked", client_id: own.clientId };
    expect(left).toMatchObject([
      ...stopped.map(({ id }) => ({ ...leaf, consent_id: id })),
      { ...leaf, left_out: 2 },
    ]);
  });

  test("a batch whose key owns none of its tokens is not taken at all", async () => {
    const other = await Bank.register(federation);
    const theirs = await consents(2, other);
    const text = batches.text(theirs.map(({ token }) => ({ product: PRODUCT, token })));
    const response = await batches.send(text, await batches.proof(text));
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ code: "dpop-key" });
  });
});

describe("what was signed is what is asked", () => {
  test("another root, another number of rows, another address are refused", async () => {
    const [one] = await consents(1);
    const text = batches.text([{ product: PRODUCT, token: one?.token as string }]);
    const code = async (proof: string): Promise<unknown> =>
      ((await (await batches.send(text, proof)).json()) as { code: string }).code;
    const root = Buffer.alloc(32, 7).toString("base64url");
    expect(await code(await batches.proof(text, { root }))).toBe("dpop-binding");
    expect(await code(await batches.proof(text, { count: 2 }))).toBe("dpop-binding");
    const htu = `${federation.settings.gatewayUrl}/v1/queries`;
    expect(await code(await batches.proof(text, { claims: { htu } }))).toBe("dpop-binding");
    expect(await code("no.proof.atall")).toBe("dpop-malformed");
  });

  test("the same signed batch sent twice, or under a second valid signature, is one batch, answered once", async () => {
    const given = await consents(3);
    const text = batches.text(given.map(({ token }) => ({ product: PRODUCT, token })));
    const proof = await batches.proof(text);
    const ids: string[] = [];
    for (const each of [proof, proof, secondSignature(proof)]) {
      ids.push(((await (await batches.send(text, each)).json()) as { id: string }).id);
    }
    expect(new Set(ids).size).toBe(1);
    await batches.finished(ids[0] as string);
    const uses = await federation.authority.service.options.db
      .selectFrom("consent")
      .select("uses")
      .where(
        "id",
        "in",
        given.map(({ id }) => id),
      )
      .execute();
    expect(uses).toEqual([{ uses: 1 }, { uses: 1 }, { uses: 1 }]);
  });

  test("a batch is nobody else's to see, nor to delete; its owner may", async () => {
    const [one] = await consents(1);
    const { id } = await run([{ product: PRODUCT, token: one?.token as string }]);
    const other = new BatchClient(federation, await Bank.register(federation));
    for (const path of [id, `${id}/results`, `${id}/events`]) {
      expect((await other.get(path)).status).toBe(404);
    }
    expect((await other.get(id, "DELETE")).status).toBe(404);
    expect((await batches.get(id, "DELETE")).status).toBe(204);
    expect((await batches.get(id)).status).toBe(404);
  });
});

test("a sealed-only institution gets sealed rows, and refusals where it asks in clear", async () => {
  const vault = await Bank.register(federation, { sealedOnly: true });
  const client = new BatchClient(federation, vault);
  const given = await consents(4, vault);
  const rows = given.map(({ token }) => ({ product: PRODUCT, token }));
  const clear = await run(rows.slice(0, 1), client);
  expect(clear.results[0]?.error?.code).toBe("client-sealed-only");
  const { results } = await run(rows, client, true);
  const key = importPrivate(vault.encryptionKey);
  for (const { sealed, answer, query_id } of results) {
    expect(answer).toBeUndefined();
    const opened = (await openJson(sealed as string, key, "internal")) as ResultLine;
    expect(opened).toMatchObject({ query_id, product: PRODUCT, answer: { kind: "score" } });
    expect(opened.receipt).toContain("c2sp.org/tlog-proof@v1");
  }
});
