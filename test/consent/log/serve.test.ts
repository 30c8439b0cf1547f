// What /log/* answers, and the log read back over HTTP as a regulator would.
import { createServer } from "node:http";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { httpReader, serveLog, verifyLog } from "../../../consent/log/index.ts";
import { openTestLog, refusals, type TestLog } from "./log-fixtures.ts";

let opened: TestLog;
beforeAll(async () => {
  opened = await openTestLog();
  await opened.log.append(refusals(300));
});
afterAll(async () => opened[Symbol.asyncDispose]());

const serve = (path: string, accept?: string) => serveLog(opened.log, path, accept);

describe("what is served (c2sp.org/tlog-tiles, APIs)", () => {
  test("the checkpoint is text, and is asked for again each time", async () => {
    const { status, headers, body } = await serve("checkpoint");
    expect([status, headers["content-type"], headers["cache-control"]]).toEqual([
      200,
      "text/plain; charset=utf-8",
      "no-cache",
    ]);
    expect(body.toString()).toMatch(/^log\.example\/wjf\n300\n/);
  });

  test("tiles are bytes of the right length, for ever", async () => {
    for (const [path, bytes] of [
      ["tile/0/000", 8192],
      ["tile/0/000.p/17", 17 * 32],
      ["tile/0/001.p/44", 44 * 32],
      ["tile/1/000.p/1", 32],
    ] as const) {
      const { status, headers, body } = await serve(path);
      expect([path, status, body.length]).toEqual([path, 200, bytes]);
      expect(headers["content-type"]).toBe("application/octet-stream");
      expect(headers["cache-control"]).toContain("immutable");
    }
    const full = (await serve("tile/0/000")).body;
    expect((await serve("tile/0/000.p/17")).body.equals(full.subarray(0, 17 * 32))).toBe(true);
  });

  test("entries are compressed for those who ask", async () => {
    const plain = await serve("tile/entries/000");
    const packed = await serve("tile/entries/000", "br;q=1, gzip;q=0.8");
    expect(packed.headers).toMatchObject({ "content-encoding": "gzip", vary: "accept-encoding" });
    expect(gunzipSync(packed.body).equals(plain.body)).toBe(true);
    const refused = await serve("tile/entries/000", "gzip;q=0, identity");
    expect(refused.headers["content-encoding"]).toBeUndefined();
  });

  test.each([
    "",
    "tile/0/001",
    "tile/0/001.p/45",
    "tile/0/002.p/1",
    "tile/1/000",
    "tile/2/000.p/1",
    "tile/entries/001",
    "tile/entries/001.p/45",
    "../log.db",
    "tile/0/../../checkpoint",
    "tile/0/000.p/256",
    "checkpoint/",
  ])("%j is not there, and that is not to be cached", async (path) => {
    const { status, headers } = await serve(path);
    expect([status, headers["cache-control"]]).toEqual([404, "no-store"]);
  });
});

test("a log verifies over HTTP; one that stops answering is not a broken log", async () => {
  let broken = false;
  const server = createServer((request, response) => {
    const path = (request.url ?? "").slice("/log/".length);
    void serveLog(opened.log, path, String(request.headers["accept-encoding"])).then((answer) => {
      response.writeHead(broken ? 503 : answer.status, { ...answer.headers }).end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const reader = httpReader(`http://127.0.0.1:${port}/log/`);
  const { verifierKeys } = opened.log;
  expect(await verifyLog(reader, { verifierKeys })).toMatchObject({ ok: true, size: 300 });
  broken = true;
  await expect(verifyLog(reader, { verifierKeys })).rejects.toMatchObject({
    code: "federation-unavailable",
  });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
