// The roster by its commands: `wjf node enrol | rekey` at a province, `wjf authority province list | join | change | leave` at the
// authority, over one folder and without a running party. Failure would be a federation document that a refused command has changed.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { registerNodeCommands } from "../../cli/node-commands.ts";
import { readFederation } from "../../consent/epochs.ts";
import { enrolmentDigest } from "../../consent/roster-change.ts";
import type { RosterProvince } from "../../crypto/index.ts";
import { runCommand } from "./run-command.ts";

const home = mkdtempSync(join(tmpdir(), "wjf-roster-"));
const document = join(home, "authority", "federation.json");

interface Listed {
  readonly code: string;
  readonly name: string;
  readonly endpoint: string;
  readonly digest: string;
}

const wjf = async (...args: string[]) => await runCommand([registerNodeCommands], ...args);

/** @returns the provinces that the command lists. */
async function province(...args: string[]): Promise<Listed[]> {
  const { status, result, text } = await wjf("authority", "province", ...args);
  expect(status).toBe(0);
  const { provinces } = result as unknown as { provinces: Listed[] };
  // People are shown the same.
  for (const { code, digest } of provinces)
    expect(text).toMatch(new RegExp(`^${code} .*${digest}$`, "m"));
  return provinces;
}

/** Refused, with this said, and nothing written. */
async function expectRefused(said: string, ...args: string[]): Promise<void> {
  const before = readFileSync(document, "utf8");
  await expect(wjf("authority", "province", ...args)).rejects.toMatchObject({
    code: "config-invalid",
    message: expect.stringContaining(said),
  });
  expect(readFileSync(document, "utf8")).toBe(before);
}

interface Enrolled {
  readonly file: string;
  readonly digest: string;
  readonly enrolment: RosterProvince;
}

async function enrol(kind: "enrol" | "rekey", code: string, ...more: string[]): Promise<Enrolled> {
  const file = join(home, `${code}.${kind}.json`);
  const { result } = await wjf("node", kind, "--province", code, "--out", file, ...more);
  return { ...(result as unknown as Enrolled), file };
}

const codes = (listed: readonly Listed[]): string[] => listed.map(({ code }) => code);

beforeAll(async () => {
  vi.stubEnv("WJF_HOME", home);
  await wjf("keys", "init", "--provinces", "11,31,51");
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});

test("list: who is in it, where, and under which digest", async () => {
  const listed = await province("list");
  expect(codes(listed)).toEqual(["11", "31", "51"]);
  expect(listed[0]).toMatchObject({ name: "Beijing", endpoint: "127.0.0.1:9011" });
  expect(listed.map(({ digest }) => digest)).toEqual(
    readFederation(document).provinces.map(enrolmentDigest),
  );
});

describe("a province that joins", () => {
  test("with the digest that its operator read out, and once", async () => {
    const { file, digest, enrolment } = await enrol("enrol", "33", "--endpoint", "zj.example:9033");
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(enrolment);
    // Public keys and nothing else.
    expect(readFileSync(file, "utf8")).not.toContain('"d"');
    await expectRefused(
      "not the enrolment of this digest",
      "join",
      file,
      "--digest",
      "0".repeat(64),
    );
    const joined = await province("join", file, "--digest", digest);
    // In the order of their codes, wherever it is called from.
    expect(codes(joined)).toEqual(["11", "31", "33", "51"]);
    expect(joined[2]).toMatchObject({ endpoint: "zj.example:9033", digest });
    expect(statSync(document).mode & 0o777).toBe(0o600);
    await expectRefused("is in the roster", "join", file);
    // Asked again, a node gives what it has given.
    expect((await enrol("enrol", "33", "--endpoint", "zj.example:9033")).digest).toBe(digest);
  });

  test("not with another province's keys, and not from a file that is no enrolment", async () => {
    const { enrolment } = await enrol("enrol", "33");
    const { enrolment: other } = await enrol("enrol", "44");
    const file = join(home, "bent.json");
    const bend = (text: string) => writeFileSync(file, text);
    for (const key of ["signing_key", "mask_key"] as const) {
      bend(JSON.stringify({ ...other, [key]: enrolment[key] }));
      await expectRefused("another province's key", "join", file);
    }
    bend(JSON.stringify({ ...other, code: "99" }));
    await expectRefused("code", "join", file);
    bend(JSON.stringify({ ...other, mask_key: undefined }));
    await expectRefused("mask_key", "join", file);
    bend("{");
    await expectRefused("not JSON", "join", file);
    await expectRefused("cannot be read", "join", join(home, "nowhere.json"));
  });
});

test("rekey and change: other keys of the same province, the same pair until they serve", async () => {
  const before = await province("list");
  const { file, digest, enrolment } = await enrol("rekey", "31");
  expect(await province("list")).toEqual(before);
  expect((await enrol("rekey", "31")).digest).toBe(digest);
  await expectRefused(
    "not the enrolment of this digest",
    "change",
    file,
    "--digest",
    "1".repeat(64),
  );
  const changed = await province("change", file, "--digest", digest);
  expect(codes(changed)).toEqual(codes(before));
  expect(changed.map((each, i) => each.digest === before[i]?.digest)).toEqual([
    true,
    false,
    true,
    true,
  ]);
  const [, shanghai] = readFederation(document).provinces;
  expect(shanghai?.signing_key).toEqual(enrolment.signing_key);
  const stranger = await enrol("enrol", "65");
  await expectRefused("is not in the roster", "change", stranger.file);
  // A province without first keys has none to follow them.
  await expect(enrol("rekey", "62")).rejects.toMatchObject({ code: "secret-missing" });
});

test("leave: once, and not the last two", async () => {
  expect(codes(await province("leave", "33"))).toEqual(["11", "31", "51"]);
  await expectRefused("is not in the roster", "leave", "33");
  await expectRefused("code", "leave", "Zhejiang");
  expect(codes(await province("leave", "51"))).toEqual(["11", "31"]);
  await expectRefused("too few would be left", "leave", "31");
});
