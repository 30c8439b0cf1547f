// The approval page in a real browser, by keyboard only: Tab, Space, digits, Enter. Skips with a message where there is no
// Chromium. What the page looks like was also looked at; docs/decisions/032 says so.
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { wording } from "../../consent/approval/wording.ts";
import { readConsent } from "../../consent/consent-record.ts";
import { askForConsent } from "./approval-browser.ts";
import { CHROMIUM, expectAccessible, openBrowser, tabTo } from "./chromium.ts";
import { openFixture } from "./oidc-fixture.ts";

test.skipIf(!existsSync(CHROMIUM))(
  "by keyboard only: switch the language, tick, type the code, agree (skips without Chromium)",
  async () => {
    await using fixture = await openFixture();
    const { link, code, id } = await askForConsent(fixture);
    await using browser = await openBrowser();
    const page = await browser.newPage();
    await page.goto(`${link}?lang=zh-CN`);
    expect(await page.locator("html").getAttribute("lang")).toBe("zh-CN");
    await expectAccessible(page);
    await tabTo(page, "English");
    await page.keyboard.press("Enter");
    await page.locator("html[lang=en]").waitFor();
    for (const box of ["class-payment", "class-location", "recipient"]) {
      await tabTo(page, box);
      await page.keyboard.press("Space");
    }
    await tabTo(page, "code");
    await page.keyboard.type(code);
    await tabTo(page, wording("en").approve);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: wording("en").approvedTitle }).waitFor();
    const consent = await readConsent(fixture.db, fixture.options.atRest, id);
    expect(consent).toMatchObject({ state: "ACTIVE" });
    expect(consent.terms.actions).toEqual(["credit-score@1", "id-check@1"]);
  },
  120_000,
);
