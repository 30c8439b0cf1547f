// Codes for offers by themselves, under a clock of the test's own: how they are written, when they end, what guessing costs.
import { assert, property, uint8Array } from "fast-check";
import { expect, test } from "vitest";
import { loadCatalogue } from "../../catalogue/index.ts";
import { ManualClock } from "../../core/clock.ts";
import { systemRandom } from "../../core/random.ts";
import { ProductRef, type SubjectTag } from "../../core/ids.ts";
import { newCode, parseCode, showCode } from "../../consent/credit-life/code-text.ts";
import {
  CODE_TTL_MS,
  CODES_PER_HOUR,
  WRONG_PER_HOUR,
} from "../../consent/credit-life/offer-codes.ts";
import { addOffer, OFFER_PURPOSE } from "../../consent/credit-life/offers.ts";
import { productNotices } from "../../consent/product-notice.ts";
import { openFixture } from "./oidc-fixture.ts";

const PRODUCT = ProductRef.parse("credit-at-least:650@1");
const HOUR_MS = 3_600_000;

async function openOffer() {
  const clock = new ManualClock(Date.UTC(2026, 10, 24, 9));
  const catalogue = loadCatalogue();
  const fixture = await openFixture({
    clock,
    client: { products: [PRODUCT], purposes: [OFFER_PURPOSE] },
    overrides: { products: productNotices(catalogue) },
  });
  const { db, service } = fixture;
  await addOffer(db, clock, catalogue, {
    id: "deposit-free",
    client_id: "demo-bank",
    title: { zh: "免押金", en: "No deposit" },
    product: PRODUCT,
    valid_until: clock.nowMs() + 2 * HOUR_MS,
    max_uses: 50,
  });
  const make = async (contactIndex = "somebody") => {
    const shown = await service.offerCodes.show("deposit-free");
    const classes = shown?.notice.classes.map(({ id }) => id) ?? [];
    const person = { contactIndex, subjectTag: Buffer.alloc(32, 7) as SubjectTag };
    const wish = { ...person, classes, recipient: true, lang: "en" };
    return await service.offerCodes.make("deposit-free", wish);
  };
  const code = async (): Promise<string> => {
    const made = await make();
    if (made.kind !== "made") throw new Error(made.kind);
    return made.code;
  };
  return { ...fixture, clock, make, code, codes: service.offerCodes };
}

test("a code has fifty bits, and comes back as people say and type it", () => {
  const seen = new Set(Array.from({ length: 2000 }, () => newCode(systemRandom)).join(""));
  expect(seen.size).toBe(32);
  for (const lookAlike of "ILOU") expect(seen).not.toContain(lookAlike);
  assert(
    property(uint8Array({ minLength: 10, maxLength: 10 }), (bytes) => {
      const code = newCode({ ...systemRandom, bytes: () => Buffer.from(bytes) });
      const shown = showCode(code);
      const typed = [shown, shown.toLowerCase(), ` ${shown.replace("-", " ")} `];
      const misread = [shown.replaceAll("0", "O"), shown.replaceAll("1", "l")];
      expect([...typed, ...misread].map(parseCode)).toEqual(Array(5).fill(code));
    }),
  );
  for (const text of ["", "AAAAA", "AAAAA-AAAAU", "AAAAA-AAAAAA", "A".repeat(10_000)]) {
    expect(parseCode(text)).toBeUndefined();
  }
});

test("a code ends after ten minutes, and is then nothing; so it is when the offer ends", async () => {
  await using offer = await openOffer();
  const { clock, codes } = offer;
  const first = await offer.code();
  clock.advance(CODE_TTL_MS - 1);
  const found = await codes.find("demo-bank", first);
  expect(found).toMatchObject({ consent: { state: "ACTIVE", purpose: OFFER_PURPOSE } });
  expect(found?.consent.terms).toMatchObject({ max_uses: 1, result: "boolean", fetch: "ONETIME" });
  clock.advance(1);
  expect(await codes.find("demo-bank", first)).toBeUndefined();
  if (found === undefined) throw new Error("not found");
  // Found in time and redeemed too late.
  const late = offer.options.transact((tx) => codes.redeem(tx, found));
  await expect(late).rejects.toMatchObject({ code: "offer-code-refused" });
  clock.advance(2 * HOUR_MS - CODE_TTL_MS - 1);
  const last = await offer.code();
  clock.advance(1);
  expect(await codes.find("demo-bank", last)).toBeUndefined();
  expect(await offer.make()).toEqual({ kind: "gone" });
});

test("forty guesses at once are as many as allowed; the next hour is another", async () => {
  await using offer = await openOffer();
  const { clock, codes } = offer;
  const right = await offer.code();
  const guesses = Array.from({ length: 40 }, () => codes.find("demo-bank", "AAAAA-AAAAA"));
  const told = await Promise.allSettled(guesses);
  expect(told.filter(({ status }) => status === "fulfilled")).toHaveLength(WRONG_PER_HOUR);
  await expect(codes.find("demo-bank", right)).rejects.toMatchObject({ code: "rate-limited" });
  clock.advance(HOUR_MS);
  expect(await codes.find("demo-bank", right)).toBeUndefined();
  expect(await codes.find("demo-bank", await offer.code())).toBeDefined();
});

test("ten codes an hour for one phone; the database forgets codes and keeps none as it is", async () => {
  await using offer = await openOffer();
  const { clock, db } = offer;
  const code = await offer.code();
  for (let made = 1; made < CODES_PER_HOUR; made++) await offer.code();
  expect(await offer.make()).toEqual({ kind: "too-many-codes" });
  expect(await offer.make("somebody else")).toMatchObject({ kind: "made" });
  const rows = await db.selectFrom("offer_code").selectAll().execute();
  expect(rows).toHaveLength(CODES_PER_HOUR + 1);
  expect(JSON.stringify(rows)).not.toContain(code);
  clock.advance(HOUR_MS + CODE_TTL_MS + 1);
  await offer.service.housekeeping();
  expect(await db.selectFrom("offer_code").selectAll().execute()).toEqual([]);
  expect(await offer.make()).toMatchObject({ kind: "made" });
});
