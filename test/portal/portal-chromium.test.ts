// The portal in a real browser, as somebody uses it: sign in, see who asked, withdraw, object, export, take a code for an
// offer. Every page is looked at by axe, at a phone's width and a desktop's, in both languages. Skips with a message where
// there is no Chromium; WJF_SCREENSHOTS=<folder> keeps what it saw.
import { existsSync, readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { loadCatalogue } from "../../catalogue/index.ts";
import { readInstitutionKeys, registerDemoInstitution } from "../../cli/demo-institution.ts";
import { Institution } from "../../cli/institution.ts";
import { wording } from "../../consent/approval/wording.ts";
import { addClient } from "../../consent/clients.ts";
import { addOffer, OFFER_PURPOSE } from "../../consent/credit-life/offers.ts";
import { offerWording } from "../../consent/credit-life/offer-wording.ts";
import { portalWording } from "../../consent/portal/portal-wording.ts";
import { systemClock } from "../../core/clock.ts";
import { ProductRef } from "../../core/ids.ts";
import {
  CHROMIUM,
  DESKTOP,
  expectAccessible,
  keepScreenshot,
  openBrowser,
  PHONE,
} from "../consent/chromium.ts";
import { makeClientKeys } from "../consent/oidc-fixture.ts";
import { type Federation, startFederation } from "../federation/federation.ts";
import { signInCode } from "./signed-in.ts";

const words = portalWording("en");
const common = wording("en");
const QUESTIONS = ["credit-score@1", "personal-score@1", "credit-at-least:650@1"];
const THRESHOLD = ProductRef.parse("credit-at-least:650@1");

async function publishOffer({ authority }: Federation): Promise<void> {
  const { db } = authority.service.options;
  await addClient(db, systemClock, {
    client_id: "hotel",
    name: "示例酒店 Demo Hotel",
    contact: "privacy@hotel.example",
    jwks: { keys: [(await makeClientKeys()).publicJwk] },
    products: [THRESHOLD],
    purposes: [OFFER_PURPOSE],
  });
  await addOffer(db, systemClock, loadCatalogue(), {
    id: "deposit-free",
    client_id: "hotel",
    product: THRESHOLD,
    title: { zh: "免押金入住", en: "A stay without deposit" },
    valid_until: systemClock.nowMs() + 86_400_000,
    max_uses: 10,
  });
}

/** The page as it is, in both languages and widths; ends in English on a desktop. */
async function look(page: Page, name: string): Promise<void> {
  for (const size of [PHONE, DESKTOP]) {
    await page.setViewportSize(size);
    for (const lang of ["zh-CN", "en"]) {
      await page.goto(page.url().replace(/\?lang=.*|$/, `?lang=${lang}`));
      await expectAccessible(page);
      expect(await page.locator("h1").count()).toBe(1);
      await keepScreenshot(page, `${name}-${lang}-${size.width}`);
    }
  }
}

test.skipIf(!existsSync(CHROMIUM))(
  "sign in, see three queries, withdraw, object, export, get a code (skips without Chromium)",
  async () => {
    await using federation = await startFederation({ provinces: 3, peoplePerProvince: 6 });
    const { settings, truth, authority } = federation;
    await registerDemoInstitution(settings);
    await publishOffer(federation);
    const bank = new Institution(settings, readInstitutionKeys(settings.home));
    const value = truth[1]?.numbers[0]?.msisdn as string;
    const consent = await bank.consent({
      subject: { kind: "msisdn", value },
      products: QUESTIONS,
      purpose: "dpv:CreditChecking",
      result: "score",
      maxUses: 10,
      sandboxApproves: true,
    });
    for (const product of QUESTIONS) await bank.ask(consent, product);

    await using browser = await openBrowser();
    const page = await browser.newPage();
    await page.goto(`${authority.url}/portal/queries?lang=en`);
    await look(page, "sign-in");
    await page.getByLabel(common.phone).fill(value);
    await page.getByRole("button", { name: common.sendCode }).click();
    await page.getByLabel(common.code).fill(await signInCode(federation, value));
    await expectAccessible(page);
    await page.getByRole("button", { name: common.signIn }).click();

    await page.getByRole("heading", { level: 1, name: words.queries }).waitFor();
    const items = page.locator("main li");
    expect(await items.count()).toBe(3);
    for (const item of await items.allTextContents()) {
      expect(item).toContain("示例银行 Demo Bank");
      expect(item).toContain("to assess your credit standing");
    }
    await look(page, "queries");

    await page.getByRole("link", { name: words.score }).click();
    await page.getByRole("img").waitFor();
    await look(page, "score");
    // The labels of the radar lie within the picture, on a phone too.
    await page.setViewportSize(PHONE);
    const outside = `(() => {
      const svg = document.querySelector("svg").getBoundingClientRect();
      return [...document.querySelectorAll("svg text")].filter((text) => {
        const box = text.getBoundingClientRect();
        return box.left < svg.left || box.right > svg.right;
      }).length;
    })()`;
    expect(await page.evaluate(outside)).toBe(0);
    const download = page.waitForEvent("download");
    await page.getByRole("link", { name: words.export }).click();
    const exported = JSON.parse(readFileSync(await (await download).path(), "utf8")) as {
      queries: { product: string }[];
    };
    expect(exported.queries.map(({ product }) => product).toSorted()).toEqual(QUESTIONS.toSorted());

    await page.getByRole("link", { name: words.queries }).click();
    await page.getByRole("link", { name: words.details }).nth(1).click();
    await look(page, "query");
    await page.getByLabel(words.statement).fill("我从未欠费");
    await page.getByLabel(words.review).check();
    await page.getByRole("button", { name: words.send }).click();
    await page.getByText(words.states.OPEN).waitFor();
    await page.getByText(words.reviewAsked).waitFor();
    await look(page, "query-objected");
    await page.getByRole("link", { name: words.objections }).click();
    await look(page, "objections");
    expect((await bank.ask(consent, "personal-score@1")).reply).toMatchObject({
      objection: "open",
    });

    await page.getByRole("link", { name: words.offers }).click();
    await look(page, "offers");
    await page.getByRole("link", { name: offerWording("en").get }).click();
    await look(page, "offer");
    for (const box of await page.getByRole("checkbox").all()) await box.check();
    await page.getByRole("button", { name: offerWording("en").make }).click();
    await page.getByRole("heading", { level: 1, name: offerWording("en").code }).waitFor();
    for (const size of [PHONE, DESKTOP]) {
      await page.setViewportSize(size);
      await expectAccessible(page);
      await keepScreenshot(page, `code-en-${size.width}`);
    }

    await page.getByRole("link", { name: words.consents }).first().click();
    await look(page, "consents");
    await page.getByRole("link", { name: "Demo Bank" }).click();
    await look(page, "consent");
    await page.getByRole("button", { name: common.revoke }).click();
    await page.getByText(common.states.REVOKED).waitFor();
    await expectAccessible(page);
    await expect(bank.ask(consent, "credit-score@1")).rejects.toMatchObject({
      code: "consent-revoked",
    });
  },
  300_000,
);
