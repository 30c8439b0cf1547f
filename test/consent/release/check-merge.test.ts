// The merge audit alone, over the plaintext twin: what adds up passes, whatever does not is fraud, and whether there is
// an audit at all is the authority's coin. Over the real wire and the real scheme: test/federation/hostile.test.ts.
import { randomBytes } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { auditMerge, type CheckedMerge, isAudited } from "../../../consent/release/check-merge.ts";
import { sha256Hex } from "../../../core/canonical.ts";
import { systemRandom } from "../../../core/random.ts";
import { PlaintextScheme } from "../../crypto/plaintext-scheme.ts";
import { randomSlots } from "../../crypto/slot-vectors.ts";

const scheme = await PlaintextScheme.create();
const encryptor = scheme.encryptor(scheme.generateKeys().publicKey);
const { plainModulus: t } = scheme.parameters;

function encrypted(ciphertexts: number): Buffer {
  const parts = Array.from({ length: ciphertexts }, () => encryptor.encrypt(randomSlots(50, t)));
  return Buffer.concat(parts);
}

/** Each part may be several ciphertexts in a row, as a batch's is. */
function added(parts: readonly Buffer[]): Buffer {
  const size = scheme.ciphertextBytes;
  const length = parts[0]?.length ?? 0;
  return Buffer.concat(
    Array.from({ length: length / size }, (_, i) => {
      using sum = scheme.sum();
      for (const part of parts) sum.add(part.subarray(i * size, (i + 1) * size));
      return Buffer.from(sum.finish());
    }),
  );
}

function checked(merged: Buffer, parts: readonly Buffer[]): CheckedMerge {
  const receipts = parts.map((part) => ({ ciphertext: sha256Hex(part) }));
  return { merged, receipts } as unknown as CheckedMerge;
}

const refused = (code: string) => expect.objectContaining({ code });

describe("auditMerge", () => {
  test("what adds up passes: any number of parts, one ciphertext each or several", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 3 }), (nodes, each) => {
        const parts = Array.from({ length: nodes }, () => encrypted(each));
        auditMerge(checked(added(parts), parts), parts, scheme);
      }),
      { numRuns: 15 },
    );
  });

  const parts = [encrypted(2), encrypted(2), encrypted(2)];
  const sum = added(parts);
  const size = scheme.ciphertextBytes;

  test.each<[string, Buffer]>([
    ["one too few", added(parts.slice(1))],
    ["one twice", added([...parts, parts[0] as Buffer])],
    ["something more", added([...parts, encrypted(2)])],
    [
      "only the first of two ciphertexts altered",
      Buffer.concat([encrypted(1), sum.subarray(size)]),
    ],
    ["only the second", Buffer.concat([sum.subarray(0, size), encrypted(1)])],
    ["the two exchanged", Buffer.concat([sum.subarray(size), sum.subarray(0, size)])],
    ["the second missing", sum.subarray(0, size)],
    ["a third added", Buffer.concat([sum, encrypted(1)])],
    ["a byte missing", sum.subarray(1)],
    ["nothing at all", Buffer.alloc(0)],
    ["noise", randomBytes(sum.length)],
  ])("a merge of %s is a mismatch", (_what, merged) => {
    expect(() => auditMerge(checked(merged, parts), parts, scheme)).toThrow(
      refused("merge-mismatch"),
    );
  });

  test("parts that their provinces did not sign prove nothing", () => {
    const merge = checked(sum, parts);
    for (const shown of [
      parts.slice(1),
      [...parts, encrypted(2)],
      parts.toReversed(),
      [encrypted(2), ...parts.slice(1)],
      [],
    ]) {
      expect(() => auditMerge(merge, shown, scheme)).toThrow(refused("receipt-invalid"));
    }
  });
});

describe("isAudited", () => {
  test("never at 0, always at 1", () => {
    for (let i = 0; i < 1000; i++) {
      expect(isAudited(0, systemRandom)).toBe(false);
      expect(isAudited(1, systemRandom)).toBe(true);
    }
  });

  test("as often as the probability says", () => {
    const rounds = 20_000;
    for (const probability of [0.05, 0.5]) {
      let audits = 0;
      for (let i = 0; i < rounds; i++) if (isAudited(probability, systemRandom)) audits++;
      const deviation = Math.sqrt(rounds * probability * (1 - probability));
      expect(Math.abs(audits - rounds * probability)).toBeLessThan(6 * deviation);
    }
  });
});
