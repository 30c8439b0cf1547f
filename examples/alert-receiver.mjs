// An institution's whole receiver of alerts, with nothing but Node and the stock library `jose`: takes CloudEvents over HTTPS,
// verifies that the gateway signed these very bytes for this institution, drops what it has had before, prints the rest as
// NDJSON. It imports nothing of WeiJiFen.
//
//   node examples/alert-receiver.mjs --gateway URL --trust trust.jwk --client-id ID --cert tls.crt --key tls.key [--port 8443]
//
// trust.jwk is the authority's public root key, got out of band: it vouches for the roster, which names the gateway's key.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { parseArgs } from "node:util";
import { compactVerify, importJWK } from "jose";

const { values: args } = parseArgs({
  options: {
    gateway: { type: "string", default: "http://127.0.0.1:8080" },
    trust: { type: "string" },
    "client-id": { type: "string", default: "demo-bank" },
    cert: { type: "string" },
    key: { type: "string" },
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "8443" },
  },
});
if (args.trust === undefined || args.cert === undefined || args.key === undefined) {
  throw new Error("--trust, --cert and --key are needed; the head of this file says how");
}

const MAX_BODY_BYTES = 128 * 1024;
const trust = await importJWK(JSON.parse(readFileSync(args.trust, "utf8")), "ES256");

// 1. Whose signature counts: the roster says so, and the authority has signed the roster. It changes with the epochs.
async function readGatewayKey() {
  const response = await fetch(new URL("/v1/federation", args.gateway), {
    signal: AbortSignal.timeout(10_000),
  });
  const { roster } = await response.json();
  const { payload } = await compactVerify(roster, trust, { algorithms: ["ES256"] });
  return await importJWK(JSON.parse(new TextDecoder().decode(payload)).gateway_key, "ES256");
}
let gatewayKey = await readGatewayKey();

// 2. The signature is detached (RFC 7515 appendix F): put the body back between its two dots, and it is a JWS like any other.
async function verify(body, detached) {
  const [header, , signature] = detached.split(".");
  const jws = `${header}.${body.toString("base64url")}.${signature}`;
  const open = async () => {
    const { payload, protectedHeader } = await compactVerify(jws, gatewayKey, {
      algorithms: ["ES256"],
    });
    if (protectedHeader.typ !== "weijifen-alert+jws") throw new Error("not an alert");
    return JSON.parse(new TextDecoder().decode(payload));
  };
  const event = await open().catch(async () => {
    gatewayKey = await readGatewayKey();
    return await open();
  });
  // Signed, but for somebody else: another institution may have sent us what was sent to it.
  if (event.recipient !== args["client-id"]) throw new Error("not for us");
  return event;
}

// 3. Delivery is at least once. A real receiver keeps the ids with what it does about them, in one transaction.
const known = new Set();

async function receive(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) return 413;
    chunks.push(chunk);
  }
  let event;
  try {
    event = await verify(Buffer.concat(chunks), request.headers["x-jws-signature"] ?? "");
  } catch {
    return 401;
  }
  if (known.has(event.id)) return 204;
  known.add(event.id);
  process.stdout.write(`${JSON.stringify(event)}\n`);
  return 204;
}

const server = createServer(
  { cert: readFileSync(args.cert), key: readFileSync(args.key) },
  (request, response) => {
    void receive(request)
      .catch(() => 500)
      .then((status) => response.writeHead(status).end());
  },
);
server.listen(Number(args.port), args.host, () => {
  process.stderr.write(`Listening on https://${args.host}:${server.address().port}\n`);
});
