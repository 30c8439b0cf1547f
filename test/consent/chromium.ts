// Debian's Chromium through Playwright, for tests of pages. They skip, saying so, where there is none.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";
import { expect } from "vitest";

export const CHROMIUM = process.env["WJF_CHROMIUM"] ?? "/usr/bin/chromium";

/** The widths that pages are looked at in. */
export const PHONE = { width: 390, height: 844 };
export const DESKTOP = { width: 1280, height: 900 };

/** It closes by `await using`. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-quic"] });
}

/** WCAG 2.0 to 2.2, A and AA, by axe; and nothing that has to be scrolled sideways to be read. */
export async function expectAccessible(page: Page): Promise<void> {
  await page.evaluate(axe.source);
  const violations = await page.evaluate(async () => {
    const { axe: injected } = globalThis as unknown as { axe: typeof axe };
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
    const found = await injected.run({ runOnly: { type: "tag", values: tags } });
    return found.violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`,
    );
  });
  expect(violations, page.url()).toEqual([]);
  const wider = await page.evaluate(
    "document.documentElement.scrollWidth - document.documentElement.clientWidth",
  );
  expect(wider, page.url()).toBe(0);
}

/** Into WJF_SCREENSHOTS, where that names a folder. */
export async function keepScreenshot(page: Page, name: string): Promise<void> {
  const folder = process.env["WJF_SCREENSHOTS"];
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

/** Tabs until the focus is on the element with this id, or (links, buttons) this text. */
export async function tabTo(page: Page, label: string): Promise<void> {
  for (let presses = 0; presses < 20; presses++) {
    await page.keyboard.press("Tab");
    const focus = "(document.activeElement.id || document.activeElement.textContent).trim()";
    if ((await page.evaluate(focus)) === label) return;
  }
  throw new Error(`the keyboard does not reach ${label}`);
}
