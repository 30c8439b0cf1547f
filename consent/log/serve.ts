// What `/log/*` answers (c2sp.org/tlog-tiles "APIs"), without a web framework: a path in; status, headers and bytes out.
// No login: the log holds nothing personal. Tiles never change once they are covered by a checkpoint, so they may be
// cached for ever, also the partial ones; the checkpoint may not.
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { LogReader } from "./reader.ts";

export interface LogResponse {
  readonly status: 200 | 404;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const compress = promisify(gzip);

const IMMUTABLE = "public, max-age=31536000, immutable";

/**
 * `path` is what follows the log's prefix, as it came: `checkpoint`, `keys`, `tile/0/x001/067.p/3`. Anything that is not exactly a
 * path of the specification, or is not there yet, is a 404 that may not be cached: it may be there later.
 */
export async function serveLog(
  log: LogReader,
  path: string,
  acceptEncoding = "",
): Promise<LogResponse> {
  const body = await log.read(path);
  if (body === undefined) {
    return {
      status: 404,
      headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" },
      body: Buffer.from("not found\n"),
    };
  }
  if (path === "checkpoint" || path === "keys") {
    return {
      status: 200,
      headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-cache" },
      body,
    };
  }
  const headers = { "content-type": "application/octet-stream", "cache-control": IMMUTABLE };
  // Hashes do not compress; entries are JSON.
  if (!path.startsWith("tile/entries/")) return { status: 200, headers, body };
  const varying = { ...headers, vary: "accept-encoding" };
  if (!/\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(acceptEncoding)) {
    return { status: 200, headers: varying, body };
  }
  return {
    status: 200,
    headers: { ...varying, "content-encoding": "gzip" },
    body: await compress(body),
  };
}
