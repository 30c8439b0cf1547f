// Looks after the consents of watches, whether they are due or not: a watch ends or pauses soon after the status list says that
// its consent has, and its institution is told. What is evaluated is checked again when it is taken (watch-runner.ts).
import { type Clock, nowSeconds } from "../../core/clock.ts";
import { type ErrorCode, WjfError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { FederationView } from "../../consent/verifier.ts";
import { endsWatch } from "./watch-endings.ts";
import type { Watch, WatchStore } from "./watch-store.ts";

export interface WatchConsentsParts {
  readonly store: WatchStore;
  readonly view: FederationView;
  readonly clock: Clock;
  readonly log: Logger;
  readonly lookEveryMs: number;
}

/** Watches looked after in one look. */
const PAGE = 5000;

export class WatchConsents implements AsyncDisposable {
  readonly #parts: WatchConsentsParts;
  readonly #timer: NodeJS.Timeout;
  #stopped = false;
  #looking: Promise<void> | undefined;
  /** Where the next look goes on. */
  #after = "";

  constructor(parts: WatchConsentsParts) {
    this.#parts = parts;
    this.#timer = setInterval(() => this.#look(), parts.lookEveryMs);
  }

  #look(): void {
    this.#looking ??= this.#lookAfterPage()
      .catch((error: unknown) => this.#parts.log.error({ err: error }, "no look for consents"))
      .finally(() => {
        this.#looking = undefined;
      });
  }

  async #lookAfterPage(): Promise<void> {
    const { store, view, clock } = this.#parts;
    const page = await store.standing(this.#after, PAGE);
    this.#after = page.length < PAGE ? "" : (page.at(-1)?.id ?? "");
    for (const watch of page) {
      if (this.#stopped) return;
      const { id, state, asked } = watch;
      const refusal = refusalOf(watch, nowSeconds(clock), view);
      // Used up perhaps by the evaluation under way, whose outcome is still to come.
      if (refusal === "consent-consumed" && asked === 1) continue;
      if (refusal === undefined && state === "paused") await store.setPaused(id, null);
      else if (refusal === "consent-paused" && state === "active") {
        await store.setPaused(id, refusal);
      } else if (refusal !== undefined && endsWatch(refusal)) await store.end(id, refusal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#looking;
  }
}

/** Why a watch may not be evaluated for a moment (NumericDate), as far as the gateway knows. */
export function refusalOf(
  {
    expires_at,
    status_uri: uri,
    status_idx: idx,
  }: Pick<Watch, "expires_at" | "status_uri" | "status_idx">,
  atS: number,
  view: FederationView,
): ErrorCode | undefined {
  if (expires_at !== null && expires_at <= atS) return "watch-expired";
  try {
    view.requireActive({ status_list: { uri, idx } });
    return undefined;
  } catch (error) {
    if (error instanceof WjfError) return error.code;
    throw error;
  }
}
