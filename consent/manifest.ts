// A batch manifest: the authority has checked the token, the live consent and the limits of every row of one fan-out, and
// signs that once, so that nodes verify one signature instead of one per person. What nodes need of each person, the
// subject tags, travels sealed to them; what only the authority needs comes back to it with the merge. DESIGN §3;
// docs/decisions/052-batches.md says what a node operator can still prove alone.
import { createCipheriv, createDecipheriv, hkdfSync, type KeyObject } from "node:crypto";
import { z } from "zod";
import { MAX_CONDITIONS } from "../catalogue/watch-state.ts";
import { canonicalJson, sha256, sha256Hex } from "../core/canonical.ts";
import { WjfError } from "../core/errors.ts";
import { ProductRef, ProvinceCode, QueryId, Sha256Hex, type SubjectTag } from "../core/ids.ts";
import { parseJsonWith } from "../core/parse.ts";
import type { Random } from "../core/random.ts";
import { openStatement, type SignedStatement } from "../crypto/index.ts";

/** Rows of one manifest; a receipt's refusals name them by index. */
export const MAX_MANIFEST_ITEMS = 4096;

/** Signed by the authority's admission key, context "batch-manifest". */
export const BatchManifest = z.strictObject({
  manifest_id: z.uuid(),
  batch_id: z.uuid(),
  epoch: z.int().min(1).max(0xffffffff),
  roster_digest: Sha256Hex,
  /** NumericDate; no node evaluates under it later. */
  expires_at: z.int(),
  /** Runs of rows that ask for the same product, in order. */
  products: z
    .array(z.strictObject({ product: ProductRef, items: z.int().min(1).max(MAX_MANIFEST_ITEMS) }))
    .min(1)
    .max(MAX_MANIFEST_ITEMS)
    .refine(
      (runs) => runs.reduce((rows, { items }) => rows + items, 0) <= MAX_MANIFEST_ITEMS,
      `at most ${MAX_MANIFEST_ITEMS} rows`,
    ),
  /** Slots that they take (slot-layout.ts): a node with other widths would put them elsewhere. */
  slots: z.int().min(2),
  /** SHA-256 of the sealed subject tags, of the authority's own item list, and over the rows' claims. */
  subjects_sha256: Sha256Hex,
  items_sha256: Sha256Hex,
  /** Null when no row has claims. */
  claims_sha256: Sha256Hex.nullable(),
});
export type BatchManifest = z.infer<typeof BatchManifest>;

/** @throws WjfError `receipt-invalid`. */
export function openManifest(
  signed: Pick<SignedStatement, "statement" | "signature">,
  key: KeyObject,
): BatchManifest {
  return openStatement("batch-manifest", signed, key, BatchManifest, "receipt-invalid");
}

/** One evaluation of a watch. */
export const ManifestWatch = z.strictObject({
  id: z.uuid(),
  /** The moment of its schedule, NumericDate. */
  due: z.int(),
  conditions: z.int().min(1).max(MAX_CONDITIONS),
});
export type ManifestWatch = z.infer<typeof ManifestWatch>;

/** The authority's own list, which the gateway keeps for it: what was found when the rows were admitted. */
export const ManifestItems = z.strictObject({
  sealed: z.boolean(),
  items: z
    .array(
      z.strictObject({
        query_id: QueryId,
        client_id: z.string().min(1).max(128),
        token_sha256: Sha256Hex,
        token_id_sha256: Sha256Hex,
        claims_sha256: Sha256Hex,
        consent_id: z.string().min(16).max(128),
        watch: ManifestWatch.optional(),
      }),
    )
    .min(1)
    .max(MAX_MANIFEST_ITEMS),
});
export type ManifestItems = z.infer<typeof ManifestItems>;

/** One product per row. */
export function productsOf({ products }: Pick<BatchManifest, "products">): ProductRef[] {
  return products.flatMap(({ product, items }) => Array.from({ length: items }, () => product));
}

export function runsOf(products: readonly ProductRef[]): BatchManifest["products"] {
  const runs: BatchManifest["products"] = [];
  for (const product of products) {
    const last = runs.at(-1);
    if (last?.product === product) last.items++;
    else runs.push({ product, items: 1 });
  }
  return runs;
}

const NONE = sha256Hex("");

/** Over SHA-256 of each row's claims JWE, or of nothing; null when no row has any. */
export function claimsDigest(hashes: readonly string[]): string | null {
  if (hashes.every((hash) => hash === NONE)) return null;
  return sha256Hex(Buffer.from(hashes.join(""), "hex"));
}

const NONCE_BYTES = 12;
const TAG_BYTES = 32;
const GCM_TAG_BYTES = 16;

function subjectsKey(masterKey: Buffer): Buffer {
  return Buffer.from(hkdfSync("sha256", masterKey, "", "weijifen/manifest-subjects", 32));
}

/** nonce ‖ AES-256-GCM(tags in a row; AAD = manifest id) ‖ GCM tag, under a key that authority and nodes share. */
export function sealSubjects(
  masterKey: Buffer,
  manifestId: string,
  tags: readonly SubjectTag[],
  random: Random,
): Buffer {
  const nonce = random.bytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", subjectsKey(masterKey), nonce);
  cipher.setAAD(Buffer.from(manifestId));
  const sealed = [cipher.update(Buffer.concat(tags)), cipher.final()];
  return Buffer.concat([nonce, ...sealed, cipher.getAuthTag()]);
}

/** @throws WjfError `receipt-invalid`. */
export function openSubjects(masterKey: Buffer, manifestId: string, sealed: Buffer): SubjectTag[] {
  const key = subjectsKey(masterKey);
  try {
    const nonce = sealed.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: GCM_TAG_BYTES });
    decipher.setAAD(Buffer.from(manifestId));
    decipher.setAuthTag(sealed.subarray(-GCM_TAG_BYTES));
    const body = sealed.subarray(NONCE_BYTES, -GCM_TAG_BYTES);
    const tags = Buffer.concat([decipher.update(body), decipher.final()]);
    return Array.from(
      { length: tags.length / TAG_BYTES },
      (_, i) => tags.subarray(i * TAG_BYTES, (i + 1) * TAG_BYTES) as SubjectTag,
    );
  } catch (cause) {
    throw new WjfError("receipt-invalid", "subjects: do not open", { cause });
  }
}

/** What a batch fan-out asks: the rows of a manifest, of these provinces. D is the SHA-256 of its canonical JSON. */
export const BatchDescriptor = z.strictObject({
  fan_out_id: z.uuid(),
  epoch: z.int().min(1).max(0xffffffff),
  roster_digest: Sha256Hex,
  /** In ascending order, without repetition. */
  provinces: z.array(ProvinceCode).min(1).max(64),
  /** SHA-256 of the manifest's bytes. */
  manifest: Sha256Hex,
});
export type BatchDescriptor = z.infer<typeof BatchDescriptor>;

export interface DigestedBatchDescriptor {
  readonly descriptor: BatchDescriptor;
  readonly bytes: Buffer;
  readonly digest: Buffer;
}

/** The fan-out id is fresh and random, so D never repeats. */
export function digestBatchDescriptor(descriptor: BatchDescriptor): DigestedBatchDescriptor {
  const { provinces } = descriptor;
  const ascending = provinces.every((code, i) => i === 0 || (provinces[i - 1] as string) < code);
  if (!ascending) throw new WjfError("descriptor-invalid", "provinces: ascending, each once");
  const bytes = Buffer.from(canonicalJson(descriptor));
  return { descriptor, bytes, digest: sha256(bytes) };
}

/** @throws WjfError `descriptor-invalid`: not JSON, wrong form, not canonical. */
export function parseBatchDescriptor(bytes: Uint8Array): DigestedBatchDescriptor {
  const text = Buffer.from(bytes).toString("utf8");
  const parsed = digestBatchDescriptor(parseJsonWith(BatchDescriptor, text, "descriptor-invalid"));
  // Two texts for one meaning would give one question two digests, and so two masks.
  if (!parsed.bytes.equals(bytes)) throw new WjfError("descriptor-invalid", "not canonical JSON");
  return parsed;
}
