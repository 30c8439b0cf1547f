// A hostile province among honest ones, over the real wire. Failure: an answer that an honest federation would not have given,
// a consent that is spent without an answer, or a gateway that does not go on. Not failure: that the question is refused as
// retryable, which a province can always bring about by not answering at all.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { readSecretFile } from "../../core/secret-file.ts";
import {
  type DigestedDescriptor,
  HE_PARAMETERS,
  importPrivate,
  PrivateP256Jwk,
} from "../../crypto/index.ts";
import { readOwnPair } from "../../province-node/own-keys.ts";
import type { GivenConsent, Reply } from "../federation/bank.ts";
import { openScene, type Scene } from "../federation/scene.ts";
import { HostileNode } from "./hostile-node.ts";

const SCORE = "credit-score@1";
let scene: Scene;
let node: HostileNode;
let consent: GivenConsent;
let honest: Reply;

beforeAll(async () => {
  scene = await openScene({
    startNode: async (code, settings) => {
      if (code !== "13") return undefined;
      node = await HostileNode.start(code, settings);
      return node;
    },
  });
  node.epoch = scene.hostile.epoch;
  consent = await scene.bank.consent({ subject: scene.msisdn(0), maxUses: 10_000 });
  node.answer = (digested) => node.masked(digested);
  honest = await scene.bank.ask(consent, SCORE);
});
afterAll(() => scene[Symbol.asyncDispose]());
beforeEach(async () => {
  // One good reply in between, or the gateway would leave it out after two that are not.
  node.answer = (digested) => node.masked(digested);
  await scene.bank.ask(consent, SCORE);
  node.asked = 0;
});

async function used(): Promise<number> {
  const { db } = scene.federation.authority.service.options;
  const row = db.selectFrom("consent").select("uses").where("id", "=", consent.id);
  return (await row.executeTakeFirstOrThrow()).uses;
}

/** The answer is that of the honest provinces alone, and says so; the node was asked, and is not part of it. */
async function costsItsCoverage(): Promise<void> {
  expect(await scene.bank.ask(consent, SCORE)).toMatchObject({
    status: 200,
    answer: honest.answer,
    coverage: { answered: 2, of: 3 },
  });
  expect(node.asked).toBe(1);
}

/** It spoils the question: refused by one of these codes, nothing spent. */
async function costsTheQuestion(...codes: string[]): Promise<void> {
  const before = await used();
  const { status, code } = await scene.bank.ask(consent, SCORE);
  expect(status).toBe(502);
  expect(codes).toContain(code);
  expect(node.asked).toBe(1);
  expect(await used()).toBe(before);
}

const secretsOf = (code: string) => `${scene.federation.settings.home}/nodes/${code}/secrets`;

test("one that plays fair and holds nobody: the person's own province decides", () => {
  expect(honest).toMatchObject({ status: 200, coverage: { answered: 3, of: 3 } });
  expect(honest.answer.value).toBeTypeOf("number");
});

describe("what is no ciphertext, signed all the same", () => {
  const garbage: [string, () => Buffer][] = [
    ["nothing", () => Buffer.alloc(0)],
    ["noise of the right length", () => randomBytes(node.ciphertextBytes)],
    ["zeros of the right length", () => Buffer.alloc(node.ciphertextBytes)],
    ["a ciphertext cut short", () => node.unmasked([1]).subarray(0, -8)],
    [
      "a ciphertext with more behind it",
      () => Buffer.concat([node.unmasked([1]), Buffer.alloc(8)]),
    ],
    ["a ciphertext whose header is another scheme's", () => flipped(node.unmasked([1]), 20)],
    ["coefficients beyond the modulus", () => filled(node.unmasked([1]), 0xff)],
  ];
  test.each(garbage)("%s", async (_what, make) => {
    node.answer = (digested) => node.signed(make(), digested);
    await costsItsCoverage();
  });
});

describe("a ciphertext that the receipt does not stand for", () => {
  const bent: [string, (digested: DigestedDescriptor) => object][] = [
    [
      "signed with another province's key",
      (digested) => {
        const { signingKey } = readOwnPair(secretsOf("12"));
        return node.signed(node.unmasked([1]), digested, {}, signingKey);
      },
    ],
    [
      "signed with a key of its own making",
      (digested) => {
        const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
        return node.signed(node.unmasked([1]), digested, {}, privateKey);
      },
    ],
    [
      "signed with the gateway's key",
      (digested) => {
        const path = `${scene.federation.settings.home}/gateway/secrets/signing.jwk`;
        const jwk = PrivateP256Jwk.parse(JSON.parse(readSecretFile(path).toString("utf8")));
        return node.signed(node.unmasked([1]), digested, {}, importPrivate(jwk));
      },
    ],
    [
      "in another province's name",
      (digested) => node.signed(node.unmasked([1]), digested, { province: "12" as never }),
    ],
    [
      "about another fan-out",
      (digested) => node.signed(node.unmasked([1]), digested, { descriptor: "0".repeat(64) }),
    ],
    [
      "about another ciphertext",
      (digested) => node.signed(node.unmasked([1]), digested, { ciphertext: "0".repeat(64) }),
    ],
    [
      "with a refusal of a code that there is not",
      (digested) =>
        node.signed(node.unmasked([1]), digested, { refusals: [{ item: 0, code: "no" as never }] }),
    ],
    [
      "with five thousand refusals",
      (digested) => {
        const refusals = Array.from({ length: 5000 }, (_, item) => ({
          item,
          code: "internal" as const,
        }));
        return node.signed(node.unmasked([1]), digested, { refusals });
      },
    ],
    [
      "with more in it than a receipt has",
      (digested) => node.signed(node.unmasked([1]), digested, { note: "x" } as never),
    ],
    [
      "without a signature",
      (digested) => {
        const { ciphertext, receipt } = node.signed(node.unmasked([1]), digested);
        return { ciphertext, receipt: { ...receipt, signature: Buffer.alloc(64) } };
      },
    ],
  ];
  test.each(bent)("%s", async (_what, answer) => {
    node.answer = answer;
    await costsItsCoverage();
  });

  test("its own answer to an earlier fan-out, word for word", async () => {
    let earlier: object | undefined;
    node.answer = (digested) => (earlier ??= node.masked(digested));
    expect(await scene.bank.ask(consent, SCORE)).toMatchObject({ status: 200 });
    node.asked = 0;
    await costsItsCoverage();
  });
});

describe("values that no honest province has", () => {
  test("without its masks: nobody's answer comes out", async () => {
    node.answer = (digested) => node.signed(node.unmasked([1]), digested);
    await costsTheQuestion("masks-uncancelled");
  });

  test.each([
    ["counting itself twice", 1],
    ["not counting itself", HE_PARAMETERS.plainModulus - 1],
  ])("%s", async (_what, more) => {
    node.answer = (digested) => {
      // A reply that is sealed counts its node once; this adds to it under the encryption.
      const { ciphertext } = node.masked(digested);
      return node.signed(scene.hostile.merge([ciphertext, node.unmasked([more])]), digested);
    };
    await costsTheQuestion("masks-uncancelled");
  });

  test.each([100_000, 10_000_000, 60_000_000])("masked, %i in every slot", async (value) => {
    node.answer = (digested) => node.masked(digested, (slots) => slots.fill(value));
    await costsTheQuestion("sum-out-of-range");
  });
});

describe("a message larger than any reply", () => {
  test("is not taken in, and the others are asked without it", async () => {
    node.answer = (digested) => node.signed(Buffer.alloc(32 * 1024 * 1024), digested);
    await costsItsCoverage();
  });
});

test("one that answers badly twice in a row is left out for a while, as one that does not answer", async () => {
  node.answer = (digested) => node.signed(Buffer.alloc(8), digested);
  for (let i = 0; i < 4; i++) {
    expect(await scene.bank.ask(consent, SCORE)).toMatchObject({
      coverage: { answered: 2, of: 3 },
    });
  }
  expect(node.asked).toBeLessThan(4);
});

test("after all of this the gateway goes on, with all three as soon as it has tried it again", async () => {
  let reply = await scene.bank.ask(consent, SCORE);
  while (reply.coverage.answered < 3) {
    expect(reply.answer).toEqual(honest.answer);
    reply = await scene.bank.ask(consent, SCORE);
  }
  expect(reply.answer).toEqual(honest.answer);
});

function flipped(bytes: Buffer, at: number): Buffer {
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0xff, at);
  return bytes;
}

/** Everything behind the header. */
function filled(bytes: Buffer, value: number): Buffer {
  return bytes.fill(value, bytes.length - 2 * 2048 * 8);
}
