// The registry of institutions: what may be registered, rotated and disabled, and that no private key ever gets in.
import { expect, test } from "vitest";
import { ManualClock } from "../../core/clock.ts";
import { openDatabase } from "../../core/database.ts";
import {
  activeClient,
  addClient,
  type ClientRegistration,
  disableClient,
  encryptionKey,
  findClient,
  listClients,
  rotateClient,
} from "../../consent/clients.ts";
import { consentMigrations, type ConsentSchema } from "../../consent/schema.ts";
import { bank, makeClientKeys } from "./oidc-fixture.ts";

const clock = new ManualClock(1_800_000_000_000);
const invalid = { code: "data-invalid" };

function open() {
  return openDatabase<ConsentSchema>("sqlite::memory:", consentMigrations);
}

test("a client is registered with defaults, listed, and found as it was given", async () => {
  await using db = await open();
  const keys = await makeClientKeys();
  const added = await addClient(db, clock, bank(keys));
  expect(added).toMatchObject({ sealed_only: false, limits: { queries_per_second: 5000 } });
  expect(await findClient(db, "demo-bank")).toEqual(added);
  expect((await listClients(db)).map((client) => client.client_id)).toEqual(["demo-bank"]);
  await expect(addClient(db, clock, bank(keys))).rejects.toMatchObject(invalid);
});

test("registrations that are not valid are refused", async () => {
  await using db = await open();
  const keys = await makeClientKeys();
  const jwk = keys.publicJwk;
  const bad: unknown[] = [
    { ...bank(keys), client_id: "Demo Bank" },
    { ...bank(keys), purposes: ["dpv:WorldDomination"] },
    { ...bank(keys), purposes: [] },
    { ...bank(keys), products: ["not a product"] },
    { ...bank(keys), jwks: { keys: [] } },
    { ...bank(keys), jwks: { keys: [{ ...jwk, d: "secret" }] } },
    { ...bank(keys), jwks: { keys: [{ ...jwk, use: "enc" }] } },
    { ...bank(keys), jwks: { keys: [jwk, jwk] } },
    // No point of the curve: nothing could be verified with it, or sealed to it.
    { ...bank(keys), jwks: { keys: [{ ...jwk, x: jwk.y }] } },
    { ...bank(keys), sealed_only: true },
    { ...bank(keys), limits: { queries_per_second: 0 } },
  ];
  for (const registration of bad) {
    const adding = addClient(db, clock, registration as ClientRegistration);
    await expect(adding, JSON.stringify(registration)).rejects.toMatchObject(invalid);
  }
  expect(await listClients(db)).toEqual([]);
});

test("rotation replaces the keys, or overlaps the signing keys; never the encryption keys", async () => {
  await using db = await open();
  const [first, second, third] = [
    await makeClientKeys(),
    await makeClientKeys(),
    await makeClientKeys(),
  ];
  const [seal, newSeal] = [await makeClientKeys("enc"), await makeClientKeys("enc")];
  const jwks = { keys: [first.publicJwk, seal.publicJwk] };
  await addClient(db, clock, bank(first, { jwks, sealed_only: true }));
  const both = await rotateClient(
    db,
    clock,
    "demo-bank",
    { keys: [second.publicJwk, newSeal.publicJwk] },
    { overlap: true },
  );
  expect(both.jwks.keys.map((key) => key.kid)).toEqual([second.kid, newSeal.kid, first.kid]);
  expect(encryptionKey(both)?.kid).toBe(newSeal.kid);
  await expect(
    rotateClient(db, clock, "demo-bank", { keys: [third.publicJwk] }),
  ).rejects.toMatchObject(invalid);
  const { jwks: now } = await rotateClient(db, clock, "demo-bank", {
    keys: [third.publicJwk, newSeal.publicJwk],
  });
  expect(now.keys.map((key) => key.kid)).toEqual([third.kid, newSeal.kid]);
});

test("a disabled client is not active, and cannot be disabled twice", async () => {
  await using db = await open();
  await addClient(db, clock, bank(await makeClientKeys()));
  expect((await activeClient(db, "demo-bank")).client_id).toBe("demo-bank");
  await disableClient(db, clock, "demo-bank");
  const unknown = { code: "client-unknown" };
  await expect(activeClient(db, "demo-bank")).rejects.toMatchObject(unknown);
  await expect(disableClient(db, clock, "demo-bank")).rejects.toMatchObject(unknown);
  await expect(activeClient(db, "nobody")).rejects.toMatchObject(unknown);
});
