// Can the two kinds of replies be told apart by how long they took? Two answers: the AUC of the time itself, and the AUC of
// a classifier that learns on one half where held and not-held times lie and is judged on the other, so that it also finds
// differences in shape. 0.5: cannot be told apart.

export interface Timed {
  readonly held: boolean;
  readonly ms: number;
}

/** P(score of a held one > score of another), ties half. */
export function aucOf(
  scored: readonly { readonly held: boolean; readonly score: number }[],
): number {
  const sorted = scored.toSorted((a, b) => a.score - b.score);
  let rankSum = 0;
  for (let i = 0; i < sorted.length;) {
    let end = i;
    while (end < sorted.length && sorted[end]?.score === sorted[i]?.score) end++;
    for (let j = i; j < end; j++) if (sorted[j]?.held === true) rankSum += (i + 1 + end) / 2;
    i = end;
  }
  const held = scored.filter((each) => each.held).length;
  const others = scored.length - held;
  return (rankSum - (held * (held + 1)) / 2) / (held * others);
}

/** Of the time as it is, whichever direction tells more. */
export function timeAuc(timed: readonly Timed[]): number {
  const auc = aucOf(timed.map(({ held, ms }) => ({ held, score: ms })));
  return Math.max(auc, 1 - auc);
}

const BINS = 64;

/** Of the learned likelihood ratio, over equally filled bins, on the half that it has not seen. */
export function learnedAuc(timed: readonly Timed[]): number {
  const learn = timed.filter((_, i) => i % 2 === 0);
  const judge = timed.filter((_, i) => i % 2 === 1);
  const sorted = learn.map(({ ms }) => ms).sort((a, b) => a - b);
  const cuts = Array.from(
    { length: BINS - 1 },
    (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / BINS)] ?? 0,
  );
  const binOf = (ms: number): number => {
    const found = cuts.findIndex((cut) => ms < cut);
    return found < 0 ? cuts.length : found;
  };
  const counts = Array.from({ length: BINS }, () => [1, 1] as [number, number]);
  for (const { held, ms } of learn) (counts[binOf(ms)] as [number, number])[held ? 1 : 0]++;
  const scored = judge.map(({ held, ms }) => {
    const [not, yes] = counts[binOf(ms)] as [number, number];
    return { held, score: yes / not };
  });
  return aucOf(scored);
}

export function quantiles(timed: readonly Timed[], held: boolean): readonly number[] {
  const sorted = timed.filter((each) => each.held === held).map(({ ms }) => ms);
  sorted.sort((a, b) => a - b);
  return [0.05, 0.5, 0.95].map((share) => sorted[Math.floor(share * sorted.length)] ?? 0);
}
