// Key epochs at the authority, on a clock of the test's: one opens when the one before is old, used up, or of another federation,
// and the old one still releases meanwhile. Failure: no epoch in force at some moment, a secret key that outlives its
// epoch, two keepers on one folder that undo each other's change, an unfit federation document that is taken.
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { EpochKeeper, type Federation, readFederation } from "../../consent/epochs.ts";
import {
  createSigningKeys,
  loadSigningKeys,
  rotateSigningKeys,
  saveSigningKeys,
} from "../../consent/oidc/signing-keys.ts";
import { changeRoster, enrolmentDigest, writeRosterChange } from "../../consent/roster-change.ts";
import { RosterSources } from "../../consent/roster-sources.ts";
import { type Logger, silentLogger } from "../../core/log.ts";
import { PROVINCES } from "../../core/provinces.ts";
import { writeSecretFile } from "../../core/secret-file.ts";
import {
  generateP256,
  generateX25519,
  publicP256,
  publicX25519,
  signRoster,
} from "../../crypto/index.ts";
import { makeRoster } from "../crypto/roster-fixture.ts";
import { PlaintextScheme } from "../crypto/plaintext-scheme.ts";

const TERMS = { lifetimeS: 3600, overlapS: 600, maxReleases: 100 };
const made = makeRoster(3);
let folder: string;
let nowMs: number;
const clock = { nowMs: () => nowMs };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wjf-epochs-"));
  nowMs = 1_750_000_000_000;
  write(readable());
});
afterEach(() => rmSync(folder, { recursive: true }));

function readable(): Federation {
  const { epoch: _, not_before: _b, not_after: _a, he: _h, ...federation } = made.roster;
  return federation;
}

function write(federation: unknown): void {
  writeSecretFile(join(folder, "federation.json"), JSON.stringify(federation));
}

function later(seconds: number): void {
  nowMs += seconds * 1000;
}

async function openKeeper(
  federation: () => Federation = readable,
  log: Pick<Logger, "warn"> = silentLogger,
): Promise<EpochKeeper> {
  const { rootKey, rootPublicKey } = made;
  return await EpochKeeper.open({
    folder: join(folder, "epochs"),
    scheme: await PlaintextScheme.create(),
    federation,
    rootKey,
    rootPublicKey,
    clock,
    terms: TERMS,
    log,
  });
}

function enrolment(index: number) {
  return {
    ...(PROVINCES[index] as (typeof PROVINCES)[number]),
    endpoint: `127.0.0.1:${9100 + index}`,
    signing_key: publicP256(generateP256("sig")),
    mask_key: publicX25519(generateX25519()),
  };
}

test("by time: the next opens before the end, and the old one releases until its end", async () => {
  const keeper = await openKeeper();
  later(TERMS.lifetimeS - 1);
  expect(await keeper.rotateIfDue()).toBeUndefined();
  later(1);
  expect((await keeper.rotateIfDue())?.number).toBe(2);
  expect(keeper.current().number).toBe(2);
  expect(keeper.current().publicKey).not.toEqual(keeper.inForce(1).publicKey);
  later(TERMS.overlapS - 1);
  expect(keeper.inForce(1).number).toBe(1);
  later(1);
  expect(() => keeper.inForce(1)).toThrow(expect.objectContaining({ code: "epoch-unknown" }));
  const secretKey = join(folder, "epochs", "1", "secret.key");
  expect(existsSync(secretKey)).toBe(true);
  later(TERMS.overlapS);
  await keeper.rotateIfDue();
  expect(existsSync(secretKey)).toBe(false);
});

test("by count: at the hundredth release, and the count begins again", async () => {
  const keeper = await openKeeper();
  keeper.countReleases(keeper.current(), 99);
  expect(await keeper.rotateIfDue()).toBeUndefined();
  keeper.countReleases(keeper.current(), 1);
  expect((await keeper.rotateIfDue())?.number).toBe(2);
  expect(keeper.releases).toBe(0);
  expect(await keeper.rotateIfDue()).toBeUndefined();
  expect(keeper.inForce(1).number).toBe(1);
});

test("by fan-outs: those that are admitted and never released count for themselves", async () => {
  const keeper = await openKeeper();
  for (let i = 0; i < 99; i++) keeper.countFanOuts(keeper.current(), 1);
  keeper.countReleases(keeper.current(), 99);
  expect(await keeper.rotateIfDue()).toBeUndefined();
  keeper.countFanOuts(keeper.current(), 1);
  expect((await keeper.rotateIfDue())?.number).toBe(2);
  expect(await keeper.rotateIfDue()).toBeUndefined();
});

describe("by an update: epochs of other parameters are dropped at the start, and the next one opens", () => {
  /** As a version signed it that knew the prime by its number of bits. */
  async function ofAnEarlierVersion(): Promise<string> {
    const { roster } = (await openKeeper()).current();
    const { coeff_modulus: _, ...he } = roster.he;
    const earlier = { ...roster, he: { ...he, coeff_modulus_bits: 53 } };
    const place = join(folder, "epochs", "1");
    const signed = await signRoster(earlier as never, made.rootKey);
    writeSecretFile(join(place, "roster.jws"), signed);
    return place;
  }

  test("and that is said", async () => {
    const place = await ofAnEarlierVersion();
    const log = { warn: vi.fn() };
    const updated = await openKeeper(readable, log);
    expect(updated.all().map(({ number }) => number)).toEqual([2]);
    expect(existsSync(place)).toBe(false);
    expect(readdirSync(join(folder, "epochs")).toSorted()).toEqual(["2", "last"]);
    expect(log.warn).toHaveBeenCalledExactlyOnceWith({ epochs: [1] }, expect.any(String));
  });

  test("by all replicas at once", async () => {
    await ofAnEarlierVersion();
    const replicas = await Promise.all([openKeeper(), openKeeper(), openKeeper()]);
    for (const keeper of replicas) {
      await keeper.refresh();
      expect(keeper.all().map(({ number }) => number)).toEqual([2]);
    }
  });

  test("but not those that anybody else has signed", async () => {
    const place = await ofAnEarlierVersion();
    const { rootKey: stranger } = makeRoster(3);
    writeSecretFile(join(place, "roster.jws"), await signRoster(made.roster, stranger));
    await expect(openKeeper()).rejects.toThrow(expect.objectContaining({ code: "epoch-unknown" }));
    expect(existsSync(place)).toBe(true);
  });
});

test.each(["countFanOuts", "countReleases"] as const)(
  "%s is one count for all replicas, and outlives their restarts",
  async (count) => {
    const [before, other] = [await openKeeper(), await openKeeper()];
    before[count](before.current(), 50);
    other[count](other.current(), 30);
    const restarted = await openKeeper();
    expect(await restarted.rotateIfDue()).toBeUndefined();
    restarted[count](restarted.current(), 19);
    expect(await other.rotateIfDue()).toBeUndefined();
    other[count](other.current(), 1);
    expect((await restarted.rotateIfDue())?.number).toBe(2);
    expect(await other.rotateIfDue()).toBeUndefined();
    // What is still counted of the epoch before is not counted of this one, and of one that is gone nothing is.
    other[count](other.inForce(1), 100);
    expect(await other.rotateIfDue()).toBeUndefined();
    await other.retire(1);
    restarted[count](restarted.inForce(1), 100);
    expect((await openKeeper()).current().number).toBe(3);
  },
);

describe("the operator's files beside the running authority", () => {
  async function follow(log = silentLogger) {
    const tokenKeysPath = join(folder, "token-keys.json");
    const federationPath = join(folder, "federation.json");
    if (!existsSync(tokenKeysPath)) saveSigningKeys(tokenKeysPath, await createSigningKeys());
    let signingKeys = loadSigningKeys(tokenKeysPath);
    const service = {
      get signingKeys() {
        return signingKeys;
      },
      useKeys: (keys: typeof signingKeys) => void (signingKeys = keys),
    };
    const federation = readFederation(federationPath);
    const sources = new RosterSources({ federationPath, tokenKeysPath, federation, service, log });
    return { tokenKeysPath, keeper: await openKeeper(sources.federation) };
  }

  test("a province joins, changes its keys, and leaves: an epoch each, and none without a change", async () => {
    const { keeper } = await follow();
    const joining = enrolment(3);
    writeRosterChange(folder, { kind: "join", province: joining });
    expect((await keeper.rotateIfDue())?.roster.provinces.map(({ code }) => code)).toEqual(
      PROVINCES.slice(0, 4).map(({ code }) => code),
    );
    expect(await keeper.rotateIfDue()).toBeUndefined();
    const rekeyed = enrolment(3);
    writeRosterChange(folder, { kind: "change", province: rekeyed });
    const changed = await keeper.rotateIfDue();
    expect(enrolmentDigest(changed?.roster.provinces[3] as never)).toBe(enrolmentDigest(rekeyed));
    writeRosterChange(folder, { kind: "leave", code: rekeyed.code });
    expect((await keeper.rotateIfDue())?.roster.provinces).toEqual(made.roster.provinces);
    expect(keeper.all().map(({ number }) => number)).toEqual([1, 2, 3, 4]);
  });

  test("two authorities on one folder open one epoch for one change", async () => {
    const [one, other] = [await follow(), await follow()];
    const turns = async () => {
      const opened = [await one.keeper.rotateIfDue(), await other.keeper.rotateIfDue()];
      opened.push(await one.keeper.rotateIfDue());
      return opened.map((epoch) => epoch?.number);
    };
    writeRosterChange(folder, { kind: "join", province: enrolment(3) });
    expect(await turns()).toEqual([2, undefined, undefined]);
    const { tokenKeysPath } = one;
    saveSigningKeys(
      tokenKeysPath,
      await rotateSigningKeys(loadSigningKeys(tokenKeysPath), clock, 1000),
    );
    expect(await turns()).toEqual([3, undefined, undefined]);
    expect(other.keeper.current().roster.provinces).toHaveLength(4);
  });

  test.each([
    ["half a file", () => writeFileSync(join(folder, "federation.json"), '{"issuer":')],
    ["no file", () => rmSync(join(folder, "federation.json"))],
    ["another gateway", () => write({ ...readable(), gateway_key: enrolment(0).signing_key })],
    ["a private key in it", () => write({ ...readable(), group_key: generateP256("enc") })],
  ])("unfit is not taken, and said once: %s", async (_, spoil) => {
    const lines: string[] = [];
    const log = pino({ level: "error" }, { write: (line: string) => void lines.push(line) });
    const { keeper } = await follow(log);
    spoil();
    for (let look = 0; look < 3; look++) expect(await keeper.rotateIfDue()).toBeUndefined();
    expect(lines).toHaveLength(1);
    write({ ...readable(), provinces: [...readable().provinces, enrolment(3)] });
    expect((await keeper.rotateIfDue())?.roster.provinces).toHaveLength(4);
  });
});

test("what a roster may not become", () => {
  const federation = readable();
  const [first] = federation.provinces;
  const thief = { ...enrolment(3), mask_key: first?.mask_key as never };
  const two = { ...federation, provinces: federation.provinces.slice(0, 2) };
  const refused = (work: () => unknown) =>
    expect(work).toThrow(expect.objectContaining({ code: "config-invalid" }));
  refused(() => changeRoster(federation, { kind: "join", province: enrolment(0) }));
  refused(() => changeRoster(federation, { kind: "change", province: enrolment(3) }));
  refused(() => changeRoster(federation, { kind: "leave", code: enrolment(3).code }));
  refused(() => changeRoster(federation, { kind: "join", province: thief }));
  refused(() => changeRoster(two, { kind: "leave", code: enrolment(0).code }));
  const bad = { ...enrolment(3), endpoint: "nowhere" };
  refused(() => changeRoster(federation, { kind: "join", province: bad }));
});
