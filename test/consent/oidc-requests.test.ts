// Requests that are odd as HTTP rather than as OpenID: sent to another name, broken off, with a NUL. What an authority answers
// does not depend on what a request says about its own address.
import { createConnection } from "node:net";
import { expect, test, vi } from "vitest";
import { openFixture } from "./oidc-fixture.ts";

async function sendRaw(origin: string, text: string): Promise<string> {
  const { hostname, port } = new URL(origin);
  const socket = createConnection({ host: hostname, port: Number(port) });
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk as Buffer));
  socket.write(text);
  await new Promise((resolve) => socket.once("close", resolve));
  return Buffer.concat(chunks).toString();
}

const DISCOVERY = "/.well-known/openid-configuration";

test.each([
  ["another host", DISCOVERY, "evil.example"],
  ["a host that is none", DISCOVERY, "["],
  ["no host", DISCOVERY, ""],
  ["a target in absolute form", `http://evil.example${DISCOVERY}`, "evil.example"],
])(
  "discovery names the issuer's endpoints, though the request says %s",
  async (_, target, host) => {
    await using fixture = await openFixture();
    const head = `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: ftp\r\n`;
    const answer = await sendRaw(fixture.origin, `${head}Connection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).not.toContain("evil");
    expect(answer).toContain(`"token_endpoint":"${fixture.origin}/oidc/token"`);
  },
);

test("a request that is broken off is logged, and not printed", async () => {
  await using fixture = await openFixture();
  const printed = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const head = "POST /oidc/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n";
  await sendRaw(
    fixture.origin,
    `${head}Content-Type: application/x-www-form-urlencoded\r\n\r\nzz\r\n`,
  );
  expect(printed).not.toHaveBeenCalled();
  printed.mockRestore();
});

test("a path that does not decode is a problem like any other", async () => {
  await using fixture = await openFixture();
  const response = await fetch(`${fixture.origin}/status-lists/%`);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ type: "/errors#request-malformed" });
});
