// Verification, mostly of logs that are wrong: each kind of tampering is caught, and names the leaf. Tampering is with a
// folder, as a regulator would hold it; what the log's own operator could do with the key is built with the key.
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  exportLog,
  type Finding,
  folderReader,
  type LeafDraft,
  showLeaves,
  verifyLog,
  type VerifyReport,
} from "../../../consent/log/index.ts";
import { decodeLeaf } from "../../../consent/log/leaf.ts";
import { decodeBundle, encodeBundle } from "../../../consent/log/tile.ts";
import { approved, change, openTestLog, refusals, release, terms } from "./log-fixtures.ts";

const root = mkdtempSync(join(tmpdir(), "wjf-verify-"));
afterAll(() => rmSync(root, { recursive: true }));

const CONSENTS = 200;
const SIZE = CONSENTS * 6;
let verifierKeys: readonly string[];
/** Checkpoints of this log at two sizes, and a later one of a log that went on. */
let early: string;
let late: string;

/** 200 consents, each requested, approved, used twice, paused, resumed: leaves 6i to 6i + 5 are consent i's. */
beforeAll(async () => {
  await using opened = await openTestLog();
  const { log, clock } = opened;
  verifierKeys = log.verifierKeys;
  for (let i = 0; i < CONSENTS; i++) {
    clock.advance(1000);
    const id = `c${i}`;
    const uses = [release(id), release(id), change(id, "paused"), change(id, "resumed")];
    await log.append([...approved(id, { max_uses: 2 }), ...uses]);
    if (i === 100) early = (await log.read("checkpoint"))!.toString();
  }
  await exportLog(log, join(root, "sound"));
  await log.append(refusals(1));
  late = (await log.read("checkpoint"))!.toString();
});

let copies = 0;
function copy(): string {
  const folder = join(root, `copy-${++copies}`);
  cpSync(join(root, "sound"), folder, { recursive: true });
  return folder;
}

function edit(folder: string, path: string, change: (bytes: Buffer) => Buffer): void {
  writeFileSync(join(folder, path), change(readFileSync(join(folder, path))));
}

async function verify(folder: string, earlier?: string): Promise<VerifyReport> {
  const options = earlier === undefined ? { verifierKeys } : { verifierKeys, earlier };
  return verifyLog(folderReader(folder), options);
}

const brief = ({ findings }: VerifyReport) => findings.map(({ code, index }) => [code, index]);

describe("a sound log", () => {
  test("verifies from its folder, and says what is in it", async () => {
    const report = await verify(join(root, "sound"), early);
    expect(report).toMatchObject({
      ok: true,
      findings: [],
      size: SIZE,
      leaves: { consent: CONSENTS * 4, release: CONSENTS * 2 },
    });
    expect(report.signedBy).toHaveLength(2);
  });

  test("shows the leaves of one consent, of one query, of one institution", async () => {
    const reader = folderReader(join(root, "sound"));
    const shown = await Array.fromAsync(showLeaves(reader, { consent: "c7" }));
    expect(shown.map((each) => each.index)).toEqual([42, 43, 44, 45, 46, 47]);
    const query = (shown[2]!.leaf as { query_id: string }).query_id;
    const one = await Array.fromAsync(showLeaves(reader, { query, consent: "c7" }));
    expect(one.map((each) => each.index)).toEqual([44]);
    const bank = await Array.fromAsync(showLeaves(reader, { client: "bank-a" }));
    expect(bank).toHaveLength(SIZE);
    // "bank" is in every leaf's text, and is nobody's id.
    expect(await Array.fromAsync(showLeaves(reader, { client: "bank" }))).toEqual([]);
  });

  test("is copied again only where it is new", async () => {
    const folder = copy();
    const reader = folderReader(join(root, "sound"));
    const read: string[] = [];
    const counting = {
      read(path: string) {
        read.push(path);
        return reader.read(path);
      },
    };
    expect(await exportLog(counting, folder)).toMatchObject({ size: SIZE });
    expect(read.filter((path) => !path.includes(".p/"))).toEqual(["checkpoint"]);
    expect((await verify(folder)).ok).toBe(true);
  });
});

describe("tampering with a copy", () => {
  test("a flipped byte in any file is caught, and names a leaf or is in the checkpoint", async () => {
    const files = readdirSync(join(root, "sound"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(join(root, "sound").length + 1));
    expect(files).toHaveLength(5 + 5 + 1 + 1);
    for (const [i, file] of files.entries()) {
      const folder = copy();
      edit(folder, file, (bytes) => {
        const at = (i * 7919 + 123) % bytes.length;
        bytes[at] = (bytes[at] as number) ^ 4;
        return bytes;
      });
      const { ok, findings } = await verify(folder);
      expect(ok, file).toBe(false);
      if (file !== "checkpoint") expect(findings[0]?.index, file).toBeTypeOf("number");
    }
  });

  test("a flipped byte in an entry names exactly that leaf", async () => {
    const folder = copy();
    edit(folder, "tile/entries/002", (bundle) => {
      const entries = decodeBundle(bundle).map((entry) => Buffer.from(entry));
      const entry = entries[13] as Buffer;
      entry[20] = (entry[20] as number) ^ 1;
      return encodeBundle(entries);
    });
    expect(brief(await verify(folder))).toContainEqual(["leaf-mismatch", 512 + 13]);
  });

  test("a flipped byte in a hash tile names the first leaf under that hash", async () => {
    const folder = copy();
    edit(folder, "tile/1/000.p/4", (tile) => {
      tile[2 * 32 + 5] = (tile[2 * 32 + 5] as number) ^ 1;
      return tile;
    });
    expect(brief(await verify(folder))).toEqual([["tile-mismatch", 512]]);
  });

  test("a dropped leaf is named", async () => {
    const folder = copy();
    edit(folder, "tile/entries/001", (bundle) =>
      encodeBundle(decodeBundle(bundle).toSpliced(77, 1)),
    );
    const report = await verify(folder);
    expect(report.findings[0]).toEqual({
      code: "leaf-mismatch",
      index: 256 + 77,
      detail: "it is not what was hashed, nor are 178 after it",
    });
    expect(brief(report)).toContainEqual(["leaf-missing", 256 + 77]);
  });

  test("two leaves in the other order are named", async () => {
    const folder = copy();
    edit(folder, "tile/entries/000", (bundle) => {
      const entries = decodeBundle(bundle);
      return encodeBundle(entries.with(50, entries[51]!).with(51, entries[50]!));
    });
    const [finding] = (await verify(folder)).findings;
    expect(finding).toMatchObject({ code: "leaf-mismatch", index: 50 });
    expect(finding?.detail).toContain("nor are 1 after it");
  });

  test("a missing tile, bundle or checkpoint is a finding, not a crash", async () => {
    for (const [file, code, index] of [
      ["tile/0/003", "tile-missing", 768],
      ["tile/entries/003", "leaf-missing", 768],
      ["tile/1/000.p/4", "tile-missing", 0],
      ["checkpoint", "checkpoint-malformed", undefined],
    ] as const) {
      const folder = copy();
      rmSync(join(folder, file));
      expect(brief(await verify(folder)), file).toContainEqual([code, index]);
    }
  });

  test("a bundle that is not one names its first leaf", async () => {
    const folder = copy();
    edit(folder, "tile/entries/001", (bundle) => bundle.subarray(0, -1));
    expect(brief(await verify(folder))).toContainEqual(["leaf-missing", 256]);
  });

  test("a checkpoint of another size, by somebody else, is not signed", async () => {
    const folder = copy();
    edit(folder, "checkpoint", (note) =>
      Buffer.from(note.toString().replace(`\n${SIZE}\n`, "\n1199\n")),
    );
    expect(brief(await verify(folder))).toContainEqual(["checkpoint-signature", undefined]);
  });
});

describe("an earlier checkpoint", () => {
  test("catches a rewound log, naming the first leaf that is gone", async () => {
    const report = await verify(join(root, "sound"), late);
    expect(brief(report)).toEqual([["checkpoint-rewound", SIZE]]);
  });

  test("catches a log that was written again with its own key", async () => {
    await using other = await openTestLog();
    await other.log.append(refusals(SIZE));
    const report = await verifyLog(other.log, { verifierKeys, earlier: early });
    expect(brief(report)).toEqual([["history-rewritten", 0]]);
  });

  test("is not believed without its signature", async () => {
    const forged = early.replace(/\n\d+\n/, "\n605\n");
    await expect(verify(join(root, "sound"), forged)).rejects.toMatchObject({
      code: "log-invalid",
    });
  });
});

describe("the rules among leaves, when the operator itself breaks them", () => {
  const judge = async (leaves: readonly LeafDraft[], waits: Record<number, number> = {}) => {
    await using opened = await openTestLog();
    for (const [i, leaf] of leaves.entries()) {
      opened.clock.advance(waits[i] ?? 0);
      await opened.log.append([leaf]);
    }
    return (await verifyLog(opened.log, { verifierKeys })).findings;
  };
  const only = (code: Finding["code"], index: number) => [expect.objectContaining({ code, index })];
  const HOUR = 3_600_000;

  test("a use beyond max_uses", async () => {
    const uses = [release("c"), release("c"), release("c")];
    const leaves = [...approved("c", { max_uses: 2 }), ...uses, change("c", "consumed")];
    expect(await judge(leaves)).toEqual(only("release-over-count", 4));
  });

  test("a release before its consent, and one under no consent at all", async () => {
    const [requested, granted] = approved("c");
    const early = release("c");
    expect(await judge([early, requested!, granted!])).toEqual(only("release-without-consent", 0));
    expect(await judge([requested!, early, granted!])).toEqual(only("release-without-consent", 1));
  });

  test.each(["paused", "revoked", "expired", "consumed"] as const)(
    "a release after %s",
    async (event) => {
      const leaves = [...approved("c"), release("c"), change("c", event), release("c")];
      expect(await judge(leaves)).toEqual(only("release-without-consent", 4));
    },
  );

  test("a release after a refused request", async () => {
    const leaves = [terms("c"), change("c", "denied"), release("c")];
    expect(await judge(leaves)).toEqual(only("release-without-consent", 2));
  });

  test.each([
    ["institution", { client_id: "bank-b" }],
    ["purpose", { purpose: "dpv:FraudPreventionAndDetection" }],
    ["product", { product: "fraud-score@1" }],
    ["form of answer", { answer_kind: "tags" }],
  ] as const)("a release to another %s than consented", async (_, other) => {
    const leaves = [...approved("c"), release("c", other)];
    expect(await judge(leaves)).toEqual(only("release-outside-consent", 2));
  });

  test("a score under a yes-or-no consent", async () => {
    const leaves = [...approved("c", { result: "boolean" }), release("c")];
    expect(await judge(leaves)).toEqual(only("release-outside-consent", 2));
    const yes = release("c", { answer_kind: "yes_no" });
    expect(await judge([...approved("c", { result: "boolean" }), yes])).toEqual([]);
  });

  test("a release outside the term", async () => {
    const leaves = [...approved("c"), release("c"), release("c")];
    expect(await judge(leaves, { 3: 24 * HOUR })).toEqual(only("release-outside-term", 3));
    const later = { not_before: "2026-11-24T02:00:00.000Z" };
    expect(await judge([...approved("c", later), release("c")])).toEqual(
      only("release-outside-term", 2),
    );
  });

  test("releases more often than the frequency allows", async () => {
    const often = { frequency: { unit: "HOUR", value: 1 } } as const;
    const leaves = [...approved("c", often), release("c"), release("c"), release("c")];
    expect(await judge(leaves, { 3: HOUR, 4: HOUR - 1 })).toEqual(only("release-over-count", 4));
    expect(await judge(leaves, { 3: HOUR, 4: HOUR })).toEqual([]);
  });

  test("one query released twice", async () => {
    const once = release("c");
    const leaves = [...approved("c"), once, { ...once, product: "verify-identity@1" }];
    expect(await judge(leaves)).toEqual(only("release-repeated", 3));
  });

  test("an approval that is wider than the request", async () => {
    for (const wider of [
      { max_uses: 4 },
      { purpose: "dpv:FraudPreventionAndDetection" },
      { products: ["credit-score@1", "fraud-score@1"] },
      { client_id: "bank-b" },
    ]) {
      const leaves = [terms("c"), terms("c", { event: "approved", ...wider })];
      expect(await judge(leaves)).toEqual(only("consent-widened", 1));
    }
    const narrower = terms("c", { event: "approved", max_uses: 1, products: ["credit-score@1"] });
    expect(await judge([terms("c"), narrower])).toEqual([]);
  });

  test.each([
    ["approved twice", [...approved("c"), terms("c", { event: "approved" })], 2],
    ["resumed while active", [...approved("c"), change("c", "resumed")], 2],
    [
      "approved after denied",
      [terms("c"), change("c", "denied"), terms("c", { event: "approved" })],
      2,
    ],
    ["paused after revoked", [...approved("c"), change("c", "revoked"), change("c", "paused")], 3],
    ["revoked out of nothing", [change("c", "revoked")], 0],
    ["requested twice", [terms("c"), terms("c")], 1],
  ])("an illegal change of a consent: %s", async (_, leaves, index) => {
    expect(await judge(leaves)).toEqual(only("consent-transition", index));
  });

  test("a legal life has no findings", async () => {
    const life = [
      ...approved("c"),
      release("c"),
      change("c", "paused"),
      change("c", "resumed"),
      release("c"),
      release("c"),
      change("c", "consumed"),
      terms("d"),
      change("d", "expired"),
    ];
    expect(await judge(life)).toEqual([]);
  });
});

describe("what is no log at all is found out, and never ends the reader", () => {
  test("a file where a folder should be: its tiles are missing", async () => {
    const folder = copy();
    rmSync(join(folder, "tile"), { recursive: true });
    writeFileSync(join(folder, "tile"), "x");
    expect(brief(await verify(folder))[0]).toEqual(["tile-missing", 0]);
  });

  test("a folder where a file should be", async () => {
    const folder = copy();
    rmSync(join(folder, "checkpoint"));
    mkdirSync(join(folder, "checkpoint"));
    await expect(verify(folder)).rejects.toMatchObject({
      code: "log-invalid",
      detail: "checkpoint: not readable",
    });
  });

  test("a leaf with half of a surrogate pair, which has no canonical form", () => {
    const leaf = String.raw`{"client_id":"\ud800","code":"token-expired","time":"2026-11-24T01:00:00.000Z","type":"refusal"}`;
    expect(() => decodeLeaf(Buffer.from(leaf))).toThrow(
      expect.objectContaining({ code: "log-invalid" }),
    );
  });
});
