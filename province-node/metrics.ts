// What a province's node measures, for its own operator. Nothing here may tell who is held: what is counted depends on the questions
// alone, and of an evaluation no time is taken but that of the whole call, which ends on the reply's quantum
// (docs/decisions/014-reply-time.md, 081-observability.md).
import { Counter, Histogram } from "prom-client";
import type { Catalogue } from "../catalogue/index.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { ProductRef } from "../core/ids.ts";
import { liveGauge, SECONDS } from "../core/metrics.ts";
import type { FederationView } from "../consent/verifier.ts";
import type { FanOutGuard } from "./fan-out-guard.ts";

const questions = new Counter({
  name: "wjf_node_questions_total",
  help: "Questions answered or refused, by product",
  labelNames: ["product"],
});
const refusals = new Counter({
  name: "wjf_node_refusals_total",
  help: "Questions refused, by code; what is refused depends on credentials and models alone",
  labelNames: ["code"],
});
export const heDurations = new Histogram({
  name: "wjf_node_he_duration_seconds",
  help: "Computing time of masking and homomorphic operations, by operation",
  labelNames: ["operation"],
  buckets: SECONDS,
});

const ready = liveGauge("wjf_node_ready", "1 when an epoch is in force here");
const epoch = liveGauge("wjf_node_epoch", "The newest epoch in force");
const fanOuts = liveGauge(
  "wjf_node_epoch_fan_outs",
  "Fan-outs answered under the newest epoch asked about",
);
const fanOutsLimit = liveGauge(
  "wjf_node_epoch_fan_outs_limit",
  "Fan-outs after which the node refuses all others of that epoch",
);
const drained = liveGauge("wjf_node_drained", "1 while the province is in maintenance");

/** @param asked one product for every question, as the gateway wrote it: what no catalogue has is not counted. */
export function countQuestions(
  asked: readonly ProductRef[],
  refused: readonly { readonly code: ErrorCode }[],
  { products }: Pick<Catalogue, "products">,
): void {
  for (const [product, count] of tally(asked)) {
    if (products.has(product)) questions.inc({ product }, count);
  }
  for (const [code, count] of tally(refused.map((refusal) => refusal.code))) {
    refusals.inc({ code }, count);
  }
}

/** A batch has thousands of rows, of a few products. */
function tally<T>(values: readonly T[]): Map<T, number> {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

export interface Watched {
  readonly view: FederationView;
  readonly guard: Pick<FanOutGuard, "fanOuts" | "maxFanOuts">;
  readonly isDrained: () => boolean;
}

/** Shows the running node in the gauges, until disposed. */
export function watchNode({ view, guard, isDrained }: Watched): Disposable {
  const watches = new DisposableStack();
  watches.use(ready.watch((show) => show(view.ready ? 1 : 0)));
  watches.use(
    epoch.watch((show) => {
      if (view.ready) show(view.current().roster.epoch);
    }),
  );
  watches.use(fanOuts.watch((show) => show(guard.fanOuts)));
  watches.use(fanOutsLimit.watch((show) => show(guard.maxFanOuts)));
  watches.use(drained.watch((show) => show(isDrained() ? 1 : 0)));
  return watches;
}
