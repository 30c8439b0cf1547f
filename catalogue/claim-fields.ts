// What an institution may claim about a person: one schema per field, which also brings the value to the form that
// is tagged and compared. A claimed identifier is only ever compared as an HMAC under K_subject (crypto/subject.ts);
// codes and words of closed vocabularies are compared as they are.
import { z } from "zod";
import { normaliseCnId, normaliseMsisdn, normaliseName, type TagKind } from "../crypto/subject.ts";
import type { KeyKind } from "./indicator.ts";
import { APP_CATEGORIES } from "./raw-tables.ts";

/** The form in which a list's key is tagged. @throws WjfError `request-malformed` on a bad phone number. */
export function normaliseKey(kind: KeyKind, value: string): string {
  switch (kind) {
    case "msisdn":
      return normaliseMsisdn(value);
    case "domain":
      return value.trim().toLowerCase().replace(/\.$/, "");
    case "app":
    case "keyword":
      return value.normalize("NFKC").trim().replace(/\s+/g, " ").toLowerCase();
    case "code":
    case "text":
      return value;
  }
}

/** A string that `normalise` accepts, in the form that it gives. The refusal never repeats the value. */
function normalised(maxLength: number, normalise: (value: string) => string, rule: string) {
  return z
    .string()
    .min(1)
    .max(maxLength)
    .transform((value, context) => {
      try {
        const result = normalise(value);
        if (result !== "") return result;
      } catch {
        // Falls through: the normaliser's own message is not needed, the rule says it all.
      }
      context.addIssue({ code: "custom", message: rule });
      return z.NEVER;
    });
}

const msisdn = normalised(24, normaliseMsisdn, "a mainland mobile number, +86 and 11 digits");

const code = (min: number, max: number, multipleOf: number) =>
  z.int().min(min).max(max).multipleOf(multipleOf);

export interface ClaimField {
  readonly schema: z.ZodType<string | number>;
  /** How it is compared: as a tag of this kind, or as it is. */
  readonly kind: TagKind | "code" | "text";
}

const fields = {
  msisdn: { kind: "msisdn", schema: msisdn },
  cn_id_number: {
    kind: "cn-id",
    schema: normalised(18, normaliseCnId, "an 18-character ID number with a valid check character"),
  },
  name: { kind: "name", schema: normalised(64, normaliseName, "a name") },
  contact_msisdn: { kind: "msisdn", schema: msisdn },
  /** GB/T 2260, a city: the last two digits are 00. */
  city_code: { kind: "code", schema: code(110000, 659900, 100) },
  district_code: { kind: "code", schema: code(110000, 659999, 1) },
  province_code: { kind: "code", schema: code(11, 65, 1) },
  app: { kind: "app", schema: normalised(64, (v) => normaliseKey("app", v), "an app's name") },
  domain: {
    kind: "domain",
    schema: normalised(253, (v) => normaliseKey("domain", v), "a domain name"),
  },
  keyword: {
    kind: "keyword",
    schema: normalised(64, (v) => normaliseKey("keyword", v), "a keyword"),
  },
  category: { kind: "text", schema: z.enum(APP_CATEGORIES) },
} as const satisfies Record<string, ClaimField>;

export type ClaimFieldName = keyof typeof fields;

export const CLAIM_FIELDS: Readonly<Record<ClaimFieldName, ClaimField>> = fields;

export const ClaimFieldName = z.enum(Object.keys(fields) as [ClaimFieldName, ...ClaimFieldName[]]);

/** A list can be looked up with a claim only if both are kept in the same form. */
export function claimFitsKey(field: ClaimFieldName, kind: KeyKind): boolean {
  return CLAIM_FIELDS[field].kind === kind;
}
