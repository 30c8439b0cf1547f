// The serving store at a province's size: how fast it is built (tags, encoding, sorting, writing), how large it gets,
// and how long a lookup with decoding takes, for people held and not held. Records have as many indicators as the
// catalogue and lists of the usual lengths; values are made up, because what is measured does not depend on them.
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCatalogue } from "../catalogue/index.ts";
import type { SubjectTag } from "../core/ids.ts";
import { subjectTag } from "../crypto/subject.ts";
import { FeatureStore } from "../province-node/feature-store.ts";
import { type EncodableRecord, RecordEncoder } from "../province-node/load/record-codec.ts";
import { servingDigest } from "../province-node/load/serving-catalogue.ts";
import { STORE_FORMAT } from "../province-node/load/store-format.ts";
import { StoreWriter } from "../province-node/load/store-writer.ts";
import { Keystream, sandboxKey } from "../province-node/sandbox/keystream.ts";

export interface StoreBenchOptions {
  /** One run per size; the metrics are those of the last. */
  readonly sizes?: readonly number[];
  readonly lookups?: number;
  readonly folder?: string;
  readonly onProgress?: (done: number, of: number) => void;
}

export interface StoreRun {
  readonly people: number;
  readonly rows_per_s_build: number;
  readonly store_bytes: number;
  readonly bytes_per_person: number;
  readonly peak_rss_mb: number;
  readonly lookup_p50_us: number;
  readonly lookup_p99_us: number;
  readonly absent_p99_us: number;
}

export interface StoreBenchResult {
  readonly metrics: Record<string, number>;
  readonly runs: StoreRun[];
}

const KEY = Buffer.alloc(32, 1);
const TEMPLATES = 512;
const LIST_ROWS = 8;

function madeUp(person: number): string {
  return `+861${String(3_000_000_000 + person)}`;
}

function tagOf(person: number): SubjectTag {
  return subjectTag(KEY, "msisdn", madeUp(person));
}

/** Records to take turns: most values small, some large, some unknown, as loads of the sandbox show. */
function templates(): EncodableRecord[] {
  const { indicators, lists } = loadCatalogue();
  const random = new Keystream(sandboxKey("bench/store"), 9, 0);
  const value = (): number | null =>
    random.chance(0.1)
      ? null
      : Math.floor(2 ** (random.unit() * 14)) * (random.chance(0.5) ? 1 : 0);
  const tag = random.bytes(32);
  return Array.from({ length: TEMPLATES }, () => ({
    cnId: tag,
    name: tag,
    values: indicators.map(value),
    lists: lists.map(({ columns, kind }) =>
      Array.from({ length: LIST_ROWS }, () => ({
        key:
          kind === "code"
            ? random.whole(110_000, 659_999)
            : kind === "text"
              ? "finance"
              : random.bytes(8),
        columns: Object.keys(columns).map(() => random.whole(0, 300)),
      })),
    ),
  }));
}

export interface MadeUpStore {
  readonly path: string;
  readonly key: Buffer;
  readonly people: number;
  /** E.164, of the first people; the rest have made-up ones. */
  readonly numbers?: readonly string[];
  readonly onProgress?: (done: number) => void;
}

/** @returns seconds that it took. */
export function buildStore({ path, key, people, numbers = [], onProgress }: MadeUpStore): number {
  const catalogue = loadCatalogue();
  const records = templates();
  const encoder = new RecordEncoder();
  const started = performance.now();
  using writer = new StoreWriter(path, `${path}.spill`);
  for (let person = 0; person < people; person++) {
    const record = records[person % TEMPLATES] as EncodableRecord;
    const tag = subjectTag(key, "msisdn", numbers[person] ?? madeUp(person));
    const cnId = subjectTag(key, "cn-id", String(person));
    const name = subjectTag(key, "name", String(person));
    writer.add(encoder.encode(tag, { ...record, cnId, name }), cnId, 1);
    if (person % 100_000 === 0) onProgress?.(person);
  }
  writer.publish({
    format: STORE_FORMAT,
    catalogue: servingDigest(catalogue),
    asof: "2026-06-01",
    indicators: catalogue.indicators.length,
    lists: catalogue.lists.map(({ id }) => id),
  });
  return (performance.now() - started) / 1000;
}

function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

/** Microseconds per lookup of evenly spread people, sorted. @throws when a lookup answers wrongly. */
function timeLookups(
  store: FeatureStore,
  lookups: number,
  tags: (i: number) => SubjectTag,
  held: boolean,
): Float64Array {
  const times = new Float64Array(lookups);
  for (let i = 0; i < lookups; i++) {
    const tag = tags(i);
    const started = performance.now();
    const found = store.lookup(tag);
    times[i] = (performance.now() - started) * 1000;
    if ((found !== undefined) !== held) throw new Error("a lookup answered wrongly");
  }
  return times.sort();
}

function runOne(
  folder: string,
  people: number,
  lookups: number,
  onProgress: (done: number) => void,
): StoreRun {
  const path = join(folder, "bench.store");
  const seconds = buildStore({ path, key: KEY, people, onProgress });
  const bytes = statSync(path).size;
  const peak = process.resourceUsage().maxRSS / 1024;
  using store = FeatureStore.open(path, loadCatalogue());
  const person = (i: number): number => Math.floor(((i * 0.618_033_988_749_895) % 1) * people);
  timeLookups(store, Math.min(lookups, 2000), (i) => tagOf(person(i)), true);
  const held = timeLookups(store, lookups, (i) => tagOf(person(i)), true);
  const absent = timeLookups(store, lookups, (i) => tagOf(people + i), false);
  return {
    people,
    rows_per_s_build: people / seconds,
    store_bytes: bytes,
    bytes_per_person: bytes / people,
    peak_rss_mb: peak,
    lookup_p50_us: percentile(held, 0.5),
    lookup_p99_us: percentile(held, 0.99),
    absent_p99_us: percentile(absent, 0.99),
  };
}

export function run(options: StoreBenchOptions = {}): Promise<StoreBenchResult> {
  const { sizes = [1_000_000, 5_000_000], lookups = 50_000, onProgress } = options;
  const folder = mkdtempSync(join(options.folder ?? tmpdir(), "wjf-bench-store-"));
  try {
    const runs = sizes.map((people) =>
      runOne(folder, people, lookups, (done) => onProgress?.(done, people)),
    );
    const { ...metrics } = runs.at(-1);
    return Promise.resolve({ metrics, runs });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
