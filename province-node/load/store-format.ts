// The serving store's file format, shared by its writer and its reader. SQLite; `number` by the first 8 bytes of the
// phone tag (as a signed rowid in the tag's own order), holding the other 24 and the record; `person` by those of the
// ID-number tag, holding the other 24 and up to five phone tags. No identifier is in it, only HMAC tags.
import { z } from "zod";
import { RelationId } from "../../catalogue/index.ts";
import { Sha256Hex } from "../../core/ids.ts";

export const STORE_FORMAT = 1;
/** Of a tag, after the 8 bytes that are the key. */
export const TAG_REST_BYTES = 24;

export const STORE_SCHEMA = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE number (key INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;
CREATE TABLE person (key INTEGER PRIMARY KEY, numbers BLOB NOT NULL) STRICT;
`;

export const StoreMeta = z.strictObject({
  format: z.literal(STORE_FORMAT),
  /** `servingDigest` of the catalogue that the values were computed by. */
  catalogue: Sha256Hex,
  asof: z.iso.date(),
  indicators: z.int().min(0),
  /** The lists that every record has, in their order; a list that could not be computed is not among them. */
  lists: z.array(RelationId),
});
export type StoreMeta = z.infer<typeof StoreMeta>;

/** What the writer adds once it knows. */
export const CompleteStoreMeta = StoreMeta.extend({
  numbers: z.int().min(0),
  people: z.int().min(0),
});
export type CompleteStoreMeta = z.infer<typeof CompleteStoreMeta>;

const SIGN = 1n << 63n;

/** The first 8 bytes as a rowid; unsigned byte order becomes signed integer order. */
export function storeKey(tag: Buffer): bigint {
  return BigInt.asIntN(64, tag.readBigUInt64BE(0) ^ SIGN);
}
