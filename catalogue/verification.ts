// A verification indicator (CATALOGUE §2): a question about one number that is answered yes, no or unknown, with
// parameters that the caller sets within a stated range and fields that the caller claims. A declaration, not code.
import { z } from "zod";
import { CLAIM_FIELDS, ClaimFieldName } from "./claim-fields.ts";
import { IndicatorId, RelationId } from "./indicator.ts";
import { type Predicate, readPredicate, type Scope } from "./predicate.ts";

/** An integer that the caller sets: within a range, or one of a few. */
export const Parameter = z.union([
  z
    .strictObject({
      min: z.int(),
      max: z.int(),
      unit: z.string().min(1),
      default: z.int().optional(),
    })
    .refine((p) => p.min < p.max, { path: ["max"], message: "max must be above min" })
    .refine((p) => p.default === undefined || (p.default >= p.min && p.default <= p.max), {
      path: ["default"],
      message: "must lie within the range",
    }),
  z
    .strictObject({
      one_of: z.array(z.int()).min(2),
      unit: z.string().min(1),
      default: z.int().optional(),
    })
    .refine((p) => p.default === undefined || p.one_of.includes(p.default), {
      path: ["default"],
      message: "must be one of the values",
    }),
]);
export type Parameter = z.infer<typeof Parameter>;

export const VERIFICATION_DIMENSIONS = [
  "identity",
  "consumption",
  "location",
  "social",
  "interest",
] as const;

export const VerificationDeclaration = z.strictObject({
  id: IndicatorId,
  /** Its place in CATALOGUE §2, 1 … 33. */
  number: z.int().min(1).max(99),
  dimension: z.enum(VERIFICATION_DIMENSIONS),
  zh: z.string().min(1),
  en: z.string().min(1),
  params: z.record(RelationId, Parameter).default({}),
  claim: z.array(ClaimFieldName).default([]),
  /** A predicate, see predicate.ts. */
  test: z.unknown(),
});

export interface Verification extends Omit<z.infer<typeof VerificationDeclaration>, "test"> {
  readonly test: Predicate;
}

/** What a tree may name besides a verification's own parameters and claims. */
export type CommonScope = Pick<Scope, "indicators" | "lists" | "models">;

/** @throws WjfError `data-invalid`, naming the place. */
export function linkVerification(
  declared: z.infer<typeof VerificationDeclaration>,
  common: CommonScope,
  where: string,
): Verification {
  const scope: Scope = {
    ...common,
    params: paramScope(declared.params),
    claims: declared.claim,
    baseline: false,
  };
  return { ...declared, test: readPredicate(declared.test, scope, `${where}.test`) };
}

export function paramScope(params: Readonly<Record<string, Parameter>>): Scope["params"] {
  return new Map(
    Object.entries(params).map(([id, p]) => [id, "one_of" in p ? p.one_of : undefined]),
  );
}

/** What a caller may ask with parameters and claims: a verification, or a watch's condition. */
export type Checkable = Pick<Verification, "id" | "zh" | "en" | "params" | "claim">;

/** The schema of one check against this verification, as it stands in a caller's sealed claims. */
export function checkSchema(verification: Checkable) {
  const params = Object.entries(verification.params).map(([id, p]) => [id, paramSchema(p)]);
  const paramsObject = z.strictObject(
    Object.fromEntries(params) as Record<string, z.ZodType<number>>,
  );
  const optional = Object.values(verification.params).every((p) => p.default !== undefined);
  const claim = z.strictObject(
    Object.fromEntries(verification.claim.map((field) => [field, CLAIM_FIELDS[field].schema])),
  );
  return z.strictObject({
    indicator: z.literal(verification.id).meta({ title: `${verification.zh} ${verification.en}` }),
    params: optional ? paramsObject.prefault({}) : paramsObject,
    claim: verification.claim.length === 0 ? claim.prefault({}) : claim,
  });
}

function paramSchema(parameter: Parameter): z.ZodType<number> {
  const description = `in ${parameter.unit}`;
  const schema =
    "one_of" in parameter
      ? z.literal(parameter.one_of).meta({ description })
      : z.int().min(parameter.min).max(parameter.max).meta({ description });
  return parameter.default === undefined ? schema : schema.default(parameter.default);
}

/** One parsed check. */
export interface Check {
  readonly indicator: string;
  readonly params: Readonly<Record<string, number>>;
  readonly claim: Readonly<Partial<Record<ClaimFieldName, string | number>>>;
}
