// What changed since the last load: rows, shares of nulls, and distributions by the population stability index. Chance
// alone moves the index by about (buckets − 1)(1/n + 1/m), so that much is taken off before it counts as drift.
import type { Change, IndicatorQuality, QualityReport } from "./quality.ts";

/** A table that grew or shrank by more than this share. */
const ROWS_CHANGE = 0.3;
/** A share of nulls, or of known values, that moved by more than this. */
const SHARE_CHANGE = 0.1;
/** The customary reading of the index: above 0.25 the population has shifted. */
const STABILITY_LIMIT = 0.25;

type Loaded = Omit<QualityReport, "drift" | "comparedWith">;

/** Population stability index of two histograms, less what chance explains. */
export function stabilityIndex(
  before: IndicatorQuality["buckets"],
  now: IndicatorQuality["buckets"],
): number {
  const keys = new Set([...Object.keys(before), ...Object.keys(now)]);
  const total = (counts: Record<string, number>): number =>
    Object.values(counts).reduce((a, b) => a + b, 0);
  const [n, m] = [total(before), total(now)];
  if (n === 0 || m === 0 || keys.size < 2) return 0;
  let index = 0;
  for (const key of keys) {
    // Half a count in an empty bucket keeps the logarithm finite.
    const p = ((before[key] ?? 0) + 0.5) / (n + 0.5 * keys.size);
    const q = ((now[key] ?? 0) + 0.5) / (m + 0.5 * keys.size);
    index += (q - p) * Math.log(q / p);
  }
  return Math.max(0, index - (keys.size - 1) * (1 / n + 1 / m));
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function tableDrift(before: Loaded, now: Loaded): Change[] {
  const changes: Change[] = [];
  for (const table of now.tables) {
    const last = before.tables.find((each) => each.table === table.table);
    if (!last) continue;
    if (Math.abs(table.rows - last.rows) > ROWS_CHANGE * Math.max(1, last.rows)) {
      changes.push({ what: table.table, measure: "rows", before: last.rows, now: table.rows });
    }
    for (const { column, nulls } of table.columns) {
      const old = last.columns.find((each) => each.column === column);
      if (!old) continue;
      const [was, is] = [share(old.nulls, last.rows), share(nulls, table.rows)];
      if (Math.abs(is - was) > SHARE_CHANGE) {
        changes.push({ what: `${table.table}.${column}`, measure: "nulls", before: was, now: is });
      }
    }
  }
  const gone = before.tables.filter(
    ({ table }) => !now.tables.some((each) => each.table === table),
  );
  return [
    ...gone.map(({ table, rows }): Change => ({
      what: table,
      measure: "rows",
      before: rows,
      now: 0,
    })),
    ...changes,
  ];
}

function indicatorDrift(before: Loaded, now: Loaded): Change[] {
  const last = new Map(before.indicators.map((each) => [each.id, each]));
  return now.indicators.flatMap((each): Change[] => {
    const old = last.get(each.id);
    if (!old) return [];
    const [was, is] = [share(old.known, before.numbers), share(each.known, now.numbers)];
    if (Math.abs(is - was) > SHARE_CHANGE)
      return [{ what: each.id, measure: "known", before: was, now: is }];
    if (stabilityIndex(old.buckets, each.buckets) <= STABILITY_LIMIT) return [];
    return [{ what: each.id, measure: "distribution", before: old.mean ?? 0, now: each.mean ?? 0 }];
  });
}

/** Changes worth a look, tables before indicators. */
export function driftBetween(before: Loaded, now: Loaded): Change[] {
  return [...tableDrift(before, now), ...indicatorDrift(before, now)];
}
