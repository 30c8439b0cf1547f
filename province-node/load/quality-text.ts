// The quality report as plain text, for a terminal or a mail.
import type { Change, QualityReport, TableQuality } from "./quality.ts";

function percent(part: number, whole = 1): string {
  return whole === 0 ? "–" : `${((100 * part) / whole).toFixed(1)} %`;
}

export function changeText({ what, measure, before, now }: Change): string {
  const [was, is] =
    measure === "nulls" || measure === "known"
      ? [percent(before), percent(now)]
      : [rounded(before), rounded(now)];
  const named = {
    rows: "rows",
    nulls: "empty",
    known: "known",
    distribution: "shifted, mean",
  } as const;
  return `${what}: ${named[measure]} ${was} → ${is}`;
}

export function rounded(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function tableText({ table, rows, columns, days, gaps }: TableQuality): string[] {
  const span = days.length === 0 ? "" : `, ${days.at(-1)?.[0]} … ${days[0]?.[0]}`;
  return [
    `${table}: ${rows} rows${span}`,
    ...(gaps.length === 0 ? [] : [`  no rows on ${gaps.join(", ")}`]),
    ...columns.map(({ column, nulls, distinct, min, max, mean }) => {
      const parts = [
        nulls > 0 ? `${percent(nulls, rows)} empty` : undefined,
        distinct === undefined ? undefined : `about ${distinct} values`,
        min === undefined || min === null ? undefined : `${min} … ${max}`,
        mean === undefined || mean === null ? undefined : `mean ${rounded(mean)}`,
      ];
      return `  ${column.padEnd(22)} ${parts.filter((part) => part !== undefined).join(", ")}`;
    }),
  ];
}

export function qualityText(report: QualityReport): string {
  const { asof, comparedWith, numbers, people, rawRows, rejected } = report;
  const lines = [
    `Data quality as of ${asof}`,
    `${numbers} numbers, ${people} people, ${rawRows} raw rows read, ${rejected} rejected (${percent(rejected, rawRows)})`,
    "",
    ...(rejected === 0
      ? []
      : [
          "Rejected",
          ...report.rejectedByRule.map((r) => `  ${r.count} × ${r.table}.${r.column}: ${r.rule}`),
          "",
        ]),
    comparedWith === null ? "No earlier load to compare with" : `Changes since ${comparedWith}`,
    ...(comparedWith !== null && report.drift.length === 0 ? ["  none worth a look"] : []),
    ...report.drift.map((change) => `  ${changeText(change)}`),
    "",
    ...report.tables.flatMap(tableText),
    "",
    "Indicators (known, least … most, mean)",
    ...report.indicators.map(({ id, known, min, max, mean }) =>
      known === 0
        ? `  ${id.padEnd(32)} unknown`
        : `  ${id.padEnd(32)} ${percent(known, numbers).padStart(7)}  ${rounded(min ?? 0)} … ${rounded(max ?? 0)}, ${rounded(mean ?? 0)}`,
    ),
  ];
  return `${lines.join("\n")}\n`;
}
