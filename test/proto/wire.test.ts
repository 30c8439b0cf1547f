// weijifen.proto and the zod schemas beside it: what one end sends is what the other parses, bytes and all; what is too
// large, of another kind or of an unknown code is refused before anybody uses it.
import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { z } from "zod";
import {
  AuthorityStub,
  EvaluateReply,
  EvaluateRequest,
  FederationUpdate,
  MAX_BODY_BYTES,
  ProvinceNodeStub,
  ReleaseReply,
  ReleaseRequest,
} from "../../proto/index.ts";

interface Method {
  requestSerialize(value: object): Buffer;
  requestDeserialize(bytes: Buffer): unknown;
  responseSerialize(value: object): Buffer;
  responseDeserialize(bytes: Buffer): unknown;
}

function method(service: unknown, name: string): Method {
  const found = (service as Record<string, Method | undefined>)[name];
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

const evaluate = method(ProvinceNodeStub.service, "Evaluate");
const release = method(AuthorityStub.service, "Release");
const follow = method(AuthorityStub.service, "Follow");

function throughRequest<S extends z.ZodType>(way: Method, schema: S, value: object): z.output<S> {
  return schema.parse(way.requestDeserialize(way.requestSerialize(value)));
}

function throughResponse<S extends z.ZodType>(way: Method, schema: S, value: object): z.output<S> {
  return schema.parse(way.responseDeserialize(way.responseSerialize(value)));
}

const statement = () => ({ statement: randomBytes(200), signature: randomBytes(64) });
const credentials = (body = randomBytes(50)) => ({ token: "a.b.c", proof: "d.e.f", body });

describe("round trips", () => {
  test("a fan-out and its reply, to the byte", () => {
    const request = { descriptor: randomBytes(500), credentials: [credentials(), credentials()] };
    expect(throughRequest(evaluate, EvaluateRequest, request)).toMatchObject(request);
    const admitted = { ...request, admission: statement() };
    expect(throughRequest(evaluate, EvaluateRequest, admitted)).toMatchObject(admitted);
    const reply = { ciphertext: randomBytes(32_881), receipt: statement() };
    expect(throughResponse(evaluate, EvaluateReply, reply)).toEqual(reply);
  });

  test("a release: commit, challenge, reveal, outcomes of every kind", () => {
    const commit = {
      descriptor: randomBytes(500),
      merged: randomBytes(32_881),
      commitment: statement(),
      receipts: [statement(), statement()],
      items: [{ credentials: credentials(), sealed: true }],
    };
    expect(throughRequest(release, ReleaseRequest, { commit })).toMatchObject({
      step: "commit",
      commit,
    });
    const reveal = { ciphertexts: [randomBytes(32_881), randomBytes(32_881)] };
    expect(throughRequest(release, ReleaseRequest, { reveal })).toMatchObject({
      step: "reveal",
      reveal,
    });
    expect(throughResponse(release, ReleaseReply, { challenge: {} })).toMatchObject({
      step: "challenge",
    });
    const outcomes = [{ answer: "{}" }, { sealed: "a.b.c.d.e" }, { refusal: "consent-revoked" }];
    const told = throughResponse(release, ReleaseReply, { outcomes: { outcomes } });
    expect(told).toMatchObject({
      step: "outcomes",
      outcomes: {
        outcomes: [{ result: "answer" }, { result: "sealed" }, { result: "refusal" }],
      },
    });
  });

  test("updates", () => {
    const epoch = { roster: "a.b.c", he_public_key: randomBytes(32_881) };
    expect(throughResponse(follow, FederationUpdate, { epoch })).toEqual({
      update: "epoch",
      epoch,
    });
    const status_list = { uri: "https://authority.example/status-lists/0", token: "a.b.c" };
    expect(throughResponse(follow, FederationUpdate, { status_list })).toEqual({
      update: "status_list",
      status_list,
    });
    for (const digests of [[], [randomBytes(32), randomBytes(32)]]) {
      const institutions = { digests };
      expect(throughResponse(follow, FederationUpdate, { institutions })).toEqual({
        update: "institutions",
        institutions,
      });
    }
  });
});

describe("refused", () => {
  const good = { descriptor: randomBytes(500), credentials: [credentials()] };

  test.each<[string, object]>([
    ["nothing asked", { ...good, credentials: [] }],
    ["more than a fan-out carries", { ...good, credentials: Array(1025).fill(credentials()) }],
    [
      "a body above the limit",
      { ...good, credentials: [credentials(randomBytes(MAX_BODY_BYTES + 1))] },
    ],
    [
      "a token above the limit",
      { ...good, credentials: [{ ...credentials(), token: "a".repeat(16_385) }] },
    ],
    ["a descriptor above the limit", { ...good, descriptor: randomBytes(1024 * 1024 + 1) }],
  ])("%s", (_what, request) => {
    expect(() => throughRequest(evaluate, EvaluateRequest, request)).toThrow();
  });

  test("a reply without a receipt, with too long a signature, or with too large a ciphertext", () => {
    const reply = { ciphertext: randomBytes(32_881), receipt: statement() };
    for (const bent of [
      { ciphertext: reply.ciphertext },
      { ...reply, receipt: { ...reply.receipt, signature: randomBytes(65) } },
      { ...reply, ciphertext: randomBytes(17 * 1024 * 1024) },
    ]) {
      expect(() => throughResponse(evaluate, EvaluateReply, bent)).toThrow();
    }
  });

  test("a refusal with a code that the catalogue does not know", () => {
    for (const refusal of ["nonsense", "", "constructor", "__proto__"]) {
      const outcomes = { outcomes: [{ refusal }] };
      expect(() => throughResponse(release, ReleaseReply, { outcomes })).toThrow();
    }
  });

  test("an empty step, an empty update, bytes that are no message", () => {
    expect(() => throughRequest(release, ReleaseRequest, {})).toThrow();
    expect(() => throughResponse(follow, FederationUpdate, {})).toThrow();
    expect(() => {
      EvaluateRequest.parse(evaluate.requestDeserialize(Buffer.from("ffffffff", "hex")));
    }).toThrow();
  });
});
