// What a manifest may say: no more rows than one holds, however its runs are cut. What writing one is counted as.
import { expect, test } from "vitest";
import { loadCatalogue } from "../../catalogue/index.ts";
import { writeManifest } from "../../consent/batch/write-manifest.ts";
import { BatchManifest, MAX_MANIFEST_ITEMS } from "../../consent/manifest.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { systemRandom } from "../../core/random.ts";
import { generateP256, importPrivate, sealSubject } from "../../crypto/index.ts";

const UUID = "0f9d7c0e-8f4f-4a6e-9d8e-5f6a3f1f7c11";
const HEX = sha256Hex("");
const PRODUCT = "credit-score@1";

function isTaken(counts: readonly number[]): boolean {
  const products = counts.map((items) => ({ product: PRODUCT, items }));
  return BatchManifest.safeParse({
    manifest_id: UUID,
    batch_id: UUID,
    epoch: 1,
    roster_digest: HEX,
    expires_at: 1,
    products,
    slots: 2,
    subjects_sha256: HEX,
    items_sha256: HEX,
    claims_sha256: null,
  }).success;
}

test("as many rows as a manifest holds, and not one more: a run is written out row by row", () => {
  expect(isTaken([MAX_MANIFEST_ITEMS])).toBe(true);
  expect(isTaken([MAX_MANIFEST_ITEMS - 1, 1])).toBe(true);
  expect(isTaken([MAX_MANIFEST_ITEMS, 1])).toBe(false);
  expect(isTaken([2 ** 31])).toBe(false);
  expect(isTaken([Number.MAX_SAFE_INTEGER])).toBe(false);
});

test("each manifest counts as the two fan-outs that a gateway makes of it when a province fails", () => {
  const subjectMasterKey = Buffer.alloc(32, 1);
  const sub = sealSubject(subjectMasterKey, 1, Buffer.alloc(32, 2) as never, "jti");
  const row = {
    question: { product: PRODUCT, claimsHash: HEX },
    consent: { sub, jti: "jti" },
    tokenHash: HEX,
  } as never;
  const counted: unknown[] = [];
  const epoch = { number: 7, rosterDigest: Buffer.alloc(32) } as never;
  const parts = {
    epochs: { countFanOuts: (of: unknown, fanOuts: number) => counted.push([of, fanOuts]) },
    catalogue: loadCatalogue(),
    clock: { nowMs: () => 0 },
    random: systemRandom,
    admissionKey: importPrivate(generateP256("sig")),
    subjectMasterKey,
  };
  expect(
    writeManifest([], { batchId: UUID, sealed: false }, epoch, parts).manifest,
  ).toBeUndefined();
  expect(counted).toEqual([]);
  expect(
    writeManifest([row], { batchId: UUID, sealed: false }, epoch, parts).manifest,
  ).toBeDefined();
  expect(counted).toEqual([[epoch, 2]]);
});
