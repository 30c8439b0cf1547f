// What a model version in shadow would have answered, as counts: a histogram of its scores and, where another version
// of the same model was asked, how far apart the two were. Counts only, no person, kept in the node's folder and shown
// to its operator from 20 people on; never part of a reply.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Model } from "../../catalogue/index.ts";
import { parseJsonWith } from "../../core/parse.ts";
import { writeSecretFile } from "../../core/secret-file.ts";

export const SHADOW_BUCKETS = 20;
/** Below this many people nothing is shown (CATALOGUE §7's k). */
export const SHADOW_K = 20;

const Tally = z.strictObject({
  /** People scored; a person asked about twice counts twice. */
  scored: z.int().min(0),
  buckets: z.array(z.int().min(0)).length(SHADOW_BUCKETS),
  /** Against the version that was asked: how often, and the sum of absolute differences. */
  compared: z.int().min(0),
  difference: z.number().min(0),
});
export type ShadowTally = z.infer<typeof Tally>;

const Tallies = z.record(z.string(), Tally);

export function shadowPath(nodeFolder: string): string {
  return join(nodeFolder, "model-shadow.json");
}

export function readShadow(nodeFolder: string): Map<string, ShadowTally> {
  let text: string;
  try {
    text = readFileSync(shadowPath(nodeFolder), "utf8");
  } catch {
    return new Map();
  }
  return new Map(
    Object.entries(parseJsonWith(Tallies, text, "config-invalid", "model-shadow.json")),
  );
}

/** Collects in memory; `flush` writes. Recording takes the same time whatever the score. */
export class ShadowTallies {
  readonly #folder: string;
  readonly #tallies: Map<string, ShadowTally>;
  #changed = false;

  constructor(nodeFolder: string) {
    this.#folder = nodeFolder;
    this.#tallies = readShadow(nodeFolder);
  }

  record(model: Model, score: number, asked?: number): void {
    const tally = this.#tallies.get(model.ref) ?? empty();
    const share = (score - model.min) / (model.max - model.min);
    const bucket = Math.min(SHADOW_BUCKETS - 1, Math.max(0, Math.floor(share * SHADOW_BUCKETS)));
    tally.scored++;
    tally.buckets[bucket] = (tally.buckets[bucket] ?? 0) + 1;
    if (asked !== undefined) {
      tally.compared++;
      tally.difference += Math.abs(score - asked);
    }
    this.#tallies.set(model.ref, tally);
    this.#changed = true;
  }

  flush(): void {
    if (!this.#changed) return;
    this.#changed = false;
    writeSecretFile(shadowPath(this.#folder), JSON.stringify(Object.fromEntries(this.#tallies)));
  }
}

function empty(): ShadowTally {
  const buckets = Array.from({ length: SHADOW_BUCKETS }, () => 0);
  return { scored: 0, buckets, compared: 0, difference: 0 };
}
