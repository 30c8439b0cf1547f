// Spans over OpenTelemetry's API, which does nothing until core/trace-export.ts has set an SDK up. A span says where time goes and
// which code a failure has; of a question, a person, an institution or an answer it says nothing: what attributes there are is
// fixed here. A trace is carried from party to party by `traceparent` alone. docs/decisions/081-observability.md.
import {
  context,
  type Context,
  type Link,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { WjfError } from "./errors.ts";
import type { ProductRef, ProvinceCode } from "./ids.ts";

/** Numbers, and words of closed sets. */
export interface SpanAttributes {
  readonly "wjf.province"?: ProvinceCode;
  readonly "wjf.product"?: ProductRef;
  readonly "wjf.questions"?: number;
  readonly "wjf.slots"?: number;
  readonly "wjf.round"?: "first" | "second";
}

export type SpanLink = Link;

export interface SpanOptions {
  readonly kind?: "client" | "server";
  readonly attributes?: SpanAttributes;
  /** Where it begins: a new trace, or what a caller has sent. Default: the span that is active. */
  readonly parent?: "none" | { readonly traceparent: string };
  readonly links?: readonly SpanLink[];
}

const KINDS = { client: SpanKind.CLIENT, server: SpanKind.SERVER, internal: SpanKind.INTERNAL };
const TRACEPARENT = "traceparent";

const tracer = trace.getTracer("weijifen");

/** Does the work in a span of its own, under a name that is fixed in the code. */
export async function inSpan<T>(
  name: string,
  work: () => Promise<T>,
  { kind, attributes = {}, parent, links = [] }: SpanOptions = {},
): Promise<T> {
  const options = {
    kind: KINDS[kind ?? "internal"],
    attributes: { ...attributes },
    links: [...links],
  };
  return await tracer.startActiveSpan(name, options, contextOf(parent), async (span) => {
    try {
      return await work();
    } catch (error) {
      // Neither message nor stack: they may repeat what was asked.
      span.setAttribute("wjf.code", error instanceof WjfError ? error.code : "internal");
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  });
}

function contextOf(parent: SpanOptions["parent"]): Context {
  if (parent === undefined) return context.active();
  if (parent === "none") return ROOT_CONTEXT;
  // `tracestate` and baggage are neither sent nor read: both are free text.
  return propagation.extract(ROOT_CONTEXT, parent, {
    get: ({ traceparent }, key) => (key === TRACEPARENT ? traceparent : undefined),
    keys: () => [TRACEPARENT],
  });
}

export function describeSpan(attributes: SpanAttributes): void {
  trace.getActiveSpan()?.setAttributes({ ...attributes });
}

/** To the active span, for another trace to point to. */
export function linkToSpan(): SpanLink | undefined {
  const span = trace.getActiveSpan();
  return span && { context: span.spanContext() };
}

/** What a call sends along, if there is a trace. */
export function traceparent(): string | undefined {
  const carrier: { traceparent?: string } = {};
  propagation.inject(context.active(), carrier, {
    set: (into, key, value) => {
      if (key === TRACEPARENT) into.traceparent = value;
    },
  });
  return carrier.traceparent;
}

/** The active trace, for a log line. */
export function traceId(): string | undefined {
  return trace.getActiveSpan()?.spanContext().traceId;
}
