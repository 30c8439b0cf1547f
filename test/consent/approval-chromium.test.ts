// The approval page in a real browser, by keyboard only: Tab, Space, digits, Enter, through the DevTools protocol. Skips
// with a message where there is no Chromium. What the page looks like was also looked at; docs/decisions/032 says so.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { wording } from "../../consent/approval/wording.ts";
import { readConsent } from "../../consent/consent-record.ts";
import { askForConsent } from "./approval-browser.ts";
import { openFixture } from "./oidc-fixture.ts";

const CHROMIUM = process.env["WJF_CHROMIUM"] ?? "/usr/bin/chromium";
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--remote-debugging-port=0",
];

class Browser implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #socket: WebSocket;
  readonly #folder: string;
  readonly #waiting = new Map<number, (message: { result?: unknown }) => void>();
  readonly #listeners = new Map<string, () => void>();
  #lastId = 0;

  private constructor(process: ChildProcess, socket: WebSocket, folder: string) {
    this.#process = process;
    this.#socket = socket;
    this.#folder = folder;
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(String(data)) as {
        id?: number;
        method?: string;
        result?: unknown;
      };
      if (message.id !== undefined) this.#waiting.get(message.id)?.(message);
      if (message.method !== undefined) this.#listeners.get(message.method)?.();
    });
  }

  static async open(): Promise<Browser> {
    const folder = mkdtempSync(join(tmpdir(), "wjf-chromium-"));
    const child = spawn(CHROMIUM, [...FLAGS, `--user-data-dir=${folder}`, "about:blank"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const port = await new Promise<string>((resolve, reject) => {
      child.once("exit", () => reject(new Error("chromium ended")));
      createInterface({ input: child.stderr }).on("line", (line) => {
        const found = /^DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
        if (found !== undefined) resolve(found);
      });
    });
    const targets = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as {
      type: string;
      webSocketDebuggerUrl: string;
    }[];
    const page = targets.find(({ type }) => type === "page");
    const socket = new WebSocket(page?.webSocketDebuggerUrl ?? "");
    await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
    const browser = new Browser(child, socket, folder);
    await browser.#call("Page.enable");
    return browser;
  }

  async #call(method: string, params: object = {}): Promise<unknown> {
    const id = ++this.#lastId;
    const answered = new Promise<{ result?: unknown }>((resolve) => this.#waiting.set(id, resolve));
    this.#socket.send(JSON.stringify({ id, method, params }));
    return (await answered).result;
  }

  async #loaded(work: () => Promise<unknown>): Promise<void> {
    const loaded = new Promise<void>((resolve) =>
      this.#listeners.set("Page.loadEventFired", resolve),
    );
    await work();
    await loaded;
  }

  goto(url: string): Promise<void> {
    return this.#loaded(() => this.#call("Page.navigate", { url }));
  }

  async press(key: "Tab" | "Enter" | " "): Promise<void> {
    const code = { Tab: "Tab", Enter: "Enter", " ": "Space" }[key];
    const text = { Tab: undefined, Enter: "\r", " ": " " }[key];
    const windowsVirtualKeyCode = { Tab: 9, Enter: 13, " ": 32 }[key];
    const event = { key, code, windowsVirtualKeyCode, ...(text !== undefined && { text }) };
    await this.#call("Input.dispatchKeyEvent", { type: "keyDown", ...event });
    await this.#call("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  pressAndLoad(key: "Enter"): Promise<void> {
    return this.#loaded(() => this.press(key));
  }

  type(text: string): Promise<unknown> {
    return this.#call("Input.insertText", { text });
  }

  async evaluate(expression: string): Promise<unknown> {
    const { result } = (await this.#call("Runtime.evaluate", { expression })) as {
      result: { value: unknown };
    };
    return result.value;
  }

  /** Tabs until the focus is on the element with this id, or (buttons) this text. */
  async tabTo(label: string): Promise<void> {
    for (let presses = 0; presses < 20; presses++) {
      await this.press("Tab");
      const focus = "(document.activeElement.id || document.activeElement.textContent).trim()";
      if ((await this.evaluate(focus)) === label) return;
    }
    throw new Error(`the keyboard does not reach ${label}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#socket.close();
    this.#process.kill();
    await ended;
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

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
