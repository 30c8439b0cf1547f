// What an HTTP interface measures of itself: requests, errors and durations by route (the RED method), and the page that
// tells. A route is its pattern, never its address; what matches none is counted together.
import type { FastifyInstance, FastifyRequest } from "fastify";
import { Counter, Histogram } from "prom-client";
import { METRICS_PATH, metricsPage, SECONDS } from "./metrics.ts";

const requests = new Counter({
  name: "wjf_http_requests_total",
  help: "HTTP requests answered, by route and status",
  labelNames: ["method", "route", "status"],
});
const durations = new Histogram({
  name: "wjf_http_request_duration_seconds",
  help: "Time from an HTTP request's head to the end of its response",
  labelNames: ["method", "route"],
  buckets: SECONDS,
});

/** Before any route is added. */
export function meterHttp(app: FastifyInstance): void {
  app.addHook("onResponse", (request, reply, done) => {
    const labels = routeOf(request);
    requests.inc({ ...labels, status: reply.statusCode });
    durations.observe(labels, reply.elapsedTime / 1000);
    done();
  });
  const page = metricsPage();
  app.get(METRICS_PATH, { schema: { hide: true } } as object, async (_request, reply) => {
    const { type, text } = await page();
    return await reply.type(type).send(text);
  });
}

function routeOf({ method, routeOptions }: FastifyRequest): { method: string; route: string } {
  return routeOptions.url === undefined
    ? { method: "any", route: "unmatched" }
    : { method, route: routeOptions.url };
}
