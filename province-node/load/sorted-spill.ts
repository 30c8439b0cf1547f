// Puts byte records in the order of their leading bytes, in bounded memory: what does not fit goes to 256 files by
// first byte, and each of those is sorted alone. Rows inserted in key order are what makes a 26-million-row B-tree
// build in minutes instead of hours.
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

const BUCKETS = 256;
const LENGTH_BYTES = 4;
const DEFAULT_MEMORY_BYTES = 64 << 20;

export class SortedSpill {
  readonly #folder: string;
  readonly #memoryBytes: number;
  #buckets: Buffer[][] = Array.from({ length: BUCKETS }, () => []);
  #files: (number | undefined)[] = [];
  #held = 0;

  constructor(folder: string, memoryBytes: number = DEFAULT_MEMORY_BYTES) {
    this.#folder = folder;
    this.#memoryBytes = memoryBytes;
  }

  add(record: Buffer): void {
    this.#buckets[record[0] ?? 0]?.push(record);
    this.#held += record.length + 64;
    if (this.#held > this.#memoryBytes) this.#spill();
  }

  #spill(): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const records = this.#buckets[bucket] ?? [];
      if (records.length === 0) continue;
      const file = (this.#files[bucket] ??= openSync(
        join(this.#folder, `${bucket}.bin`),
        "w",
        0o600,
      ));
      const parts: Buffer[] = [];
      for (const record of records) {
        const length = Buffer.allocUnsafe(LENGTH_BYTES);
        length.writeUInt32LE(record.length);
        parts.push(length, record);
      }
      writeSync(file, Buffer.concat(parts));
      this.#buckets[bucket] = [];
    }
    this.#held = 0;
  }

  /** Every record once, in the order of its bytes. */
  *drain(): Generator<Buffer> {
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const records = this.#buckets[bucket] ?? [];
      this.#buckets[bucket] = [];
      if (this.#files[bucket] !== undefined)
        readRecords(join(this.#folder, `${bucket}.bin`), records);
      records.sort((a, b) => Buffer.compare(a, b));
      yield* records;
    }
  }

  [Symbol.dispose](): void {
    for (const file of this.#files) if (file !== undefined) closeSync(file);
    this.#files = [];
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function readRecords(path: string, into: Buffer[]): void {
  const bytes = readFileSync(path);
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32LE(at);
    into.push(bytes.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + length));
    at += LENGTH_BYTES + length;
  }
}
