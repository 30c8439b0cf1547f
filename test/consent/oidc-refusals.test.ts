// What the provider refuses, and the OAuth error that the standards name for it: RFC 7523 (assertions), RFC 8707
// (resources), RFC 9396 (authorization details), RFC 9449 (DPoP), OpenID CIBA §13. Raw HTTP: a stock client would not
// send most of these.
import { randomUUID, webcrypto } from "node:crypto";
import { exportJWK, SignJWT } from "jose";
import { expect, test } from "vitest";
import { disableClient } from "../../consent/clients.ts";
import { cnIdCheckCharacter } from "../../crypto/subject.ts";
import { type Fixture, makeClientKeys, openFixture, PHONE } from "./oidc-fixture.ts";

const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const DETAILS = {
  type: "weijifen_query",
  actions: ["id-check@1"],
  fetch: "ONETIME",
  max_uses: 1,
  result: "boolean",
  retention: { unit: "DAY", value: 1 },
};

interface AssertionChanges {
  readonly aud?: string | string[];
  readonly iss?: string;
  readonly sub?: string;
  readonly exp?: number | undefined;
  readonly jti?: string | undefined;
  readonly key?: webcrypto.CryptoKey;
}

async function assertion(fixture: Fixture, changes: AssertionChanges = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const payload = {
    iss: "demo-bank",
    sub: "demo-bank",
    aud: fixture.origin,
    jti: randomUUID(),
    iat: now,
    exp: now + 60,
    ...changes,
  };
  const { key: _key, ...claims } = payload;
  return new SignJWT(claims as Record<string, unknown>)
    .setProtectedHeader({ alg: "ES256", kid: fixture.keys.kid })
    .sign(changes.key ?? fixture.keys.privateKey);
}

interface Answer {
  readonly status: number;
  readonly error: string | undefined;
  readonly body: Record<string, unknown>;
}

async function post(
  url: string,
  form: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(url, { method: "POST", body: new URLSearchParams(form), headers });
  const body = (await response.json()) as Record<string, unknown>;
  return { status: response.status, error: body["error"] as string | undefined, body };
}

async function ask(
  fixture: Fixture,
  changes: Record<string, string | undefined> = {},
  assertionChanges: AssertionChanges = {},
): Promise<Answer> {
  const form = {
    scope: "openid dpv:CreditChecking id-check@1",
    login_hint: `tel:${PHONE}`,
    authorization_details: JSON.stringify([DETAILS]),
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: await assertion(fixture, assertionChanges),
    ...changes,
  };
  const given = Object.entries(form).filter(([, value]) => value !== undefined);
  return post(`${fixture.origin}/oidc/backchannel`, Object.fromEntries(given));
}

async function dpop(fixture: Fixture, changes: Record<string, unknown> = {}): Promise<string> {
  const { publicKey, privateKey } = await webcrypto.subtle.generateKey(
    { name: "ECDSA", namedCurve: "P-256" },
    true,
    ["sign", "verify"],
  );
  const now = Math.floor(Date.now() / 1000);
  const htu = `${fixture.origin}/oidc/token`;
  return new SignJWT({ jti: randomUUID(), htm: "POST", htu, iat: now, ...changes })
    .setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk: await exportJWK(publicKey) })
    .sign(privateKey);
}

async function poll(fixture: Fixture, authReqId: string, proof?: string): Promise<Answer> {
  const form = {
    grant_type: "urn:openid:params:grant-type:ciba",
    auth_req_id: authReqId,
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: await assertion(fixture),
  };
  const headers: Record<string, string> = proof === undefined ? {} : { DPoP: proof };
  return post(`${fixture.origin}/oidc/token`, form, headers);
}

test("a good request is taken, with the interval to poll at", async () => {
  await using fixture = await openFixture();
  const answer = await ask(fixture);
  expect(answer.status).toBe(200);
  expect(answer.body).toMatchObject({ expires_in: 600, interval: 1 });
  expect(fixture.outbox).toHaveLength(1);
});

test("another kind of JWT as the client assertion: invalid_client", async () => {
  await using fixture = await openFixture();
  const [list] = await fixture.service.statusLists.all();
  const own = await assertion(fixture);
  for (const client_assertion of [
    await dpop(fixture),
    list?.token ?? "",
    `${own.slice(0, own.lastIndexOf("."))}.`,
    own.split(".").slice(1).join("."),
    `${own} ${own}`,
    "",
  ]) {
    const answer = await ask(fixture, { client_assertion });
    expect(answer.error).toMatch(/^invalid_(client|request)$/);
    expect(fixture.outbox).toEqual([]);
  }
  expect((await ask(fixture, { client_assertion: own })).status).toBe(200);
});

test("bad client assertions: invalid_client", async () => {
  await using fixture = await openFixture();
  const now = Math.floor(Date.now() / 1000);
  const bad: AssertionChanges[] = [
    { key: (await makeClientKeys()).privateKey },
    { aud: "https://somebody-else.example" },
    { aud: [fixture.origin, "https://somebody-else.example"] },
    { aud: `${fixture.origin}/oidc/token` },
    { aud: [`${fixture.origin}/oidc/backchannel`] },
    { aud: [fixture.origin, fixture.origin] },
    { aud: [] },
    { iss: "another-bank" },
    { exp: now - 120 },
    { exp: now + 3600 },
    { exp: undefined },
    { jti: undefined },
  ];
  for (const changes of bad) {
    const answer = await ask(fixture, {}, changes);
    expect([answer.status, answer.error], JSON.stringify(changes)).toEqual([401, "invalid_client"]);
  }
  expect(fixture.outbox).toHaveLength(0);
});

test("the issuer as the one audience, in an array too (RFC 7519 §4.1.3)", async () => {
  await using fixture = await openFixture();
  expect((await ask(fixture, {}, { aud: [fixture.origin] })).status).toBe(200);
});

test("an assertion with another algorithm, or none at all: refused", async () => {
  await using fixture = await openFixture();
  const now = Math.floor(Date.now() / 1000);
  const hs256 = await new SignJWT({ jti: "x", exp: now + 60 })
    .setProtectedHeader({ alg: "HS256" })
    .setIssuer("demo-bank")
    .setSubject("demo-bank")
    .setAudience(fixture.origin)
    .sign(Buffer.from(JSON.stringify(fixture.keys.publicJwk)));
  expect((await ask(fixture, { client_assertion: hs256 })).error).toBe("invalid_client");
  const none = await ask(fixture, {
    client_assertion: undefined,
    client_assertion_type: undefined,
    client_id: "demo-bank",
  });
  expect([none.status, none.error]).toEqual([401, "invalid_client"]);
});

test("a replayed assertion: invalid_client, also when both arrive at once", async () => {
  await using fixture = await openFixture();
  const once = await assertion(fixture);
  expect((await ask(fixture, { client_assertion: once })).status).toBe(200);
  const again = await ask(fixture, { client_assertion: once });
  expect([again.status, again.error]).toEqual([401, "invalid_client"]);
  const both = await assertion(fixture);
  const answers = await Promise.all([1, 2, 3].map(() => ask(fixture, { client_assertion: both })));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(answers.filter(({ error }) => error === "invalid_client")).toHaveLength(2);
});

test("a disabled or unknown client: invalid_client", async () => {
  await using fixture = await openFixture();
  expect((await ask(fixture, {}, { iss: "nobody", sub: "nobody" })).error).toBe("invalid_client");
  await disableClient(fixture.db, fixture.options.clock, "demo-bank");
  expect((await ask(fixture)).error).toBe("invalid_client");
});

test("purposes: unregistered, unknown, none, two: invalid_scope", async () => {
  await using fixture = await openFixture();
  for (const scope of [
    "openid dpv:FraudPreventionAndDetection id-check@1",
    "openid dpv:WorldDomination id-check@1",
    "openid id-check@1",
    "openid dpv:CreditChecking dpv:IdentityVerification id-check@1",
  ]) {
    const answer = await ask(fixture, { scope });
    expect([answer.status, answer.error], scope).toEqual([400, "invalid_scope"]);
  }
});

test("products: unregistered, unknown, none: invalid_scope", async () => {
  await using fixture = await openFixture({ client: { products: ["id-check@1"] } });
  for (const scope of [
    "openid dpv:CreditChecking credit-score@1",
    "openid dpv:CreditChecking no-such-product@9",
    "openid dpv:CreditChecking",
  ]) {
    const answer = await ask(fixture, { scope });
    expect([answer.status, answer.error], scope).toEqual([400, "invalid_scope"]);
  }
});

test("authorization details that are absent, foreign, wide or at odds with the scope", async () => {
  await using fixture = await openFixture();
  const bad: unknown[] = [
    [],
    "nonsense",
    [{ ...DETAILS, type: "payment_initiation" }],
    [DETAILS, DETAILS],
    [{ ...DETAILS, actions: ["credit-score@1"] }],
    [{ ...DETAILS, max_uses: 0 }],
    [{ ...DETAILS, fetch: "PERIODIC" }],
    [{ ...DETAILS, frequency: { unit: "DAY", value: 1 } }],
    [{ ...DETAILS, result: "everything" }],
    [{ ...DETAILS, term: { unit: "YEAR", value: 2 } }],
    [{ ...DETAILS, retention: { unit: "YEAR", value: 6 } }],
    [{ ...DETAILS, extra: true }],
  ];
  for (const details of bad) {
    const answer = await ask(fixture, { authorization_details: JSON.stringify(details) });
    expect([answer.status, answer.error], JSON.stringify(details)).toEqual([
      400,
      "invalid_authorization_details",
    ]);
  }
  const absent = await ask(fixture, { authorization_details: undefined });
  expect(absent.error).toBe("invalid_authorization_details");
});

test("a resource that is not one of the gateways: invalid_target", async () => {
  await using fixture = await openFixture();
  const answer = await ask(fixture, { resource: "https://another-gateway.example" });
  expect([answer.status, answer.error]).toEqual([400, "invalid_target"]);
});

test("login hints: malformed is invalid_request, an unknown person unknown_user_id", async () => {
  await using fixture = await openFixture();
  for (const login_hint of ["13812345678", "tel:+4915112345678", "cn-id:110101199003070000"]) {
    const answer = await ask(fixture, { login_hint });
    expect([answer.status, answer.error], login_hint).toEqual([400, "invalid_request"]);
    // The identifier is never repeated.
    expect(JSON.stringify(answer.body)).not.toContain(login_hint.split(":").at(-1));
  }
  const id17 = "11010119900307721";
  const unknown = await ask(fixture, { login_hint: `cn-id:${id17}${cnIdCheckCharacter(id17)}` });
  expect([unknown.status, unknown.error]).toEqual([400, "unknown_user_id"]);
});

test("binding messages and user codes outside the profile: the errors of CIBA §13", async () => {
  await using fixture = await openFixture();
  const binding = await ask(fixture, { binding_message: "<b>please pay</b>" });
  expect(binding.error).toBe("invalid_binding_message");
  expect((await ask(fixture, { user_code: "1234" })).error).toBe("invalid_request");
});

test("polling: pending, then refused; no DPoP proof or a wrong one never gets a token", async () => {
  await using fixture = await openFixture();
  const { body } = await ask(fixture);
  const id = String(body["auth_req_id"]);
  expect((await poll(fixture, id)).error).toBe("invalid_grant");
  const foreign = await dpop(fixture, { htu: "https://somebody-else.example/token" });
  expect((await poll(fixture, id, foreign)).error).toBe("invalid_dpop_proof");
  expect((await poll(fixture, id, await dpop(fixture))).error).toBe("authorization_pending");
  const capability = fixture.outbox[0]?.link?.split("/").at(-1) ?? "";
  expect(await fixture.service.approvals.deny(capability)).toEqual({ kind: "denied" });
  expect((await poll(fixture, id, await dpop(fixture))).error).toBe("access_denied");
  expect((await poll(fixture, id, await dpop(fixture))).error).toBe("invalid_grant");
  expect((await poll(fixture, "no-such-request", await dpop(fixture))).error).toBe("invalid_grant");
});

test("one approved request gives one token, however many poll at once", async () => {
  await using fixture = await openFixture();
  const { body } = await ask(fixture);
  const { link = "", code = "" } = fixture.outbox[0] ?? {};
  const capability = link.split("/").at(-1) ?? "";
  const decision = { code, classes: [], recipient: true, lang: "en" };
  expect((await fixture.service.approvals.approve(capability, decision)).kind).toBe("approved");
  const proofs = await Promise.all([1, 2, 3].map(() => dpop(fixture)));
  const answers = await Promise.all(
    proofs.map((proof) => poll(fixture, String(body["auth_req_id"]), proof)),
  );
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  for (const answer of answers)
    if (answer.status !== 200) expect(answer.error).toBe("invalid_grant");
});

test("a consent that was withdrawn before the token was fetched gives none: invalid_grant", async () => {
  await using fixture = await openFixture();
  const { body } = await ask(fixture);
  const { link = "", code = "" } = fixture.outbox[0] ?? {};
  const capability = link.split("/").at(-1) ?? "";
  const decision = { code, classes: [], recipient: true, lang: "en" };
  const result = await fixture.service.approvals.approve(capability, decision);
  if (result.kind !== "approved") throw new Error(result.kind);
  await fixture.options.transact((tx) =>
    fixture.service.lifecycle.change(tx, result.consent.id, "revoke", "person"),
  );
  const answer = await poll(fixture, String(body["auth_req_id"]), await dpop(fixture));
  expect(answer.error).toBe("invalid_grant");
});

test("more requests, or more messages to one phone, than are allowed: 429", async () => {
  await using fixture = await openFixture();
  for (let i = 0; i < 6; i++) expect((await ask(fixture)).status).toBe(200);
  const answer = await ask(fixture);
  expect([answer.status, answer.error]).toEqual([429, "temporarily_unavailable"]);
  const other = await ask(fixture, { login_hint: "tel:+8613900000000" });
  expect(other.status).toBe(200);
});

test("what the library has beyond this profile is not reachable", async () => {
  await using fixture = await openFixture();
  for (const path of ["/auth", "/me", "/reg", "/session/end", "/token/introspection", "/oidc"]) {
    expect((await fetch(`${fixture.origin}${path}`)).status, path).toBe(404);
  }
});
