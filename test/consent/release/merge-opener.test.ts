// The merge audit as a game against a gateway that may hang up: a challenge is a debt, and until it is paid every merge of
// the epoch is audited. Over the plaintext twin and a database in memory; the coin falls as the test says.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { CheckedMerge } from "../../../consent/release/check-merge.ts";
import {
  MergeOpener,
  type MergeOpenerParts,
  type Reveal,
} from "../../../consent/release/merge-opener.ts";
import { releaseMigrations } from "../../../consent/release/schema.ts";
import { sha256, sha256Hex } from "../../../core/canonical.ts";
import { type Database, openDatabase } from "../../../core/database.ts";
import { writeSecretFile } from "../../../core/secret-file.ts";
import { openPlaintextDecryptor, PlaintextScheme } from "../../crypto/plaintext-scheme.ts";
import { generateP256, publicP256 } from "../../../crypto/index.ts";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "wjf-merge-"));
const scheme = await PlaintextScheme.create();
const keys = scheme.generateKeys();
const encryptor = scheme.encryptor(keys.publicKey);
const gatewayKey = publicP256(generateP256("sig"));
const parts = [1, 1].map((count) => encryptor.encrypt(Uint32Array.of(count, 5)));
const merged = Buffer.from(
  ((): Uint8Array => {
    using sum = scheme.sum();
    for (const part of parts) sum.add(part);
    return sum.finish();
  })(),
);

let db: Database<never>;
let results: string[];
let coin: number;
let opener: MergeOpener;

beforeAll(async () => {
  writeSecretFile(join(folder, "secret.key"), keys.secretKey);
  db = await openDatabase<never>("sqlite::memory:", releaseMigrations);
});
afterAll(async () => {
  await db.destroy();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  results = [];
  opener = new MergeOpener({
    scheme,
    openDecryptor: (secret: Uint8Array) => openPlaintextDecryptor(scheme, secret),
    epochs: { all: () => [{ number: 1 }, { number: 2 }], retire: async () => undefined },
    ledger: {
      log: {
        append: async (leaves: { result?: string }[]) => {
          for (const { result } of leaves) if (result !== undefined) results.push(result);
        },
      },
    },
    db,
    random: { unit: () => coin, bytes: (length: number) => Buffer.alloc(length) },
    auditProbability: 0.5,
  } as unknown as MergeOpenerParts);
});

function merge(epoch = 1): CheckedMerge {
  return {
    epoch: {
      number: epoch,
      roster: { gateway_key: gatewayKey },
      secretKeyPath: join(folder, "secret.key"),
    },
    digest: sha256("D"),
    provinces: ["11", "12"],
    merged,
    commitment: { statement: Buffer.alloc(1), signature: Buffer.alloc(64) },
    receipts: parts.map((part) => ({ ciphertext: sha256Hex(part) })),
  } as unknown as CheckedMerge;
}

/** Whether the merge was audited, when the gateway answers honestly. */
async function isChallenged(epoch = 1): Promise<boolean> {
  let asked = false;
  const opened = await opener.open(merge(epoch), async () => {
    asked = true;
    return parts;
  });
  expect([...opened.sums.subarray(0, 2)]).toEqual([2, 10]);
  expect(opened.leaves).toHaveLength(asked ? 1 : 0);
  return asked;
}

const HEADS = 0.1;
const TAILS = 0.9;

describe("with an honest gateway", () => {
  test("the coin decides, and only the coin", async () => {
    for (const [falls, audited] of [
      [HEADS, true],
      [TAILS, false],
      [HEADS, true],
      [TAILS, false],
    ] as const) {
      coin = falls;
      expect(await isChallenged()).toBe(audited);
    }
    expect(results).toEqual([]);
  });
});

describe("after a challenge that was not answered", () => {
  const withhold: [string, Reveal][] = [
    ["hung up on", () => Promise.reject(new Error("gone"))],
    ["answered with too few parts", async () => parts.slice(1)],
    ["answered with other parts", async () => [...parts].toReversed().map(() => merged)],
  ];
  test.each(withhold)(
    "%s: logged, and every merge of that epoch is audited",
    async (_w, reveal) => {
      coin = HEADS;
      await expect(opener.open(merge(), reveal)).rejects.toThrow();
      expect(results).toEqual(["withheld"]);
      coin = TAILS;
      for (let round = 0; round < 5; round++) expect(await isChallenged()).toBe(true);
      expect(await isChallenged(2)).toBe(false);
    },
  );

  test("also while the gateway still keeps the authority waiting", async () => {
    coin = HEADS;
    const held = Promise.withResolvers<readonly Uint8Array[]>();
    const asked = Promise.withResolvers<void>();
    const slow = opener.open(merge(), () => {
      asked.resolve();
      return held.promise;
    });
    await asked.promise;
    coin = TAILS;
    expect(await isChallenged()).toBe(true);
    held.resolve(parts);
    await slow;
    expect(await isChallenged()).toBe(false);
  });
});
