// The authority's side of a training job as the institution reaches it: each question is one step over the wire, numbered, so that an
// interrupted job asked from the beginning gets the answers it had.
import { z } from "zod";
import { ProvinceCode } from "../core/ids.ts";
import { parseWith } from "../core/parse.ts";
import type { Score } from "../crypto/index.ts";
import type { TrainingAdmission, TrainingAsk } from "../consent/index.ts";
import type { SpreadCell } from "../consent/release/index.ts";
import type { TrainingAuthority } from "./train-model.ts";
import type { TrainingClient } from "./training-client.ts";

const numbers = z.array(z.number());
const Cohort = z.object({ people: z.int(), bad: z.int() });
const Standardisation = z.object({ people: z.int(), centre: numbers, scale: numbers });
const Bin = z.object({ people: z.int(), bad: z.int(), woe: z.number() });
const Bins = z.array(
  z.object({ cuts: numbers, bins: z.array(Bin), missing: Bin.nullable(), iv: z.number() }),
);
const Newton = z.object({
  people: z.int(),
  logSum: z.number(),
  gradient: numbers,
  hessian: numbers,
});
const counted = { people: z.int(), bad: z.int() };
const separation = { auc: z.number(), gini: z.number(), ks: z.number() };
const regionBand = { ...counted, expected: z.number() };
const Evaluation = z.object({
  ...counted,
  ...separation,
  groups: z.array(
    z.object({
      people: z.int(),
      bad: z.int(),
      from: z.number().nullable(),
      below: z.number().nullable(),
      expected: z.number(),
    }),
  ),
  regions: z
    .array(
      z.object({
        ...regionBand,
        ...separation,
        provinces: z.array(ProvinceCode),
        bands: z.array(z.object(regionBand)),
      }),
    )
    .exactOptional(),
});

const Spread = z.array(z.object({ people: z.int(), below: z.number().nullable() }));

export interface RemoteTraining extends TrainingAuthority {
  /** Of a job without labels. */
  spread(score: Score, cuts: readonly number[]): Promise<readonly SpreadCell[]>;
  /** Rounds of the provinces so far, and the bytes of their merged ciphertexts. */
  readonly took: { readonly rounds: number; readonly bytes: number };
}

/** @param onStep called with each question's number and kind, before it is asked. */
export function remoteTraining(
  client: TrainingClient,
  admission: TrainingAdmission,
  onStep: (step: number, what: string) => void = () => undefined,
): RemoteTraining {
  let steps = 0;
  const took = { rounds: 0, bytes: 0 };
  const ask = async <S extends z.ZodType>(schema: S, what: TrainingAsk): Promise<z.output<S>> => {
    onStep(++steps, what.type);
    const { value, rounds, bytes } = await client.ask(admission, steps, what);
    took.rounds += rounds;
    took.bytes += bytes;
    return parseWith(schema, value, "internal", what.type);
  };
  return {
    took,
    admit: async () => await ask(Cohort, { type: "admit" }),
    standardisation: async () => await ask(Standardisation, { type: "standardisation" }),
    bins: async (count, monotone) => await ask(Bins, { type: "bins", count, monotone }),
    labelTotals: async (design) =>
      Float64Array.from(await ask(numbers, { type: "label-totals", design: own(design) })),
    newton: async (score) => {
      const sums = await ask(Newton, { type: "newton", ...ownScore(score) });
      const { gradient, hessian } = sums;
      return {
        ...sums,
        gradient: Float64Array.from(gradient),
        hessian: Float64Array.from(hessian),
      };
    },
    spread: async (score, cuts) =>
      await ask(Spread, { type: "drift", cuts: [...cuts], ...ownScore(score) }),
    evaluation: async (score, wished) => {
      const { ks = "exact", regions = false } = wished ?? {};
      const wishes = { ks, ...(regions && { regions }) };
      return await ask(Evaluation, { type: "evaluation", ...wishes, ...ownScore(score) });
    },
  };
}

type AskedDesign = Extract<TrainingAsk, { type: "label-totals" }>["design"];

/** A copy that may be written to, as a parsed question is. */
function own(design: Score["design"]): AskedDesign {
  return design.kind === "raw"
    ? { ...design, centre: [...design.centre], scale: [...design.scale] }
    : {
        ...design,
        edges: design.edges.map((cuts) => [...cuts]),
        woe: design.woe.map((each) => [...each]),
      };
}

function ownScore({ design, coefficients }: Score) {
  return { design: own(design), coefficients: [...coefficients] };
}
