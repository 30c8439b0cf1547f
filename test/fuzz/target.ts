// What is fuzzed and what must hold of it: a reader of outside bytes takes its input or refuses it with one of the codes that
// it documents. Any other exception is a fault, and so is memory that keeps growing; hangs are the watchdog's.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as fc from "fast-check";
import { type ErrorCode, WjfError } from "../../core/errors.ts";
import type { Watchdog } from "./watchdog.ts";

export type Verdict = "accepted" | "refused";

/** What a reader returns that refuses without throwing. */
export const REFUSED = Symbol("refused");

/** One reader that faces the outside. `Input` is whatever its corpus makes. */
export interface Target<Input = never> {
  readonly name: string;
  /** Makes inputs: edits of valid ones. */
  readonly corpus: fc.Arbitrary<Input>;
  /** Gives the input to the real reader. What it returns is told apart from a refusal only to be counted. */
  readonly run: (input: Input) => unknown;
  /** The codes that the reader's `@throws` names. */
  readonly codes: readonly ErrorCode[];
  /** Refusals of a library that the caller turns into a defined status. */
  readonly isRefusal?: (error: unknown) => boolean;
  readonly inputs: { readonly quick: number; readonly slow: number };
}

/** Forgets the input's type: a table holds targets of every kind. */
export function target<Input>(definition: Target<Input>): Target {
  return definition as unknown as Target;
}

export interface Memory {
  /** JavaScript objects and array buffers that are in use. */
  readonly live: number;
  readonly rss: number;
}

export interface Report {
  readonly name: string;
  readonly accepted: number;
  readonly refused: number;
  readonly slowestMs: number;
  readonly seconds: number;
  /** After the first half of the inputs and after the second. */
  readonly memory: readonly Memory[];
}

export interface FuzzOptions {
  readonly inputs: number;
  readonly seed: number;
  readonly watchdog: Watchdog;
  /** How much memory is in use; asked when half of the inputs are through, and at the end. */
  readonly measure: () => Promise<Memory>;
}

/** @throws on the first fault, shrunk to few edits. */
export async function fuzz(
  each: Target,
  { inputs, seed, watchdog, measure }: FuzzOptions,
): Promise<Report> {
  const counts: Record<Verdict, number> = { accepted: 0, refused: 0 };
  let slowestMs = 0;
  const property = fc.asyncProperty(each.corpus, async (input) => {
    watchdog.beat(each.name);
    const beganMs = performance.now();
    const verdict = await judge(each, input);
    slowestMs = Math.max(slowestMs, performance.now() - beganMs);
    counts[verdict]++;
  });
  const memory: Memory[] = [];
  const startedMs = performance.now();
  for (const part of [0, 1]) {
    await fc.assert(property, { seed: seed + part, numRuns: Math.ceil(inputs / 2) });
    memory.push(await measure());
    watchdog.beat(each.name);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  return { name: each.name, ...counts, slowestMs, seconds, memory };
}

async function judge(each: Target, input: unknown): Promise<Verdict> {
  try {
    return (await each.run(input as never)) === REFUSED ? "refused" : "accepted";
  } catch (error) {
    if (error instanceof WjfError && each.codes.includes(error.code)) return "refused";
    if (each.isRefusal?.(error) === true) return "refused";
    throw error;
  }
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** After a full garbage collection. */
export async function measureMemory(): Promise<Memory> {
  // Handles of native objects are given back on later turns.
  for (let turn = 0; turn < 2; turn++) {
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { live: heapUsed + external, rss };
}
