// What a regulator or a receiver of a receipt reads: notes, checkpoints, receipts, tiles, leaves, whole copies of a log, as
// `wjf audit` does. Whatever is wrong with a log is a finding or `log-invalid`; it never ends the reader.
import { mkdtempSync, rmSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as fc from "fast-check";
import { decodeLeaf } from "../../../consent/log/leaf.ts";
import {
  type AuditLog,
  exportLog,
  folderReader,
  type LogReader,
  serveLog,
  showLeaves,
  verifyLog,
  verifyReceipt,
} from "../../../consent/log/index.ts";
import { openCheckpoint } from "../../../consent/log/checkpoint.ts";
import { noteVerifier } from "../../../consent/log/note.ts";
import { formatReceipt, parseReceipt } from "../../../consent/log/receipt.ts";
import { decodeBundle, parseTilePath, tilePath } from "../../../consent/log/tile.ts";
import { parseLogKeys } from "../../../consent/open-ledger.ts";
import { canonicalJson } from "../../../core/canonical.ts";
import { rootFromInclusion, verifyConsistency } from "../../../crypto/merkle.ts";
import {
  approved,
  openTestLog,
  refusals,
  release,
  type TestSchema,
} from "../../consent/log/log-fixtures.ts";
import { mutatedBytes, mutatedJson, mutatedText } from "../arbitraries.ts";
import { REFUSED, type Target, target } from "../target.ts";

/** A log of a few hundred leaves: full tiles, partial ones, and every kind of leaf that has a rule. */
async function makeLog(resources: AsyncDisposableStack) {
  const { log } = resources.use(await openTestLog());
  await log.append(approved("consent-1"));
  await log.append([release("consent-1"), release("consent-1")]);
  await log.append(refusals(300));
  await log.append([{ type: "epoch", event: "opened", epoch: 1 }]);
  return log;
}

async function filesOf(folder: string): Promise<Map<string, Buffer>> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name));
  return new Map(
    await Promise.all(
      paths.map(async (path) => [path.slice(folder.length + 1), await readFile(path)] as const),
    ),
  );
}

export async function auditLogTargets(resources: AsyncDisposableStack): Promise<Target[]> {
  const log = await makeLog(resources);
  const folder = mkdtempSync(join(tmpdir(), "wjf-fuzz-log-"));
  resources.defer(() => rmSync(folder, { recursive: true, force: true }));
  const copy = join(folder, "copy");
  await exportLog(log, copy);
  const files = await filesOf(copy);
  const keys = log.verifierKeys;
  return [
    ...(await readerTargets(log, keys, files)),
    ...copyTargets(files, keys),
    onDisk(folder, copy, files, keys),
  ];
}

async function readerTargets(
  log: AuditLog<TestSchema>,
  keys: readonly string[],
  files: ReadonlyMap<string, Buffer>,
): Promise<Target[]> {
  const checkpoint = (files.get("checkpoint") as Buffer).toString();
  const receipt = (await log.receipt(3)).text;
  const parts = parseReceipt(receipt);
  const bundle = [...files].filter(([path]) => path.startsWith("tile/entries/"));
  const leaves = bundle.flatMap(([, bytes]) => decodeBundle(bytes)).filter((_, i) => i < 6);
  const paths = [...files.keys(), "tile/63/x001/x234/067.p/255", "tile/0/000.p/1"];
  const root = Buffer.alloc(32, 1);
  return [
    target<readonly [string, string]>({
      name: "log: checkpoint and verifier key",
      corpus: fc.oneof(
        fc.tuple(mutatedText([checkpoint]), fc.constant(keys[0] as string)),
        fc.tuple(fc.constant(checkpoint), mutatedText(keys)),
      ),
      run: ([note, key]) => openCheckpoint(note, [key]),
      codes: ["log-invalid", "config-invalid"],
      inputs: { quick: 300, slow: 30_000 },
    }),
    target<string>({
      name: "log: file of verifier keys",
      corpus: mutatedText([`# keys\n${keys.join("\n")}\n`]),
      run: (text) => parseLogKeys(text).map(noteVerifier),
      codes: ["config-invalid"],
      inputs: { quick: 200, slow: 20_000 },
    }),
    target<string>({
      name: "log: receipt",
      corpus: fc.oneof(
        mutatedText([receipt]),
        fc
          .record({
            leaf: mutatedBytes([parts.leaf as Buffer]),
            index: fc.nat(400),
            path: fc.array(mutatedBytes(parts.path as Buffer[]), { maxLength: 66 }),
            checkpoint: fc.constant(parts.checkpoint),
          })
          .map(formatReceipt),
      ),
      run: (text) => verifyReceipt(text, keys),
      codes: ["log-invalid"],
      inputs: { quick: 200, slow: 30_000 },
    }),
    target<Buffer>({
      name: "log: leaf",
      corpus: fc.oneof(
        mutatedBytes(leaves),
        mutatedJson(leaves.map((leaf) => JSON.parse(leaf.toString()) as object)).map((leaf) =>
          Buffer.from(canonicalOrPlain(leaf)),
        ),
      ),
      run: decodeLeaf,
      codes: ["log-invalid"],
      inputs: { quick: 400, slow: 60_000 },
    }),
    target<Buffer>({
      name: "log: entry bundle",
      corpus: mutatedBytes(bundle.map(([, bytes]) => bytes.subarray(0, 3000))),
      run: decodeBundle,
      codes: ["log-invalid"],
      inputs: { quick: 400, slow: 80_000 },
    }),
    target<string>({
      name: "log: path of a tile",
      corpus: mutatedText(paths),
      run: (path) => {
        const ref = parseTilePath(path);
        if (ref === undefined) return REFUSED;
        if (tilePath(ref) !== path) throw new Error("two paths for one tile");
      },
      codes: [],
      inputs: { quick: 500, slow: 150_000 },
    }),
    target<readonly [string, string]>({
      name: "log: what /log serves",
      corpus: fc.tuple(mutatedText(paths), mutatedText(["gzip, deflate;q=0.5, *;q=0"])),
      run: async ([path, encoding]) => {
        const { status, body } = await serveLog(log, path, encoding);
        return status === 404 || body.length === 0 ? REFUSED : body.length;
      },
      codes: [],
      inputs: { quick: 200, slow: 5000 },
    }),
    target<{ index: number; size: number; earlier: number; path: Buffer[] }>({
      name: "log: inclusion and consistency proofs",
      corpus: fc.record({
        index: fc.oneof(fc.nat(1000), fc.double(), fc.maxSafeInteger()),
        size: fc.oneof(fc.nat(1000), fc.double(), fc.maxSafeInteger()),
        earlier: fc.oneof(fc.nat(1000), fc.maxSafeNat()),
        path: fc.array(mutatedBytes([root]), { maxLength: 66 }),
      }),
      run: ({ index, size, earlier, path }) => {
        const reached = rootFromInclusion(root, index, size, path);
        const consistent = verifyConsistency({ size: earlier, root }, { size, root }, path);
        return reached === undefined && !consistent ? REFUSED : "proved";
      },
      codes: [],
      inputs: { quick: 300, slow: 80_000 },
    }),
  ];
}

function canonicalOrPlain(value: unknown): string {
  try {
    return canonicalJson(value);
  } catch {
    return JSON.stringify(value) ?? "";
  }
}

/** A copy with some files spoilt, missing or exchanged, held in memory: what verification, showing and reading make of it. */
function copyTargets(files: ReadonlyMap<string, Buffer>, keys: readonly string[]): Target[] {
  const names = [...files.keys()];
  const spoilt = fc
    .array(
      fc.tuple(
        fc.constantFrom(...names),
        mutatedBytes([...files.values()].map((each) => each.subarray(0, 8192))),
      ),
      { minLength: 1, maxLength: 3 },
    )
    .map((changes) => new Map([...files, ...changes]));
  const edited = fc.tuple(fc.constantFrom(...names), fc.nat(), fc.nat(7)).map(([name, at, bit]) => {
    const bytes = Buffer.from(files.get(name) as Buffer);
    bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ (1 << bit);
    return new Map([...files, [name, bytes]]);
  });
  const copies = fc.oneof(spoilt, edited);
  return [
    target<Map<string, Buffer>>({
      name: "wjf audit verify: a spoilt copy",
      corpus: copies,
      run: async (spoiltFiles) => {
        const report = await verifyLog(readerOf(spoiltFiles), { verifierKeys: keys });
        if (report.ok && !isSame(spoiltFiles, files)) throw new Error("a spoilt copy verifies");
        return report.ok ? report : REFUSED;
      },
      codes: [],
      inputs: { quick: 40, slow: 500 },
    }),
    target<Map<string, Buffer>>({
      name: "wjf audit show: a spoilt copy",
      corpus: copies,
      run: async (spoiltFiles) => {
        for await (const { index } of showLeaves(readerOf(spoiltFiles), { client: "bank-a" }))
          void index;
      },
      codes: ["log-invalid"],
      inputs: { quick: 40, slow: 1000 },
    }),
  ];
}

function readerOf(files: ReadonlyMap<string, Buffer>): LogReader {
  return { read: async (path) => files.get(path) };
}

/** Public keys are the caller's here; the copy's own file of them is not read. */
function isSame(a: ReadonlyMap<string, Buffer>, b: ReadonlyMap<string, Buffer>): boolean {
  return [...b].every(([name, bytes]) => name === "keys" || a.get(name)?.equals(bytes) === true);
}

/** A folder that is no copy of a log: files where folders should be, and the other way round. */
function onDisk(
  folder: string,
  copy: string,
  files: ReadonlyMap<string, Buffer>,
  keys: readonly string[],
): Target {
  const names = [...files.keys()];
  let number = 0;
  return target<readonly [string, "file" | "folder" | "none" | "deeper"]>({
    name: "wjf audit verify: a folder of another shape",
    corpus: fc.tuple(
      fc.oneof(
        fc.constantFrom(...names),
        fc.constantFrom(...names.map(dirname), "tile/entries", "tile/1"),
      ),
      fc.constantFrom("file", "folder", "none", "deeper"),
    ),
    run: async ([name, shape]) => {
      const bent = join(folder, `bent-${number++}`);
      try {
        await cp(copy, bent, { recursive: true });
        const path = join(bent, name);
        await rm(path, { recursive: true, force: true });
        await mkdir(dirname(path), { recursive: true });
        if (shape === "file") await writeFile(path, "x");
        if (shape === "folder") await mkdir(path, { recursive: true });
        if (shape === "deeper") {
          await mkdir(path, { recursive: true });
          await writeFile(join(path, "x"), "x");
        }
        const report = await verifyLog(folderReader(bent), { verifierKeys: keys });
        return report.ok ? report : REFUSED;
      } finally {
        await rm(bent, { recursive: true, force: true });
      }
    },
    codes: ["log-invalid"],
    inputs: { quick: 10, slow: 50 },
  });
}
