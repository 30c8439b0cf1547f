// Issue 3, must-show 2: `wjf audit verify`, as a regulator runs it, on a log of more than 100,000 leaves: OK, and how many
// leaves a second; then each kind of tampering, each caught and named by its leaf. What a stranger could do is done to the
// copied files; what only the log's own operator could do is signed with the log's key.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exportLog, type Finding, type LeafDraft } from "../../../consent/log/index.ts";
import { decodeBundle, encodeBundle } from "../../../consent/log/tile.ts";
import { ManualClock } from "../../../core/clock.ts";
import { Keystream, sandboxKey } from "../../../province-node/sandbox/keystream.ts";
import { approved, change, openTestLog, refusals, release, START_MS } from "./log-fixtures.ts";

const MAIN = join(import.meta.dirname, "../../../cli/main.ts");
const root = mkdtempSync(join(tmpdir(), "wjf-verify-"));
const sound = join(root, "sound");
afterAll(() => rmSync(root, { recursive: true }));

/** Consent i is leaves 8i to 8i + 7: asked, given, used twice, a refusal, paused, resumed, used up. */
const PER_CONSENT = 8;
const CONSENTS = 12_600;
const SIZE = CONSENTS * PER_CONSENT;
let keys: string;
let endMs: number;

function life(i: number): LeafDraft[] {
  const id = `c${i}`;
  return [
    ...approved(id, { max_uses: 2 }),
    release(id),
    ...refusals(1),
    change(id, "paused"),
    change(id, "resumed"),
    release(id),
    change(id, "consumed"),
  ];
}

beforeAll(async () => {
  const clock = new ManualClock(START_MS);
  await using opened = await openTestLog(`sqlite:${join(root, "log.db")}`, clock);
  for (let i = 0; i < CONSENTS; i += 100) {
    clock.advance(100);
    const group = Array.from({ length: Math.min(100, CONSENTS - i) }, (_, j) => life(i + j));
    await Promise.all(group.map((leaves) => opened.log.append(leaves)));
  }
  keys = join(root, "keys");
  writeFileSync(keys, opened.log.verifierKeys.join("\n"));
  endMs = clock.nowMs();
  await exportLog(opened.log, sound);
}, 3_600_000);

interface Printed {
  readonly ok: boolean;
  readonly size: number;
  readonly leaves_per_s: number;
  readonly findings: readonly Finding[];
}

async function verify(folder: string, ...more: string[]): Promise<Printed> {
  const args = [MAIN, "audit", "verify", folder, "--keys", keys, "--json", ...more];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
  const exited = once(child, "exit");
  let text = "";
  for await (const chunk of child.stdout) text += String(chunk);
  const [status] = (await exited) as [number];
  const printed = JSON.parse(text) as Printed;
  expect(status).toBe(printed.ok ? 0 : 1);
  return printed;
}

function show(what: string, { findings }: Printed): void {
  const [first] = findings;
  const where = first?.index === undefined ? "the log" : `leaf ${first.index}`;
  process.stderr.write(`${what}: ${where}: ${first?.code}: ${first?.detail}\n`);
}

let copies = 0;
function copy(): string {
  const folder = join(root, `copy-${++copies}`);
  cpSync(sound, folder, { recursive: true });
  return folder;
}

function edit(folder: string, path: string, change: (bytes: Buffer) => Buffer): void {
  writeFileSync(join(folder, path), change(readFileSync(join(folder, path))));
}

/** The log as its operator goes on writing it, with its key. */
async function forged(leaves: readonly LeafDraft[]): Promise<string> {
  const folder = copy();
  const database = join(root, `forged-${copies}.db`);
  cpSync(join(root, "log.db"), database);
  await using opened = await openTestLog(`sqlite:${database}`, new ManualClock(endMs + 1));
  for (const leaf of leaves) await opened.log.append([leaf]);
  await exportLog(opened.log, folder);
  return folder;
}

test("a sound log: OK", async () => {
  const printed = await verify(sound, "--earlier", join(sound, "checkpoint"));
  process.stderr.write(`${printed.size} leaves OK, ${printed.leaves_per_s} leaves/s\n`);
  expect(printed).toMatchObject({ ok: true, size: SIZE, findings: [] });
  expect(SIZE).toBeGreaterThanOrEqual(100_000);
});

test("one byte flipped, in tiles of every level and in bundles", async () => {
  const random = new Keystream(sandboxKey("flip"), 201, 0);
  const under = (path: string): string[] =>
    readdirSync(join(sound, path), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(sound.length + 1));
  for (const level of ["tile/0", "tile/1", "tile/2", "tile/entries"]) {
    const path = random.pick(under(level));
    const folder = copy();
    edit(folder, path, (bytes) => {
      const at = random.whole(0, bytes.length - 1);
      bytes[at] = (bytes[at] as number) ^ (1 << random.whole(0, 7));
      return bytes;
    });
    const printed = await verify(folder);
    show(`a byte of ${path}`, printed);
    expect(printed.findings[0]?.index).toBeTypeOf("number");
  }
});

test("a dropped leaf, and two in the other order", async () => {
  const at = 300 * 256 + 77;
  const dropped = copy();
  edit(dropped, "tile/entries/300", (b) => encodeBundle(decodeBundle(b).toSpliced(77, 1)));
  const drop = await verify(dropped);
  show("a leaf dropped", drop);
  expect(drop.findings[0]).toMatchObject({ code: "leaf-mismatch", index: at });

  const reordered = copy();
  edit(reordered, "tile/entries/300", (bundle) => {
    const entries = decodeBundle(bundle);
    return encodeBundle(entries.with(77, entries[78]!).with(78, entries[77]!));
  });
  const order = await verify(reordered);
  show("two leaves reordered", order);
  expect(order.findings[0]).toMatchObject({ code: "leaf-mismatch", index: at });
});

test("a consent used beyond max_uses, with the log's own key", async () => {
  const uses = Array.from({ length: 3 }, () => release("late"));
  const printed = await verify(await forged([...approved("late", { max_uses: 2 }), ...uses]));
  show("a use too many", printed);
  expect(printed.findings).toMatchObject([{ code: "release-over-count", index: SIZE + 4 }]);
});

test("a release before its consent, with the log's own key", async () => {
  const printed = await verify(await forged([release("late"), ...approved("late")]));
  show("a release before its consent", printed);
  expect(printed.findings).toMatchObject([{ code: "release-without-consent", index: SIZE }]);
});

test("a rewound checkpoint", async () => {
  const later = await forged(refusals(3));
  const printed = await verify(sound, "--earlier", join(later, "checkpoint"));
  show("a rewound checkpoint", printed);
  expect(printed.findings).toMatchObject([{ code: "checkpoint-rewound", index: SIZE }]);
});
