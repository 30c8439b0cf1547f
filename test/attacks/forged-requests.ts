// Tokens and proofs as an attacker would write them: the classes of RFC 8725 (algorithm, key, type and header confusion),
// RFC 7515 and RFC 9449 §4.3, the arithmetic of ECDSA, and one kind of our JWTs passed as another. What a key of the
// authority signs here it would never sign: so that only the header or the payload is at fault. Gateway, nodes and authority
// get each of them in test/federation/refusals.test.ts.
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { readAuthoritySecrets } from "../../consent/secrets.ts";
import { generateP256, importPrivate } from "../../crypto/index.ts";
import {
  type BadRequest,
  type BadRequestParts,
  SCORE,
  withClaims,
  withProof,
  withToken,
} from "../federation/bad-requests.ts";
import {
  derSignature,
  encode,
  leftOverBits,
  macWith,
  P256_ORDER,
  resigned,
  rs,
  signedWith,
} from "./forged-jws.ts";

export const FORGED_TOKENS: readonly BadRequest[] = [
  {
    what: "a DPoP proof",
    code: "token-signature",
    make: withToken(async ({ bank, consent }) => bank.proof(consent.token, "{}")),
  },
  {
    what: "a status list, by the very key that signs tokens",
    code: "token-claims",
    make: withToken(async ({ federation }) => {
      const [list] = await federation.authority.service.statusLists.all();
      return list?.token ?? "";
    }),
  },
  {
    what: "the roster",
    code: "token-signature",
    make: withToken(({ federation }) => federation.authority.epochs.current().signedRoster),
  },
  {
    what: "a client assertion",
    code: "token-signature",
    make: withToken(({ bank, consent }) =>
      bank.proof(consent.token, "{}", { header: { typ: "JWT", jwk: undefined, kid: "sig" } }),
    ),
  },
  ...[
    { alg: "ES384" },
    { alg: "PS256" },
    { alg: "EdDSA" },
    { alg: "es256" },
    { alg: "ES256K" },
    { alg: "NoNe" },
  ].map((header): BadRequest => ({
    what: `alg ${header.alg}`,
    code: "token-algorithm",
    make: withToken(({ consent }) => reheaded(consent.token, header)),
  })),
  ...[
    { crit: ["exp"], exp: 1 },
    { crit: ["urn:example:unknown"], "urn:example:unknown": true },
    { crit: ["b64"], b64: false },
    { crit: [] },
  ].map((header): BadRequest => ({
    what: `with ${JSON.stringify(header)} in its header`,
    code: "token-malformed",
    make: withToken((parts) => ownSignature(parts, header)),
  })),
  ...["../../../../etc/passwd", "__proto__", "", "' OR '1'='1", "a\u0000b"].map(
    (kid): BadRequest => ({
      what: `kid ${JSON.stringify(kid)}`,
      code: "token-signature",
      make: withToken((parts) => ownSignature(parts, { kid })),
    }),
  ),
  ...["jwk", "jku", "x5u", "x5c"].map((member): BadRequest => ({
    what: `a stranger's key, handed along as ${member}`,
    code: "token-signature",
    make: withToken(({ federation, consent }) => {
      const stranger = importPrivate(generateP256("sig"));
      const { kid } = readAuthoritySecrets(`${federation.settings.home}/authority/secrets`)
        .tokenKeys.current;
      const handed: Record<string, unknown> = {
        jwk: createPublicKey(stranger).export({ format: "jwk" }),
        jku: "http://127.0.0.1:9/keys.json",
        x5u: "file:///dev/zero",
        x5c: ["AAAA"],
      };
      const header = { alg: "ES256", typ: "at+jwt", kid, [member]: handed[member] };
      return signedWith(stranger, header, consent.claims);
    }),
  })),
  ...(
    [
      ["r and s zero", (token) => resigned(token, rs(0n, 0n))],
      ["r and s the group's order", (token) => resigned(token, rs(P256_ORDER, P256_ORDER))],
      ["r one, s one", (token) => resigned(token, rs(1n, 1n))],
      ["ASN.1 in place of r and s", (token) => derSignature(token)],
      ["one byte too many", (token) => `${token}AA`],
      ["no signature", (token) => resigned(token, "")],
    ] as readonly [string, (token: string) => string][]
  ).map(([what, bend]): BadRequest => ({
    what: `a signature: ${what}`,
    code: "token-signature",
    make: withToken(({ consent }) => bend(consent.token)),
  })),
  {
    what: "the same signature in another text: bits left over",
    code: "token-malformed",
    make: withToken(({ consent }) => leftOverBits(consent.token)),
  },
  {
    what: "a token within the token",
    code: "token-malformed",
    make: withToken((parts) => ownSignature(parts, { cty: "JWT" }, parts.consent.token)),
  },
  {
    what: "a payload that is a list",
    code: "token-malformed",
    make: withToken((parts) => ownSignature(parts, {}, [parts.consent.claims])),
  },
  {
    what: "a list of audiences that has ours in it",
    code: "token-claims",
    make: withToken(({ bank, consent }) =>
      bank.signToken({ ...consent.claims, aud: [consent.claims["aud"], "https://other.example"] }),
    ),
  },
  {
    what: "times as texts",
    code: "token-claims",
    make: withClaims({ exp: "9999999999" }),
  },
];

export const FORGED_PROOFS: readonly BadRequest[] = [
  {
    what: "a consent token",
    code: "dpop-malformed",
    make: rawProof(({ consent }) => consent.token),
  },
  {
    what: "alg none",
    code: "dpop-malformed",
    make: rawProof(async (parts) => {
      const proof = await parts.bank.proof(parts.consent.token, JSON.stringify(SCORE));
      const [header, payload] = proof.split(".") as [string, string];
      const bent = { ...(decode(header) as object), alg: "none" };
      return `${encode(bent)}.${payload}.`;
    }),
  },
  {
    what: "HS256 with its own public key as the secret",
    code: "dpop-malformed",
    make: rawProof(async (parts) => {
      const { header, payload } = await honestProof(parts);
      const jwk = header["jwk"] as never;
      const pem = createPublicKey({ key: jwk, format: "jwk" }).export({
        format: "pem",
        type: "spki",
      });
      return macWith(pem, { ...header, alg: "HS256" }, payload);
    }),
  },
  {
    what: "HS256 with a symmetric key in its header",
    code: "dpop-malformed",
    make: rawProof(async (parts) => {
      const { header, payload } = await honestProof(parts);
      const jwk = { kty: "oct", k: encode("secret") };
      return macWith("secret", { ...header, alg: "HS256", jwk }, payload);
    }),
  },
  {
    what: "with its private key in its header",
    code: "dpop-malformed",
    make: rawProof(async (parts) => {
      const { header, payload } = await honestProof(parts);
      const key = importPrivate(generateP256("sig"));
      return signedWith(key, { ...header, jwk: key.export({ format: "jwk" }) }, payload);
    }),
  },
  {
    what: "with a key of another curve",
    code: "dpop-malformed",
    make: rawProof(async (parts) => {
      const { header, payload } = await honestProof(parts);
      const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
      const jwk = publicKey.export({ format: "jwk" });
      return signedWith(privateKey, { ...header, jwk }, payload);
    }),
  },
  {
    what: "with a point that is not on the curve",
    code: "dpop-malformed",
    make: withProof(() => ({
      header: { jwk: { kty: "EC", crv: "P-256", x: "A".repeat(43), y: "A".repeat(43) } },
    })),
  },
  ...[
    { crit: ["b64"], b64: false },
    { crit: ["x"], x: 1 },
  ].map((header): BadRequest => ({
    what: `with ${JSON.stringify(header)} in its header`,
    code: "dpop-malformed",
    make: rawProof(async (parts) => {
      const proof = await honestProof(parts);
      const key = importPrivate(generateP256("sig"));
      const jwk = createPublicKey(key).export({ format: "jwk" });
      return signedWith(key, { ...proof.header, jwk, ...header }, proof.payload);
    }),
  })),
  {
    what: "r and s zero",
    code: "dpop-signature",
    make: rawProof(async ({ bank, consent }) =>
      resigned(await bank.proof(consent.token, JSON.stringify(SCORE)), rs(0n, 0n)),
    ),
  },
  {
    what: "the same signature in another text: bits left over",
    code: "dpop-malformed",
    make: rawProof(async ({ bank, consent }) =>
      leftOverBits(await bank.proof(consent.token, JSON.stringify(SCORE))),
    ),
  },
  ...[
    { jti: "short" },
    { jti: "a".repeat(129) },
    { iat: "now" },
    { iat: undefined },
    { htu: ["http://127.0.0.1"] },
  ].map((claims): BadRequest => ({
    what: `with ${JSON.stringify(claims).slice(0, 40)}`,
    code: "dpop-malformed",
    make: withProof(() => ({ claims })),
  })),
  {
    what: "with its token's hash in hexadecimal",
    code: "dpop-binding",
    make: withProof(({ consent }) => ({
      claims: { ath: createHash("sha256").update(consent.token).digest("hex") },
    })),
  },
  {
    what: "for an address that only begins like ours",
    code: "dpop-binding",
    make: withProof(({ federation }) => ({
      claims: { htu: `${federation.settings.gatewayUrl}/v1/queries/../watches` },
    })),
  },
];

/** A proof of the token and the body, or what is put in its place. */
function rawProof(make: (parts: BadRequestParts) => Promise<string> | string): BadRequest["make"] {
  return async (parts) => ({
    token: parts.consent.token,
    proof: await make(parts),
    body: Buffer.from(JSON.stringify(SCORE)),
  });
}

async function honestProof({ bank, consent }: BadRequestParts) {
  const proof = await bank.proof(consent.token, JSON.stringify(SCORE));
  const [header, payload] = proof.split(".").map(decode) as Record<string, unknown>[];
  return { header: header ?? {}, payload: payload ?? {} };
}

function decode(part: string): unknown {
  return part === "" ? undefined : parseOr(Buffer.from(part, "base64url").toString("utf8"));
}

function parseOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Signed by the authority's own key: what it would never sign, so that only the header or payload is at fault. */
function ownSignature(
  { federation, consent }: BadRequestParts,
  header: object,
  payload: unknown = consent.claims,
): string {
  const { current } = readAuthoritySecrets(
    `${federation.settings.home}/authority/secrets`,
  ).tokenKeys;
  const { kty, crv, x, y, d, kid } = current;
  const key = createPrivateKey({ key: { kty, crv, x, y, d }, format: "jwk" });
  return signedWith(key, { alg: "ES256", typ: "at+jwt", kid, ...header }, payload);
}

/** The token with another header, under its old signature. */
function reheaded(token: string, change: object): string {
  const [header, payload, signature] = token.split(".") as [string, string, string];
  return `${encode({ ...(decode(header) as object), ...change })}.${payload}.${signature}`;
}
