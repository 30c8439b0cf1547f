// Branded identifiers, so that what must not be mixed cannot be.
import { z } from "zod";

/** GB/T 2260 two-digit province code, "11" (Beijing) … "65" (Xinjiang). */
export const ProvinceCode = z
  .string()
  .regex(/^[1-6][0-9]$/, "a two-digit GB/T 2260 code")
  .brand("ProvinceCode");
export type ProvinceCode = z.infer<typeof ProvinceCode>;

/** A query's id, chosen by the institution; released at most once, ever. */
export const QueryId = z.uuid().brand("QueryId");
export type QueryId = z.infer<typeof QueryId>;

/** `id@version` of a product. */
export const ProductRef = z
  .string()
  .regex(/^[a-z][a-z0-9-]*(:[a-z0-9-]+)?@[1-9][0-9]{0,3}$/, "a product id and version: id@1")
  .brand("ProductRef");
export type ProductRef = z.infer<typeof ProductRef>;

/** HMAC-SHA-256 of a normalised identifier under K_subject: 32 bytes. */
export type SubjectTag = Buffer & { readonly __brand: "SubjectTag" };

/** SHA-256 of a string in lower-case hexadecimal. */
export const Sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, "64 lower-case hexadecimal digits");
