// examples/openid-client.mjs as a stranger runs it: a program of its own that knows only the stock client, against a
// whole federation. The person, meanwhile, reads the message and approves on the page.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { approveInSandbox, latestMessage } from "../../cli/consent-flow.ts";
import { addClient } from "../../consent/clients.ts";
import { systemClock } from "../../core/clock.ts";
import { partyFolder } from "../../core/config.ts";
import { generateP256, publicP256 } from "../../crypto/index.ts";
import { type Federation, startFederation } from "../federation/federation.ts";

let federation: Federation;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "wjf-example-"));
  federation = await startFederation({ provinces: 3 });
});
afterAll(async () => {
  await federation[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** The message comes when the program has asked; a test has no other sign of that. */
async function messageTo(outbox: string, phone: string) {
  for (;;) {
    const message = await latestMessage(outbox, phone).catch(() => undefined);
    if (message !== undefined) return message;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("CIBA, private_key_jwt, DPoP with camara:bh: a score, from a program that imports nothing of ours", async () => {
  const key = generateP256("sig");
  const keyPath = join(folder, "signing.jwk");
  writeFileSync(keyPath, JSON.stringify(key));
  const { kty, crv, x, y, kid = "sig" } = publicP256(key);
  await addClient(federation.authority.service.options.db, systemClock, {
    client_id: "stranger-bank",
    name: "Stranger Bank",
    contact: "privacy@stranger.example",
    jwks: { keys: [{ kty, crv, x, y, kid, use: "sig" }] },
    products: ["credit-score@1"] as never,
    purposes: ["dpv:CreditChecking"],
  });
  const phone = federation.truth[1]?.numbers[0]?.msisdn ?? "";
  const program = spawn(
    process.execPath,
    [
      "examples/openid-client.mjs",
      `--issuer=${federation.settings.authorityUrl}`,
      `--gateway=${federation.settings.gatewayUrl}`,
      "--client-id=stranger-bank",
      `--key=${keyPath}`,
      `--login-hint=tel:${phone}`,
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const output = text(program.stdout);
  const complaints = text(program.stderr);
  const outbox = join(partyFolder(federation.settings.home, "authority"), "outbox.ndjson");
  await approveInSandbox(await messageTo(outbox, phone));
  const code = await new Promise((resolve) => program.once("exit", resolve));
  expect(code, await complaints).toBe(0);
  const answer = JSON.parse(await output) as Record<string, unknown>;
  expect(answer).toMatchObject({
    product: "credit-score@1",
    answer: { kind: "score" },
    coverage: { answered: 3, of: 3 },
  });
  expect(answer["receipt"]).toContain("c2sp.org/tlog-proof@v1");
});
