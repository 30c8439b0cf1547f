// A number's record as bytes, small enough for 26 million people on one machine: null bitmap, zigzag varints
// (LEB128), raw tags. Layout is versioned by the store's format number. It holds tags and integers, never an
// identifier. Encoder and decoder stand side by side because they must change together.
import type { KeyedList, ListRow, NumberRecord } from "../../catalogue/index.ts";

const TAG_BYTES = 32;
const KEY_BYTES = 8;
const HAS_CN_ID = 1;
const HAS_NAME = 2;

export interface EncodableRecord {
  readonly cnId: Buffer | null;
  readonly name: Buffer | null;
  readonly values: ReadonlyArray<number | null>;
  /** In the order of the lists that the store has. */
  readonly lists: ReadonlyArray<ReadonlyArray<EncodableListRow>>;
}

export interface EncodableListRow {
  readonly key: Buffer | number | string;
  readonly columns: readonly number[];
}

/** A growing byte buffer, reused from record to record. */
class Bytes {
  #buffer = Buffer.allocUnsafe(4096);
  #length = 0;

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + more));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Unsigned 32 bits, LEB128. */
  count(value: number): void {
    this.#reserve(5);
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.#buffer[this.#length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[this.#length++] = rest;
  }

  integer(value: number): void {
    this.count((value << 1) ^ (value >> 31));
  }

  take(): Buffer {
    const taken = Buffer.allocUnsafe(this.#length);
    this.#buffer.copy(taken, 0, 0, this.#length);
    this.#length = 0;
    return taken;
  }
}

export class RecordEncoder {
  readonly #bytes = new Bytes();

  /** The number's own tag, then its record. */
  encode(tag: Buffer, { cnId, name, values, lists }: EncodableRecord): Buffer {
    const bytes = this.#bytes;
    bytes.raw(tag);
    bytes.byte((cnId ? HAS_CN_ID : 0) | (name ? HAS_NAME : 0));
    if (cnId) bytes.raw(cnId);
    if (name) bytes.raw(name);
    for (let start = 0; start < values.length; start += 8) {
      let nulls = 0;
      for (let i = 0; i < 8; i++) if ((values[start + i] ?? null) === null) nulls |= 1 << i;
      bytes.byte(nulls);
    }
    for (const value of values) if (value !== null) bytes.integer(value);
    for (const rows of lists) {
      bytes.count(rows.length);
      for (const { key, columns } of rows) {
        this.#key(key);
        for (const column of columns) bytes.integer(column);
      }
    }
    return bytes.take();
  }

  #key(key: Buffer | number | string): void {
    if (typeof key === "number") this.#bytes.integer(key);
    else if (typeof key === "string") {
      const text = Buffer.from(key);
      this.#bytes.count(text.length);
      this.#bytes.raw(text);
    } else this.#bytes.raw(key.subarray(0, KEY_BYTES));
  }
}

/** Reads what RecordEncoder wrote; `bytes` come from this node's own store, whose format has been checked. */
export class RecordDecoder {
  readonly #valueCount: number;
  readonly #lists: readonly KeyedList[];
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;

  constructor(valueCount: number, lists: readonly KeyedList[]) {
    this.#valueCount = valueCount;
    this.#lists = lists;
  }

  /** `msisdn` is the hex tag that the record was found by; the record begins at `offset`. */
  decode(msisdn: string, bytes: Uint8Array, offset: number): NumberRecord {
    this.#bytes = bytes;
    this.#at = offset;
    const flags = this.#byte();
    const cnId = (flags & HAS_CN_ID) !== 0 ? this.#hex(TAG_BYTES) : null;
    const name = (flags & HAS_NAME) !== 0 ? this.#hex(TAG_BYTES) : null;
    const values = this.#values();
    const readLists = this.#listsFrom(this.#at);
    let lists: NumberRecord["lists"] | undefined;
    return {
      values,
      identity: { msisdn, cnId, name },
      // Most questions need none of them, and they are most of a record.
      get lists() {
        return (lists ??= readLists());
      },
    };
  }

  #byte(): number {
    return this.#bytes[this.#at++] ?? 0;
  }

  #hex(length: number): string {
    const start = this.#at;
    this.#at += length;
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + start, length).toString("hex");
  }

  #count(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }

  #integer(): number {
    const zigzag = this.#count();
    return (zigzag >>> 1) ^ -(zigzag & 1);
  }

  #values(): (number | null)[] {
    const nulls = this.#at;
    this.#at += Math.ceil(this.#valueCount / 8);
    const values: (number | null)[] = [];
    for (let i = 0; i < this.#valueCount; i++) {
      const missing = ((this.#bytes[nulls + (i >> 3)] ?? 0) >> (i & 7)) & 1;
      values.push(missing ? null : this.#integer());
    }
    return values;
  }

  #listsFrom(start: number): () => NumberRecord["lists"] {
    const bytes = this.#bytes;
    return () => {
      this.#bytes = bytes;
      this.#at = start;
      return Object.fromEntries(this.#lists.map((list) => [list.id, this.#list(list)]));
    };
  }

  #list(list: KeyedList): ListRow[] {
    const names = Object.keys(list.columns);
    return Array.from({ length: this.#count() }, () => {
      const row: Record<string, string | number> & { key: string | number } = {
        key: this.#key(list),
      };
      for (const name of names) row[name] = this.#integer();
      return row;
    });
  }

  #key(list: KeyedList): string | number {
    if (list.kind === "code") return this.#integer();
    if (list.kind !== "text") return this.#hex(KEY_BYTES);
    const length = this.#count();
    const start = this.#at;
    this.#at += length;
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + start, length).toString("utf8");
  }
}
