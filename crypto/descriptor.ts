// The fan-out descriptor: what is asked of whom, and which slots each question has. Its canonical SHA-256, D, binds
// masks, receipts, merge commitment and release together. DESIGN §3 "Fan-out descriptor".
import { z } from "zod";
import { canonicalJson, sha256 } from "../core/canonical.ts";
import { WjfError } from "../core/errors.ts";
import { ProductRef, ProvinceCode, QueryId, Sha256Hex } from "../core/ids.ts";
import { parseJsonWith } from "../core/parse.ts";
import { HE_PARAMETERS } from "./he-scheme.ts";

export const FanOutItem = z.strictObject({
  query_id: QueryId,
  /** SHA-256 of the consent token's compact serialisation. */
  token_hash: Sha256Hex,
  product: ProductRef,
  /** SHA-256 of the claims JWE, or of nothing at all. */
  claims_hash: Sha256Hex,
  slot_offset: z.int().min(1).max(HE_PARAMETERS.polyModulusDegree),
  slot_width: z.int().min(1).max(HE_PARAMETERS.polyModulusDegree),
});
export type FanOutItem = z.infer<typeof FanOutItem>;

export const FanOutDescriptor = z.strictObject({
  fan_out_id: z.uuid(),
  epoch: z.int().min(1).max(0xffffffff),
  roster_digest: Sha256Hex,
  /** In ascending order, without repetition. */
  provinces: z.array(ProvinceCode).min(1).max(64),
  items: z.array(FanOutItem).min(1).max(1024),
});
export type FanOutDescriptor = z.infer<typeof FanOutDescriptor>;

export interface DigestedDescriptor {
  readonly descriptor: FanOutDescriptor;
  /** Canonical JSON bytes. */
  readonly bytes: Buffer;
  /** D = SHA-256(bytes). */
  readonly digest: Buffer;
  /** Slots in use, slot 0 (the participant count) included. */
  readonly slotsUsed: number;
}

/** The fan-out id is fresh and random, so D never repeats. */
export function digestDescriptor(descriptor: FanOutDescriptor): DigestedDescriptor {
  const slotsUsed = checkShape(descriptor);
  const bytes = Buffer.from(canonicalJson(descriptor));
  return { descriptor, bytes, digest: sha256(bytes), slotsUsed };
}

/** @throws WjfError `descriptor-invalid`: not JSON, wrong form, not canonical, overlapping slots, order. */
export function parseDescriptor(bytes: Uint8Array): DigestedDescriptor {
  const text = Buffer.from(bytes).toString("utf8");
  const parsed = digestDescriptor(parseJsonWith(FanOutDescriptor, text, "descriptor-invalid"));
  // Two texts for one meaning would give one question two digests, and so two masks.
  if (!parsed.bytes.equals(bytes)) throw new WjfError("descriptor-invalid", "not canonical JSON");
  return parsed;
}

function checkShape({ provinces, items }: FanOutDescriptor): number {
  const ascending = provinces.every((code, i) => i === 0 || (provinces[i - 1] as string) < code);
  if (!ascending) throw new WjfError("descriptor-invalid", "provinces: ascending, each once");
  let next = 1;
  const seen = new Set<string>();
  for (const [i, item] of items.entries()) {
    if (item.slot_offset !== next) {
      throw new WjfError("descriptor-invalid", `items.${i}.slot_offset: slots are packed from 1`);
    }
    if (seen.has(item.query_id)) {
      throw new WjfError("descriptor-invalid", `items.${i}.query_id: each once`);
    }
    seen.add(item.query_id);
    next += item.slot_width;
  }
  if (next > HE_PARAMETERS.polyModulusDegree) {
    throw new WjfError("descriptor-invalid", "items: more slots than a ciphertext has");
  }
  return next;
}
