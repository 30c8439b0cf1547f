// The roster: signed by the root alone, digested over everything in it, and nothing in it that should not be.
import { CompactSign } from "jose";
import { describe, expect, test } from "vitest";
import { canonicalJson } from "../../core/canonical.ts";
import { PROVINCES } from "../../core/provinces.ts";
import {
  digestRoster,
  generateP256,
  importPrivate,
  openRoster,
  requireQuorum,
  type Roster,
  signRoster,
} from "../../crypto/index.ts";
import { makeRoster } from "./roster-fixture.ts";

const { roster, rootKey, rootPublicKey } = makeRoster(3);
const UNKNOWN = expect.objectContaining({ code: "epoch-unknown" });

async function signAnything(
  payload: unknown,
  header: Record<string, unknown> = {},
  key = rootKey,
): Promise<string> {
  return await new CompactSign(Buffer.from(JSON.stringify(payload)))
    .setProtectedHeader({ alg: "ES256", typ: "weijifen-roster+jws", ...header })
    .sign(key);
}

test("what the root signs opens to the same roster and the same digest", async () => {
  const opened = await openRoster(await signRoster(roster, rootKey), rootPublicKey);
  expect(opened.roster).toEqual(roster);
  expect(opened.digest).toEqual(digestRoster(roster).digest);
});

test("the digest does not depend on the order of fields, and on everything else", () => {
  const { digest } = digestRoster(roster);
  const reordered = Object.fromEntries(Object.entries(roster).toReversed()) as Roster;
  expect(digestRoster(reordered).digest).toEqual(digest);
  const seen = new Set([digest.toString("hex")]);
  for (const [path, changed] of everyChange(roster)) {
    const other = digestRoster(changed as Roster).digest.toString("hex");
    expect(seen.has(other), path).toBe(false);
    seen.add(other);
  }
  expect(seen.size).toBeGreaterThan(40);
});

describe("does not open", () => {
  test("signed by anybody else", async () => {
    const other = importPrivate(generateP256("sig"));
    const jws = await signRoster(roster, other);
    await expect(openRoster(jws, rootPublicKey)).rejects.toThrow(UNKNOWN);
  });

  test("with another type, so that nothing else the root signs can serve as one", async () => {
    for (const typ of [undefined, "JWT", "at+jwt", "statuslist+jwt"]) {
      const jws = await signAnything(roster, { typ });
      await expect(openRoster(jws, rootPublicKey)).rejects.toThrow(UNKNOWN);
    }
  });

  test("changed after it was signed, unsigned, or no JWS", async () => {
    const jws = await signRoster(roster, rootKey);
    const [header, , signature] = jws.split(".") as [string, string, string];
    const epoch2 = Buffer.from(canonicalJson({ ...roster, epoch: 2 })).toString("base64url");
    const none = Buffer.from('{"alg":"none","typ":"weijifen-roster+jws"}').toString("base64url");
    for (const text of [`${header}.${epoch2}.${signature}`, `${none}.${epoch2}.`, "", "a.b.c"]) {
      await expect(openRoster(text, rootPublicKey)).rejects.toThrow(UNKNOWN);
    }
  });

  test.each<[string, object]>([
    ["an unknown field", { extra: 1 }],
    ["other homomorphic parameters", { he: { ...roster.he, plain_modulus: 65_537 } }],
    ["a smaller degree", { he: { ...roster.he, poly_modulus_degree: 1024 } }],
    ["epoch 0", { epoch: 0 }],
    ["no provinces", { provinces: [] }],
    ["no token keys", { token_keys: [] }],
    ["a private gateway key", { gateway_key: generateP256("sig") }],
    ["an endpoint that is none", { provinces: [{ ...roster.provinces[0], endpoint: "x" }] }],
    ["one province twice", { provinces: [roster.provinces[0], roster.provinces[0]] }],
  ])("signed, but with %s", async (_what, change) => {
    const jws = await signAnything({ ...roster, ...change });
    await expect(openRoster(jws, rootPublicKey)).rejects.toThrow(UNKNOWN);
  });
});

/** The value with one leaf changed, for every leaf. */
function* everyChange(value: unknown, path = ""): Generator<[string, unknown]> {
  if (Array.isArray(value)) {
    for (const [i, element] of value.entries()) {
      for (const [at, changed] of everyChange(element, `${path}.${i}`)) {
        yield [at, value.with(i, changed)];
      }
    }
    if (value.length > 1) yield [`${path} (order)`, value.toReversed()];
  } else if (typeof value === "object" && value !== null) {
    for (const [name, member] of Object.entries(value)) {
      for (const [at, changed] of everyChange(member, `${path}.${name}`)) {
        yield [at, { ...value, [name]: changed }];
      }
    }
  } else {
    yield [path, typeof value === "number" ? value + 1 : `${String(value)}x`];
  }
}

test.each([
  [1, 2],
  [3, 2],
  [4, 2],
  [31, 16],
])("of %i provinces at least %i take part in a fan-out", (size, fewest) => {
  const provinces = PROVINCES.slice(0, size).map(({ code }) => ({ code }));
  const roster = { provinces } as unknown as Roster;
  const codes = PROVINCES.map(({ code }) => code);
  const few = codes.slice(0, fewest - 1);
  expect(() => requireQuorum(roster, few)).toThrow("The fan-out descriptor");
  expect(() => requireQuorum(roster, codes.slice(0, fewest))).not.toThrow();
});
