// An institution's labelled file, read whole and checked whole: who, bad or not, where known the province, where given the day. A file
// with one bad line is refused with the line, the column and the rule of each; nothing of it goes out. A rule never repeats a value.
import { readFileSync } from "node:fs";
import { parse } from "csv-parse/sync";
import { sha256Hex } from "../core/canonical.ts";
import type { Clock } from "../core/clock.ts";
import { WjfError } from "../core/errors.ts";
import { ProvinceCode } from "../core/ids.ts";
import { writeSecretFile } from "../core/secret-file.ts";
import { normaliseCnId, normaliseMsisdn } from "../crypto/index.ts";

export interface LabelledPerson {
  /** `msisdn:` or `cn-id:` and the normalised identifier. */
  readonly subject: string;
  readonly label: 0 | 1;
  /** Undefined: wherever the person is. */
  readonly province: ProvinceCode | undefined;
}

export interface LabelFile {
  readonly people: readonly LabelledPerson[];
  /** Of the file's bytes. */
  readonly sha256: string;
}

interface Reject {
  readonly line: number;
  readonly column: string;
  readonly rule: string;
}

const COLUMNS = ["phone", "id_number", "label", "province", "time"];

type Row = Partial<Record<string, string>>;

/**
 * @param provinces that a line may name.
 * @param labelled without labels the file has no such column, and everybody's is 0.
 * @throws WjfError `labels-invalid`: `<file>.rejects.csv` says which lines and why.
 */
export function readLabels(
  path: string,
  provinces: readonly ProvinceCode[],
  clock: Clock,
  labelled = true,
): LabelFile {
  const bytes = readFile(path);
  const { rows, header } = readRows(bytes, path);
  const rejects: Reject[] = [];
  const reject = (line: number, column: string, rule: string): void => {
    rejects.push({ line, column, rule });
  };
  for (const column of header) if (!COLUMNS.includes(column)) reject(1, column, columnRule(column));
  if (header.includes("label") !== labelled) {
    reject(1, "label", labelled ? "is missing" : "has no place among people without labels");
  }
  if (!header.includes("phone") && !header.includes("id_number")) {
    reject(1, "phone", "or id_number is missing");
  }
  const known = new Set<string>(provinces);
  const people: LabelledPerson[] = [];
  const seen = new Map<string, { readonly line: number; readonly label: 0 | 1 }>();
  for (const { row, line } of rejects.length > 0 ? [] : rows) {
    const before = rejects.length;
    const subject = readSubject(row, (column, rule) => reject(line, column, rule));
    const label = row["label"] === "1" ? 1 : 0;
    if (labelled && !/^[01]$/.test(row["label"] ?? ""))
      reject(line, "label", "0 (good) or 1 (bad)");
    const province = ProvinceCode.safeParse(row["province"] ?? "").data;
    if ((row["province"] ?? "") !== "" && !known.has(province ?? "")) {
      reject(line, "province", "a GB/T 2260 code of the job's provinces");
    }
    if (!isPastDay(row["time"], clock))
      reject(line, "time", "a day, YYYY-MM-DD, not in the future");
    const first = seen.get(subject ?? "");
    if (first !== undefined) {
      const rule =
        first.label === label ? "the same person" : "the same person, with another label,";
      reject(line, "label", `${rule} as in line ${first.line}`);
    }
    if (subject === undefined || rejects.length > before) continue;
    seen.set(subject, { line, label });
    people.push({ subject, label, province });
  }
  if (rejects.length > 0) throw refuse(path, rejects);
  if (people.length === 0) throw refuse(path, [{ line: 1, column: "phone", rule: "no people" }]);
  return { people, sha256: sha256Hex(bytes) };
}

function columnRule(column: string): string {
  return column === "weight" ? "weights are not supported yet" : "no column that is known here";
}

function readFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new WjfError("labels-invalid", `${path}: cannot be read`, { cause });
  }
}

function readRows(bytes: Buffer, path: string) {
  try {
    const records = parse(bytes, {
      bom: true,
      columns: (names: string[]) => names.map((name) => name.trim().toLowerCase()),
      info: true,
      skip_empty_lines: true,
      trim: true,
    }) as unknown as { readonly record: Row; readonly info: { readonly lines: number } }[];
    const rows = records.map(({ record, info }) => ({ row: record, line: info.lines }));
    const header = Object.keys(rows[0]?.row ?? {});
    return { rows, header };
  } catch (cause) {
    const { lines = 1 } = cause as { readonly lines?: number };
    throw refuse(path, [{ line: lines, column: "", rule: "not a line of CSV like the first" }]);
  }
}

function readSubject(
  { phone = "", id_number: id = "" }: Row,
  reject: (column: string, rule: string) => void,
): string | undefined {
  if ((phone === "") === (id === "")) {
    reject("phone", "phone or id_number, one of them");
    return undefined;
  }
  const column = phone === "" ? "id_number" : "phone";
  try {
    return phone === "" ? `cn-id:${normaliseCnId(id)}` : `msisdn:${normaliseMsisdn(phone)}`;
  } catch {
    reject(
      column,
      phone === "" ? "18 characters with a valid check character" : "a mainland mobile number",
    );
    return undefined;
  }
}

/** A column without a value is none. */
function isPastDay(text: string | undefined, clock: Clock): boolean {
  if (text === undefined || text === "") return true;
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(text) : NaN;
  return at <= clock.nowMs();
}

function refuse(path: string, rejects: readonly Reject[]): WjfError {
  const file = `${path}.rejects.csv`;
  const lines = rejects.map(({ line, column, rule }) => `${line},${column},"${rule}"\n`);
  writeSecretFile(file, `line,column,rule\n${lines.join("")}`);
  const [first] = rejects;
  const example = first && `line ${first.line}: ${first.column}: ${first.rule}`;
  return new WjfError("labels-invalid", `${rejects.length} in ${file}; ${example}`);
}
