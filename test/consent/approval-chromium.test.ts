// The approval page in a real browser, by keyboard only: Tab, Space, digits, Enter. Skips with a message where there is no
// Chromium. What the page looks like was also looked at; docs/decisions/032 says so.
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { wording } from "../../consent/approval/wording.ts";
import { readConsent } from "../../consent/consent-record.ts";
import { askForConsent } from "./approval-browser.ts";
import { Browser, CHROMIUM } from "./chromium.ts";
import { openFixture } from "./oidc-fixture.ts";

test.skipIf(!existsSync(CHROMIUM))(
  "by keyboard only: switch the language, tick, type the code, agree (skips without Chromium)",
  async () => {
    await using fixture = await openFixture();
    const { link, code, id } = await askForConsent(fixture);
    await using browser = await Browser.open();
    await browser.goto(`${link}?lang=zh-CN`);
    expect(await browser.evaluate("document.documentElement.lang")).toBe("zh-CN");
    await browser.tabTo("English");
    await browser.pressAndLoad("Enter");
    expect(await browser.evaluate("document.documentElement.lang")).toBe("en");
    for (const box of ["class-payment", "class-location", "recipient"]) {
      await browser.tabTo(box);
      await browser.press(" ");
    }
    await browser.tabTo("code");
    await browser.type(code);
    await browser.tabTo(wording("en").approve);
    await browser.pressAndLoad("Enter");
    expect(await browser.evaluate("document.querySelector('h1').textContent")).toContain(
      wording("en").approvedTitle,
    );
    const consent = await readConsent(fixture.db, fixture.options.atRest, id);
    expect(consent).toMatchObject({ state: "ACTIVE" });
    expect(consent.terms.actions).toEqual(["credit-score@1", "id-check@1"]);
  },
);
