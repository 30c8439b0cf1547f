// The scheduler: asks for what is due, as many watches in one fan-out as the authority admits, and records what comes of it.
// One per gateway process; replicas share the watches by their leases.
import type { Catalogue } from "../../catalogue/index.ts";
import type { Clock } from "../../core/clock.ts";
import { type ErrorCode, WjfError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { parseJsonWith } from "../../core/parse.ts";
import { inSpan } from "../../core/tracing.ts";
import { type FederationView, WatchBody } from "../../consent/verifier.ts";
import { MAX_ADMITTED_WATCHES } from "../../proto/index.ts";
import {
  type BatchFanOutParts,
  carryAdmitted,
  type CarriedRow,
  TIMEOUTS_MS,
} from "../batches/batch-fan-out.ts";
import { watchEvaluations } from "../metrics.ts";
import { refusalOf } from "./watch-consents.ts";
import { endsWatch } from "./watch-endings.ts";
import { changeEvents } from "./watch-events.ts";
import type { Outcome } from "./watch-outcomes.ts";
import { LEASE_MS, type Watch, type WatchStore } from "./watch-store.ts";

export interface WatchRunnerParts extends BatchFanOutParts {
  readonly store: WatchStore;
  readonly view: FederationView;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly log: Logger;
  readonly lookEveryMs: number;
}

/** While one fan-out is with the provinces, another is with the authority. */
const IN_FLIGHT = 2;
/** An admission's credentials stay below half of the largest message. */
const MAX_BYTES = 7 * 1024 * 1024;
const FEWEST = 32;
/** More after one that did well: what was too much is not tried again at the next moment. */
const MORE = 64;
const PURGE_EVERY_MS = 3_600_000;

const BACKOFF_MS = { first: 5000, longest: 900_000 };

export class WatchRunner implements AsyncDisposable {
  readonly #parts: WatchRunnerParts;
  readonly #timers: NodeJS.Timeout[];
  #stopped = false;
  #looking: Promise<void> | undefined;
  #again = false;
  /** Watches of the next fan-out: fewer after one that failed, or what is too much at once is tried for ever. */
  #atOnce = MAX_ADMITTED_WATCHES;

  constructor(parts: WatchRunnerParts) {
    this.#parts = parts;
    const logged = (work: () => Promise<void>) => () => {
      work().catch((error: unknown) => parts.log.error({ err: error }, "watches: not kept up"));
    };
    this.#timers = [
      setInterval(() => void this.look(), parts.lookEveryMs),
      setInterval(
        logged(() => parts.store.purge()),
        PURGE_EVERY_MS,
      ),
    ];
    void this.look();
  }

  /** Evaluates all that is due. Resolves when nothing is. */
  look(): Promise<void> {
    this.#again = true;
    this.#looking ??= this.#work()
      .catch((error: unknown) => this.#parts.log.error({ err: error }, "no look for watches"))
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  async #work(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      await Promise.all(Array.from({ length: IN_FLIGHT }, () => this.#evaluateDue()));
    }
  }

  async #evaluateDue(): Promise<void> {
    const { store, view } = this.#parts;
    while (!this.#stopped && view.ready) {
      const taken = await store.lease(this.#atOnce);
      if (taken.length === 0) return;
      const fitting = withinBytes(taken);
      await store.release(taken.slice(fitting.length));
      await this.#evaluate(fitting);
    }
  }

  async #evaluate(taken: readonly Watch[]): Promise<void> {
    const { store, view, log, clock } = this.#parts;
    const outcomes: Outcome[] = [];
    const asked: Watch[] = [];
    for (const watch of taken) {
      const refusal = refusalOf(watch, watch.due_at, view);
      // What is used up may have been so by the very evaluation whose outcome was lost: the authority knows.
      if (refusal === undefined || refusal === "consent-consumed") asked.push(watch);
      else if (refusal === "consent-paused") outcomes.push({ watch, pauses: refusal });
      else outcomes.push(this.#refused(watch, refusal));
    }
    const renewal = setInterval(() => {
      store.renew(taken).catch((error: unknown) => log.warn({ err: error }, "leases not renewed"));
    }, LEASE_MS / 3);
    const begunMs = clock.nowMs();
    try {
      const rows = asked.length === 0 ? [] : await this.#carry(asked);
      for (const [i, row] of rows.entries()) outcomes.push(this.#outcome(asked[i] as Watch, row));
      await store.record(outcomes);
      await store.release(asked.slice(rows.length));
      // Without a province only what is crossed can be told, and all others come again. Fewer at once help one that was too
      // slow, not one that is away.
      const failed = outcomes.filter((outcome) => "failed" in outcome && outcome.failed).length;
      const wasSlow = clock.nowMs() - begunMs > TIMEOUTS_MS.evaluate / 2;
      this.#fit(taken.length, !wasSlow || 2 * failed <= taken.length);
    } catch (error) {
      const refusal = error instanceof WjfError ? error.code : "internal";
      log[refusal === "internal" ? "error" : "warn"]({ refusal, err: error }, "watches come again");
      // Out of reach is out of reach for few as for many.
      if (refusal !== "federation-unavailable") this.#fit(taken.length, false);
      // Their outcome is not known: the same moment is asked for again, when the lease is over.
      const againAt = clock.nowMs() + BACKOFF_MS.first;
      await store.postpone(asked, againAt);
      await store.record(outcomes.filter(({ watch }) => !asked.includes(watch)));
    } finally {
      clearInterval(renewal);
    }
  }

  /** How many to ask for next, after so many. */
  #fit(asked: number, well: boolean): void {
    this.#atOnce = well
      ? Math.min(MAX_ADMITTED_WATCHES, Math.max(this.#atOnce, asked + MORE))
      : Math.max(FEWEST, Math.floor(asked / 2));
  }

  /** One outcome for each of the first so many as the authority took. */
  async #carry(asked: readonly Watch[]): Promise<readonly CarriedRow[]> {
    const { authority } = this.#parts;
    const watches = asked.map(({ token, proof, body, due_at }) => ({
      credentials: { token: token ?? "", proof: proof ?? "", body: Buffer.from(body ?? "") },
      due: due_at,
    }));
    return await inSpan(
      "watch fan-out",
      async () => {
        const admitted = await authority.admitWatches({ watches }, TIMEOUTS_MS.admit);
        const claims = (row: number): string => claimsOf(asked[row]);
        return await carryAdmitted(admitted, { count: admitted.blocks, claims }, this.#parts);
      },
      { parent: "none" },
    );
  }

  #outcome(watch: Watch, { outcome, receipt, checkpoint }: CarriedRow): Outcome {
    if (outcome.result === "refusal") return this.#refused(watch, outcome.refusal);
    watchEvaluations.inc({ result: outcome.result });
    const whole = receipt.includes("\n\n") ? receipt : `${receipt}\n\n${checkpoint}`;
    return { watch, events: changeEvents(watch, watch.due_at, outcome, whole) };
  }

  #refused(watch: Watch, refusal: ErrorCode): Outcome {
    watchEvaluations.inc({ result: "refusal" });
    if (endsWatch(refusal)) return { watch, ends: refusal };
    const now = this.#parts.clock.nowMs();
    // A later moment was evaluated: by another replica, or before the database was restored. On with the next one.
    if (refusal === "watch-not-due") {
      return {
        watch,
        againAt: Math.max(now, (watch.due_at + watch.every_s) * 1000),
        failed: false,
      };
    }
    // A pause that only the authority knows of so far comes again too: the list that is still to come pauses the watch, or
    // an older one would set it going again at once.
    const backoff = Math.min(
      BACKOFF_MS.first * 2 ** Math.min(watch.failures, 20),
      BACKOFF_MS.longest,
    );
    return { watch, againAt: now + backoff, failed: true };
  }

  /** Takes nothing more; what is under way is recorded. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    await this.#looking;
  }
}

function withinBytes(watches: readonly Watch[]): readonly Watch[] {
  let bytes = 0;
  const over = watches.findIndex(({ token, proof, body }, i) => {
    bytes += (token?.length ?? 0) + (proof?.length ?? 0) + (body?.length ?? 0);
    return i > 0 && bytes > MAX_BYTES;
  });
  return over === -1 ? watches : watches.slice(0, over);
}

function claimsOf(watch: Watch | undefined): string {
  return parseJsonWith(WatchBody, watch?.body ?? "", "internal", "stored watch").claims;
}
