// The life of a consent over PostgreSQL, and one whole OpenID flow on it.
import { afterAll, beforeAll, expect, test } from "vitest";
import { approveInSandbox, obtainConsent } from "../../cli/consent-flow.ts";
import { type PostgresServer, startPostgres } from "../core/database-postgres-server.ts";
import { lifecycleSuite } from "./lifecycle-suite.ts";
import { openFixture, PHONE } from "./oidc-fixture.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(async () => server[Symbol.asyncDispose]());

lifecycleSuite(() => server.emptyDatabase());

test("PostgreSQL knows no text with NUL: a name with one is nobody's, not a failure", async () => {
  await using fixture = await openFixture({ url: await server.emptyDatabase() });
  const notice = await fetch(`${fixture.origin}/notices/%00`);
  expect(notice.status).toBe(404);
  const client = await fetch(`${fixture.origin}/oidc/backchannel`, {
    method: "POST",
    body: new URLSearchParams({ client_id: "a\0b", client_assertion: "a.b.c" }),
  });
  expect(client.status).toBeLessThan(500);
});

test("a stock client gets its token from an authority on PostgreSQL", async () => {
  await using fixture = await openFixture({ url: await server.emptyDatabase() });
  const { token } = await obtainConsent({
    issuer: fixture.origin,
    clientId: "demo-bank",
    clientKey: fixture.keys,
    loginHint: `tel:${PHONE}`,
    purpose: "dpv:CreditChecking",
    products: ["id-check@1"],
    limits: {
      fetch: "ONETIME",
      max_uses: 1,
      result: "boolean",
      retention: { unit: "DAY", value: 1 },
    },
    approve: async () => {
      const message = fixture.outbox.at(-1);
      if (message !== undefined) await approveInSandbox({ ...message, text: "" });
    },
  });
  expect(token.split(".")).toHaveLength(3);
});
