// Sends this process's spans to an OpenTelemetry collector over OTLP/HTTP. Loaded only where one is named (core/process.ts); the
// standard variables OTEL_EXPORTER_OTLP_* say where it is and what it wants. Says of the process which service it is, and nothing
// of the machine.
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { context, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  type IdGenerator,
  ParentBasedSampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { z } from "zod";
import { Numeral } from "./config.ts";
import { parseWith } from "./parse.ts";
import { VERSION } from "./version.ts";

/** How long a stopping process waits for its last spans to be taken. */
const FLUSH_WITHIN_MS = 2000;
/** One for every question of a fan-out. */
const MAX_LINKS = 512;

const Environment = z.object({
  /** Share of traces that are kept, decided where each begins. */
  OTEL_TRACES_SAMPLER_ARG: Numeral.pipe(z.number().min(0).max(1)).optional(),
});

/** The SDK's own draws from Math.random, whose state can be computed from what it gave. */
const idGenerator: IdGenerator = {
  generateTraceId: () => randomBytes(16).toString("hex"),
  generateSpanId: () => randomBytes(8).toString("hex"),
};

/** Once in a process; until disposed. @throws WjfError `config-invalid`. */
export function exportTraces(
  service: string,
  exporter: SpanExporter = new OTLPTraceExporter(),
  environment: NodeJS.ProcessEnv = process.env,
): AsyncDisposable {
  const { OTEL_TRACES_SAMPLER_ARG: share } = parseWith(
    Environment,
    environment,
    "config-invalid",
    "environment",
  );
  const root = share === undefined ? new AlwaysOnSampler() : new TraceIdRatioBasedSampler(share);
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ "service.name": service, "service.version": VERSION }),
    sampler: new ParentBasedSampler({ root }),
    idGenerator,
    spanLimits: { linkCountLimit: MAX_LINKS },
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  return {
    async [Symbol.asyncDispose]() {
      const flushed = provider.shutdown().catch(() => undefined);
      await Promise.race([flushed, delay(FLUSH_WITHIN_MS, undefined, { ref: false })]);
      trace.disable();
      propagation.disable();
      context.disable();
    },
  };
}
