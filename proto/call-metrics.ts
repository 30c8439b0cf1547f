// What a gRPC server measures of itself: calls, refusals by code and durations by method. A method is one of the proto file's.
import { Counter, Histogram } from "prom-client";
import type { ErrorCode } from "../core/errors.ts";
import { SECONDS, secondsSince } from "../core/metrics.ts";

const handled = new Counter({
  name: "wjf_grpc_calls_total",
  help: "gRPC calls handled, by method and code (ok, or why it was refused)",
  labelNames: ["method", "code"],
});
const durations = new Histogram({
  name: "wjf_grpc_call_duration_seconds",
  help: "Time until a gRPC call's reply left",
  labelNames: ["method"],
  buckets: SECONDS,
});

/** @returns what is to be called when the call has ended. */
export function meterCall(method: string): (code: ErrorCode | "ok") => void {
  const startedMs = performance.now();
  return (code) => {
    handled.inc({ method, code });
    durations.observe({ method }, secondsSince(startedMs));
  };
}
