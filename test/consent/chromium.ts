// Chromium without a driver: started headless, spoken to through the DevTools protocol. For tests of pages.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const CHROMIUM = process.env["WJF_CHROMIUM"] ?? "/usr/bin/chromium";
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

export class Browser implements AsyncDisposable {
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

  /** A phone below 600 pixels of width, a desktop from there on. */
  async resize(width: number, height: number): Promise<void> {
    const mobile = width < 600;
    const metrics = { width, height, deviceScaleFactor: 1, mobile };
    await this.#call("Emulation.setDeviceMetricsOverride", metrics);
  }

  async setCookie(url: string, name: string, value: string): Promise<void> {
    await this.#call("Network.setCookie", { url, name, value });
  }

  /** The whole page as PNG. */
  async screenshot(): Promise<Buffer> {
    const { data } = (await this.#call("Page.captureScreenshot", {
      captureBeyondViewport: true,
    })) as { data: string };
    return Buffer.from(data, "base64");
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
