// The judge of the simulation: what was seen of one question, and everything that is wrong with it. Pure, so that a test can show it
// a wrong answer. What is a failure and what is not is written at the head of simulation.slow.ts.
import { isDeepStrictEqual } from "node:util";
import type { Answer, Product } from "../../catalogue/index.ts";
import { type Leaf, verifyReceipt } from "../../consent/log/index.ts";
import { errorEntry, isErrorCode } from "../../core/errors.ts";
import type { Attempt, Told } from "./simulation-asking.ts";

export type ReleaseLeaf = Extract<Leaf, { type: "release" }>;

export interface Seen {
  readonly product: Product;
  readonly queryId: string;
  readonly consentId: string;
  readonly attempts: readonly Attempt[];
  /** Provinces in the roster. */
  readonly of: number;
  /** Provinces that have sent as much as a reply since the question was first asked. */
  readonly couldAnswer: number;
  /** The oracle's answers, when so many provinces are in the sum. */
  readonly expected: (answered: number) => readonly Answer[];
  /** Every release of the query id in the log, with its place. */
  readonly leaves: readonly { readonly index: number; readonly leaf: ReleaseLeaf }[];
  /** How often the authority has counted the consent as used. */
  readonly uses: number;
  readonly allowed: Allowed;
  readonly logKeys: readonly string[];
}

/** What the faults of the run excuse. */
export interface Allowed {
  /** Longest that an attempt may take, milliseconds; undefined: what the institution is told may be late, or lost. */
  readonly withinMs: number | undefined;
  /** Retryable refusals. */
  readonly refusals: ReadonlySet<string>;
  /** Refusals that a party with a wrong clock gives, or that a request sent twice gets. */
  readonly finalRefusals: ReadonlySet<string>;
  /** What may be refused without a fault, where an attempt took so many milliseconds: then the machine was too slow. */
  readonly slow: { readonly afterMs: number; readonly refusals: ReadonlySet<string> };
}

/** A reply's ciphertext (docs/decisions: 2,048 slots, uncompressed) is larger; so is what TLS makes of it. */
export const REPLY_BYTES = 32_000;

/** Empty when nothing is wrong. */
export function findings(seen: Seen): string[] {
  const answers = seen.attempts.flatMap(({ told }) =>
    typeof told === "object" && told.status === 200 ? [told] : [],
  );
  return [
    ...seen.attempts.flatMap((attempt) => wrongAttempt(attempt, seen)),
    ...(answers.length === 0 ? ["not answered, although every fault was over"] : []),
    ...answers.flatMap((told) => wrongAnswer(told, seen)),
    ...(answers.some((told) => !isDeepStrictEqual(told.answer, answers[0]?.answer))
      ? ["one question, two answers"]
      : []),
    ...wrongRecord(answers.length > 0, seen),
  ];
}

function wrongAttempt({ told, tookMs, underFault }: Attempt, seen: Seen): string[] {
  const { withinMs, refusals, finalRefusals, slow } = seen.allowed;
  if (told === "went away") return [];
  const tooLate = withinMs !== undefined && tookMs > withinMs;
  const late = tooLate ? [`it took ${Math.round(tookMs)} ms`] : [];
  if (told === "late") return withinMs === undefined ? [] : ["nothing was said at all"];
  if (told === "broken") return withinMs === undefined ? [] : [...late, "the connection broke"];
  if (told.status === 200) return late;
  const { code = "" } = told;
  if (!underFault) {
    const isSlow = seen.attempts.some((other) => other.tookMs >= slow.afterMs);
    if (isSlow && slow.refusals.has(code)) return late;
    return [...late, `refused without a fault: ${told.status} ${code}`];
  }
  if (finalRefusals.has(code)) return late;
  if (!refusals.has(code)) return [...late, `an unexpected refusal: ${told.status} ${code}`];
  return [...late, ...wrongRefusal(told, code)];
}

function wrongRefusal({ status, retryable, retryAfter }: Told, code: string): string[] {
  const entry = isErrorCode(code) ? errorEntry(code) : undefined;
  const asDocumented =
    entry?.http === status && entry.retryable === true && retryable === true && retryAfter;
  return asDocumented ? [] : [`not told as documented: ${status} ${code}`];
}

function wrongAnswer({ answer, coverage, receipt }: Told, seen: Seen): string[] {
  if (coverage === undefined || receipt === undefined) return ["an answer without its receipt"];
  const { answered, of } = coverage;
  const wrong: string[] = [];
  if (of !== seen.of || answered > of) wrong.push(`coverage ${answered}/${of}`);
  if (answered > seen.couldAnswer) {
    wrong.push(`coverage ${answered}, but only ${seen.couldAnswer} can have answered`);
  }
  const expected = seen.expected(answered);
  if (!expected.some((one) => isDeepStrictEqual(one, answer))) {
    wrong.push(`wrong: ${JSON.stringify(answer)}, not ${JSON.stringify(expected)}`);
  }
  if (answered < of && !mayStand(answer as Answer, seen.product)) {
    wrong.push(`on ${answered}/${of} this may not be said: ${JSON.stringify(answer)}`);
  }
  return [...wrong, ...wrongReceipt(receipt, coverage, seen)];
}

/** DESIGN §4: a yes that no province can take back; where the product says so, what is said of somebody who is known. */
function mayStand(answer: Answer, { partial, rule }: Product): boolean {
  if (answer.kind === "tags") return partial === "known";
  if (answer.kind === "alerts") return false;
  if (partial === "known") return answer.value !== null && answer.value !== "unknown";
  return rule.type !== "threshold" && answer.value === "yes";
}

function wrongReceipt(
  receipt: string,
  coverage: Told["coverage"],
  { queryId, consentId, product, leaves, logKeys }: Seen,
): string[] {
  try {
    const { leaf, index } = verifyReceipt(receipt, logKeys);
    const stored = leaves.find((one) => one.index === index)?.leaf;
    if (stored === undefined || !isDeepStrictEqual(stored, leaf)) return ["no such leaf"];
    const about =
      stored.query_id === queryId &&
      stored.consent_id === consentId &&
      stored.product === product.ref &&
      isDeepStrictEqual(stored.coverage, coverage);
    return about ? [] : ["its leaf is about something else"];
  } catch {
    return ["its receipt does not verify"];
  }
}

function wrongRecord(isAnswered: boolean, { leaves, uses }: Seen): string[] {
  const wrong: string[] = [];
  if (leaves.length > 1) wrong.push(`released ${leaves.length} times`);
  if (isAnswered && leaves.length === 0) wrong.push("an answer without a leaf");
  if (uses !== leaves.length) wrong.push(`${uses} uses, ${leaves.length} releases`);
  return wrong;
}
