// Token Status List: the draft's own examples (draft-ietf-oauth-status-list-20 §4.1 and appendix C, 2-bit), the signed
// token, and a reader that says nothing rather than something old.
import { type KeyObject, generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { ManualClock } from "../../core/clock.ts";
import {
  signStatusList,
  type Status,
  STATUS,
  StatusList,
  StatusListCache,
  verifyStatusList,
} from "../../consent/status-list.ts";

const URI = "https://authority.example/status-lists/0";
const ISSUER = "https://authority.example";

// Appendix C, "2-bit Status List": 2^20 entries.
const APPENDIX_C =
  "eNrt2zENACEQAEEuoaBABP5VIO01fCjIHTMStt9ovGVIAAAAAABAbiEBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
  "AEB5WwIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
  "AAAAAAAAAAAAAAAAAID0ugQAAAAAAAAAAAAAAAAAQG12SgAAAAAAAAAAAAAAAAAAAAAAAAAAAOCSIQEAAAAAAAAAAAAAAAAA" +
  "AAAAAAD8ExIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAwJEuAQAAAAAAAAAAAAAAAAAAAAAAAMB9SwIAAAAAAAAA" +
  "AAAAAAAAAACoYUoAAAAAAAAAAAAAAEBqH81gAQw";
const APPENDIX_C_STATUSES: readonly (readonly [number, Status])[] = [
  [0, 1],
  [1993, 2],
  [25460, 1],
  [159495, 3],
  [495669, 1],
  [554353, 1],
  [645645, 2],
  [723232, 1],
  [854545, 1],
  [934534, 2],
  [1000345, 3],
];

test("§4.1: twelve statuses, two bits each, packed as the draft packs them", () => {
  const statuses: readonly Status[] = [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3];
  const list = StatusList.ofSize(statuses.length);
  for (const [index, status] of statuses.entries()) list.set(index, status);
  expect(list.encode()).toBe("eNo76fITAAPfAgc");
  const decoded = StatusList.decode("eNo76fITAAPfAgc");
  expect(statuses.map((_, index) => decoded.get(index))).toEqual(statuses);
});

test("appendix C: the 2-bit list decodes to the draft's statuses, and encodes back", () => {
  const list = StatusList.decode(APPENDIX_C);
  expect(list.size).toBe(1 << 20);
  const expected = new Map<number, Status>(APPENDIX_C_STATUSES);
  for (let index = 0; index < list.size; index++) {
    const status = list.get(index);
    if (status !== (expected.get(index) ?? 0)) throw new Error(`status ${index} is ${status}`);
  }
  const again = StatusList.ofSize(1 << 20);
  for (const [index, status] of APPENDIX_C_STATUSES) again.set(index, status);
  expect(again.encode()).toBe(APPENDIX_C);
});

test("an index beyond the list, or a list that is not one: refused, never valid", () => {
  const list = StatusList.decode("eNo76fITAAPfAgc");
  expect(() => list.get(12)).toThrow(expect.objectContaining({ code: "token-claims" }));
  expect(() => list.get(-1)).toThrow(expect.objectContaining({ code: "token-claims" }));
  expect(() => StatusList.decode("AAAA")).toThrow(
    expect.objectContaining({ code: "token-malformed" }),
  );
});

interface Signer {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly keys: ReadonlyMap<string, KeyObject>;
}

function signer(kid = "k1"): Signer {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { kid, privateKey, keys: new Map([[kid, publicKey]]) };
}

function sign(clock: ManualClock, by: Signer, statuses: readonly Status[] = [], uri = URI) {
  const list = StatusList.ofSize(16);
  for (const [index, status] of statuses.entries()) list.set(index, status);
  return signStatusList(list, { uri, issuer: ISSUER, ttlSeconds: 60 }, by, clock);
}

function reference(idx: number) {
  return { status_list: { uri: URI, idx } };
}

test("each status is told apart", async () => {
  const clock = new ManualClock(1_800_000_000_000);
  const by = signer();
  const cache = new StatusListCache(clock);
  const { valid, revoked, paused, consumed } = STATUS;
  await cache.update(
    URI,
    await sign(clock, by, [valid, revoked, paused, consumed]),
    by.keys,
    ISSUER,
  );
  expect(() => cache.requireValid(reference(0))).not.toThrow();
  for (const [idx, code] of [
    [1, "consent-revoked"],
    [2, "consent-paused"],
    [3, "consent-consumed"],
  ] as const) {
    expect(() => cache.requireValid(reference(idx))).toThrow(expect.objectContaining({ code }));
  }
});

test("fails closed: no list, a list past its ttl, a token past its exp", async () => {
  const clock = new ManualClock(1_800_000_000_000);
  const by = signer();
  const cache = new StatusListCache(clock);
  const unavailable = expect.objectContaining({ code: "federation-unavailable" });
  expect(() => cache.requireValid(reference(0))).toThrow(unavailable);
  const token = await sign(clock, by);
  await cache.update(URI, token, by.keys, ISSUER);
  clock.advance(59_000);
  expect(cache.isFresh(URI)).toBe(true);
  expect(() => cache.requireValid(reference(0))).not.toThrow();
  clock.advance(1000);
  expect(cache.isFresh(URI)).toBe(false);
  expect(() => cache.requireValid(reference(0))).toThrow(unavailable);
  await expect(cache.update(URI, token, by.keys, ISSUER)).rejects.toMatchObject({
    code: "token-expired",
  });
});

test("an older list does not replace a newer one", async () => {
  const clock = new ManualClock(1_800_000_000_000);
  const by = signer();
  const cache = new StatusListCache(clock);
  const before = await sign(clock, by, [STATUS.valid]);
  clock.advance(5000);
  await cache.update(URI, await sign(clock, by, [STATUS.revoked]), by.keys, ISSUER);
  await cache.update(URI, before, by.keys, ISSUER);
  expect(() => cache.requireValid(reference(0))).toThrow(
    expect.objectContaining({ code: "consent-revoked" }),
  );
});

test("another key, another issuer, another address: not believed", async () => {
  const clock = new ManualClock(1_800_000_000_000);
  const by = signer();
  const token = await sign(clock, by);
  const refused = { code: "token-signature" };
  await expect(
    verifyStatusList(token, { uri: URI, issuer: ISSUER }, signer().keys, clock),
  ).rejects.toMatchObject(refused);
  await expect(
    verifyStatusList(token, { uri: URI, issuer: ISSUER }, signer("k2").keys, clock),
  ).rejects.toMatchObject(refused);
  await expect(
    verifyStatusList(token, { uri: URI, issuer: "https://x.example" }, by.keys, clock),
  ).rejects.toMatchObject(refused);
  await expect(
    verifyStatusList(token, { uri: `${URI}1`, issuer: ISSUER }, by.keys, clock),
  ).rejects.toMatchObject(refused);
});
