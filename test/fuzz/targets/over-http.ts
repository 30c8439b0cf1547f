// The two HTTP listeners as strangers reach them: requests by `inject`, with every part spoilt, and bytes on a socket that may
// be no HTTP at all. A refusal is a defined status below 500, or a 5xx that the error catalogue defines for its code.
import { createConnection } from "node:net";
import { randomUUID } from "node:crypto";
import type { FastifyInstance, InjectOptions } from "fastify";
import * as fc from "fast-check";
import { SignJWT } from "jose";
import { loadCatalogue } from "../../../catalogue/index.ts";
import { errorEntry, isErrorCode } from "../../../core/errors.ts";
import { createConsentHttp } from "../../../consent/oidc/http.ts";
import { openFixture, PHONE } from "../../consent/oidc-fixture.ts";
import type { Scene } from "../../federation/scene.ts";
import { mutatedBytes, mutatedJson, mutatedText } from "../arbitraries.ts";
import { REFUSED, type Target, target } from "../target.ts";

const METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"] as const;

/** What came back, judged: no status of 500 and above but what the catalogue has for a code other than `internal`. */
function judgeStatus(status: number, body: string): typeof REFUSED | "accepted" {
  if (status < 400) return "accepted";
  if (status < 500 || isProblem(status, body)) return REFUSED;
  throw new Error(`status ${status}: ${body.slice(0, 300)}`);
}

/** The gateway's own refusals are problems, each with its code's status. */
function judgeProblem(status: number, body: string): typeof REFUSED | "accepted" {
  if (status < 400) return "accepted";
  // RFC 6585 §5 is Node's own answer, before there is a request.
  if (status === 431 || isProblem(status, body)) return REFUSED;
  throw new Error(`status ${status} without its problem: ${body.slice(0, 300)}`);
}

function isProblem(status: number, body: string): boolean {
  const code = /"type":"\/errors#([a-z-]+)"/.exec(body)?.[1] ?? "";
  return isErrorCode(code) && code !== "internal" && errorEntry(code).http === status;
}

/** Header values as Node's own parser lets them through. */
function headerValue(text: string): string {
  return text.replace(/[^\t\x20-\x7e\x80-\xff]/g, "");
}

interface Parts {
  readonly urls: readonly string[];
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly bodies: readonly (string | Buffer)[];
}

function requests({ urls, headers, bodies }: Parts): fc.Arbitrary<InjectOptions> {
  const names = Object.keys(headers);
  const bent = fc.tuple(
    fc.constantFrom(...names),
    mutatedText(Object.values(headers).flat()).map(headerValue),
  );
  return fc
    .record({
      method: fc.constantFrom(...METHODS, "POST", "POST", "GET"),
      url: fc.oneof(fc.constantFrom(...urls), mutatedText(urls)),
      kept: fc.subarray(names),
      bent: fc.array(bent, { maxLength: 2 }),
      payload: fc.oneof(mutatedBytes(bodies), fc.constant(undefined)),
    })
    .map(({ method, url, kept, bent: changed, payload }) => ({
      method,
      url: asPath(url),
      headers: {
        ...Object.fromEntries(kept.map((name) => [name, headers[name]?.[0] ?? ""])),
        ...Object.fromEntries(changed),
      },
      ...(payload !== undefined && method !== "GET" && method !== "HEAD" && { payload }),
    }));
}

/** As a request line can carry it. */
function asPath(text: string): string {
  const path = `/${text.replace(/[^\x21-\x7e]/g, "").replace(/^\/+/, "")}`;
  return URL.canParse(path, "http://localhost") ? path : "/";
}

function injected(app: FastifyInstance) {
  return async (request: InjectOptions) => {
    const { statusCode, body } = await app.inject(request);
    return judgeStatus(statusCode, body);
  };
}

export async function httpTargets(
  scene: Scene,
  resources: AsyncDisposableStack,
): Promise<Target[]> {
  return [...(await gatewayTargets(scene)), ...(await authorityTargets(scene, resources))];
}

async function gatewayTargets(scene: Scene): Promise<Target[]> {
  const { federation, bank } = scene;
  const consent = await bank.consent({ subject: scene.msisdn(0), maxUses: 100_000 });
  const body = JSON.stringify({ product: "credit-score@1" });
  const proof = await bank.proof(consent.token, body);
  const id = randomUUID();
  const parts: Parts = {
    urls: [
      "/v1/queries",
      "/v1/batches",
      `/v1/batches/${id}`,
      `/v1/batches/${id}/results`,
      `/v1/batches/${id}/events`,
      "/v1/products",
      "/v1/federation",
      "/openapi.json",
      "/docs",
      "/errors",
      "/metrics",
      "/healthz?x=1",
    ],
    headers: {
      authorization: [`DPoP ${consent.token}`],
      dpop: [proof],
      "content-type": ["application/json", "application/x-ndjson", "text/plain; charset=x"],
      accept: ["application/jose, application/json;q=0.5"],
      "content-encoding": ["gzip"],
      "content-length": ["5"],
      "transfer-encoding": ["chunked"],
      expect: ["100-continue"],
      host: ["gateway.example"],
    },
    bodies: [body, `${JSON.stringify({ product: "credit-score@1", token: consent.token })}\n`],
  };
  const { gatewayUrl } = federation.settings;
  return [
    target<Buffer>({
      name: "gateway: bytes on a socket",
      corpus: mutatedBytes(rawRequests(parts, new URL(gatewayUrl).host)),
      run: (bytes) => onSocket(gatewayUrl, bytes),
      codes: [],
      inputs: { quick: 150, slow: 4000 },
    }),
    target<string>({
      name: "gateway: a query's body, well signed, over HTTP",
      corpus: fc.oneof(
        mutatedText([body]),
        mutatedJson([
          { product: "credit-score@1" },
          { product: "identity-verification@1", claims: "a.b.c.d.e" },
        ]).map((bent) => JSON.stringify(bent) ?? ""),
      ),
      run: async (text) => {
        const response = await bank.send(consent, text, { body: text });
        return judgeProblem(response.status, await response.text());
      },
      codes: [],
      inputs: { quick: 40, slow: 1000 },
    }),
    target<readonly [string, string, string]>({
      name: "gateway: headers and paths over HTTP",
      corpus: fc.tuple(
        fc.oneof(
          fc.constant(`DPoP ${consent.token}`),
          mutatedText([`DPoP ${consent.token}`]).map(headerValue),
        ),
        mutatedText([proof]).map(headerValue),
        fc.constantFrom(...parts.urls),
      ),
      run: async ([authorization, dpop, path]) => {
        const method = path === "/v1/queries" ? "POST" : "GET";
        const payload = method === "POST" ? { body } : {};
        const headers = { authorization, dpop, "content-type": "application/json" };
        const response = await fetch(`${gatewayUrl}${path}`, { method, headers, ...payload });
        return judgeProblem(response.status, await response.text());
      },
      codes: [],
      inputs: { quick: 60, slow: 2000 },
    }),
  ];
}

async function authorityTargets(
  { federation }: Scene,
  resources: AsyncDisposableStack,
): Promise<Target[]> {
  const { service, ledger, url } = federation.authority;
  const db = service.options.db as never;
  const app = await createConsentHttp(service, {
    portal: { db, ledger, catalogue: loadCatalogue() },
  });
  resources.defer(() => app.close());
  const parts: Parts = {
    urls: [
      "/.well-known/openid-configuration",
      "/oidc/token",
      "/oidc/backchannel",
      "/oidc/jwks",
      "/status-lists",
      "/status-lists/0",
      "/approvals/0123456789abcdef",
      "/approvals/0123456789abcdef/code",
      "/notices/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
      "/consents?lang=en",
      "/consents/session",
      "/consents/session/end",
      "/consents/0123456789abcdef0123",
      "/portal/queries/0f9d7c0e-8f4f-4a6e-9d8e-5f6a3f1f7c11",
      "/portal/export",
      "/errors",
    ],
    headers: {
      "content-type": [
        "application/x-www-form-urlencoded",
        "application/json; charset=latin1",
        "multipart/form-data; boundary=x",
      ],
      cookie: [`wjf_person=${Buffer.alloc(60, 3).toString("base64url")}; a=%`],
      "accept-language": ["en-GB,en;q=0.5, zh"],
      origin: [new URL(service.options.issuer).origin],
      "sec-fetch-site": ["same-origin"],
      authorization: ["Basic ZGVtbzpiYW5r", "DPoP x"],
      dpop: ["a.b.c"],
      host: ["authority.example"],
      "x-forwarded-host": ["x"],
    },
    bodies: [
      "phone=%2B8613812345678&next=/portal",
      `ticket=${Buffer.alloc(60, 5).toString("base64url")}&code=123456&next=/consents/abc`,
      "decision=approve&code=123456&class=identity&recipient=yes",
      "grant_type=urn:openid:params:grant-type:ciba&auth_req_id=x&client_id=demo-bank&client_assertion=a.b.c&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    ],
  };
  return [
    target<InjectOptions>({
      name: "authority: requests",
      corpus: requests(parts),
      run: injected(app),
      codes: [],
      inputs: { quick: 150, slow: 5000 },
    }),
    target<Buffer>({
      name: "authority: bytes on a socket",
      corpus: mutatedBytes(rawRequests(parts, new URL(url).host)),
      run: (bytes) => onSocket(url, bytes),
      codes: [],
      inputs: { quick: 100, slow: 3000 },
    }),
    await backchannelTarget(resources),
  ];
}

/** A CIBA request that a registered institution has signed, with any parameters. */
async function backchannelTarget(resources: AsyncDisposableStack): Promise<Target> {
  const fixture = resources.use(
    await openFixture({
      client: {
        limits: { queries_per_second: 1, queries_per_day: 1, consent_requests_per_minute: 100_000 },
      },
    }),
  );
  const app = await createConsentHttp(fixture.service);
  resources.defer(() => app.close());
  const detail = {
    type: "weijifen_query",
    actions: ["credit-score@1"],
    fetch: "ONETIME",
    max_uses: 1,
    result: "score",
    retention: { unit: "DAY", value: 30 },
  };
  const valid = {
    scope: "openid dpv:CreditChecking credit-score@1",
    login_hint: `tel:${PHONE}`,
    authorization_details: JSON.stringify([detail]),
    resource: "https://gateway.example",
    requested_expiry: "300",
    binding_message: "A1-7",
    acr_values: "1",
  };
  const { kid, privateKey } = fixture.keys;
  return target<Record<string, unknown>>({
    name: "authority: a backchannel request's parameters, well authenticated",
    corpus: fc.oneof(
      mutatedJson([valid]),
      fc
        .tuple(fc.constantFrom(...Object.keys(valid)), mutatedText(Object.values(valid)))
        .map(([name, text]) => ({ ...valid, [name]: text })),
    ) as fc.Arbitrary<Record<string, unknown>>,
    run: async (parameters) => {
      const assertion = await new SignJWT({ jti: randomUUID() })
        .setProtectedHeader({ alg: "ES256", kid })
        .setIssuer("demo-bank")
        .setSubject("demo-bank")
        .setAudience(fixture.origin)
        .setIssuedAt()
        .setExpirationTime("60s")
        .sign(privateKey);
      const form = new URLSearchParams({
        client_id: "demo-bank",
        client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        client_assertion: assertion,
      });
      for (const [name, value] of Object.entries(parameters ?? {}))
        form.append(name, asText(value).slice(0, 50_000));
      const { statusCode, body } = await app.inject({
        method: "POST",
        url: "/oidc/backchannel",
        headers: {
          "content-type": "application/x-www-form-urlencoded",
          host: new URL(fixture.origin).host,
        },
        payload: form.toString(),
      });
      fixture.outbox.length = 0;
      fixture.events.length = 0;
      return judgeStatus(statusCode, body);
    },
    codes: [],
    inputs: { quick: 40, slow: 800 },
  });
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

function rawRequests({ urls, headers, bodies }: Parts, host: string): Buffer[] {
  const lines = Object.entries(headers)
    .filter(
      ([name]) =>
        !["host", "content-length", "transfer-encoding", "expect", "content-encoding"].includes(
          name,
        ),
    )
    .map(([name, [value]]) => `${name}: ${value}\r\n`)
    .join("");
  return urls.flatMap((url, i) => {
    const body = bodies[i % bodies.length] as string;
    return [
      `GET ${url} HTTP/1.1\r\nHost: ${host}\r\n${lines}\r\n`,
      `GET http://${host}${url} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${lines}\r\n`,
      `POST ${url} HTTP/1.1\r\nHost: ${host}\r\n${lines}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      `POST ${url} HTTP/1.1\r\nHost: ${host}\r\n${lines}Transfer-Encoding: chunked\r\n\r\n${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    ].map((text) => Buffer.from(text));
  });
}

const ANSWER_WITHIN_MS = 30_000;
/** How long a request that is not complete is waited with before its end is sent. */
const COMPLETE_WITHIN_MS = 20;
const LAST_REQUEST = Buffer.from("GET /errors HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
const STATUS_LINE = /HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n/g;

/**
 * Writes, with a request behind it that ends the connection, and reads to the end. What is not complete swallows that request,
 * so the connection's end follows. Every answer is judged; none at all is a refusal too.
 */
async function onSocket(address: string, bytes: Buffer): Promise<typeof REFUSED | "accepted"> {
  const { hostname, port } = new URL(address);
  const socket = createConnection({ host: hostname, port: Number(port), allowHalfOpen: true });
  socket.setTimeout(ANSWER_WITHIN_MS);
  const end = setTimeout(() => socket.end(), COMPLETE_WITHIN_MS);
  const chunks: Buffer[] = [];
  const closed = Promise.withResolvers<void>();
  socket.on("data", (chunk) => {
    chunks.push(chunk as Buffer);
    end.refresh();
  });
  socket.on("end", () => socket.destroy());
  socket.on("timeout", () => closed.reject(new Error("no answer, and the connection stays open")));
  // A server that has refused may close while the rest is still on its way.
  socket.on("error", () => socket.destroy());
  socket.on("close", () => closed.resolve());
  socket.write(Buffer.concat([bytes, LAST_REQUEST]));
  try {
    await closed.promise;
  } finally {
    clearTimeout(end);
    socket.destroy();
  }
  const text = Buffer.concat(chunks).toString("latin1");
  const answers = [...text.matchAll(STATUS_LINE)];
  let verdict: typeof REFUSED | "accepted" = REFUSED;
  for (const [i, answer] of answers.entries()) {
    const from = answer.index + answer[0].length;
    const body = text.slice(from, answers[i + 1]?.index);
    const problem = /\{.*\}/s.exec(body)?.[0] ?? "{}";
    if (judgeStatus(Number(answer[1]), problem) === "accepted") verdict = "accepted";
  }
  return verdict;
}
