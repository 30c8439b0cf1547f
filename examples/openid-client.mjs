// An institution's whole program, with nothing but the stock OAuth client `openid-client`: OpenID CIBA for the person's
// consent, private_key_jwt for itself, DPoP for the token and for the question. It imports nothing of WeiJiFen.
//
//   node examples/openid-client.mjs --issuer URL --gateway URL --client-id ID --key signing.jwk \
//     --login-hint tel:+8613800000000 [--product credit-score@1] [--purpose dpv:CreditChecking] [--result score]
//
// The person decides on their phone while this waits. Prints the gateway's answer as JSON.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import * as client from "openid-client";

const { values: args } = parseArgs({
  options: {
    issuer: { type: "string", default: "http://127.0.0.1:8081" },
    gateway: { type: "string", default: "http://127.0.0.1:8080" },
    "client-id": { type: "string", default: "demo-bank" },
    key: { type: "string" },
    "login-hint": { type: "string" },
    product: { type: "string", default: "credit-score@1" },
    purpose: { type: "string", default: "dpv:CreditChecking" },
    result: { type: "string", default: "score" },
  },
});
if (args.key === undefined || args["login-hint"] === undefined) {
  throw new Error("--key and --login-hint are needed; the head of this file says how");
}

// 1. Who we are: the private half of a key that is registered for us (a P-256 JWK).
const { kid, kty, crv, x, y, d } = JSON.parse(readFileSync(args.key, "utf8"));
const algorithm = { name: "ECDSA", namedCurve: "P-256" };
const key = await crypto.subtle.importKey("jwk", { kty, crv, x, y, d }, algorithm, false, ["sign"]);

const config = await client.discovery(
  new URL(args.issuer),
  args["client-id"],
  { id_token_signed_response_alg: "ES256" },
  client.PrivateKeyJwt({ key, kid }),
  // Plain HTTP is for a federation on this machine only.
  { execute: args.issuer.startsWith("http://127.0.0.1") ? [client.allowInsecureRequests] : [] },
);

// 2. Ask the person: one purpose, the product, and the limits of what we ask for.
const pending = await client.initiateBackchannelAuthentication(config, {
  scope: `openid ${args.purpose} ${args.product}`,
  login_hint: args["login-hint"],
  authorization_details: JSON.stringify([
    {
      type: "weijifen_query",
      actions: [args.product],
      fetch: "ONETIME",
      max_uses: 1,
      result: args.result,
      retention: { unit: "DAY", value: 30 },
    },
  ]),
});
process.stderr.write("Waiting for the person to decide …\n");

// 3. Wait, and take the token, bound to a key that never leaves this process.
const dpopKeys = await client.randomDPoPKeyPair("ES256");
const tokens = await client.pollBackchannelAuthenticationGrant(config, pending, undefined, {
  DPoP: client.getDPoPHandle(config, dpopKeys),
});

// 4. Ask the question. The DPoP proof signs the body too: `camara:bh` is its SHA-256, so nobody can ask anything else.
const body = JSON.stringify({ product: args.product });
const DPoP = client.getDPoPHandle(config, dpopKeys, {
  [client.modifyAssertion]: (_header, payload) => {
    payload["camara:bh"] = createHash("sha256").update(body).digest("base64url");
  },
});
const response = await client.fetchProtectedResource(
  config,
  tokens.access_token,
  new URL("/v1/queries", args.gateway),
  "POST",
  body,
  new Headers({ "content-type": "application/json" }),
  { DPoP },
);
process.stdout.write(`${await response.text()}\n`);
process.exitCode = response.ok ? 0 : 1;
