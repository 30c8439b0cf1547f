// Credit life over a whole federation: people make codes at the portal, a merchant redeems them and asks. All that the
// merchant sends and gets is recorded, opened as far as the merchant can open it, and searched. A failure is a score, a
// name or a number in it, an answer that the oracle does not give, or a code that works for whom it should not.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { generateClientKeys } from "../../cli/client-keys.ts";
import {
  DEMO_CLIENT_ID,
  readInstitutionKeys,
  registerDemoInstitution,
} from "../../cli/demo-institution.ts";
import { Institution, type TimedAnswer } from "../../cli/institution.ts";
import { addClient } from "../../consent/clients.ts";
import { type Leaf, showLeaves, verifyLog } from "../../consent/log/index.ts";
import { CODES_PER_HOUR, WRONG_PER_HOUR } from "../../consent/credit-life/offer-codes.ts";
import { addOffer, OFFER_PURPOSE, retireOffer } from "../../consent/credit-life/offers.ts";
import { loadCatalogue } from "../../catalogue/index.ts";
import { systemClock } from "../../core/clock.ts";
import { ProductRef } from "../../core/ids.ts";
import { Oracle } from "../../province-node/sandbox/oracle/index.ts";
import type { TruthPerson } from "../../province-node/sandbox/generate.ts";
import { ASOF, type Federation, startFederation } from "../federation/federation.ts";
import { hidden, SignedIn } from "./signed-in.ts";

const CREDIT = ProductRef.parse("credit-at-least:650@1");
const PERSONAL = ProductRef.parse("personal-at-least:700@1");
const DAY_MS = 86_400_000;

let federation: Federation;
let oracle: Oracle;
let hotel: Institution;
let rental: Institution;

beforeAll(async () => {
  federation = await startFederation({ provinces: 3, peoplePerProvince: 8 });
  const { settings } = federation;
  oracle = Oracle.open(join(settings.home, "sandbox"), ASOF);
  await registerDemoInstitution(settings);
  hotel = await merchant("hotel", "示例酒店 Demo Hotel");
  rental = await merchant("rental", "示例租车 Demo Rental");
  await offer("deposit-free", "hotel", CREDIT);
  await offer("late-check-out", "hotel", PERSONAL);
  await offer("short-lived", "hotel", CREDIT);
}, 240_000);
afterAll(() => federation[Symbol.asyncDispose]());
afterEach(() => vi.restoreAllMocks());

function db() {
  return federation.authority.service.options.db;
}

async function merchant(id: string, name: string): Promise<Institution> {
  const { settings } = federation;
  const keys = generateClientKeys(settings.home, id);
  keys.save();
  await addClient(db(), systemClock, {
    client_id: id,
    name,
    contact: `privacy@${id}.example`,
    jwks: keys.jwks,
    products: [CREDIT, PERSONAL, ProductRef.parse("credit-score@1")],
    purposes: [OFFER_PURPOSE],
  });
  return new Institution(settings, readInstitutionKeys(settings.home, id));
}

function offer(
  id: string,
  client_id: string,
  product: ProductRef,
  max_uses = 100,
  valid_until = systemClock.nowMs() + DAY_MS,
) {
  return addOffer(db(), systemClock, loadCatalogue(), {
    id,
    client_id,
    product,
    title: { zh: "免押金入住", en: "A stay without deposit" },
    valid_until,
    max_uses,
  });
}

/** What tests before have used up. */
async function forgetGuesses(by: string): Promise<void> {
  await db().deleteFrom("offer_attempt").where("client_id", "=", by).execute();
}

function msisdnOf({ numbers }: TruthPerson): string {
  return numbers[0]?.msisdn as string;
}

/** Somebody who has once been asked for a consent: to others the portal sends nothing. */
async function signedIn(person: TruthPerson): Promise<SignedIn> {
  const bank = new Institution(
    federation.settings,
    readInstitutionKeys(federation.settings.home, DEMO_CLIENT_ID),
  );
  await bank.consent({
    subject: { kind: "msisdn", value: msisdnOf(person) },
    products: ["credit-score@1"],
    purpose: "dpv:CreditChecking",
    result: "score",
    maxUses: 1,
    sandboxApproves: true,
  });
  return await SignedIn.as(federation, msisdnOf(person), "/portal/offers");
}

/** Ticks every box, as the page asks. */
async function agree(person: SignedIn, offerId: string, leaveOut?: string) {
  const path = `/portal/offers/${offerId}?lang=en`;
  const { html } = await person.open(path);
  const classes = [...html.matchAll(/name="class" value="([a-z]+)"/g)].map(
    ([, id]) => id as string,
  );
  expect(classes.length).toBeGreaterThan(1);
  return await person.post(path, {
    form_token: hidden(html, "form_token"),
    class: classes.filter((id) => id !== leaveOut),
    ...(leaveOut === "recipient" ? {} : { recipient: "yes" }),
  });
}

async function codeFrom(person: SignedIn, offerId: string): Promise<string> {
  const { html } = await agree(person, offerId);
  const code = /class="code">([0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5})</.exec(html)?.[1];
  expect(code).toBeTypeOf("string");
  return code as string;
}

async function redeemAndAsk(by: Institution, code: string, product: string): Promise<TimedAnswer> {
  return await by.ask(await by.redeem(code, product), product, { sealed: true });
}

async function consentLeaves(): Promise<Extract<Leaf, { type: "consent" }>[]> {
  const found: Extract<Leaf, { type: "consent" }>[] = [];
  for await (const { leaf } of showLeaves(federation.authority.ledger.log, {})) {
    if (leaf.type === "consent") found.push(leaf);
  }
  return found;
}

/** Every request and response of `work`, with headers, as text. */
async function trafficOf<T>(work: () => Promise<T>): Promise<{ value: T; texts: string[] }> {
  const texts: string[] = [];
  const original = globalThis.fetch;
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const request = new Request(input, init);
    texts.push(request.url, JSON.stringify([...request.headers]), await request.clone().text());
    const response = await original(request);
    texts.push(JSON.stringify([...response.headers]), await response.clone().text());
    return response;
  });
  const value = await work();
  vi.restoreAllMocks();
  return { value, texts };
}

/** What can be read in the texts without a key: base64url parts (JWTs, the receipt's leaf) opened, again and again. */
function opened(texts: readonly string[]): string[] {
  return texts.flatMap((text) => {
    const parts = text.match(/[A-Za-z0-9_+/-]{16,}={0,2}/g) ?? [];
    const inner = parts.map((part) => Buffer.from(part, "base64").toString("utf8"));
    const readable = inner.filter((each) => each.includes('"'));
    return [text, ...inner, ...opened(readable).filter((each) => !inner.includes(each))];
  });
}

/** Every key and every scalar of the JSON documents among these texts. */
function scalars(texts: readonly string[]): { keys: Set<string>; values: Set<unknown> } {
  const keys = new Set<string>();
  const values = new Set<unknown>();
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return void values.add(value);
    for (const [key, inner] of Object.entries(value)) {
      if (!Array.isArray(value)) keys.add(key);
      walk(inner);
    }
  };
  for (const text of texts) {
    try {
      walk(JSON.parse(text));
    } catch {
      // Not JSON: it is searched as text.
    }
  }
  return { keys, values };
}

describe("the merchant", () => {
  test.each([CREDIT, PERSONAL])(
    "learns yes or no as the oracle says, above and below, and nothing else: %s",
    async (product) => {
      const offerId = product === CREDIT ? "deposit-free" : "late-check-out";
      const answerOf = (person: TruthPerson) =>
        oracle.expected(product, { msisdn: msisdnOf(person) });
      const above = federation.truth.find((each) => saysYes(answerOf(each)));
      const below = federation.truth.find((each) => saysNo(answerOf(each)));
      for (const person of [above, below]) {
        if (person === undefined) throw new Error("the sandbox has nobody on one side");
        const code = await codeFrom(await signedIn(person), offerId);
        const { value, texts } = await trafficOf(() => redeemAndAsk(hotel, code, product));
        const { reply } = value;
        expect(reply.answer).toEqual(answerOf(person));
        expect(Object.keys(reply).toSorted()).toEqual(
          ["answer", "coverage", "model", "product", "query_id", "receipt"].toSorted(),
        );
        const all = opened([...texts, JSON.stringify(reply), reply.receipt]);
        const { keys, values } = scalars(all);
        // The search opens what there is to open: the token's claims, and the release's leaf in the receipt.
        expect(keys).toContain("authorization_details");
        expect(keys).toContain("token_id_sha256");
        for (const scoreRef of ["credit-score@1", "personal-score@1"]) {
          const score = oracle.expected(scoreRef, { msisdn: msisdnOf(person) });
          const points = score.kind === "score" ? score.value : null;
          expect(points).toBeTypeOf("number");
          expect(values).not.toContain(points);
          expect(values).not.toContain(String(points));
        }
        for (const key of ["score", "band", "dimensions", "reasons"])
          expect(keys).not.toContain(key);
        const text = all.join("\n");
        for (const secret of [msisdnOf(person).slice(-11), person.name, person.cnId]) {
          expect(text.includes(secret)).toBe(false);
        }
      }
    },
    60_000,
  );

  test("cannot ask for the score, nor a second time, under what a code gave it", async () => {
    const person = await signedIn(federation.truth[0] as TruthPerson);
    const consent = await hotel.redeem(await codeFrom(person, "deposit-free"), CREDIT);
    await expect(hotel.ask(consent, "credit-score@1")).rejects.toMatchObject({
      code: "product-not-consented",
    });
    await expect(hotel.ask(consent, PERSONAL)).rejects.toMatchObject({
      code: "product-not-consented",
    });
    await hotel.ask(consent, CREDIT);
    await expect(hotel.ask(consent, CREDIT)).rejects.toMatchObject({ code: "consent-consumed" });
  });

  test("hears the same of an unknown, another's, a used, a withdrawn and an ended code", async () => {
    const person = await signedIn(federation.truth[1] as TruthPerson);
    const refused = async (by: Institution, code: string, product = CREDIT as string) => {
      const { value, texts } = await trafficOf(() =>
        by.redeem(code, product).then(
          () => "redeemed",
          (error: { code?: string }) => error.code,
        ),
      );
      expect(value).toBe("offer-code-refused");
      return texts.at(-1);
    };
    const code = await codeFrom(person, "deposit-free");
    const anothers = await refused(rental, code);
    const wrongProduct = await refused(hotel, code, PERSONAL);
    // None of that has used it up; it may be typed as people type.
    await hotel.redeem(code.toLowerCase().replace("-", " ").replaceAll("0", "o"), CREDIT);
    const withdrawn = await codeFrom(person, "deposit-free");
    const [latest] = /\/consents\/[A-Za-z0-9_-]{24}/.exec(
      (await person.open("/consents")).html,
    ) ?? [""];
    const { html } = await person.open(latest);
    await person.post(latest, { action: "revoke", form_token: hidden(html, "form_token") });
    const ended = await codeFrom(person, "short-lived");
    await retireOffer(db(), systemClock, "short-lived");
    const spent = await codeFrom(person, "deposit-free");
    const bodies = [
      anothers,
      wrongProduct,
      await refused(hotel, code),
      await refused(hotel, withdrawn),
      await refused(hotel, ended),
      await refused(hotel, "00000-00000"),
      await refused(hotel, "not a code"),
    ];
    expect(new Set(bodies).size).toBe(1);
    // Of two that redeem one code at once, one gets it.
    const both = await Promise.allSettled([
      hotel.redeem(spent, CREDIT),
      hotel.redeem(spent, CREDIT),
    ]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  }, 60_000);

  test("may be wrong only so often, and right codes do not count", async () => {
    const person = await signedIn(federation.truth[2] as TruthPerson);
    const codes = [await codeFrom(person, "deposit-free"), await codeFrom(person, "deposit-free")];
    await hotel.redeem(codes[0] as string, CREDIT);
    await forgetGuesses("rental");
    // The hour may end meanwhile, once: then as many again.
    const told: (string | undefined)[] = [];
    while (told.at(-1) !== "rate-limited" && told.length <= 2 * WRONG_PER_HOUR) {
      const wrong = rental.redeem("AAAAA-AAAAA", CREDIT).then(() => "redeemed");
      told.push(await wrong.catch((error: { code?: string }) => error.code));
    }
    expect(told.pop()).toBe("rate-limited");
    expect(told.length).toBeGreaterThanOrEqual(WRONG_PER_HOUR);
    expect(new Set(told)).toEqual(new Set(["offer-code-refused"]));
    // One merchant's guesses are not another's.
    await hotel.redeem(codes[1] as string, CREDIT);
  }, 60_000);
});

function saysYes(answer: object): boolean {
  return "value" in answer && answer.value === "yes";
}

function saysNo(answer: object): boolean {
  return "value" in answer && answer.value === "no";
}

describe("the person", () => {
  test("sees offers, agrees box by box, and finds the code among the consents and in the log", async () => {
    const person = await signedIn(federation.truth[3] as TruthPerson);
    expect(person.location).toMatch(/^\/portal\/offers\?/);
    const list = await person.open("/portal/offers?lang=zh-CN");
    expect(list.html).toContain("免押金入住");
    expect(list.html).toContain("信用分达到650");
    const missing = await agree(person, "deposit-free", "location");
    expect(missing.response.status).toBe(422);
    expect((await agree(person, "deposit-free", "recipient")).response.status).toBe(422);
    const before = await consentLeaves();
    await codeFrom(person, "deposit-free");
    const added = (await consentLeaves()).slice(before.length);
    expect(added).toMatchObject([
      { event: "requested", client_id: "hotel", purpose: OFFER_PURPOSE },
      { event: "approved", products: [CREDIT], max_uses: 1, result: "boolean" },
    ]);
    expect((await person.open("/consents")).html).toContain("示例酒店 Demo Hotel");
    expect((await person.open("/portal/offers/no-such-offer")).response.status).toBe(404);
    const form = { form_token: "guessed", recipient: "yes" };
    expect((await person.post("/portal/offers/deposit-free", form)).response.status).toBe(400);
  });

  test(`makes at most ${CODES_PER_HOUR} codes an hour`, async () => {
    const person = await signedIn(federation.truth[4] as TruthPerson);
    for (let made = 0; made < CODES_PER_HOUR; made++) await codeFrom(person, "deposit-free");
    expect((await agree(person, "deposit-free")).response.status).toBe(429);
  });
});

test("the operator adds, lists and retires; only a threshold, for a merchant that may have it", async () => {
  const { home, authorityPort, gatewayPort } = federation.settings;
  const env = {
    ...process.env,
    WJF_HOME: home,
    WJF_AUTHORITY_PORT: String(authorityPort),
    WJF_GATEWAY_PORT: String(gatewayPort),
  };
  const wjf = async (...args: string[]) => {
    const all = ["cli/main.ts", "offer", ...args, "--json"];
    const { stdout } = await promisify(execFile)(process.execPath, all, { env });
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  const titles = ["--zh", "先试后付", "--en", "Try before you pay"];
  const add = (id: string, client: string, product: string) =>
    wjf("add", id, "--client", client, "--product", product, "--until", "2099-12-31", ...titles);
  const until = systemClock.nowMs() + DAY_MS;
  const score = ProductRef.parse("credit-score@1");
  await expect(offer("bad", "hotel", score)).rejects.toThrow("released as a threshold");
  await expect(offer("bad", DEMO_CLIENT_ID, CREDIT)).rejects.toThrow("registered for it");
  await expect(offer("bad", "hotel", CREDIT, 1, until - 2 * DAY_MS)).rejects.toThrow("past");
  await expect(offer("deposit-free", "hotel", CREDIT)).rejects.toThrow("taken");
  expect(await add("try-first", "rental", PERSONAL)).toMatchObject({
    valid_until: "2099-12-31T15:59:59.999Z",
    uses: 0,
  });
  expect(JSON.stringify(await wjf("list"))).toContain("try-first");
  const subject = federation.truth[5] as TruthPerson;
  const code = await codeFrom(await signedIn(subject), "late-check-out");
  const told = await wjf("redeem", code, "--client", "hotel", "--product", PERSONAL);
  expect(told).toMatchObject({ answer: oracle.expected(PERSONAL, { msisdn: msisdnOf(subject) }) });
  await wjf("retire", "try-first");
  await expect(retireOffer(db(), systemClock, "try-first")).rejects.toThrow("retired already");
}, 240_000);

test("an offer is over when it has been redeemed as often as it may", async () => {
  await offer("only-one", "rental", PERSONAL, 1);
  const person = await signedIn(federation.truth[6] as TruthPerson);
  const codes = [await codeFrom(person, "only-one"), await codeFrom(person, "only-one")];
  await forgetGuesses("rental");
  await rental.redeem(codes[0] as string, PERSONAL);
  await expect(rental.redeem(codes[1] as string, PERSONAL)).rejects.toMatchObject({
    code: "offer-code-refused",
  });
  expect((await person.open("/portal/offers")).html).not.toContain("only-one");
});

test("the log holds: every release had its consent, those that were codes too", async () => {
  const { log } = federation.authority.ledger;
  const report = await verifyLog(log, { verifierKeys: log.verifierKeys });
  expect(report.findings).toEqual([]);
  expect((await consentLeaves()).some(({ event }) => event === "consumed")).toBe(true);
});
