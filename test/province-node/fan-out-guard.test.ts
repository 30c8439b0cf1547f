// What a node remembers of the fan-outs it answered. Failure: two vectors under one nonce of the masks, however the second is
// brought about (a digest that begins like the first, junk in between, an epoch that ends and comes back, many epochs
// at once, a restart, another process on the same folder); a memory that grows with the number of epochs; an honest gateway that is
// refused before the bound, or because an authority that was restored counts its epochs anew.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { EpochView } from "../../consent/verifier.ts";
import { FanOutGuard, MAX_FAN_OUTS } from "../../province-node/fan-out-guard.ts";
import {
  type AnsweredRoster,
  CLEARED_AT_ONCE,
  FanOutMemory,
} from "../../province-node/fan-out-memory.ts";
import { sha256 } from "../../core/canonical.ts";
import { Settings } from "../../core/config.ts";
import { makeRoster } from "../crypto/roster-fixture.ts";

const MAX = 4;
const { roster } = makeRoster(3);
const { code } = roster.provinces[0] as (typeof roster.provinces)[number];
const logged: unknown[] = [];
let inForce: number[];
let guard: FanOutGuard;
/** Of which roster an epoch is: a restored authority writes another under the same number. */
let history: string;
let resources: DisposableStack;
let folder: string;

const viewOf = (epoch: number) =>
  ({
    roster: { ...roster, epoch },
    rosterDigest: sha256(`${history} ${epoch}`),
  }) as EpochView;
const log = { error: (entry: unknown) => logged.push(entry) } as never;
const view = { epoch: viewOf, inForce: () => inForce.map(viewOf) };
const answer = (digest: Buffer, epoch = 1): void => guard.requireFresh(digest, viewOf(epoch));
const refusal = (code: string, detail: string) => expect.objectContaining({ code, detail });
const REPEATED = refusal("descriptor-invalid", "answered before");
const OLD = refusal("epoch-unknown", "a newer one is in use");

function junk(count: number, epoch = 1): void {
  for (let i = 0; i < count; i++) answer(randomBytes(32), epoch);
}

/** As a process of the node's own opens it. */
function openGuard(): FanOutGuard {
  const memory = resources.use(FanOutMemory.open(join(folder, "fan-outs.db")));
  return new FanOutGuard(code, { view, memory, log, maxFanOuts: MAX });
}

beforeEach(() => {
  logged.length = 0;
  inForce = [1, 2, 3, 4, 5];
  history = "first";
  folder = mkdtempSync(join(tmpdir(), "wjf-guard-"));
  resources = new DisposableStack();
  resources.defer(() => rmSync(folder, { recursive: true }));
  guard = openGuard();
});
afterEach(() => resources.dispose());

test("a digest is answered once under its epoch, and is another fan-out under the next", () => {
  const digest = randomBytes(32);
  answer(digest);
  expect(() => answer(digest)).toThrow(REPEATED);
  answer(digest, 2);
  expect(() => answer(digest, 2)).toThrow(REPEATED);
});

test("another digest that begins with the masks' nonce is the same fan-out", () => {
  const nonce = randomBytes(12);
  answer(Buffer.concat([nonce, randomBytes(20)]));
  expect(() => answer(Buffer.concat([nonce, randomBytes(20)]))).toThrow(REPEATED);
});

test("junk does not make room for a repetition: what is over the bound is refused, and told once", () => {
  const digest = randomBytes(32);
  answer(digest);
  junk(MAX - 1);
  expect(guard.fanOuts).toBe(guard.maxFanOuts);
  for (let i = 0; i < 3; i++) {
    expect(() => answer(randomBytes(32))).toThrow(refusal("epoch-unknown", "used up here"));
  }
  expect(() => answer(digest)).toThrow(REPEATED);
  expect(logged).toEqual([{ epoch: 1 }]);
  answer(randomBytes(32), 2);
  expect(guard.fanOuts).toBe(1);
});

test("an epoch that is over is forgotten when the next begins, and stays over if the clock goes back", () => {
  const digest = randomBytes(32);
  answer(digest);
  inForce = [2];
  answer(randomBytes(32), 2);
  inForce = [1, 2];
  expect(() => answer(digest)).toThrow(OLD);
  expect(() => answer(randomBytes(32))).toThrow(OLD);
});

test("of many epochs in force the newest three are answered", () => {
  const digest = randomBytes(32);
  for (const epoch of [1, 2, 3]) answer(digest, epoch);
  for (const epoch of [1, 2, 3]) expect(() => answer(digest, epoch)).toThrow(REPEATED);
  answer(digest, 4);
  expect(() => answer(digest, 1)).toThrow(OLD);
  answer(digest, 5);
  expect(() => answer(digest, 2)).toThrow(OLD);
  for (const epoch of [3, 4, 5]) expect(() => answer(digest, epoch)).toThrow(REPEATED);
});

test("an older epoch than the three that were asked about was never answered, and is not now", () => {
  for (const epoch of [3, 4, 5]) junk(1, epoch);
  expect(() => answer(randomBytes(32), 2)).toThrow(OLD);
  expect(guard.fanOuts).toBe(1);
});

test("a restart forgets nothing: neither what was answered, nor how much, nor what is over", () => {
  const [old, digest] = [randomBytes(32), randomBytes(32)];
  answer(old);
  inForce = [2];
  answer(digest, 2);
  junk(MAX - 2, 2);
  guard = openGuard();
  expect(guard.fanOuts).toBe(MAX - 1);
  expect(() => answer(digest, 2)).toThrow(REPEATED);
  junk(1, 2);
  expect(() => answer(randomBytes(32), 2)).toThrow(refusal("epoch-unknown", "used up here"));
  inForce = [1, 2];
  expect(() => answer(old)).toThrow(OLD);
});

test("two processes on one folder answer a fan-out once between them", () => {
  const [one, other] = [guard, openGuard()];
  const digest = randomBytes(32);
  one.requireFresh(digest, viewOf(1));
  expect(() => other.requireFresh(digest, viewOf(1))).toThrow(REPEATED);
  inForce = [2];
  other.requireFresh(randomBytes(32), viewOf(2));
  inForce = [1, 2];
  expect(() => one.requireFresh(digest, viewOf(1))).toThrow(OLD);
});

test("a refusal leaves nothing behind", () => {
  const digest = randomBytes(32);
  answer(digest);
  for (let i = 0; i < MAX; i++) expect(() => answer(digest)).toThrow(REPEATED);
  expect(guard.fanOuts).toBe(1);
});

test("an authority that was restored counts epochs anew: under other rosters, other masks, they are answered", () => {
  const digest = randomBytes(32);
  for (const epoch of [3, 4, 5]) answer(digest, epoch);
  history = "restored";
  inForce = [2];
  answer(digest, 2);
  expect(() => answer(digest, 2)).toThrow(REPEATED);
});

test("an epoch that is over is refused at once, and its nonces go with the fan-outs that follow, some at a time", () => {
  using memory = FanOutMemory.open(join(folder, "fan-outs.db"));
  using file = new DatabaseSync(join(folder, "fan-outs.db"));
  const kept = (): unknown => file.prepare("SELECT count(*) AS n FROM answered").get()?.["n"];
  const digest = randomBytes(32);
  answer(digest);
  memory.atomically(() => {
    const roster = memory.live()[0] as AnsweredRoster;
    for (let i = 1; i < 2 * CLEARED_AT_ONCE + 3; i++) memory.add(roster, randomBytes(12));
  });
  inForce = [2, 3];
  const left: unknown[] = [];
  for (const epoch of [2, 2, 3, 3]) {
    answer(randomBytes(32), epoch);
    left.push(kept());
    inForce = [1, 2, 3];
    expect(() => answer(digest)).toThrow(OLD);
    inForce = [2, 3];
  }
  expect(left).toEqual([CLEARED_AT_ONCE + 4, 5, 3, 4]);
  expect(() => answer(digest)).toThrow(OLD);
});

test("what a version before has forgotten at once is not looked for", () => {
  answer(randomBytes(32));
  using file = new DatabaseSync(join(folder, "fan-outs.db"));
  file.exec("DELETE FROM answered; UPDATE roster SET over = 1, fan_outs = 131072");
  answer(randomBytes(32), 2);
  expect(file.prepare("SELECT fan_outs FROM roster").all()).toEqual([
    { fan_outs: 0 },
    { fan_outs: 1 },
  ]);
});

test("the bound is twice the most that an authority may be set to", () => {
  const most = Settings.shape.WJF_EPOCH_MAX_RELEASES;
  expect(most.parse(String(MAX_FAN_OUTS / 2))).toBe(MAX_FAN_OUTS / 2);
  expect(() => most.parse(String(MAX_FAN_OUTS / 2 + 1))).toThrow();
});
