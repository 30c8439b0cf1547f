// Guards, each with the attack test that must fail without it. A patch is exact source text and what stands there when the
// guard is gone; it must match once, so that it cannot rot unseen.
export interface Guard {
  readonly guard: string;
  readonly file: string;
  readonly source: string;
  readonly without: string;
  readonly test: string;
  /** Of the test's name; matches no other. */
  readonly named: string;
}

export const GUARDS: readonly Guard[] = [
  {
    guard: "slot 0 counts the participants",
    file: "consent/release/merge-opener.ts",
    source: 'if (slots[0] !== provinces.length) throw new WjfError("masks-uncancelled");',
    without: "",
    test: "test/federation/hostile.test.ts",
    named: "one node's ciphertext passed off as the sum",
  },
  {
    guard: "the merge audit adds the parts again",
    file: "consent/release/check-merge.ts",
    source:
      'if (!merged.subarray(at, at + size).equals(sum.finish())) throw new WjfError("merge-mismatch");',
    without: "sum.finish();",
    test: "test/federation/hostile.test.ts",
    named: "is found by adding the parts again",
  },
  {
    guard: "an unanswered challenge is a debt",
    file: "consent/release/merge-opener.ts",
    source: "const audited = owed || isAudited(auditProbability, random);",
    without: "const audited = isAudited(auditProbability, random); void owed;",
    test: "test/attacks/reaction.test.ts",
    named: "hanging up when challenged buys nothing",
  },
  {
    guard: "a gateway that was found out is suspended",
    file: "consent/release/suspension.ts",
    source: 'if (row !== undefined) throw new WjfError("gateway-suspended");',
    without: "void row;",
    test: "test/attacks/reaction.test.ts",
    named: "every gateway is found out",
  },
  {
    guard: "what was signed makes the query id, not the signature",
    file: "consent/signed-request.ts",
    source: 'return jws.slice(0, jws.lastIndexOf("."));',
    without: "return jws;",
    test: "test/federation/hostile.test.ts",
    named: "one signed question under a second valid signature",
  },
  {
    guard: "one release per query id",
    file: "consent/release/stored-answer.ts",
    source: 'if (row.question !== questionDigest(question)) throw new WjfError("query-conflict");',
    without: "void question;",
    test: "test/federation/one-answer.test.ts",
    named: "with another question under it, a conflict",
  },
  {
    guard: "the budget is decided in the release",
    file: "consent/release/group-decisions.ts",
    source: "this.#state.budget.requireLeft(consent, product.ref);",
    without: "",
    test: "test/attacks/query-budget.test.ts",
    named: "a hostile gateway that evaluates first",
  },
  {
    guard: "a token is of its type",
    file: "consent/signed-request.ts",
    source: 'typ: "at+jwt",',
    without: "",
    test: "test/federation/refusals.test.ts",
    named:
      "at the gateway: refused by its code, and no node is called a token: 'another type of token'",
  },
  {
    guard: "a proof is over this token",
    file: "consent/signed-request.ts",
    source: "claims.ath === sha256Base64url(request.token) &&",
    without: "",
    test: "test/federation/refusals.test.ts",
    named:
      "at the gateway: refused by its code, and no node is called a proof: 'for another token'",
  },
  {
    guard: "a proof is over this body",
    file: "consent/signed-request.ts",
    source: 'claims["camara:bh"] === sha256Base64url(request.body);',
    without: "true;",
    test: "test/federation/refusals.test.ts",
    named: "at the gateway: refused by its code, and no node is called a proof: 'for another body'",
  },
  {
    guard: "a proof is by the key that the token is bound to",
    file: "consent/signed-request.ts",
    source: 'if (jkt !== consent.cnf.jkt) throw new WjfError("dpop-key");',
    without: "void jkt;",
    test: "test/federation/refusals.test.ts",
    named: "at the gateway: refused by its code, and no node is called a proof: 'with another key'",
  },
  {
    guard: "a proof is used once",
    file: "gateway/app.ts",
    source: "replays.requireFresh(verified.consent.cnf.jkt, verified.proofId);",
    without: "void replays;",
    test: "test/federation/refusals.test.ts",
    named: "a proof a second time",
  },
  {
    guard: "a node answers a fan-out once",
    file: "province-node/fan-out-guard.ts",
    source: 'if (answered.has(nonce)) throw new WjfError("descriptor-invalid", "answered before");',
    without: "",
    test: "test/federation/refusals.test.ts",
    named: "one descriptor twice",
  },
  {
    guard: "a node remembers the masks' nonce, not the digest",
    file: "province-node/fan-out-guard.ts",
    source: 'maskNonce(digest).toString("latin1")',
    without: 'digest.toString("latin1")',
    test: "test/province-node/fan-out-guard.test.ts",
    named: "another digest that begins with the masks' nonce",
  },
  {
    guard: "a node that can remember no more fan-outs refuses them",
    file: "province-node/fan-out-guard.ts",
    source:
      'if (answered.size >= this.maxFanOuts) throw new WjfError("epoch-unknown", "used up here");',
    without: "if (answered.size >= this.maxFanOuts) answered.clear();",
    test: "test/province-node/fan-out-guard.test.ts",
    named: "junk does not make room for a repetition",
  },
  {
    guard: "a node's receipt is about this fan-out and this ciphertext",
    file: "gateway/fan-out.ts",
    source: 'if (!about) throw new WjfError("receipt-invalid", "it is about something else");',
    without: "void about;",
    test: "test/attacks/hostile-node.test.ts",
    named: "the receipt does not stand for about another ciphertext",
  },
  {
    guard: "a message has a largest size",
    file: "proto/mutual-tls.ts",
    source: '"grpc.max_receive_message_length": MAX_MESSAGE_BYTES,',
    without: '"grpc.max_receive_message_length": -1,',
    test: "test/attacks/grpc.test.ts",
    named: "a message that is larger than any of ours",
  },
  {
    guard: "certificates name roles",
    file: "proto/mutual-tls.ts",
    source: 'throw new WjfError("peer-unauthorised");',
    without: 'return "";',
    test: "test/proto/server.test.ts",
    named: "a caller is who its certificate says",
  },
  {
    guard: "a signature is for one purpose",
    file: "crypto/statement.ts",
    source: "const bytes = signedBytes(context, signed.statement);",
    without:
      'const bytes = signedBytes((signed as { context?: never }).context ?? "merge", signed.statement);',
    test: "test/crypto/statement.test.ts",
    named: "for another purpose than it was signed for",
  },
  {
    guard: "every address of a sink's name is judged",
    file: "gateway/alerts/send.ts",
    source: "if (!addresses.every((address) => this.#policy.allows(address))) {",
    without: "if (addresses.length > 99) {",
    test: "test/alerts/send.test.ts",
    named: "one private address among the public ones spoils the name",
  },
  {
    guard: "a sink's address is judged as it is written",
    file: "gateway/alerts/sink.ts",
    source:
      'if (address !== undefined && !policy.allows(address)) throw refused("a public address");',
    without: "void address;",
    test: "test/alerts/send.test.ts",
    named: "a sink that is, or resolves to, a private address is not connected to",
  },
  {
    guard: "compressed JWEs are refused",
    file: "crypto/sealing.ts",
    source: "maxDecompressedLength: 0,",
    without: "",
    test: "test/crypto/sealing.test.ts",
    named: "when it is compressed: a bomb, or a few bytes",
  },
  {
    guard: "compressed bodies are refused",
    file: "core/http-server.ts",
    source: 'const coding = request.headers["content-encoding"];',
    without: "const coding = undefined; void request;",
    test: "test/attacks/http.test.ts",
    named: "sizes at the gateway a body that says it is compressed",
  },
  {
    guard: "an institution's refusals leave leaves at a rate",
    file: "consent/release/refusal-log.ts",
    source: "return bucket.take(nowMs, REFUSAL_LEAVES);",
    without: "return true;",
    test: "test/consent/release/refusal-log.test.ts",
    named: "an institution leaves so many leaves at once and a second",
  },
  {
    guard: "the same refusal leaves one leaf",
    file: "consent/release/refusal-log.ts",
    source: "this.#logged.has(key) || keys.has(key)",
    without: "keys.has(key)",
    test: "test/batches/batch.test.ts",
    named: "a block that is admitted again leaves no second leaf",
  },
  {
    guard: "a cohort is the same people as an earlier one's, or others",
    file: "consent/release/training-cohorts.ts",
    source: "if (shared * SHARED_ONE_IN > shared + Math.min(gone, added)) {",
    without: "if (gone + added < 50) {",
    test: "test/training/authority-steps.test.ts",
    named: "the same count again: of the same people, or of others",
  },
];
