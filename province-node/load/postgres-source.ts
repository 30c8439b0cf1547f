// PostgreSQL as a source: its tables are copied, through a cursor, to CSV files in the load's own spill folder and go
// in by the same door as files do. One read-only, repeatable-read transaction: all tables are of one moment.
import { createWriteStream, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Client } from "pg";
import { RAW_TABLE_NAMES } from "../../catalogue/raw-tables.ts";
import { WjfError } from "../../core/errors.ts";
import type { Mapping } from "./mapping.ts";

const FETCH_ROWS = 20_000;

interface Relation {
  /** As the mapping or our own naming has it; may carry a schema. */
  readonly name: string;
  readonly file: string;
}

export function isPostgres(source: string): boolean {
  return /^postgres(ql)?:\/\//.test(source);
}

/** Relations that the mapping names in the place of files, and those that are called as our tables are. */
function wanted(mapping: Mapping): Relation[] {
  const named = [...Object.values(mapping.tables), ...mapping.indicators].flatMap(
    ({ files }) => files ?? [],
  );
  const plain = RAW_TABLE_NAMES.filter((table) => mapping.tables[table]?.files === undefined);
  return [
    ...named.map((name) => ({ name, file: name })),
    ...plain.map((name) => ({ name, file: `${name}.csv` })),
  ];
}

/**
 * Copies what is there of the wanted relations into `folder`, which then is a raw folder like any other.
 * @throws WjfError `data-invalid`; the address, which may hold a password, is in no message.
 */
export async function copyFromPostgres(
  url: string,
  mapping: Mapping,
  folder: string,
): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const client = new Client({ connectionString: url });
  try {
    await client.connect();
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    for (const relation of wanted(mapping)) await copyRelation(client, relation, folder);
    await client.query("COMMIT");
  } catch (cause) {
    if (cause instanceof WjfError) throw cause;
    throw new WjfError("data-invalid", "the PostgreSQL source cannot be read", { cause });
  } finally {
    await client.end();
  }
}

async function copyRelation(
  client: Client,
  { name, file }: Relation,
  folder: string,
): Promise<void> {
  const columns = await columnsOf(client, name);
  if (columns.length === 0) return;
  const select = columns.map(({ name: column, type }) => {
    const quoted = client.escapeIdentifier(column);
    // A zoned time is one moment: it is written as Shanghai's wall clock shows it.
    return type === "timestamp with time zone"
      ? `(${quoted} AT TIME ZONE 'Asia/Shanghai')::text`
      : `${quoted}::text`;
  });
  const from = name
    .split(".")
    .map((part) => client.escapeIdentifier(part))
    .join(".");
  await client.query(
    `DECLARE wjf_rows NO SCROLL CURSOR FOR SELECT ${select.join(", ")} FROM ${from}`,
  );
  const header = columns.map(({ name: column }) => column);
  const out = createWriteStream(join(folder, file), { mode: 0o600 });
  await pipeline(Readable.from(csvPieces(client, header)), out);
  await client.query("CLOSE wjf_rows");
}

async function columnsOf(
  client: Client,
  relation: string,
): Promise<{ name: string; type: string }[]> {
  const sql =
    "SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute " +
    "WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
  const { rows } = await client.query<{ name: string; type: string }>(sql, [relation]);
  return rows;
}

async function* csvPieces(client: Client, header: readonly string[]): AsyncGenerator<string> {
  yield `${header.join(",")}\n`;
  for (;;) {
    const text = `FETCH ${FETCH_ROWS} FROM wjf_rows`;
    const { rows } = await client.query<(string | null)[]>({ text, rowMode: "array" });
    if (rows.length === 0) return;
    yield rows.map((row) => `${row.map(csvField).join(",")}\n`).join("");
  }
}

function csvField(value: string | null): string {
  if (value === null) return "";
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
