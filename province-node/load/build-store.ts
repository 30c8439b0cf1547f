// Computed rows → tagged, encoded records → the serving store. Here identifiers become HMAC tags under K_subject
// (crypto/subject.ts); nothing else about them goes on. All streams come in the order of msisdn and are merged.
import type { DuckDBValue } from "@duckdb/node-api";
import { type KeyedList, type KeyKind, normaliseKey } from "../../catalogue/index.ts";
import { normaliseMsisdn, normaliseName, subjectTag } from "../../crypto/subject.ts";
import {
  aggregateStreams,
  computableLists,
  listSql,
  type Delivered,
  deliveredStreams,
  numbersSql,
  type Slot,
} from "./compute.ts";
import { type ServingCatalogue, servingDigest } from "./serving-catalogue.ts";
import { DerivedIndicators } from "./derived.ts";
import type { Engine } from "./duckdb.ts";
import { type Columns, MergeCursor } from "./merge-cursor.ts";
import { type EncodableListRow, RecordEncoder } from "./record-codec.ts";
import { STORE_FORMAT } from "./store-format.ts";
import { type BuiltStore, StoreWriter } from "./store-writer.ts";

const MEMO_ENTRIES = 200_000;
/** Numbers whose derived indicators are computed in one go. */
const BATCH_NUMBERS = 16_384;

/** Tags of list keys. Apps, domains and words recur for everybody, so they are remembered. */
class KeyTagger {
  readonly #subjectKey: Buffer;
  readonly #memo = new Map<string, Buffer>();

  constructor(subjectKey: Buffer) {
    this.#subjectKey = subjectKey;
  }

  key(kind: KeyKind, raw: DuckDBValue): Buffer | number | string {
    if (kind === "code") return Number(raw);
    const text = String(raw);
    if (kind === "text") return text;
    const id = `${kind}:${text}`;
    let tag = this.#memo.get(id);
    if (!tag) {
      tag = subjectTag(this.#subjectKey, kind, normaliseKey(kind, text)).subarray(0, 8);
      if (this.#memo.size >= MEMO_ENTRIES) this.#memo.clear();
      this.#memo.set(id, tag);
    }
    return tag;
  }
}

export type { Delivered };

export interface StoreBuild {
  readonly engine: Engine;
  readonly catalogue: ServingCatalogue;
  readonly loaded: ReadonlySet<string>;
  readonly delivered: readonly Delivered[];
  readonly storePath: string;
  readonly spillDir: string;
  readonly subjectKey: Buffer;
  readonly asof: string;
  /** Sees every record's values. */
  readonly onValues?: (values: readonly (number | null)[]) => void;
  readonly onNumbers: (done: number, of: number) => void;
}

/** A number on its way into the store. */
interface Draft {
  readonly msisdn: string;
  readonly cnId: DuckDBValue;
  readonly name: DuckDBValue;
  readonly standing: number;
  readonly values: (number | null)[];
  readonly lists: readonly (readonly EncodableListRow[])[];
}

/** Brings a number's values and list rows together from all the streams. */
class Drafts {
  readonly #blank: readonly (number | null)[];
  readonly #aggregates: readonly (readonly [MergeCursor, readonly Slot[]])[];
  readonly #lists: readonly (readonly [MergeCursor, KeyKind])[];
  readonly #tagger: KeyTagger;

  constructor(build: StoreBuild, lists: readonly KeyedList[], cursors: AsyncDisposableStack) {
    const { engine, catalogue, loaded } = build;
    const streams = aggregateStreams(catalogue, loaded);
    const blank = catalogue.indicators.map((): number | null => null);
    for (const { slots } of streams)
      for (const { position, absent } of slots) blank[position] = absent;
    this.#blank = blank;
    const delivered = deliveredStreams(catalogue, build.delivered);
    this.#aggregates = [...streams, ...delivered].map(({ from, sql, slots }) => [
      cursors.use(new MergeCursor(engine, `indicators from ${from}`, sql)),
      slots,
    ]);
    this.#lists = lists.map((list) => [
      cursors.use(new MergeCursor(engine, `list ${list.id}`, listSql(list))),
      list.kind,
    ]);
    this.#tagger = new KeyTagger(build.subjectKey);
  }

  async draft(columns: Columns, row: number): Promise<Draft> {
    const msisdn = columns[0]?.[row] as string;
    const values = [...this.#blank];
    for (const [cursor, slots] of this.#aggregates) {
      await cursor.rowsOf(msisdn, (found, at) => {
        slots.forEach(({ position }, i) => {
          values[position] = (found[i + 1]?.[at] as number | null) ?? values[position] ?? null;
        });
      });
    }
    const lists: EncodableListRow[][] = [];
    for (const [cursor, kind] of this.#lists) {
      const rows: EncodableListRow[] = [];
      await cursor.rowsOf(msisdn, (found, at) => {
        const key = this.#tagger.key(kind, found[1]?.[at] ?? null);
        rows.push({ key, columns: found.slice(2).map((column) => column[at] as number) });
      });
      lists.push(rows);
    }
    const [cnId = null, name = null, standing] = columns.slice(1).map((column) => column[row]);
    return { msisdn, cnId, name, standing: Number(standing), values, lists };
  }
}

function addRecord(
  draft: Draft,
  subjectKey: Buffer,
  encoder: RecordEncoder,
  writer: StoreWriter,
): void {
  const cnId = draft.cnId === null ? null : subjectTag(subjectKey, "cn-id", String(draft.cnId));
  const name =
    draft.name === null ? null : subjectTag(subjectKey, "name", normaliseName(String(draft.name)));
  const tag = subjectTag(subjectKey, "msisdn", normaliseMsisdn(draft.msisdn));
  const record = encoder.encode(tag, { cnId, name, values: draft.values, lists: draft.lists });
  writer.add(record, cnId, draft.standing);
}

export async function buildStore(build: StoreBuild): Promise<BuiltStore> {
  const { engine, catalogue, loaded, subjectKey } = build;
  const lists = computableLists(catalogue, loaded);
  await using cursors = new AsyncDisposableStack();
  const drafts = new Drafts(build, lists, cursors);
  const derived = new DerivedIndicators(engine, catalogue);
  await derived.prepare();
  using writer = new StoreWriter(build.storePath, build.spillDir);
  const encoder = new RecordEncoder();
  const numbers = numbersSql(build.delivered);
  const [size] = await engine.rows("numbers", `SELECT count(*) AS n FROM (${numbers})`);
  const of = Number(size?.["n"]);
  let batch: Draft[] = [];
  let done = 0;
  const flush = async (): Promise<void> => {
    await derived.fill(batch.map(({ values }) => values));
    for (const draft of batch) {
      addRecord(draft, subjectKey, encoder, writer);
      build.onValues?.(draft.values);
    }
    done += batch.length;
    batch = [];
    build.onNumbers(done, of);
  };
  for await (const columns of engine.chunks("numbers", numbers)) {
    for (let row = 0; row < (columns[0]?.length ?? 0); row++)
      batch.push(await drafts.draft(columns, row));
    if (batch.length >= BATCH_NUMBERS) await flush();
  }
  await flush();
  return writer.publish({
    format: STORE_FORMAT,
    catalogue: servingDigest(catalogue),
    asof: build.asof,
    indicators: catalogue.indicators.length,
    lists: lists.map(({ id }) => id),
  });
}
