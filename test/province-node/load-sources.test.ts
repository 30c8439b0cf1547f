// The other doors: Parquet, PostgreSQL, operators' own files through a mapping, indicators that come computed. Each is
// held against the same rows loaded from plain CSV.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NumberRecord } from "../../catalogue/index.ts";
import { RAW_TABLES, RAW_TABLE_NAMES } from "../../catalogue/raw-tables.ts";
import { subjectTag } from "../../crypto/subject.ts";
import { FeatureStore } from "../../province-node/feature-store.ts";
import { loadProvince, type LoadOptions, type LoadReport } from "../../province-node/load/load.ts";
import { generateSandbox } from "../../province-node/sandbox/generate.ts";
import { type PostgresServer, startPostgres } from "../core/database-postgres-server.ts";
import { ASOF, CALLS, CATALOGUE, Folder, SUBJECT_KEY, SUBSCRIBERS } from "./load-fixture.ts";

const PROVINCE = "51";
const sandbox = new Folder();

beforeAll(async () => {
  await generateSandbox({
    seed: 8,
    peoplePerProvince: 20,
    outDir: sandbox.path,
    asof: ASOF,
    provinces: [PROVINCE],
  });
});
afterAll(() => sandbox[Symbol.dispose]());

function load(folder: Folder, more: Partial<LoadOptions> = {}): Promise<LoadReport> {
  return loadProvince({
    rawDir: folder.at("raw"),
    storePath: folder.at("node.store"),
    rejectsDir: folder.at("rejects"),
    subjectKey: SUBJECT_KEY,
    asof: ASOF,
    catalogue: CATALOGUE,
    ...more,
  });
}

function recordOf(folder: Folder, msisdn: string): NumberRecord | undefined {
  using store = FeatureStore.open(folder.at("node.store"), CATALOGUE);
  return store.lookup(subjectTag(SUBJECT_KEY, "msisdn", msisdn))?.numbers[0];
}

/** Every record of the sandbox province's numbers. */
function records(folder: Folder): (NumberRecord | undefined)[] {
  const lines = readFileSync(sandbox.at(PROVINCE, "subscriber.csv"), "utf8").trim().split("\n");
  return lines.slice(1).map((line) => recordOf(folder, line.split(",")[0] as string));
}

function writeMapping(folder: Folder, mapping: object): string {
  writeFileSync(folder.at("mapping.json"), JSON.stringify(mapping));
  return folder.at("mapping.json");
}

describe("Parquet", () => {
  it("gives the same records as CSV, by the columns' own types", async () => {
    using csv = new Folder();
    using parquet = new Folder();
    await load(csv, { rawDir: sandbox.at(PROVINCE) });
    mkdirSync(parquet.at("raw", "call"), { recursive: true });
    const duckdb = await (await DuckDBInstance.create()).connect();
    for (const table of RAW_TABLE_NAMES) {
      const to = parquet.at("raw", table === "call" ? "call/2026.parquet" : `${table}.parquet`);
      const types = Object.entries(RAW_TABLES[table].columns).map(
        ([name, { type }]) => `'${name}': '${type}'`,
      );
      const read = `read_csv('${sandbox.at(PROVINCE, `${table}.csv`)}', header=true, columns={${types.join(", ")}})`;
      await duckdb.run(`COPY (SELECT * FROM ${read}) TO '${to}' (FORMAT parquet)`);
    }
    duckdb.closeSync();
    const report = await load(parquet);
    expect(report).toMatchObject({ rejected: 0 });
    expect(report.files.map(({ label }) => label)).toContain("call/2026.parquet");
    expect(records(parquet)).toEqual(records(csv));
  });

  it("rejects rows by number, and refuses a file that is not Parquet or lacks a column", async () => {
    using folder = new Folder();
    folder.table("subscriber", SUBSCRIBERS);
    const duckdb = await (await DuckDBInstance.create()).connect();
    const row =
      "'13800000001' AS msisdn, TIMESTAMP '2026-05-01 10:00:00' + INTERVAL (i) SECOND AS changed_at";
    const hash = "CASE WHEN i = 3 THEN 'not a hash' ELSE '0123456789abcdef' END AS iccid_hash";
    await duckdb.run(
      `COPY (SELECT ${row}, ${hash} FROM range(5) t(i)) TO '${folder.at("raw", "sim.parquet")}'`,
    );
    expect(await load(folder)).toMatchObject({ rejected: 1 });
    expect(readFileSync(folder.at("rejects", "rejects.csv"), "utf8")).toContain(
      "sim.parquet,4,iccid_hash,",
    );
    await duckdb.run(
      `COPY (SELECT ${row} FROM range(5) t(i)) TO '${folder.at("raw", "sim.parquet")}'`,
    );
    await expect(load(folder)).rejects.toMatchObject({
      detail: expect.stringContaining("missing column iccid_hash") as string,
    });
    writeFileSync(folder.at("raw", "sim.parquet"), "PAR1 but nothing else");
    await expect(load(folder)).rejects.toMatchObject({ code: "data-invalid" });
    duckdb.closeSync();
  });
});

describe("a mapping file", () => {
  it("renames, computes and transcodes", async () => {
    using folder = new Folder();
    folder.table("subscriber", SUBSCRIBERS);
    const lines = ["话单号码|对端|开始时间|时长|主叫|小区", ...CALLS.map((line) => theirs(line))];
    // GB 18030 for 话单号码|对端|开始时间|时长|主叫|小区; Node has no encoder for it.
    const header = Buffer.from(
      "bbb0b5a5bac5c2eb7cb6d4b6cb7cbfaacabccab1bce47ccab1b3a47cd6f7bdd07cd0a1c7f8",
      "hex",
    );
    const cell = Buffer.from("d0a1c7f8", "hex");
    const body = lines.slice(1).flatMap((line) => [Buffer.from("\n"), Buffer.from(line), cell]);
    writeFileSync(folder.at("raw", "cdr_202605.txt"), Buffer.concat([header, ...body]));
    const mapping = writeMapping(folder, {
      tables: {
        call: {
          files: ["cdr_*.txt"],
          delimiter: "|",
          encoding: "gb18030",
          columns: {
            msisdn: "话单号码",
            at: { sql: `strptime("开始时间", '%Y%m%d%H%M%S')` },
            peer_msisdn: "对端",
            direction: { sql: `CASE "主叫" WHEN '1' THEN 'out' WHEN '0' THEN 'in' END` },
            duration_s: "时长",
            cell_id: "小区",
            city_code: { sql: "'110100'" },
            call_forwarded: { sql: "'false'" },
          },
        },
      },
    });
    using plain = new Folder();
    plain.table("subscriber", SUBSCRIBERS);
    plain.table("call", CALLS);
    await load(plain);
    expect(await load(folder, { mapping })).toMatchObject({ rejected: 0, rawRows: 8 });
    expect(recordOf(folder, "+8613800000001")).toEqual(recordOf(plain, "+8613800000001"));
  });

  function theirs(line: string): string {
    const [msisdn, at = "", peer, direction, seconds] = line.split(",");
    return [msisdn, peer, at.replace(/\D/g, ""), seconds, direction === "out" ? 1 : 0, ""].join(
      "|",
    );
  }

  it("takes indicators that come computed, over the computed ones, for numbers without a subscriber row too", async () => {
    using folder = new Folder();
    folder.table("call", CALLS);
    const rows = ["id;calls;spend", "a;7;12.345", "b;;900", "c;many;1", "a;1;1"];
    writeFileSync(folder.at("raw", "features.csv"), rows.join("\n"));
    const delivered = {
      files: ["features.csv"],
      delimiter: ";",
      msisdn: { sql: "'1380000000' || (ascii(id) - 96)" },
      values: { "social.calls": "calls", "use.spend": "spend" },
    };
    const report = await load(folder, {
      mapping: writeMapping(folder, { indicators: [delivered] }),
    });
    expect(report).toMatchObject({ numbers: 2, people: 0, rejected: 2 });
    expect(recordOf(folder, "+8613800000001")?.values).toEqual([7, 2, 2, 1235, 286, null]);
    // An empty field leaves what was computed; 900 is bounded to 500.
    expect(recordOf(folder, "+8613800000002")?.values).toEqual([0, 0, null, 50_000, null, null]);
    const rejects = readFileSync(folder.at("rejects", "rejects.csv"), "utf8");
    expect(rejects).toContain("features.csv,4,social.calls,");
    expect(rejects).toContain("features.csv,5,msisdn,");
  });

  it("is refused when it names what is not there", async () => {
    using folder = new Folder();
    folder.table("subscriber", SUBSCRIBERS);
    const refusal = async (mapping: object): Promise<string> => {
      const path = writeMapping(folder, mapping);
      return load(folder, { mapping: path }).then(
        () => "loaded",
        (error: Error) => error.message,
      );
    };
    expect(await refusal({ tables: { calls: {} } })).toContain("tables");
    expect(await refusal({ tables: { call: { columns: { colour: "x" } } } })).toContain(
      "no column colour",
    );
    expect(await refusal({ tables: { call: { files: ["../secret.csv"] } } })).toContain(
      "inside the raw folder",
    );
    expect(await refusal({ tables: { call: { files: ["none-*.csv"] } } })).toContain(
      "nothing is called none-*.csv",
    );
    expect(await refusal({ tables: { subscriber: { columns: { name: "label" } } } })).toContain(
      "missing column label",
    );
    expect(
      await refusal({ tables: { subscriber: { columns: { name: { sql: "nope(1)" } } } } }),
    ).toContain("subscriber.csv");
    expect(
      await refusal({ tables: { subscriber: { columns: { name: { sql: "1; DROP TABLE x" } } } } }),
    ).toContain("one expression");
    expect(await refusal({ tables: { subscriber: { encoding: "klingon" } } })).toContain(
      "encoding",
    );
    const unknown = { files: ["subscriber.csv"], msisdn: "msisdn", values: { "no.such": "name" } };
    expect(await refusal({ indicators: [unknown] })).toContain("no indicator no.such");
    expect(await refusal({})).toBe("loaded");
  });
});

const SICHUAN = join(
  process.env["WJF_SHARED_DATA"] ?? join(import.meta.dirname, "../../../shared/data"),
  "sichuan_mobile_fraud.csv",
);

describe("the real Sichuan file", () => {
  it("loads as delivered indicators, every number with its own values", async (context) => {
    if (!existsSync(SICHUAN)) return context.skip("the shared data folder is not here");
    using folder = new Folder();
    mkdirSync(folder.at("raw"));
    copyFileSync(SICHUAN, folder.at("raw", "features.csv"));
    const delivered = {
      files: ["features.csv"],
      // The numbers in it are hashed: each row gets a number of its own.
      msisdn: { sql: "'139' || lpad(CAST(_row AS VARCHAR), 8, '0')" },
      values: {
        "social.calls": "opposite_count",
        "use.spend": "arpu_mean",
        "social.out": "voccalltype1",
      },
    };
    const report = await load(folder, {
      mapping: writeMapping(folder, { indicators: [delivered] }),
    });
    expect(report).toMatchObject({ numbers: 6106, rawRows: 6106, rejected: 0, people: 0 });
    const [header = "", ...lines] = readFileSync(SICHUAN, "utf8").trim().split("\n");
    const at = (name: string): number => header.split(",").indexOf(name);
    const [calls, spend, out] = [at("opposite_count"), at("arpu_mean"), at("voccalltype1")];
    using store = FeatureStore.open(folder.at("node.store"), CATALOGUE);
    let differences = 0;
    lines.forEach((line, i) => {
      const fields = line.split(",").map((field) => (field === "" ? null : Number(field)));
      const tag = subjectTag(SUBJECT_KEY, "msisdn", `+86139${String(i + 1).padStart(8, "0")}`);
      const values = store.lookup(tag)?.numbers[0]?.values;
      const spent = fields[spend] ?? null;
      const stored = values?.[3] ?? null;
      if (values?.[0] !== fields[calls] || values?.[1] !== fields[out]) differences++;
      if (spent === null || stored === null) differences += spent === stored ? 0 : 1;
      else if (Math.abs(stored - 100 * Math.min(500, Math.max(0, spent))) > 0.5 + 1e-6)
        differences++;
    });
    expect(differences).toBe(0);
  });
});

describe("PostgreSQL", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  }, 60_000);
  afterAll(() => server[Symbol.asyncDispose]());

  it("gives the same records as CSV, from its own types and through a mapping", async () => {
    using csv = new Folder();
    using folder = new Folder();
    await load(csv, { rawDir: sandbox.at(PROVINCE) });
    const url = await server.emptyDatabase();
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query("CREATE SCHEMA boss");
    for (const table of RAW_TABLE_NAMES) {
      const columns = Object.entries(RAW_TABLES[table].columns).map(([name, { type }]) => {
        const zoned = table === "call" && name === "at" ? "TIMESTAMPTZ" : type;
        return `"${name}" ${zoned === "DOUBLE" ? "DOUBLE PRECISION" : zoned}`;
      });
      const name = table === "bill" ? "boss.monthly_bill" : `"${table}"`;
      await client.query(`CREATE TABLE ${name} (${columns.join(", ")})`);
      await insertRows(
        client,
        name,
        join(sandbox.path, PROVINCE, `${table}.csv`),
        table === "call",
      );
    }
    await client.end();
    const mapping = writeMapping(folder, { tables: { bill: { files: ["boss.monthly_bill"] } } });
    const report = await load(folder, { rawDir: url, mapping });
    expect(report).toMatchObject({ rejected: 0 });
    expect(report.tables).toHaveLength(13);
    expect(records(folder)).toEqual(records(csv));
  });

  it("does not repeat the address when it cannot connect", async () => {
    using folder = new Folder();
    const error = await load(folder, { rawDir: "postgres://u:hunter2@127.0.0.1:1/none" }).catch(
      (e: Error) => e,
    );
    expect(error).toMatchObject({ code: "data-invalid" });
    expect((error as Error).message).not.toContain("hunter2");
  });
});

async function insertRows(
  client: Client,
  table: string,
  path: string,
  zoned: boolean,
): Promise<void> {
  const rows = readFileSync(path, "utf8").trim().split("\n").slice(1);
  if (zoned) await client.query("SET TIME ZONE 'Asia/Shanghai'");
  for (let from = 0; from < rows.length; from += 1000) {
    const values = rows.slice(from, from + 1000).map((row) => {
      const fields = row.split(",").map((field) => (field === "" ? "NULL" : `'${field}'`));
      return `(${fields.join(", ")})`;
    });
    await client.query(`INSERT INTO ${table} VALUES ${values.join(", ")}`);
  }
  if (zoned) await client.query("SET TIME ZONE 'UTC'");
}
