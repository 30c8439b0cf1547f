// The serving store: what lookups give, what a store of another catalogue or a broken file is told, and that a replaced
// file is followed.
import { copyFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KeyedList } from "../../catalogue/index.ts";
import type { SubjectTag } from "../../core/ids.ts";
import { FeatureStore } from "../../province-node/feature-store.ts";
import {
  type ServingCatalogue,
  servingDigest,
} from "../../province-node/load/serving-catalogue.ts";
import { RecordDecoder, RecordEncoder } from "../../province-node/load/record-codec.ts";
import { SortedSpill } from "../../province-node/load/sorted-spill.ts";
import { STORE_FORMAT } from "../../province-node/load/store-format.ts";
import { StoreWriter } from "../../province-node/load/store-writer.ts";
import { ASOF, CATALOGUE, Folder } from "./load-fixture.ts";

function tagOf(first: number, last = 0): SubjectTag {
  const tag = Buffer.alloc(32, 0);
  tag.writeBigUInt64BE(BigInt(first) << 40n);
  tag.writeUInt32BE(last, 28);
  return tag as SubjectTag;
}

const meta = { format: STORE_FORMAT, asof: ASOF, indicators: 1, lists: [] as string[] } as const;

/** One indicator whose value is the number's own. */
const ONE: ServingCatalogue = {
  views: [],
  indicators: CATALOGUE.indicators.slice(0, 1),
  lists: [],
};

function write(
  folder: Folder,
  numbers: readonly (readonly [SubjectTag, SubjectTag | null, number])[],
): void {
  using writer = new StoreWriter(folder.at("store"), folder.at("spill"));
  const encoder = new RecordEncoder();
  for (const [tag, cnId, value] of numbers) {
    const record = encoder.encode(tag, { cnId, name: null, values: [value], lists: [] });
    writer.add(record, cnId, value);
  }
  writer.publish({ ...meta, catalogue: servingDigest(ONE) });
}

function valuesOf(store: FeatureStore, tag: SubjectTag): (number | null | undefined)[] | undefined {
  return store.lookup(tag)?.numbers.map(({ values }) => values[0]);
}

describe("the serving store", () => {
  it("keeps apart tags that agree in their first eight bytes", () => {
    using folder = new Folder();
    write(folder, [
      [tagOf(5, 2), tagOf(9, 1), 2],
      [tagOf(5, 1), tagOf(9, 1), 1],
      [tagOf(5, 3), tagOf(9, 2), 3],
    ]);
    using store = FeatureStore.open(folder.at("store"), ONE);
    expect([1, 2, 3, 4].map((last) => valuesOf(store, tagOf(5, last)))).toEqual([
      [1],
      [2],
      [3],
      undefined,
    ]);
    expect(valuesOf(store, tagOf(9, 1))).toEqual([1, 2]);
    expect(valuesOf(store, tagOf(9, 2))).toEqual([3]);
    expect(valuesOf(store, tagOf(9, 3))).toBeUndefined();
    expect(store.meta).toMatchObject({ numbers: 3, people: 2, asof: ASOF });
  });

  it("gives at most five numbers for an ID number, and finds the sixth by itself", () => {
    using folder = new Folder();
    write(
      folder,
      Array.from({ length: 7 }, (_, i) => [tagOf(i + 1), tagOf(100), i + 1] as const),
    );
    using store = FeatureStore.open(folder.at("store"), ONE);
    expect(valuesOf(store, tagOf(100))).toEqual([1, 2, 3, 4, 5]);
    expect(valuesOf(store, tagOf(7))).toEqual([7]);
  });

  it("refuses a store of another catalogue, no store, and what is no store", () => {
    using folder = new Folder();
    const open = () => FeatureStore.open(folder.at("store"), CATALOGUE);
    expect(open).toThrow(/load the province first/);
    write(folder, [[tagOf(1), null, 1]]);
    expect(open).toThrow(/another catalogue/);
    writeFileSync(folder.at("store"), "not a database, but long enough to look like a file of one");
    expect(open).toThrow(/is not one/);
  });

  it("follows a replaced file, and goes on serving when the new one is unfit", () => {
    using folder = new Folder();
    write(folder, [[tagOf(1), null, 1]]);
    using store = FeatureStore.open(folder.at("store"), ONE);
    expect(store.reopenIfReplaced()).toBe(false);
    write(folder, [[tagOf(1), null, 2]]);
    expect(valuesOf(store, tagOf(1))).toEqual([1]);
    expect(store.reopenIfReplaced()).toBe(true);
    expect(valuesOf(store, tagOf(1))).toEqual([2]);
    copyFileSync(folder.at("store"), folder.at("good"));
    writeFileSync(folder.at("bad"), "");
    renameSync(folder.at("bad"), folder.at("store"));
    expect(() => store.reopenIfReplaced()).toThrow();
    expect(valuesOf(store, tagOf(1))).toEqual([2]);
    renameSync(folder.at("good"), folder.at("store"));
    expect(store.reopenIfReplaced()).toBe(true);
    expect(readdirSync(folder.path)).toEqual(["store"]);
  });

  it("removes what a killed load left, and nothing of a load that lives", () => {
    using folder = new Folder();
    const dead = 2 ** 22 + 1;
    for (const pid of [dead, process.ppid]) writeFileSync(folder.at(`store.building-${pid}`), "");
    write(folder, [[tagOf(1), null, 1]]);
    expect(readdirSync(folder.path).sort()).toEqual(["store", `store.building-${process.ppid}`]);
  });
});

const LISTS = (["msisdn", "code", "text"] as const).map((kind) =>
  KeyedList.parse({
    id: `by_${kind}`,
    zh: "表",
    en: "list",
    from: "call",
    window: "ever",
    key: "peer_msisdn",
    kind,
    columns: { a: { sql: "1" }, b: { sql: "2" } },
    order: "a",
    top: 9,
  }),
);
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((b) => Buffer.from(b));

describe("records as bytes", () => {
  it("come back as they went in", () => {
    const rowsOf = (key: fc.Arbitrary<Buffer | number | string>) =>
      fc.array(fc.record({ key, columns: fc.tuple(int32, int32) }), { maxLength: 9 });
    const record = fc.record({
      cnId: fc.option(bytes(32)),
      name: fc.option(bytes(32)),
      values: fc.array(fc.option(int32), { maxLength: 40 }),
      lists: fc.tuple(rowsOf(bytes(8)), rowsOf(int32), rowsOf(fc.string({ unit: "grapheme" }))),
    });
    fc.assert(
      fc.property(record, bytes(5), (original, before) => {
        const encoded = new RecordEncoder().encode(before, original);
        const decoded = new RecordDecoder(original.values.length, LISTS).decode("ab", encoded, 5);
        expect(decoded.values).toEqual(original.values);
        expect(decoded.identity).toEqual({
          msisdn: "ab",
          cnId: original.cnId?.toString("hex") ?? null,
          name: original.name?.toString("hex") ?? null,
        });
        LISTS.forEach((list, i) => {
          const rows = original.lists[i]?.map(({ key, columns: [a, b] }) => ({
            key: Buffer.isBuffer(key) ? key.toString("hex") : key,
            a,
            b,
          }));
          expect(decoded.lists[list.id]).toEqual(rows);
        });
      }),
      { numRuns: 300 },
    );
  });

  it("sort the same in memory and over files", () => {
    const many = fc.array(bytes(6), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(many, fc.constantFrom(1, 500, 1 << 20), (records, memory) => {
        using folder = new Folder();
        using spill = new SortedSpill(folder.at("spill"), memory);
        for (const record of records) spill.add(record);
        expect([...spill.drain()]).toEqual([...records].sort((a, b) => Buffer.compare(a, b)));
      }),
      { numRuns: 30 },
    );
  });
});
