// The whole way, over real HTTP: a stock client asks, the person approves on the page, the token says what DESIGN §5
// says it says, and nothing personal is left readable where it should not be.
import { sql } from "kysely";
import {
  calculateJwkThumbprint,
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  jwtVerify,
} from "jose";
import { expect, test } from "vitest";
import { approveInSandbox, obtainConsent } from "../../cli/consent-flow.ts";
import { sha256Base64url } from "../../core/canonical.ts";
import { ConsentClaims } from "../../consent/consent-claims.ts";
import { tokenKeyObjects } from "../../consent/oidc/signing-keys.ts";
import { OutboxMessage } from "../../consent/sms.ts";
import { openSubject, subjectTag } from "../../crypto/subject.ts";
import { type Fixture, GATEWAY, openFixture, PHONE } from "./oidc-fixture.ts";

const LIMITS = {
  fetch: "ONETIME",
  max_uses: 2,
  result: "score",
  retention: { unit: "DAY", value: 30 },
} as const;

function wish(fixture: Fixture) {
  return {
    issuer: fixture.origin,
    clientId: "demo-bank",
    clientKey: fixture.keys,
    loginHint: `tel:${PHONE}`,
    purpose: "dpv:CreditChecking",
    products: ["credit-score@1", "id-check@1"],
    limits: LIMITS,
    bindingMessage: "A-117",
    approve: () => approve(fixture),
  };
}

async function approve(fixture: Fixture): Promise<void> {
  const latest = fixture.outbox.at(-1);
  await approveInSandbox(OutboxMessage.parse({ ...latest, text: "" }));
}

test("CIBA, private_key_jwt and DPoP give a token with exactly the claims of the design", async () => {
  await using fixture = await openFixture();
  const { token, dpopKey } = await obtainConsent(wish(fixture));
  const keys = tokenKeyObjects(fixture.service.signingKeys);
  const { kid, alg, typ } = decodeProtectedHeader(token);
  expect({ alg, typ }).toEqual({ alg: "ES256", typ: "at+jwt" });
  const key = keys.get(kid ?? "");
  if (key === undefined) throw new Error("signed with an unpublished key");
  const { payload } = await jwtVerify(token, key, {
    issuer: fixture.origin,
    audience: GATEWAY,
    typ: "at+jwt",
  });
  const claims = ConsentClaims.parse(payload);
  expect(Object.keys(payload).sort()).toEqual(Object.keys(claims).sort());
  expect(claims.scope).toBe("dpv:CreditChecking credit-score@1 id-check@1");
  expect(claims.authorization_details).toEqual([
    {
      type: "weijifen_query",
      actions: ["credit-score@1", "id-check@1"],
      ...LIMITS,
      term: { unit: "DAY", value: 1 },
    },
  ]);
  expect(claims.recipient).toBe("示范银行");
  expect(claims.exp - claims.iat).toBeLessThanOrEqual(86_400);
  expect(claims.exp - claims.iat).toBeGreaterThan(86_400 - 30);
  const { publicKey } = dpopKey;
  expect(claims.cnf.jkt).toBe(await calculateJwkThumbprint(await exportJWK(publicKey)));
  const tag = openSubject(fixture.subjectMasterKey, claims.sub, claims.jti);
  expect(tag).toEqual(subjectTag(fixture.subjectKey, "msisdn", PHONE));
  const consent = await fixture.service.lifecycle.requireActive(fixture.db, claims.grant_id);
  expect(consent.status?.index).toBe(claims.status.status_list.idx);
  expect(claims.collection.evidence_hash).toBe(consent.evidenceHash);
  expect(fixture.events.map(({ action, to }) => [action, to])).toEqual([
    ["request", "REQUESTED"],
    ["approve", "ACTIVE"],
  ]);
});

test("the notice that the token names is served, and hashes to what the token says", async () => {
  await using fixture = await openFixture();
  const { token } = await obtainConsent(wish(fixture));
  const { notice } = ConsentClaims.parse(decodeJwt(token));
  const response = await fetch(notice.uri);
  const body = await response.text();
  expect(sha256Base64url(body)).toBe(notice.sha256);
  expect(JSON.parse(body)).toMatchObject({ recipient: { name: "示范银行" } });
});

test("two tokens about one person share nothing that the gateway could link", async () => {
  await using fixture = await openFixture();
  const [a, b] = [await obtainConsent(wish(fixture)), await obtainConsent(wish(fixture))].map(
    ({ token }) => ConsentClaims.parse(decodeJwt(token)),
  );
  expect(a?.sub).not.toBe(b?.sub);
  expect(a?.grant_id).not.toBe(b?.grant_id);
});

test("the phone number is nowhere in the database, and its sealed copy goes with the decision", async () => {
  await using fixture = await openFixture();
  await obtainConsent(wish(fixture));
  const tables = await sql<{
    name: string;
  }>`select name from sqlite_master where type = 'table'`.execute(fixture.db);
  for (const { name } of tables.rows) {
    const { rows } = await sql<Record<string, unknown>>`select * from ${sql.table(name)}`.execute(
      fixture.db,
    );
    const readable = rows
      .flatMap((row) => Object.values(row))
      .map((value) => (Buffer.isBuffer(value) ? value.toString("latin1") : String(value)));
    expect(readable.some((text) => text.includes("13812345678"))).toBe(false);
  }
  const approvals = await fixture.db.selectFrom("consent_approval").selectAll().execute();
  expect(approvals.map(({ phone_sealed }) => phone_sealed)).toEqual([null]);
});

test("discovery says what is so", async () => {
  await using fixture = await openFixture();
  const response = await fetch(`${fixture.origin}/.well-known/openid-configuration`);
  const document = (await response.json()) as Record<string, unknown>;
  expect(document).toMatchObject({
    issuer: fixture.origin,
    backchannel_authentication_endpoint: `${fixture.origin}/oidc/backchannel`,
    token_endpoint: `${fixture.origin}/oidc/token`,
    jwks_uri: `${fixture.origin}/oidc/jwks`,
    grant_types_supported: ["urn:openid:params:grant-type:ciba"],
    backchannel_token_delivery_modes_supported: ["poll"],
    token_endpoint_auth_methods_supported: ["private_key_jwt"],
    dpop_signing_alg_values_supported: ["ES256"],
    authorization_details_types_supported: ["weijifen_query"],
    backchannel_user_code_parameter_supported: false,
    response_types_supported: [],
    status_list_aggregation_endpoint: `${fixture.origin}/status-lists`,
  });
  // Whatever it names is there, and nothing of the authorization endpoint, which is not.
  expect(
    Object.keys(document).filter((name) => /authorization_(endpoint|req|resp)/.test(name)),
  ).toEqual([]);
  const named = Object.values(document).filter((value) => String(value).startsWith("http"));
  for (const url of named as string[]) {
    if (url === fixture.origin) continue;
    const answers = await Promise.all(["GET", "POST"].map((method) => fetch(url, { method })));
    expect(answers.map(({ status }) => status)).not.toEqual([404, 404]);
  }
  const metadata = await fetch(`${fixture.origin}/.well-known/oauth-authorization-server`);
  expect(await metadata.json()).toEqual(document);
});
