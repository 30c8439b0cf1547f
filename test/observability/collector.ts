// An OpenTelemetry collector that keeps what it is sent (OTLP/HTTP, JSON), and the same view of spans that were kept in memory.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { SpanStatusCode } from "@opentelemetry/api";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import { z } from "zod";

/** As both exporters tell it. `raw` is everything that was exported of it. */
export interface SeenSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | undefined;
  readonly name: string;
  readonly kind: "internal" | "server" | "client";
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly links: readonly string[];
  readonly events: number;
  readonly failed: boolean;
  readonly raw: string;
}

const Attributes = z
  .array(z.object({ key: z.string(), value: z.record(z.string(), z.unknown()) }))
  .default([])
  .transform((list) =>
    Object.fromEntries(list.map(({ key, value }) => [key, Object.values(value)[0]])),
  );

const OtlpSpan = z.looseObject({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  kind: z.int(),
  attributes: Attributes,
  links: z.array(z.object({ traceId: z.string() })).default([]),
  events: z.array(z.unknown()).default([]),
  status: z.looseObject({ code: z.int().optional() }).default({}),
});
const OtlpRequest = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: Attributes }),
      scopeSpans: z.array(z.object({ spans: z.array(z.unknown()) })),
    }),
  ),
});

/** OTLP counts kinds from 1, with none at 0; the API from 0. */
const KINDS: readonly SeenSpan["kind"][] = ["internal", "server", "client"];

const ERROR: number = SpanStatusCode.ERROR;

export interface Collector extends AsyncDisposable {
  readonly endpoint: string;
  readonly spans: readonly SeenSpan[];
}

export async function startCollector(): Promise<Collector> {
  const spans: SeenSpan[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      if (request.url === "/v1/traces") spans.push(...readOtlp(body));
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function readOtlp(body: string): SeenSpan[] {
  const { resourceSpans } = OtlpRequest.parse(JSON.parse(body));
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((sent): SeenSpan => {
        const span = OtlpSpan.parse(sent);
        return {
          traceId: span.traceId,
          spanId: span.spanId,
          parentId: span.parentSpanId,
          name: span.name,
          kind: KINDS[span.kind - 1] ?? "internal",
          attributes: span.attributes,
          resource: resource.attributes,
          links: span.links.map(({ traceId }) => traceId),
          events: span.events.length,
          failed: span.status.code === ERROR,
          raw: JSON.stringify(sent),
        };
      }),
    ),
  );
}

/** Keeps what it is given, also after its process's tracing has ended. */
export class MemoryExporter implements SpanExporter {
  readonly spans: SeenSpan[] = [];

  export(spans: ReadableSpan[], done: Parameters<SpanExporter["export"]>[1]): void {
    this.spans.push(...spans.map(seen));
    done({ code: 0 });
  }

  async shutdown(): Promise<void> {
    // Nothing is owned.
  }
}

function seen(span: ReadableSpan): SeenSpan {
  const { attributes, events, links, name, parentSpanContext, resource, status } = span;
  const { traceId, spanId, traceState } = span.spanContext();
  return {
    traceId,
    spanId,
    parentId: parentSpanContext?.spanId,
    name,
    kind: KINDS[span.kind] ?? "internal",
    attributes,
    resource: resource.attributes,
    links: links.map(({ context }) => context.traceId),
    events: events.length,
    failed: status.code === SpanStatusCode.ERROR,
    raw: JSON.stringify([name, attributes, events, status, traceState?.serialize()]),
  };
}
