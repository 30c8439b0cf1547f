// The page of metrics for a party that has no HTTP interface: on this machine only, and only when its operator names a port.
import { createServer, type Server } from "node:http";
import { WjfError } from "./errors.ts";
import { METRICS_PATH, metricsPage } from "./metrics.ts";

export interface MetricsListener extends AsyncDisposable {
  readonly port: number;
}

/**
 * Serves the metrics to this machine alone, for a party without an HTTP interface.
 * @param port 0 takes any free one.
 * @throws WjfError `port-in-use`.
 */
export async function listenForMetrics(port: number): Promise<MetricsListener> {
  const page = metricsPage();
  const server = createServer((request, response) => {
    if (request.url !== METRICS_PATH || request.method !== "GET") {
      response.writeHead(404).end();
      return;
    }
    page().then(
      ({ type, text }) => response.writeHead(200, { "content-type": type }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await listen(server, port);
  const bound = (server.address() as { port: number }).port;
  return { port: bound, [Symbol.asyncDispose]: () => close(server) };
}

async function listen(server: Server, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (cause) =>
    reject(new WjfError("port-in-use", `127.0.0.1:${port} (--metrics-port)`, { cause })),
  );
  server.listen(port, "127.0.0.1", resolve);
  await promise;
}

async function close(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  await promise;
}
