// Every kind of JWT that we have, handed to the verifier of every other kind: RFC 8725 §3.11 and §3.12. The worst case is
// assumed: one key has signed them all, for the same issuer, audience and time, so that only their type and their claims keep them
// apart. Failure: one verifier takes another's token.
import { createPublicKey, randomUUID } from "node:crypto";
import { calculateJwkThumbprint, SignJWT } from "jose";
import { describe, expect, test } from "vitest";
import { signStatusList, StatusList, verifyStatusList } from "../../consent/status-list.ts";
import {
  BATCHES_PATH,
  RequestChecker,
  TokenChecker,
  verifyBatchProof,
  verifyKeyProof,
  verifySignedRequest,
} from "../../consent/verifier.ts";
import { sha256Base64url } from "../../core/canonical.ts";
import { ManualClock } from "../../core/clock.ts";
import {
  generateP256,
  importPrivate,
  openRoster,
  publicP256,
  sealJson,
  sealSubject,
  signRoster,
  subjectTag,
} from "../../crypto/index.ts";
import { makeRoster } from "../crypto/roster-fixture.ts";

const ISSUER = "https://authority.example";
const AUDIENCE = "https://gateway.example";
const STATUS_URI = `${ISSUER}/status-lists/0`;
const BATCH_URL = `${AUDIENCE}${BATCHES_PATH}/some-batch`;
const BODY = JSON.stringify({ product: "credit-score@1" });

const jwk = generateP256("sig");
const kid = jwk.kid as string;
const key = importPrivate(jwk);
const publicKey = createPublicKey(key);
const { kty, crv, x, y } = publicP256(jwk);
const proofJwk = { kty, crv, x, y };
const jkt = await calculateJwkThumbprint(proofJwk);
const clock = new ManualClock(1_790_000_000_000);
const now = clock.nowMs() / 1000;

const terms = {
  type: "weijifen_query",
  actions: ["credit-score@1"],
  fetch: "ONETIME",
  max_uses: 1,
  result: "score",
  retention: { unit: "DAY", value: 1 },
};
const digest = sha256Base64url("x");
const jti = randomUUID();
const TAG = subjectTag(Buffer.alloc(32, 1), "msisdn", "+8613812345678");
const token = await new SignJWT({
  client_id: "bank",
  cnf: { jkt },
  scope: "dpv:CreditChecking credit-score@1",
  authorization_details: [terms],
  recipient: "Bank",
  notice: { uri: `${ISSUER}/n`, version: "1", sha256: digest },
  collection: { method: "test", time: "2026-11-24T00:00:00Z", evidence_hash: digest },
  grant_id: randomUUID(),
  status: { status_list: { idx: 0, uri: STATUS_URI } },
})
  .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid })
  .setIssuer(ISSUER)
  .setAudience(AUDIENCE)
  .setSubject(sealSubject(Buffer.alloc(32, 1), 1, TAG, jti))
  .setJti(jti)
  .setIssuedAt(now)
  .setNotBefore(now)
  .setExpirationTime(now + 600)
  .sign(key);

async function dpop(claims: Record<string, unknown>): Promise<string> {
  return await new SignJWT({ jti: randomUUID(), iat: now, ...claims })
    .setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk: proofJwk })
    .sign(key);
}

const queryProof = await dpop({
  htm: "POST",
  htu: `${AUDIENCE}/v1/queries`,
  ath: sha256Base64url(token),
  "camara:bh": sha256Base64url(BODY),
});
const kinds = {
  "consent token": token,
  "query proof": queryProof,
  "batch proof": await dpop({
    htm: "POST",
    htu: `${AUDIENCE}${BATCHES_PATH}`,
    "wjf:rows": { count: 1, root: digest, sealed: false },
  }),
  "key proof": await dpop({ htm: "GET", htu: BATCH_URL }),
  "status list": await signStatusList(
    StatusList.ofSize(16),
    { uri: STATUS_URI, issuer: ISSUER, ttlSeconds: 60 },
    { kid, privateKey: key },
    clock,
  ),
  roster: await signRoster(makeRoster(3).roster, key),
  "client assertion": await new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ alg: "ES256", kid })
    .setIssuer("bank")
    .setSubject("bank")
    .setAudience(ISSUER)
    .setIssuedAt(now)
    .setExpirationTime(now + 60)
    .sign(key),
  "sealed claims": await sealJson({ checks: [] }, publicKey, { typ: "weijifen-claims+jwe", kid }),
};
type Kind = keyof typeof kinds;

const tokenKeys = new Map([[kid, publicKey]]);
const rules = {
  issuer: ISSUER,
  audience: AUDIENCE,
  tokenKeys,
  url: `${AUDIENCE}/v1/queries`,
  maxProofAgeS: 60,
  isProduct: () => true,
};

const verifiers: readonly [string, Kind, (jwt: string) => unknown][] = [
  [
    "a question's token",
    "consent token",
    (jwt) =>
      verifySignedRequest({ token: jwt, proof: queryProof, body: Buffer.from(BODY) }, rules, clock),
  ],
  [
    "a question's proof",
    "query proof",
    (jwt) => verifySignedRequest({ token, proof: jwt, body: Buffer.from(BODY) }, rules, clock),
  ],
  ["a batch row's token", "consent token", (jwt) => new TokenChecker(rules, clock).open(jwt)],
  [
    "a watch's proof",
    "query proof",
    (jwt) => new RequestChecker(rules, clock).check({ token, proof: jwt, body: Buffer.from(BODY) }),
  ],
  ["a batch's proof", "batch proof", (jwt) => verifyBatchProof(jwt, AUDIENCE, clock, 60)],
  [
    "a request for a batch",
    "key proof",
    (jwt) => verifyKeyProof(jwt, { method: "GET", url: BATCH_URL }, clock, 60),
  ],
  [
    "a status list",
    "status list",
    (jwt) => verifyStatusList(jwt, { uri: STATUS_URI, issuer: ISSUER }, tokenKeys, clock),
  ],
  ["a roster", "roster", (jwt) => openRoster(jwt, publicKey)],
];

describe.each(verifiers)("as %s", (_as, own, verify) => {
  test.each(Object.entries(kinds))("a %s", async (kind, jwt) => {
    const verdict = (async () => await verify(jwt))();
    if (kind === own) await verdict;
    else await expect(verdict).rejects.toHaveProperty("code");
  });
});
