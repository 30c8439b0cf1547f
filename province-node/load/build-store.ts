// Computed rows → tagged, encoded records → the serving store. Here identifiers become HMAC tags under K_subject
// (crypto/subject.ts); nothing else about them goes on. All streams come in the order of msisdn and are merged.
import type { DuckDBValue } from "@duckdb/node-api";
import { type KeyedList, type KeyKind, normaliseKey } from "../../catalogue/index.ts";
import type { SubjectTag } from "../../core/ids.ts";
import { normaliseMsisdn, normaliseName, subjectTag } from "../../crypto/subject.ts";
import {
  computableLists,
  listSql,
  type ServingCatalogue,
  servingDigest,
  wideSql,
} from "./compute.ts";
import type { Engine } from "./duckdb.ts";
import { type EncodableListRow, RecordEncoder } from "./record-codec.ts";
import { STORE_FORMAT } from "./store-format.ts";
import { type BuiltStore, StoreWriter } from "./store-writer.ts";

const MEMO_ENTRIES = 200_000;
const NO_ROWS: readonly EncodableListRow[] = [];

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

/** Rows of one list, handed out per number in step with the numbers. */
class ListCursor {
  readonly #kind: KeyKind;
  readonly #tagger: KeyTagger;
  readonly #chunks: AsyncGenerator<readonly (readonly DuckDBValue[])[]>;
  #columns: readonly (readonly DuckDBValue[])[] = [];
  #row = 0;
  #done = false;

  constructor(engine: Engine, list: KeyedList, tagger: KeyTagger) {
    this.#kind = list.kind;
    this.#tagger = tagger;
    this.#chunks = engine.chunks(`list ${list.id}`, listSql(list));
  }

  /** Rows of numbers that the province does not have are passed over. */
  async rowsOf(msisdn: string): Promise<readonly EncodableListRow[]> {
    let rows: EncodableListRow[] | undefined;
    for (;;) {
      if (this.#row >= (this.#columns[0]?.length ?? 0) && !(await this.#advance())) break;
      const current = String(this.#columns[0]?.[this.#row]);
      if (current > msisdn) break;
      if (current === msisdn) (rows ??= []).push(this.#read());
      this.#row++;
    }
    return rows ?? NO_ROWS;
  }

  #read(): EncodableListRow {
    const key = this.#tagger.key(this.#kind, this.#columns[1]?.[this.#row] ?? null);
    return { key, columns: this.#columns.slice(2).map((column) => Number(column[this.#row])) };
  }

  async #advance(): Promise<boolean> {
    if (this.#done) return false;
    const next = await this.#chunks.next();
    this.#done = next.done === true;
    this.#columns = next.done ? [] : next.value;
    this.#row = 0;
    return !this.#done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#chunks.return(undefined);
  }
}

export interface StoreBuild {
  readonly engine: Engine;
  readonly catalogue: ServingCatalogue;
  readonly loaded: ReadonlySet<string>;
  readonly storePath: string;
  readonly spillDir: string;
  readonly subjectKey: Buffer;
  readonly asof: string;
  readonly onNumbers: (done: number) => void;
}

export async function buildStore(build: StoreBuild): Promise<BuiltStore> {
  const { engine, catalogue, loaded, subjectKey } = build;
  const lists = computableLists(catalogue, loaded);
  const tagger = new KeyTagger(subjectKey);
  await using cursors = new AsyncDisposableStack();
  const open = lists.map((list) => cursors.use(new ListCursor(engine, list, tagger)));
  using writer = new StoreWriter(build.storePath, build.spillDir);
  const encoder = new RecordEncoder();
  const tagOf = (kind: "cn-id" | "name", value: DuckDBValue): SubjectTag | null =>
    value === null
      ? null
      : subjectTag(
          subjectKey,
          kind,
          kind === "name" ? normaliseName(String(value)) : String(value),
        );
  let done = 0;
  for await (const columns of engine.chunks("records", wideSql(catalogue, loaded))) {
    const [msisdns = [], cnIds = [], names = [], standings = [], ...values] = columns;
    for (let row = 0; row < msisdns.length; row++) {
      const msisdn = String(msisdns[row]);
      const cnId = tagOf("cn-id", cnIds[row] ?? null);
      const rows: (readonly EncodableListRow[])[] = [];
      for (const cursor of open) rows.push(await cursor.rowsOf(msisdn));
      const record = encoder.encode({
        cnId,
        name: tagOf("name", names[row] ?? null),
        values: values.map((column) => column[row] as number | null),
        lists: rows,
      });
      writer.add(
        subjectTag(subjectKey, "msisdn", normaliseMsisdn(msisdn)),
        cnId,
        Number(standings[row]),
        record,
      );
    }
    done += msisdns.length;
    build.onNumbers(done);
  }
  return writer.publish({
    format: STORE_FORMAT,
    catalogue: servingDigest(catalogue),
    asof: build.asof,
    indicators: catalogue.indicators.length,
    lists: lists.map(({ id }) => id),
  });
}
