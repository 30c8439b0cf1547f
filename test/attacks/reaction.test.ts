// Reaction attacks: a gateway that changes merges a little and learns from whether they are released. Each is one throw of
// the authority's coin (decided after the commitment), and the first that comes up ends it: two thousand merges by fifty
// gateways, seeded. Failure: a reaction after a gateway was found out, or more of them than chance gives. docs/decisions/004.
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CheckedMerge } from "../../consent/release/check-merge.ts";
import { MergeOpener, type MergeOpenerParts } from "../../consent/release/merge-opener.ts";
import { sha256, sha256Hex } from "../../core/canonical.ts";
import { WjfError } from "../../core/errors.ts";
import { writeSecretFile } from "../../core/secret-file.ts";
import { generateP256, publicP256 } from "../../crypto/index.ts";
import { type LedgerBench, openLedgerBench } from "../consent/ledger-fixture.ts";
import { openPlaintextDecryptor, PlaintextScheme } from "../crypto/plaintext-scheme.ts";

const AUDITED = 0.05;
const folder = mkdtempSync(join(tmpdir(), "wjf-reaction-"));
const scheme = new PlaintextScheme();
const keys = scheme.generateKeys();
let bench: LedgerBench;
let opener: MergeOpener;

beforeAll(async () => {
  writeSecretFile(join(folder, "secret.key"), keys.secretKey);
  bench = await openLedgerBench();
  opener = new MergeOpener({
    scheme,
    openDecryptor: (secret: Uint8Array) => openPlaintextDecryptor(scheme, secret),
    epochs: { all: () => [], retire: async () => undefined },
    ledger: bench.ledger,
    db: bench.db,
    random: seeded("coin"),
    auditProbability: AUDITED,
  } as unknown as MergeOpenerParts);
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function seeded(seed: string) {
  let count = 0;
  return {
    unit: () => createHash("sha256").update(`${seed} ${count++}`).digest().readUInt32BE() / 2 ** 32,
  };
}

/** A gateway with its own key, in an epoch of its own; `presents` is the sum that it signs for. */
function gateway(number: number) {
  using encryptor = scheme.encryptor(keys.publicKey);
  const parts = [1, 1].map((count, i) => Buffer.from(encryptor.encrypt(Uint32Array.of(count, i))));
  const merge = (delta?: Uint32Array): CheckedMerge => {
    using sum = scheme.sum();
    for (const part of parts) sum.add(part);
    if (delta) sum.add(encryptor.encrypt(delta));
    return {
      epoch: {
        number,
        roster: { gateway_key: gatewayKey },
        secretKeyPath: join(folder, "secret.key"),
      },
      digest: sha256(`D${number}`),
      provinces: ["11", "12"],
      merged: Buffer.from(sum.finish()),
      commitment: { statement: Buffer.alloc(1), signature: Buffer.alloc(64) },
      receipts: parts.map((part) => ({ ciphertext: sha256Hex(part) })),
    } as unknown as CheckedMerge;
  };
  const gatewayKey = publicP256(generateP256("sig"));
  return { honest: merge(), altered: merge(Uint32Array.of(0, 1)), parts };
}

async function codeOf(opening: Promise<unknown>): Promise<string> {
  try {
    await opening;
    return "";
  } catch (error) {
    return error instanceof WjfError ? error.code : "thrown";
  }
}

describe("altered merges, until the first audit", () => {
  test("every gateway is found out; chance alone says after how many; then nothing is opened for it", async () => {
    const reactions: number[] = [];
    for (let i = 0; i < 50; i++) {
      const { altered, honest, parts } = gateway(1000 + i);
      let told = 0;
      for (;;) {
        const code = await codeOf(opener.open(altered, async () => parts));
        if (code === "merge-mismatch") break;
        expect(code).toBe("");
        told++;
        expect(told).toBeLessThan(1000);
      }
      reactions.push(told);
      for (const merge of [altered, honest]) {
        expect(await codeOf(opener.open(merge, async () => parts))).toBe("gateway-suspended");
      }
    }
    const total = reactions.reduce((sum, each) => sum + each, 0);
    // Geometric with mean (1 − p)/p = 19 and the same deviation: four standard errors of fifty.
    expect(total / reactions.length).toBeGreaterThan(19 - 4 * 2.75);
    expect(total / reactions.length).toBeLessThan(19 + 4 * 2.75);
  });

  test("hanging up when challenged buys nothing: from then on every merge is audited", async () => {
    const { altered, honest, parts } = gateway(1);
    let told = 0;
    const hangUp = () => Promise.reject(new Error("gone"));
    while ((await codeOf(opener.open(altered, hangUp))) === "") expect(told++).toBeLessThan(200);
    for (let i = 0; i < 1000; i++) {
      expect(await codeOf(opener.open(altered, hangUp))).toBe("thrown");
    }
    // An honest merge that is shown is opened, and the debt remains.
    expect(await codeOf(opener.open(honest, async () => parts))).toBe("");
    expect(await codeOf(opener.open(altered, async () => parts))).toBe("merge-mismatch");
  });
});
