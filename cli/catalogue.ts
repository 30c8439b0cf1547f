// What `wjf catalogue …` does: reads the catalogue, prints it, checks it. It decides nothing and changes nothing.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Catalogue,
  loadCatalogue,
  MAX_NODES,
  PLAINTEXT_MODULUS,
  type Product,
  RAW_TABLES,
} from "../catalogue/index.ts";
import { shanghaiDay, systemClock } from "../core/clock.ts";
import { WjfError } from "../core/errors.ts";
import { loadProvince } from "../province-node/index.ts";
import { entriesOf, type Entry, KINDS } from "./catalogue-entries.ts";
import { type Output, table } from "./output.ts";

export interface ListOptions {
  readonly family?: string;
}

export async function catalogueList(
  output: Output,
  kind: string | undefined,
  { family }: ListOptions,
): Promise<void> {
  const entries = entriesOf(loadCatalogue());
  if (kind === undefined) {
    const counts = KINDS.map((each) => [each, entries.filter((e) => e.kind === each).length]);
    output.line(table(counts.map(([name, count]) => [String(name), String(count)])));
    output.result(Object.fromEntries(counts));
    return;
  }
  const known = KINDS.find((each) => each === kind || each === `${kind}s`);
  if (known === undefined) throw new WjfError("config-invalid", `kind: ${KINDS.join(", ")}`);
  const chosen = entries.filter(
    (entry) => entry.kind === known && (family === undefined || entry.group === family),
  );
  output.line(table(chosen.map(({ id, group, zh, en, note }) => [id, group, zh, en, note])));
  output.line();
  output.line(`${chosen.length} ${known}`);
  output.result(chosen.map(({ kind: _kind, value: _value, ...entry }) => entry));
}

export async function catalogueShow(output: Output, id: string): Promise<void> {
  const catalogue = loadCatalogue();
  const found = entriesOf(catalogue).filter((entry) => entry.id === id);
  if (found.length === 0) throw new WjfError("config-invalid", `nothing in the catalogue is ${id}`);
  for (const entry of found) printEntry(output, entry);
  output.result(found.map(({ kind, value }) => ({ kind, ...(value as object) })));
}

function printEntry(output: Output, { kind, id, zh, en, value }: Entry): void {
  output.line(`${id}  ${zh}  ${en}  (${kind})`);
  for (const [key, field] of Object.entries(value as object)) {
    if (["id", "zh", "en"].includes(key)) continue;
    const text = typeof field === "string" ? field : JSON.stringify(field, null, 2);
    output.line(`  ${key}: ${text.replaceAll("\n", "\n  ")}`);
  }
}

export interface CheckOptions {
  readonly folder?: string;
  readonly sql: boolean;
}

/** @throws WjfError `data-invalid`, naming file and field, or the declaration whose SQL does not run. */
export async function catalogueCheck(output: Output, options: CheckOptions): Promise<void> {
  const catalogue = options.folder === undefined ? loadCatalogue() : loadCatalogue(options.folder);
  const entries = entriesOf(catalogue);
  const counts = Object.fromEntries(
    KINDS.map((kind) => [kind, entries.filter((entry) => entry.kind === kind).length]),
  );
  const closest = [...catalogue.products.values()].map(headroom).sort((a, b) => b.used - a.used)[0];
  if (options.sql) await runSql(catalogue);
  output.line(`catalogue version ${catalogue.version}, digest ${catalogue.digest}`);
  output.line(table(Object.entries(counts).map(([kind, count]) => [kind, String(count)])));
  output.line(
    `${MAX_NODES} provinces at their largest use at most ${(100 * (closest?.used ?? 0)).toFixed(1)} % of the plaintext (${closest?.product ?? "-"}, slot ${closest?.slot ?? "-"})`,
  );
  output.line(options.sql ? "every SQL expression runs over empty tables" : "SQL was not run");
  const { version, digest } = catalogue;
  output.result({ ok: true, version, digest, counts, closest, sql: options.sql });
}

function headroom({ ref, slots }: Product) {
  const widest = slots.reduce((most, slot) => (slot.max > most.max ? slot : most));
  return { product: ref, slot: widest.id, used: (MAX_NODES * widest.max) / PLAINTEXT_MODULUS };
}

/** A load of thirteen empty tables binds and runs every view, indicator and list. */
async function runSql(catalogue: Catalogue): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "wjf-check-"));
  try {
    const raw = join(folder, "raw");
    mkdirSync(raw);
    for (const [name, { columns }] of Object.entries(RAW_TABLES)) {
      writeFileSync(join(raw, `${name}.csv`), `${Object.keys(columns).join(",")}\n`);
    }
    await loadProvince({
      rawDir: raw,
      storePath: join(folder, "store.db"),
      rejectsDir: join(folder, "rejects"),
      subjectKey: Buffer.alloc(32),
      asof: shanghaiDay(systemClock),
      catalogue,
      threads: 1,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
