// The authority's HTTP listener: the OpenID provider, the pages for people, status lists, and the audit log for everybody.
import type { Settings } from "../core/config.ts";
import { WjfError } from "../core/errors.ts";
import { BACKLOG } from "../core/http-server.ts";
import type { ConsentService } from "./consent-service.ts";
import { serveLog } from "./log/serve.ts";
import { createConsentHttp } from "./oidc/http.ts";
import type { PortalParts } from "./portal/portal-routes.ts";

export interface RunningHttp extends AsyncDisposable {
  readonly url: string;
}

/** @throws WjfError `port-in-use`. */
export async function serveAuthorityHttp(
  service: ConsentService,
  portal: PortalParts,
  settings: Settings,
): Promise<RunningHttp> {
  const app = await createConsentHttp(service, {
    portal,
    connections: settings.maxConnections,
  });
  app.get("/healthz", () => ({ status: "ok" }));
  app.get<{ Params: { "*": string } }>("/log/*", async (request, reply) => {
    const encoding = request.headers["accept-encoding"]?.toString();
    const { status, headers, body } = await serveLog(
      portal.ledger.log,
      request.params["*"],
      encoding,
    );
    return await reply.status(status).headers(headers).send(body);
  });
  try {
    const { bind: host, authorityPort: port } = settings;
    const url = await app.listen({ host, port, backlog: BACKLOG });
    return { url, [Symbol.asyncDispose]: () => app.close() };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EADDRINUSE") throw cause;
    const where = `${settings.bind}:${settings.authorityPort} (WJF_AUTHORITY_PORT)`;
    throw new WjfError("port-in-use", where, { cause });
  }
}
