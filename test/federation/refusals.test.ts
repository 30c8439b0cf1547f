// Refusals at the door and behind it. Each has its own stable code; none of those here costs a call to any node, which is
// counted at both ends of the wire. Nodes refuse the same requests when a gateway forwards them all the same.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { generateKeyPair } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type Leaf, showLeaves } from "../../consent/log/index.ts";
import { RequestChecker, TokenChecker } from "../../consent/verifier.ts";
import { createDevelopmentCa, issueCertificate } from "../../cli/dev-ca.ts";
import { systemClock } from "../../core/clock.ts";
import { partyFolder } from "../../core/config.ts";
import { ERRORS, type ErrorCode } from "../../core/errors.ts";
import { generateP256, importPrivate, signStatement } from "../../crypto/index.ts";
import {
  AuthorityClient,
  ProvinceNodeClient,
  provinceRole,
  readTlsIdentity,
} from "../../proto/index.ts";
import { FanOutAnswerer } from "../../province-node/answer.ts";
import { FeatureStore } from "../../province-node/feature-store.ts";
import { FORGED_PROOFS, FORGED_TOKENS } from "../attacks/forged-requests.ts";
import {
  BAD_BODIES,
  BAD_PROOFS,
  BAD_TOKENS,
  type BadRequestParts,
  type SignedRequest,
} from "./bad-requests.ts";
import { Bank, type GivenConsent, PRODUCTS } from "./bank.ts";
import { type Federation, startFederation } from "./federation.ts";
import { HostileGateway } from "./hostile-gateway.ts";

const EVERY_BAD_REQUEST = [
  ...BAD_TOKENS,
  ...FORGED_TOKENS,
  ...BAD_PROOFS,
  ...FORGED_PROOFS,
  ...BAD_BODIES,
];
const SCORE = { product: "credit-score@1" };

let federation: Federation;
let parts: BadRequestParts;
let hostile: HostileGateway;
let openapi: {
  readonly paths: Record<string, Record<string, { responses: Record<string, unknown> }>>;
};
const sent = vi.spyOn(ProvinceNodeClient.prototype, "evaluate");
const answered = vi.spyOn(FanOutAnswerer.prototype, "answer");
const lookedUp = vi.spyOn(FeatureStore.prototype, "lookup");

beforeAll(async () => {
  federation = await startFederation({ provinces: 2 });
  const bank = await Bank.register(federation);
  const [one, two] = [1, 2].map((i) => federation.truth[i]?.numbers[0]?.msisdn as string);
  const consent = await bank.consent({ subject: one as string });
  const otherConsent = await bank.consent({ subject: two as string, products: [SCORE.product] });
  parts = { federation, bank, consent, otherConsent };
  hostile = await HostileGateway.open(federation);
  const described = await fetch(`${federation.gateway.url}/openapi.json`);
  openapi = (await described.json()) as typeof openapi;
});
afterAll(async () => {
  hostile[Symbol.dispose]();
  await federation[Symbol.asyncDispose]();
});
beforeEach(() => {
  for (const spy of [sent, answered, lookedUp]) spy.mockClear();
});

interface Problem {
  readonly status: number;
  readonly code: ErrorCode;
  readonly body: string;
  readonly headers: Headers;
}

async function post(
  request: Partial<SignedRequest>,
  headers: Record<string, string> = {},
  path = "/v1/queries",
): Promise<Problem> {
  const response = await fetch(`${federation.gateway.url}${path}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(request.token === undefined ? {} : { authorization: `DPoP ${request.token}` }),
      ...(request.proof === undefined ? {} : { dpop: request.proof }),
      ...headers,
    },
    body: new Uint8Array(request.body ?? Buffer.from("{}")),
  });
  const body = await response.text();
  const declared = openapi.paths[path]?.["post"]?.responses;
  if (declared !== undefined) expect(Object.keys(declared)).toContain(`${response.status}`);
  const { code } = JSON.parse(body) as { code: ErrorCode };
  return { status: response.status, code, body, headers: response.headers };
}

/** The problem is as the catalogue says, and nobody was asked anything. */
function expectRefused(problem: Problem, code: ErrorCode): void {
  expect(problem.code).toBe(code);
  expect(problem.status).toBe(ERRORS[code].http);
  expect(problem.headers.get("content-type")).toContain("application/problem+json");
  expect(JSON.parse(problem.body)).toMatchObject({ type: `/errors#${code}`, code });
  if (problem.status === 401) expect(problem.headers.get("www-authenticate")).toContain("DPoP");
  expect(sent).not.toHaveBeenCalled();
  expect(answered).not.toHaveBeenCalled();
}

test("the counters count: a good request calls every node once, at both ends", async () => {
  const good = await parts.bank.sign(parts.consent, SCORE);
  expect((await post(good)).status).toBe(200);
  expect(sent).toHaveBeenCalledTimes(2);
  expect(answered).toHaveBeenCalledTimes(2);
  expect(lookedUp).toHaveBeenCalledTimes(2);
});

test("the API declares every status that a route can refuse with", async () => {
  const all = [...new Set(Object.values(ERRORS).map(({ http }) => `${http}`))].toSorted();
  const refusals = (path: string, method: string) =>
    Object.keys(openapi.paths[path]?.[method]?.responses ?? {}).filter((each) => each >= "400");
  // What authority and provinces say is told as it is.
  expect(refusals("/v1/queries", "post").toSorted()).toEqual(all);
  expect(refusals("/v1/training-jobs", "post").toSorted()).toEqual(all);
  for (const [path, methods] of Object.entries(openapi.paths)) {
    for (const [method, { responses }] of Object.entries(methods)) {
      expect(Object.keys(responses), `${method} ${path}`).toEqual(
        expect.arrayContaining(["400", "415", "500"]),
      );
      const isOpen = ["/v1/products", "/v1/federation", "/healthz", "/readyz"].includes(path);
      if (isOpen) continue;
      expect(Object.keys(responses), `${method} ${path}`).toEqual(
        expect.arrayContaining(["401", "404", "413", "503"]),
      );
    }
  }
});

test.each(["/v1/watches?limit=0", "/v1/watches?after=x", "/v1/alerts?limit=x", "/%ff"])(
  "a field that does not fit is named: %s",
  async (path) => {
    const response = await fetch(`${federation.gateway.url}${path}`);
    const field = path.includes("?") ? (/\?(\w+)/.exec(path)?.[1] as string) : "address";
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      code: "request-malformed",
      detail: expect.stringContaining(field) as string,
    });
  },
);

describe("at the gateway: refused by its code, and no node is called", () => {
  test.each([...BAD_TOKENS, ...FORGED_TOKENS])("a token: $what", async ({ make, code }) => {
    const request = await make(parts);
    const problem = await post(request);
    expectRefused(problem, code);
    expect(problem.body).not.toContain(request.token);
  });

  test.each([...BAD_PROOFS, ...FORGED_PROOFS])("a proof: $what", async ({ make, code }) => {
    expectRefused(await post(await make(parts)), code);
  });

  test.each(BAD_BODIES)("a body: $what", async ({ make, code }) => {
    expectRefused(await post(await make(parts)), code);
  });

  test("no token; another scheme; nothing behind the scheme", async () => {
    const { proof, body, token } = await parts.bank.sign(parts.consent, SCORE);
    expectRefused(await post({ proof, body }), "token-missing");
    const bearer = { authorization: `Bearer ${token}` };
    expectRefused(await post({ proof, body }, bearer), "token-malformed");
    expectRefused(await post({ proof, body }, { authorization: "DPoP" }), "token-malformed");
  });

  test("no proof; two proofs", async () => {
    const { token, body, proof } = await parts.bank.sign(parts.consent, SCORE);
    expectRefused(await post({ token, body }), "dpop-missing");
    expectRefused(await post({ token, body, proof: `${proof}, ${proof}` }), "dpop-malformed");
  });

  test("a proof a second time, with the very request it was made for", async () => {
    const request = await parts.bank.sign(parts.consent, SCORE);
    expect((await post(request)).status).toBe(200);
    for (const spy of [sent, answered]) spy.mockClear();
    expectRefused(await post(request), "dpop-replayed");
  });

  test("a proof whose first use was refused is not used up: the gateway remembers only what it let pass", async () => {
    const request = await parts.bank.sign(parts.consent, SCORE);
    const spoilt = { ...request, body: Buffer.from(`${JSON.stringify(SCORE)} `) };
    expectRefused(await post(spoilt), "dpop-binding");
    expect((await post(request)).status).toBe(200);
  });

  test("a body larger than is taken, one of another media type, one that is compressed", async () => {
    const large = JSON.stringify({ ...SCORE, claims: "A".repeat(64 * 1024) });
    expectRefused(await post(await parts.bank.sign(parts.consent, large)), "body-too-large");
    const good = await parts.bank.sign(parts.consent, SCORE);
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/xml"]) {
      expectRefused(await post(good, { "content-type": type }), "media-type-unsupported");
    }
  });

  test("claims where none are taken, and none where they are needed", async () => {
    const { bank, consent } = parts;
    const claims = await bank.sealClaims({ checks: [] });
    const unexpected = await bank.sign(consent, { ...SCORE, claims });
    expectRefused(await post(unexpected), "claims-unexpected");
    const missing = await bank.sign(consent, { product: "identity-verification@1" });
    expectRefused(await post(missing), "claims-missing");
  });

  test("a path that does not decode is a problem like any other, and is not repeated", async () => {
    for (const path of ["/v1/batches/%", "/%ff"]) {
      const response = await fetch(`${federation.gateway.url}${path}`);
      const body = await response.text();
      expect(response.status).toBe(400);
      expect(JSON.parse(body)).toMatchObject({ code: "request-malformed" });
      expect(body).not.toContain("%");
    }
  });

  test("an address or a method that is not there", async () => {
    const good = await parts.bank.sign(parts.consent, SCORE);
    expectRefused(await post(good, {}, "/v1/nothing"), "route-unknown");
    const response = await fetch(`${federation.gateway.url}/v1/queries`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: "route-unknown" });
  });

  test.each(["pause", "revoke"] as const)(
    "a consent that the person has stopped: %s",
    async (act) => {
      const { service } = federation.authority;
      const subject = federation.truth[3]?.numbers[0]?.msisdn as string;
      const consent = await parts.bank.consent({ subject });
      const code = act === "pause" ? "consent-paused" : "consent-revoked";
      const answeredBefore = { ...SCORE, query_id: randomUUID() };
      expect((await post(await parts.bank.sign(consent, answeredBefore))).status).toBe(200);
      await service.options.transact(async (tx) => {
        await service.lifecycle.change(tx, consent.id, act, "person");
      });
      await untilRefused(consent, code);
      for (const spy of [sent, answered]) spy.mockClear();
      expectRefused(await post(await parts.bank.sign(consent, SCORE)), code);
      // Nothing is released any more, not even what was: under its query id as little as under another.
      expectRefused(await post(await parts.bank.sign(consent, answeredBefore)), code);

      const question = { ...SCORE, query_id: randomUUID() };
      const signed = await parts.bank.sign(consent, question);
      expectRefused(await post(signed), code);
      const leaf = { type: "refusal", code, query_id: question.query_id, ...SCORE };
      const who = { client_id: parts.bank.clientId, consent_id: consent.id };
      expect(await leavesOf(question.query_id)).toMatchObject([{ ...leaf, ...who }]);
      // The same proof is none any more; another one for the same question finds it refused already.
      expectRefused(await post(signed), "dpop-replayed");
      expectRefused(await post(await parts.bank.sign(consent, question)), code);
      expect(await leavesOf(question.query_id)).toHaveLength(1);
    },
  );

  test("what is not an institution's own question leaves nothing in the log", async () => {
    const { service } = federation.authority;
    const subject = federation.truth[4]?.numbers[0]?.msisdn as string;
    const consent = await parts.bank.consent({ subject });
    await service.options.transact(async (tx) => {
      await service.lifecycle.change(tx, consent.id, "revoke", "person");
    });
    await untilRefused(consent, "consent-revoked");
    const before = (await leavesOf(consent.id, "consent")).length;
    const good = await parts.bank.sign(consent, SCORE);
    const [head, claims] = good.token.split(".");
    const forged = `${head}.${claims}.${"A".repeat(86)}`;
    expectRefused(await post({ ...good, token: forged }), "token-signature");
    const stranger = await generateKeyPair("ES256");
    const bent = { proof: { key: stranger.privateKey } };
    expectRefused(await post(await parts.bank.sign(consent, SCORE, bent)), "dpop-signature");
    const other = Buffer.from(JSON.stringify({ ...SCORE, query_id: randomUUID() }));
    expectRefused(await post({ ...good, body: other }), "dpop-binding");
    expect(await leavesOf(consent.id, "consent")).toHaveLength(before);
  });

  async function leavesOf(id: string, by: "query" | "consent" = "query"): Promise<Leaf[]> {
    const found: Leaf[] = [];
    const shown = showLeaves(federation.authority.ledger.log, { [by]: id });
    for await (const { leaf } of shown) found.push(leaf);
    return found;
  }

  /** The gateway hears of it within its push time; until then the authority refuses. */
  async function untilRefused(consent: GivenConsent, code: ErrorCode): Promise<void> {
    for (;;) {
      sent.mockClear();
      const problem = await post(await parts.bank.sign(consent, SCORE));
      expect(problem.code).toBe(code);
      if (sent.mock.calls.length === 0) return;
    }
  }
});

describe("the verifier of a batch's tokens refuses what the other one refuses", () => {
  const check = (token: string) => {
    const { roster, tokenKeys } = hostile.epoch;
    const checker = new TokenChecker({ ...roster, tokenKeys }, systemClock);
    checker.requireTimely(checker.open(token));
  };

  test("a good token is taken", () => check(parts.consent.token));

  test.each([...BAD_TOKENS, ...FORGED_TOKENS])("a token: $what", async ({ make }) => {
    const { token } = await make(parts);
    expect(() => check(token)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^token-/) as string }),
    );
  });
});

describe("the verifier of watches' requests refuses what the other one refuses", () => {
  const check = (request: SignedRequest) => {
    const { roster, tokenKeys } = hostile.epoch;
    const url = `${roster.audience}/v1/queries`;
    const rules = { ...roster, tokenKeys, url, maxProofAgeS: 60, isProduct: () => true };
    new RequestChecker(rules, systemClock).check(request);
  };

  test("a good request is taken", async () => check(await parts.bank.sign(parts.consent, SCORE)));

  test.each([...BAD_TOKENS, ...FORGED_TOKENS])("a token: $what", async ({ make }) => {
    const request = await make(parts);
    expect(() => check(request)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^token-/) as string }),
    );
  });

  test.each([...BAD_PROOFS, ...FORGED_PROOFS])("a proof: $what", async ({ make, code }) => {
    const request = await make(parts);
    expect(() => check(request)).toThrow(expect.objectContaining({ code }));
  });
});

test("the codes are as distinct as their causes", () => {
  const all = [...BAD_TOKENS, ...BAD_PROOFS, ...BAD_BODIES];
  const codes = new Set(all.map(({ code }) => code));
  // Shared on purpose: whoever gets one of these does the same thing about it.
  expect(codes.size).toBe(16);
  for (const { code } of all) expect(Object.hasOwn(ERRORS, code)).toBe(true);
});

describe("at a node, when a hostile gateway forwards it all the same", () => {
  async function refusalsOf(request: SignedRequest) {
    const digested = hostile.describe([request]);
    const reply = await hostile.evaluate("11", digested, [request]);
    return hostile.refusals("11", reply);
  }

  test("a good request is evaluated", async () => {
    expect(await refusalsOf(await parts.bank.sign(parts.consent, SCORE))).toEqual([]);
    expect(lookedUp).toHaveBeenCalledTimes(1);
  });

  test.each(EVERY_BAD_REQUEST)(
    "refused with $code, before anybody is looked up: $what",
    async ({ make, code }) => {
      expect(await refusalsOf(await make(parts))).toEqual([{ item: 0, code }]);
      expect(lookedUp).not.toHaveBeenCalled();
    },
  );

  test("one bad question among good ones is refused alone", async () => {
    const good = await parts.bank.sign(parts.consent, SCORE);
    const bad = await (BAD_TOKENS[2] as (typeof BAD_TOKENS)[number]).make(parts);
    const other = await parts.bank.sign(parts.otherConsent, SCORE);
    const digested = hostile.describe([good, bad, other]);
    const reply = await hostile.evaluate("12", digested, [good, bad, other]);
    expect(hostile.refusals("12", reply)).toEqual([{ item: 1, code: "token-expired" }]);
    expect(lookedUp).toHaveBeenCalledTimes(2);
  });

  test.each<[string, Parameters<HostileGateway["describe"]>[2]]>([
    ["another token", { item: { token_hash: "0".repeat(64) } }],
    ["other claims", { item: { claims_hash: "0".repeat(64) } }],
    ["another query id", { item: { query_id: "0b8f1d5e-4c1d-4a53-9d0a-6f1f6a2c9f10" as never } }],
    ["another product", { item: { product: PRODUCTS[1] as never } }],
    ["more slots than the product has", { item: { slot_width: 2000 } }],
  ])("a descriptor that says %s than the institution signed", async (_what, bent) => {
    const request = await parts.bank.sign(parts.consent, SCORE);
    const digested = hostile.describe([request], hostile.everyone, bent ?? {});
    const reply = await hostile.evaluate("11", digested, [request]);
    expect(hostile.refusals("11", reply)).toEqual([{ item: 0, code: "descriptor-invalid" }]);
  });

  test("a fan-out of one province, without this one, with a stranger, of another epoch or roster", async () => {
    const request = await parts.bank.sign(parts.consent, SCORE);
    const refused = async (
      digested: Parameters<HostileGateway["evaluate"]>[1],
      code: ErrorCode,
    ) => {
      const reply = hostile.evaluate("11", digested, [request]);
      await expect(reply).rejects.toEqual(expect.objectContaining({ code }));
    };
    const over = (provinces: string[]) => hostile.describe([request], provinces as never);
    await refused(over(["11"]), "descriptor-invalid");
    await refused(over(["12", "13"]), "descriptor-invalid");
    await refused(over(["11", "13"]), "descriptor-invalid");
    const bent = (descriptor: object) =>
      hostile.describe([request], hostile.everyone, { descriptor });
    await refused(bent({ epoch: 99 }), "epoch-unknown");
    await refused(bent({ roster_digest: "0".repeat(64) }), "epoch-unknown");
    expect(lookedUp).not.toHaveBeenCalled();
  });

  test("one descriptor twice: a second vector under the same masks would give their difference away", async () => {
    const request = await parts.bank.sign(parts.consent, SCORE);
    const digested = hostile.describe([request]);
    await hostile.evaluate("11", digested, [request]);
    await expect(hostile.evaluate("11", digested, [request])).rejects.toEqual(
      expect.objectContaining({ code: "descriptor-invalid" }),
    );
  });

  test("fewer or more credentials than questions", async () => {
    const request = await parts.bank.sign(parts.consent, SCORE);
    const other = await parts.bank.sign(parts.otherConsent, SCORE);
    for (const credentials of [[request], [request, other, other]]) {
      const digested = hostile.describe([request, other]);
      await expect(hostile.evaluate("11", digested, credentials)).rejects.toEqual(
        expect.objectContaining({ code: "descriptor-invalid" }),
      );
    }
  });

  test("an admission that the gateway made itself, or that the authority gave to another fan-out", async () => {
    const bad = await (BAD_TOKENS[2] as (typeof BAD_TOKENS)[number]).make(parts);
    const digested = hostile.describe([bad]);
    const statement = {
      descriptor: digested.digest.toString("hex"),
      items: [{ sub: parts.consent.claims["sub"], jti: parts.consent.claims["jti"] }],
      expires_at: Math.floor(Date.now() / 1000) + 60,
    };
    const own = signStatement("admission", statement, hostile.signingKey);
    const good = await parts.bank.sign(parts.consent, SCORE);
    const otherFanOut = hostile.describe([good]);
    const reply = await hostile.admit(otherFanOut, [good]);
    if (reply.step !== "admission") throw new Error("a good question was not admitted");
    // One node each: a node answers a fan-out once, however it ends.
    for (const [code, admission] of [
      ["11", own],
      ["12", reply.admission],
    ] as const) {
      await expect(hostile.evaluate(code, digested, [bad], admission)).rejects.toEqual(
        expect.objectContaining({ code: "receipt-invalid" }),
      );
    }
    expect(lookedUp).not.toHaveBeenCalled();
  });

  test.each(EVERY_BAD_REQUEST)(
    "the authority, asked to admit it, says $code too: $what",
    async ({ make, code }) => {
      const bad = await make(parts);
      const reply = await hostile.admit(hostile.describe([bad]), [bad]);
      expect(reply).toEqual({
        step: "settled",
        settled: { items: [{ item: 0, outcome: { result: "refusal", refusal: code } }] },
      });
    },
  );
});

describe("other callers", () => {
  const identityOf = (party: Parameters<typeof partyFolder>[1]) =>
    readTlsIdentity(join(partyFolder(federation.settings.home, party), "secrets"));

  async function callNode(identity: ReturnType<typeof readTlsIdentity>) {
    const [province] = hostile.epoch.roster.provinces;
    if (province === undefined) throw new Error("no province");
    const { code, endpoint } = province;
    using client = new ProvinceNodeClient(endpoint, provinceRole(code), identity);
    const request = await parts.bank.sign(parts.consent, SCORE);
    const descriptor = hostile.describe([request]).bytes;
    return await client.evaluate({ descriptor, credentials: [request] }, 10_000);
  }

  test("a province, or the authority, cannot ask a node", async () => {
    const peers = ["12", "authority"] as Parameters<typeof partyFolder>[1][];
    for (const party of peers) {
      await expect(callNode(identityOf(party))).rejects.toEqual(
        expect.objectContaining({ code: "peer-unauthorised" }),
      );
    }
    expect(answered).not.toHaveBeenCalled();
  });

  test("a certificate of another CA, though it names the gateway, does not even connect", async () => {
    const folder = join(federation.settings.home, "foreign-ca");
    const ca = await createDevelopmentCa(folder, Date.now());
    await issueCertificate(ca, "gateway", folder, Date.now());
    const foreign = readTlsIdentity(folder);
    // It trusts our nodes; they do not trust it.
    const identity = { ...foreign, ca: identityOf("gateway").ca };
    await expect(callNode(identity)).rejects.toEqual(
      expect.objectContaining({ code: "federation-unavailable" }),
    );
    expect(answered).not.toHaveBeenCalled();
  });

  test("the gateway does not talk to a node that has another party's certificate", async () => {
    const [, second] = hostile.epoch.roster.provinces;
    const wrongRole = provinceRole(hostile.epoch.roster.provinces[0]?.code as never);
    using client = new ProvinceNodeClient(
      second?.endpoint as string,
      wrongRole,
      identityOf("gateway"),
    );
    const request = await parts.bank.sign(parts.consent, SCORE);
    const descriptor = hostile.describe([request]).bytes;
    await expect(client.evaluate({ descriptor, credentials: [request] }, 5000)).rejects.toEqual(
      expect.objectContaining({ code: "federation-unavailable" }),
    );
  });

  test("a province cannot ask the authority for an admission or a release", async () => {
    const identity = identityOf("11" as never);
    using authority = new AuthorityClient(federation.settings.authorityEndpoint, identity);
    const request = await parts.bank.sign(parts.consent, SCORE);
    const fanOut = await hostile.fanOut([request]);
    const refused = expect.objectContaining({ code: "peer-unauthorised" });
    await expect(authority.release(hostile.commit(fanOut), () => [], 10_000)).rejects.toEqual(
      refused,
    );
    const items = [{ credentials: request, sealed: false }];
    const question = { descriptor: fanOut.digested.bytes, items };
    await expect(authority.admit(question, 10_000)).rejects.toEqual(refused);
  });
});

test("a stranger's key signs nothing that counts as the gateway's", async () => {
  const request = await parts.bank.sign(parts.consent, SCORE);
  const fanOut = await hostile.fanOut([request]);
  const key = importPrivate(generateP256("sig"));
  await expect(hostile.release(fanOut, { key })).rejects.toEqual(
    expect.objectContaining({ code: "receipt-invalid" }),
  );
});
