// A post-loan indicator (CATALOGUE §5): a test of a person's present record, with a threshold that the caller sets
// and, where it says so, the record kept when the watch began. `back` is the test for being well again; between the
// two nothing changes (hysteresis). Products of rule `watch` name them; evaluated like any predicate.
import { z } from "zod";
import { ClaimFieldName } from "./claim-fields.ts";
import { IndicatorId, RelationId } from "./indicator.ts";
import { type Predicate, readPredicate, type Scope } from "./predicate.ts";
import { type CommonScope, Parameter, paramScope } from "./verification.ts";

export const WATCH_GROUPS = ["phone", "location", "communication", "consumption", "risk"] as const;

export const WatchDeclaration = z.strictObject({
  id: IndicatorId,
  /** Its place in CATALOGUE §5, 1 … 24. */
  number: z.int().min(1).max(99),
  group: z.enum(WATCH_GROUPS),
  zh: z.string().min(1),
  en: z.string().min(1),
  params: z.record(RelationId, Parameter).default({}),
  claim: z.array(ClaimFieldName).default([]),
  /** Whether it compares with the record kept when the watch began. */
  baseline: z.boolean().default(false),
  crossed: z.unknown(),
  /** Without it, `crossed` being no. */
  back: z.unknown().optional(),
});

export interface Watch extends Omit<z.infer<typeof WatchDeclaration>, "crossed" | "back"> {
  readonly crossed: Predicate;
  readonly back: Predicate;
}

/** @throws WjfError `data-invalid`, naming the place. */
export function linkWatch(
  declared: z.infer<typeof WatchDeclaration>,
  common: CommonScope,
  where: string,
): Watch {
  const scope: Scope = {
    ...common,
    params: paramScope(declared.params),
    claims: declared.claim,
    baseline: declared.baseline,
  };
  const crossed = readPredicate(declared.crossed, scope, `${where}.crossed`);
  const back: Predicate =
    declared.back === undefined
      ? { kind: "not", of: crossed }
      : readPredicate(declared.back, scope, `${where}.back`);
  return { ...declared, crossed, back };
}
