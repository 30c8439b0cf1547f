// Prometheus metrics, on prom-client's own registry: each party's are in its metrics.ts, those of HTTP and gRPC beside the code
// they measure. A label's value comes from a closed set (products, provinces, error codes, methods, routes), never from a
// request; nothing here may depend on who is held by a province, nor on what was answered. docs/decisions/081-observability.md.
import { collectDefaultMetrics, Gauge, register } from "prom-client";

export const METRICS_PATH = "/metrics";

/** Bounds of durations, in seconds: from one encryption to a batch's fan-out. */
export const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Bounds of what one ciphertext carries: questions, slots. */
export const SLOTS = [1, 4, 16, 64, 128, 256, 512, 1024, 1536, 2048];

type Show<Label extends string> = (value: number, labels?: Record<Label, string>) => void;

/** A gauge that is read when it is asked for. */
export interface LiveGauge<Label extends string> {
  /** What reads it, until disposed. */
  watch(read: (show: Show<Label>) => void): Disposable;
}

export function liveGauge<Label extends string>(
  name: string,
  help: string,
  ...labelNames: Label[]
): LiveGauge<Label> {
  const readers = new Set<(show: Show<Label>) => void>();
  new Gauge({
    name,
    help,
    labelNames,
    collect() {
      this.reset();
      for (const read of readers) read((value, labels) => this.set(labels ?? {}, value));
    },
  });
  return {
    watch(read) {
      readers.add(read);
      return { [Symbol.dispose]: () => readers.delete(read) };
    },
  };
}

/** Seconds since `startedMs` of `performance.now()`. */
export function secondsSince(startedMs: number): number {
  return (performance.now() - startedMs) / 1000;
}

let isProcessMeasured = false;

/** Memory, CPU, event loop of this process. Once. */
function measureProcess(): void {
  if (isProcessMeasured) return;
  isProcessMeasured = true;
  collectDefaultMetrics();
}

export interface MetricsPage {
  readonly type: string;
  readonly text: string;
}

/** Begins to measure the process. @returns what reads all metrics, in the text format of Prometheus. */
export function metricsPage(): () => Promise<MetricsPage> {
  measureProcess();
  return async () => ({ type: register.contentType, text: await register.metrics() });
}
