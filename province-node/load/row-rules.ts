// From a raw table's declaration to SQL that types a row and says which rule it breaks, if any. Every column arrives
// as text (NULL when empty); a value that does not fit is never guessed at, its row is rejected with column and rule.
import { type RawColumn, type RawTable } from "../../catalogue/raw-tables.ts";
import { quoteName, quoteText } from "./duckdb.ts";

const DEFAULT_MAX_LENGTH = 128;

/** What a broken row is told: its column and the rule, never the value. */
export interface BrokenRule {
  readonly column: string;
  readonly rule: string;
}

export interface RowSql {
  /** Select list of typed columns and `_bad`, over a relation of the table's columns as text. */
  readonly select: string;
  /** `_bad` = n > 0 is `rules[n − 1]`. */
  readonly rules: readonly BrokenRule[];
}

/** The operators' prefixes for mainland numbers are taken off; anything else stays for the pattern to judge. */
function normalisedText(name: string, column: RawColumn): string {
  const raw = quoteName(name);
  if (!column.phone) return raw;
  return (
    `CASE WHEN ${raw}[1] = '+' AND starts_with(${raw}, '+86') THEN ${raw}[4:] ` +
    `WHEN length(${raw}) = 13 AND starts_with(${raw}, '861') THEN ${raw}[3:] ` +
    `WHEN starts_with(${raw}, '00861') THEN ${raw}[5:] ELSE ${raw} END`
  );
}

interface Check {
  readonly rule: string;
  /** True when broken; NULL counts as kept. */
  readonly broken: string;
}

function typeChecks(column: RawColumn, text: string, typed: string): Check[] {
  const checks: Check[] = [];
  if (!column.nullable) checks.push({ rule: "must not be empty", broken: `${text} IS NULL` });
  if (column.type === "VARCHAR") return checks;
  const kind = { DATE: "a date", TIMESTAMP: "a date and time", BOOLEAN: "true or false" } as const;
  const rule = `must be ${column.type in kind ? kind[column.type as keyof typeof kind] : `a number (${column.type})`}`;
  checks.push({ rule, broken: `${text} IS NOT NULL AND ${typed} IS NULL` });
  return checks;
}

function valueChecks(column: RawColumn, text: string, typed: string, isTime: boolean): Check[] {
  switch (column.type) {
    case "VARCHAR":
      return textChecks(column, typed);
    case "INTEGER":
    case "BIGINT":
      // A cast would round 3.7 to 4.
      return [
        {
          rule: "must be a whole number",
          broken: `contains(${text}, '.') AND TRY_CAST(${text} AS DOUBLE) <> ${typed}`,
        },
        ...rangeChecks(column, typed),
      ];
    case "DOUBLE":
      return rangeChecks(column, typed);
    case "DATE":
    case "TIMESTAMP":
      return timeChecks(column, text, typed, isTime);
    case "BOOLEAN":
      return [];
  }
}

function textChecks(column: RawColumn, typed: string): Check[] {
  if (column.oneOf) {
    const choices = column.oneOf.map(quoteText).join(", ");
    return [
      { rule: `must be one of ${column.oneOf.join(", ")}`, broken: `${typed} NOT IN (${choices})` },
    ];
  }
  if (column.pattern) {
    const pattern = quoteText(column.pattern);
    return [
      {
        rule: `must have the form ${column.pattern}`,
        broken: `NOT regexp_full_match(${typed}, ${pattern})`,
      },
    ];
  }
  const longest = column.maxLength ?? DEFAULT_MAX_LENGTH;
  return [
    { rule: `must have at most ${longest} characters`, broken: `length(${typed}) > ${longest}` },
    {
      rule: "must not hold a NUL or unreadable character",
      broken: `contains(${typed}, chr(0)) OR contains(${typed}, chr(65533))`,
    },
  ];
}

function rangeChecks(column: RawColumn, typed: string): Check[] {
  if (column.min === undefined || column.max === undefined) return [];
  const { min, max } = column;
  return [
    { rule: `must be from ${min} to ${max}`, broken: `${typed} NOT BETWEEN ${min} AND ${max}` },
  ];
}

function timeChecks(column: RawColumn, text: string, typed: string, isTime: boolean): Check[] {
  const checks: Check[] = [
    { rule: "must not be before 1900", broken: `${typed} < DATE '1900-01-01'` },
  ];
  if (column.type === "TIMESTAMP") {
    // An offset would be converted to UTC silently; the tables are Asia/Shanghai wall-clock time.
    const zoned = `contains(${text}, '+') OR contains(${text}, 'Z') OR (length(${text}) > 19 AND ${text}[20] <> '.')`;
    checks.push({ rule: "must be Asia/Shanghai time without a zone", broken: zoned });
  }
  if (isTime) {
    checks.push({
      rule: "must not be after the as-of day",
      broken: `${typed} >= getvariable('asof') + 1`,
    });
  }
  return checks;
}

export function rowSql(table: RawTable): RowSql {
  const rules: BrokenRule[] = [];
  const typed: string[] = [];
  const cases: string[] = [];
  for (const [name, column] of Object.entries(table.columns)) {
    const text = normalisedText(name, column);
    // Later expressions in one SELECT may name earlier aliases: each cast is computed once.
    const alias = quoteName(`_t_${name}`);
    typed.push(
      `${column.type === "VARCHAR" ? text : `TRY_CAST(${text} AS ${column.type})`} AS ${alias}`,
    );
    const raw = quoteName(name);
    const checks = [
      ...typeChecks(column, raw, alias),
      ...valueChecks(column, raw, alias, table.time === name),
    ];
    for (const { rule, broken } of checks) {
      rules.push({ column: name, rule });
      cases.push(`WHEN ${broken} THEN ${rules.length}`);
    }
  }
  const bad = `CAST(CASE ${cases.join(" ")} ELSE 0 END AS UTINYINT) AS _bad`;
  return { select: `${typed.join(", ")}, ${bad}`, rules };
}
