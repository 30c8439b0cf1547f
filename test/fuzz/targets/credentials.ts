// What an institution signs or is given: consent tokens, DPoP proofs, query bodies, batches, status lists, sealed claims, sinks. Each
// once as spoilt bytes, and once well signed with spoilt contents.
import * as fc from "fast-check";
import { CompactEncrypt } from "jose";
import type { ErrorCode } from "../../../core/errors.ts";
import {
  BATCHES_PATH,
  blockHash,
  BlockTree,
  openSubjects,
  parseRow,
  requireSignedBlock,
  sealSubjects,
  splitBlock,
  splitBlocks,
  RequestChecker,
  TokenChecker,
  verifyBatchProof,
  verifyKeyProof,
  verifySignedRequest,
} from "../../../consent/verifier.ts";
import { StatusList, verifyStatusList } from "../../../consent/status-list.ts";
import { systemRandom } from "../../../core/random.ts";
import { openJson, openSubject, sealJson, subjectTag } from "../../../crypto/index.ts";
import { parseSink, PUBLIC_SINKS } from "../../../gateway/alerts/sink.ts";
import { mutatedBytes, mutatedJson, mutatedText } from "../arbitraries.ts";
import {
  AUDIENCE,
  clock,
  compact,
  institution,
  ISSUER,
  MASTER_KEY,
  NOW_S,
  PROOF_HEADER,
  proofClaims,
  proofFor,
  requestRules,
  signer,
  STATUS_URI,
  SUBJECT_KEY,
  TOKEN,
  TOKEN_CLAIMS,
  TOKEN_HEADER,
  tokenKeys,
  tokenSigner,
} from "../signers.ts";
import { type Target, target } from "../target.ts";

const TOKEN_CODES: readonly ErrorCode[] = [
  "token-malformed",
  "token-algorithm",
  "token-signature",
  "token-claims",
  "token-expired",
  "token-not-yet-valid",
  "token-audience",
  "token-issuer",
];
const PROOF_CODES: readonly ErrorCode[] = [
  "dpop-malformed",
  "dpop-key",
  "dpop-signature",
  "dpop-binding",
  "dpop-expired",
];
const REQUEST_CODES: readonly ErrorCode[] = [
  ...TOKEN_CODES,
  ...PROOF_CODES,
  "request-malformed",
  "product-unknown",
  "product-not-consented",
];

const SINKS = [
  "https://bank.example:8443/alerts?watch=1",
  "https://1.1.1.1/",
  "https://[2606:4700:4700::1111]/",
  "https://[::ffff:169.254.169.254]/",
];

interface Request {
  readonly token: string;
  readonly proof: string;
  readonly body: Uint8Array;
}

async function sealedClaims(): Promise<string> {
  const claims = { checks: [{ indicator: "name", name: "张三" }] };
  return await sealJson(claims, groupKey.public, { typ: "weijifen-claims+jwe" });
}

const groupKey = signer("enc");

export async function credentialTargets(): Promise<Target[]> {
  const jwe = await sealedClaims();
  return [...requestTargets(jwe), ...batchTargets(jwe), ...statusTargets(), ...sealedTargets(jwe)];
}

function requestTargets(jwe: string): Target[] {
  const bodies = [
    { product: "credit-score@1" },
    { product: "identity-verification@1", claims: jwe },
    { product: "credit-score@1", query_id: "0f9d7c0e-8f4f-4a6e-9d8e-5f6a3f1f7c11" },
  ];
  const texts = bodies.map((body) => JSON.stringify(body));
  const good = texts.map((body) => ({
    token: TOKEN,
    proof: proofFor(TOKEN, body),
    body: Buffer.from(body),
  }));
  const first = good[0] as (typeof good)[0];
  const verify = (request: Request) => verifySignedRequest(request, requestRules, clock);
  return [
    target<Request>({
      name: "signed request: token, proof or body as bytes",
      corpus: fc.oneof(
        mutatedText([TOKEN]).map((token) => ({ ...first, token })),
        mutatedText(good.map(({ proof }) => proof)).map((proof) => ({ ...first, proof })),
        mutatedBytes(texts).map((body) => ({ ...first, body })),
      ),
      run: verify,
      codes: REQUEST_CODES,
      inputs: { quick: 200, slow: 10_000 },
    }),
    target<Request>({
      name: "a watch's request: token or proof as bytes",
      corpus: fc.oneof(
        mutatedText([TOKEN]).map((token) => ({ ...first, token })),
        mutatedText(good.map(({ proof }) => proof)).map((proof) => ({ ...first, proof })),
      ),
      run: (request) => new RequestChecker(requestRules, clock).check(request),
      codes: REQUEST_CODES,
      inputs: { quick: 200, slow: 10_000 },
    }),
    target<readonly [unknown, unknown]>({
      name: "consent token: header and claims, well signed",
      corpus: fc.oneof(
        fc.tuple(mutatedJson([TOKEN_HEADER]), fc.constant(TOKEN_CLAIMS)),
        fc.tuple(fc.constant(TOKEN_HEADER), mutatedJson([TOKEN_CLAIMS])),
      ),
      run: ([header, claims]) => {
        const token = compact(header, claims, tokenSigner);
        const body = texts[0] as string;
        return verify({ token, proof: proofFor(token, body), body: Buffer.from(body) });
      },
      codes: REQUEST_CODES,
      inputs: { quick: 150, slow: 4000 },
    }),
    target<readonly [unknown, unknown]>({
      name: "DPoP proof: header and claims, well signed",
      corpus: fc.oneof(
        fc.tuple(mutatedJson([PROOF_HEADER]), fc.constant(proofClaims(TOKEN, texts[0] as string))),
        fc.tuple(fc.constant(PROOF_HEADER), mutatedJson([proofClaims(TOKEN, texts[0] as string)])),
      ),
      run: ([header, claims]) => verify({ ...first, proof: compact(header, claims, institution) }),
      codes: REQUEST_CODES,
      inputs: { quick: 150, slow: 4000 },
    }),
    target<readonly [unknown, unknown]>({
      name: "a watch's proof: header and claims, well signed",
      corpus: fc.oneof(
        fc.tuple(mutatedJson([PROOF_HEADER]), fc.constant(proofClaims(TOKEN, texts[0] as string))),
        fc.tuple(fc.constant(PROOF_HEADER), mutatedJson([proofClaims(TOKEN, texts[0] as string)])),
      ),
      run: ([header, claims]) =>
        new RequestChecker(requestRules, clock).check({
          ...first,
          proof: compact(header, claims, institution),
        }),
      codes: REQUEST_CODES,
      inputs: { quick: 150, slow: 4000 },
    }),
    target<string>({
      name: "query body, well signed",
      corpus: fc.oneof(
        mutatedJson(bodies).map((body) => JSON.stringify(body) ?? ""),
        mutatedText(texts),
      ),
      run: (body) =>
        verify({ token: TOKEN, proof: proofFor(TOKEN, body), body: Buffer.from(body) }),
      codes: REQUEST_CODES,
      inputs: { quick: 150, slow: 4000 },
    }),
    target<string>({
      name: "subject of a token",
      corpus: mutatedText([TOKEN_CLAIMS.sub]),
      run: (sub) => openSubject(MASTER_KEY, sub, TOKEN_CLAIMS.jti),
      codes: ["token-claims"],
      inputs: { quick: 300, slow: 40_000 },
    }),
  ];
}

function batchTargets(jwe: string): Target[] {
  const rows = [
    { product: "credit-score@1", token: TOKEN },
    { product: "identity-verification@1", token: TOKEN, claims: jwe },
    { product: "credit-score@1", token: TOKEN, query_id: "0f9d7c0e-8f4f-4a6e-9d8e-5f6a3f1f7c11" },
  ];
  const lines = rows.map((row) => `${JSON.stringify(row)}\n`);
  const ndjson = Buffer.from(Array.from({ length: 40 }, () => lines.join("")).join(""));
  const blocks = [ndjson.subarray(0, 4000), ndjson.subarray(0, 300), ndjson.subarray(0, 9)];
  const tree = new BlockTree(blocks.map((block) => blockHash(block)));
  const signedRows = { count: 93 * 2 + 1, root: tree.root().toString("base64url"), sealed: false };
  const batchClaims = proofClaims("", "", {
    htu: `${AUDIENCE}${BATCHES_PATH}`,
    "wjf:rows": signedRows,
  });
  const about = { method: "GET", url: `${AUDIENCE}${BATCHES_PATH}/1` };
  const keyClaims = proofClaims("", "", { htm: about.method, htu: about.url });
  const checker = () => new TokenChecker(requestRules, clock);
  const tokens = checker();
  return [
    target<Buffer>({
      name: "batch row",
      corpus: fc.oneof(
        mutatedBytes(lines.map((line) => line.trimEnd())),
        mutatedJson(rows).map((row) => Buffer.from(JSON.stringify(row) ?? "")),
      ),
      run: parseRow,
      codes: ["request-malformed"],
      inputs: { quick: 400, slow: 100_000 },
    }),
    target<readonly [Buffer, number]>({
      name: "batch NDJSON stream in chunks",
      corpus: fc.tuple(mutatedBytes([ndjson, ...blocks]), fc.integer({ min: 1, max: 70_000 })),
      run: async ([bytes, chunkBytes]) => {
        const size = Math.max(chunkBytes, bytes.length >> 6);
        async function* chunks() {
          for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
        }
        let rows = 0;
        let length = 0;
        for await (const block of splitBlocks(chunks())) {
          rows += splitBlock(block.lines).length - block.rows;
          length += block.lines.length;
        }
        const ended = bytes.length === 0 || bytes.at(-1) === 10 ? 0 : 1;
        if (rows !== 0 || length !== bytes.length + ended) throw new Error("rows went missing");
      },
      codes: ["body-too-large"],
      inputs: { quick: 100, slow: 2000 },
    }),
    target<{ index: number; lines: Buffer; path: Buffer[] }>({
      name: "batch block and its Merkle path",
      corpus: fc.record({
        index: fc.oneof(fc.nat(3), fc.nat(0xffffffff)),
        lines: mutatedBytes(blocks),
        path: fc.array(mutatedBytes(tree.path(0)), { maxLength: 33 }),
      }),
      run: (block) => {
        requireSignedBlock(block, { rows: signedRows.count, root: tree.root() });
        return splitBlock(block.lines);
      },
      codes: ["dpop-binding", "request-malformed"],
      inputs: { quick: 300, slow: 20_000 },
    }),
    target<string>({
      name: "batch proof",
      corpus: fc.oneof(
        mutatedText([compact(PROOF_HEADER, batchClaims, institution)]),
        mutatedJson([batchClaims]).map((claims) => compact(PROOF_HEADER, claims, institution)),
      ),
      run: (proof) => verifyBatchProof(proof, AUDIENCE, clock, 300),
      codes: PROOF_CODES,
      inputs: { quick: 100, slow: 3000 },
    }),
    target<string>({
      name: "proof of a request about a batch",
      corpus: fc.oneof(
        mutatedText([compact(PROOF_HEADER, keyClaims, institution)]),
        mutatedJson([keyClaims]).map((claims) => compact(PROOF_HEADER, claims, institution)),
      ),
      run: (proof) => verifyKeyProof(proof, about, clock, 60),
      codes: PROOF_CODES,
      inputs: { quick: 100, slow: 2000 },
    }),
    target<string>({
      name: "address that alerts may go to",
      corpus: mutatedText(SINKS),
      run: (url) => parseSink(url, PUBLIC_SINKS),
      codes: ["sink-refused"],
      inputs: { quick: 200, slow: 20_000 },
    }),
    target<string>({
      name: "batch token",
      corpus: fc.oneof(
        mutatedText([TOKEN]),
        mutatedJson([TOKEN_CLAIMS]).map((claims) => compact(TOKEN_HEADER, claims, tokenSigner)),
        mutatedJson([TOKEN_HEADER]).map((header) => compact(header, TOKEN_CLAIMS, tokenSigner)),
      ),
      run: (token) => tokens.requireTimely(tokens.open(token)),
      codes: TOKEN_CODES,
      inputs: { quick: 200, slow: 20_000 },
    }),
    target<Buffer>({
      name: "batch manifest's sealed subjects",
      corpus: mutatedBytes([
        sealSubjects(
          MASTER_KEY,
          "m",
          [subjectTag(SUBJECT_KEY, "msisdn", "+8613812345678")],
          systemRandom,
        ),
      ]),
      run: (sealed) => openSubjects(MASTER_KEY, "m", sealed),
      codes: ["receipt-invalid"],
      inputs: { quick: 300, slow: 30_000 },
    }),
  ];
}

function statusTargets(): Target[] {
  const list = StatusList.ofSize(4096);
  list.set(7, 1);
  const payload = {
    sub: STATUS_URI,
    iss: ISSUER,
    iat: NOW_S,
    exp: NOW_S + 60,
    ttl: 60,
    status_list: { bits: 2, lst: list.encode() },
  };
  const header = { alg: "ES256", typ: "statuslist+jwt", kid: tokenSigner.jwk.kid };
  const expected = { uri: STATUS_URI, issuer: ISSUER };
  const codes: ErrorCode[] = [
    "token-signature",
    "token-malformed",
    "token-claims",
    "token-expired",
  ];
  return [
    target<string>({
      name: "status list token",
      corpus: fc.oneof(
        mutatedText([compact(header, payload, tokenSigner)]),
        mutatedJson([payload]).map((claims) => compact(header, claims, tokenSigner)),
        mutatedJson([header]).map((bent) => compact(bent, payload, tokenSigner)),
      ),
      run: (token) => verifyStatusList(token, expected, tokenKeys, clock),
      codes,
      inputs: { quick: 100, slow: 4000 },
    }),
    target<readonly [Buffer, number]>({
      name: "status list's packed bits",
      corpus: fc.tuple(
        mutatedBytes([Buffer.from(list.encode(), "base64url")]),
        fc.oneof(fc.nat(5000), fc.double()),
      ),
      run: ([packed, index]) => StatusList.decode(packed.toString("base64url")).get(index),
      codes: ["token-malformed", "token-claims"],
      inputs: { quick: 300, slow: 20_000 },
    }),
  ];
}

function sealedTargets(jwe: string): Target[] {
  const header = { alg: "ECDH-ES", enc: "A256GCM", typ: "weijifen-claims+jwe" };
  return [
    target<string>({
      name: "sealed claims, JWE",
      corpus: fc.oneof(
        mutatedText([jwe]),
        mutatedJson([
          JSON.parse(Buffer.from(jwe.split(".")[0] as string, "base64url").toString()) as object,
        ]).map((bent) =>
          [
            Buffer.from(JSON.stringify(bent) ?? "").toString("base64url"),
            ...jwe.split(".").slice(1),
          ].join("."),
        ),
      ),
      run: (text) => openJson(text, groupKey.private, "claims-invalid"),
      codes: ["claims-invalid"],
      inputs: { quick: 80, slow: 3000 },
    }),
    target<Buffer>({
      name: "sealed claims, well sealed",
      corpus: mutatedBytes(['{"checks":[]}', JSON.stringify({ classes: ["a"] })]),
      run: async (plaintext) => {
        const sealed = await new CompactEncrypt(plaintext)
          .setProtectedHeader(header)
          .encrypt(groupKey.public);
        return await openJson(sealed, groupKey.private, "claims-invalid");
      },
      codes: ["claims-invalid"],
      inputs: { quick: 40, slow: 1000 },
    }),
  ];
}
