// What the gateway measures: questions by product, fan-outs, provinces, the queue. It knows neither persons nor answers, and
// of institutions nothing is counted by name.
import { Counter, Histogram } from "prom-client";
import { type ErrorCode, WjfError } from "../core/errors.ts";
import type { ProvinceCode } from "../core/ids.ts";
import { liveGauge, SECONDS, secondsSince, SLOTS } from "../core/metrics.ts";
import type { FederationView } from "../consent/verifier.ts";
import type { Batches } from "./batches/index.ts";
import type { Coalescer } from "./coalescer.ts";
import type { ProvincePool } from "./province-pool.ts";

export const queries = new Counter({
  name: "wjf_gateway_queries_total",
  help: "Questions whose consent held at the gateway, by product and what came back",
  labelNames: ["product", "result"],
});
export const queryDurations = new Histogram({
  name: "wjf_gateway_query_duration_seconds",
  help: "Time from a verified question to its outcome: queue, fan-out and release",
  labelNames: ["product"],
  buckets: SECONDS,
});
export const refusals = new Counter({
  name: "wjf_gateway_refusals_total",
  help: "Requests refused, by code",
  labelNames: ["code"],
});
export const batchRows = new Counter({
  name: "wjf_gateway_batch_rows_total",
  help: "Rows of batches that have their result, by what it is",
  labelNames: ["result"],
});

export const watchEvaluations = new Counter({
  name: "wjf_gateway_watch_evaluations_total",
  help: "Evaluations of watches, by what came back",
  labelNames: ["result"],
});

const fanOuts = new Counter({
  name: "wjf_gateway_fan_outs_total",
  help: "Fan-outs ended, by kind (query, batch) and code (ok, or why it failed)",
  labelNames: ["kind", "code"],
});
const fanOutDurations = new Histogram({
  name: "wjf_gateway_fan_out_duration_seconds",
  help: "Time from admission to release",
  labelNames: ["kind"],
  buckets: SECONDS,
});
export const rounds = new Counter({
  name: "wjf_gateway_fan_out_rounds_total",
  help: "Rounds asked of the provinces; a second one goes on without those that failed",
  labelNames: ["kind", "round"],
});
export const fanOutQuestions = new Histogram({
  name: "wjf_gateway_fan_out_questions",
  help: "Questions in a fan-out",
  buckets: SLOTS,
});
export const fanOutSlots = new Histogram({
  name: "wjf_gateway_fan_out_slots",
  help: "Slots used of a fan-out's ciphertext, of 2,048",
  buckets: SLOTS,
});
export const heDurations = new Histogram({
  name: "wjf_gateway_he_duration_seconds",
  help: "Computing time of homomorphic operations, by operation",
  labelNames: ["operation"],
  buckets: SECONDS,
});
const provinceCalls = new Counter({
  name: "wjf_gateway_province_calls_total",
  help: "Calls of provinces, by code (ok, or why it failed)",
  labelNames: ["province", "code"],
});
const provinceDurations = new Histogram({
  name: "wjf_gateway_province_call_duration_seconds",
  help: "Time until a province's reply, or its failure",
  labelNames: ["province"],
  buckets: SECONDS,
});

const ready = liveGauge("wjf_gateway_ready", "1 when an epoch is in force here");
const epoch = liveGauge("wjf_gateway_epoch", "The newest epoch in force");
const waiting = liveGauge("wjf_gateway_waiting", "Questions that wait for a fan-out");
const waitingLimit = liveGauge("wjf_gateway_waiting_limit", "Questions that may wait");
const inFlight = liveGauge("wjf_gateway_in_flight", "Fan-outs of questions under way");
const batchesRunning = liveGauge(
  "wjf_gateway_batches_running",
  "Batches carried on by this process",
);
const provinceStates = liveGauge(
  "wjf_gateway_province_state",
  "1 for the state that a province is in: unknown, up, down, drained",
  "province",
  "state",
);
const breakers = liveGauge(
  "wjf_gateway_circuit_breaker_state",
  "1 for the state of a province's circuit breaker: closed, open, half-open",
  "province",
  "state",
);

export interface Watched {
  readonly view: FederationView;
  readonly coalescer: Coalescer;
  readonly batches: Batches;
  readonly provinces: ProvincePool;
}

/** Shows the running gateway in the gauges, until disposed. */
export function watchGateway({ view, coalescer, batches, provinces }: Watched): Disposable {
  const watches = new DisposableStack();
  watches.use(ready.watch((show) => show(view.ready ? 1 : 0)));
  watches.use(
    epoch.watch((show) => {
      if (view.ready) show(view.current().roster.epoch);
    }),
  );
  watches.use(waiting.watch((show) => show(coalescer.waiting)));
  watches.use(waitingLimit.watch((show) => show(coalescer.limits.waiting)));
  watches.use(inFlight.watch((show) => show(coalescer.inFlight)));
  watches.use(batchesRunning.watch((show) => show(batches.runner.running)));
  const codes = (): ProvinceCode[] =>
    view.ready ? view.current().roster.provinces.map(({ code }) => code) : [];
  watches.use(
    provinceStates.watch((show) => {
      for (const province of codes()) show(1, { province, state: provinces.state(province) });
    }),
  );
  watches.use(
    breakers.watch((show) => {
      for (const province of codes()) show(1, { province, state: provinces.breaker(province) });
    }),
  );
  return watches;
}

export type FanOutKind = "query" | "batch";

export async function meterFanOut<T>(kind: FanOutKind, work: () => Promise<T>): Promise<T> {
  return await metered(work, (code, seconds) => {
    fanOuts.inc({ kind, code });
    fanOutDurations.observe({ kind }, seconds);
  });
}

export async function meterProvince<T>(province: ProvinceCode, work: () => Promise<T>): Promise<T> {
  return await metered(work, (code, seconds) => {
    provinceCalls.inc({ province, code });
    provinceDurations.observe({ province }, seconds);
  });
}

async function metered<T>(
  work: () => Promise<T>,
  ended: (code: ErrorCode | "ok", seconds: number) => void,
): Promise<T> {
  const startedMs = performance.now();
  try {
    const result = await work();
    ended("ok", secondsSince(startedMs));
    return result;
  } catch (error) {
    ended(error instanceof WjfError ? error.code : "internal", secondsSince(startedMs));
    throw error;
  }
}
