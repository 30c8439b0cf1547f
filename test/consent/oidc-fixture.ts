// The consent side on a database and a port of its own, with a registered bank, an outbox in memory and every event
// collected: what the consent tests share.
import { generateKeyPairSync, randomBytes, webcrypto } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { calculateJwkThumbprint, type JWK } from "jose";
import { type Clock, systemClock } from "../../core/clock.ts";
import { type Database, openDatabase } from "../../core/database.ts";
import { silentLogger } from "../../core/log.ts";
import { systemRandom } from "../../core/random.ts";
import { addClient, type ClientRegistration } from "../../consent/clients.ts";
import type { ProductNotice } from "../../consent/approval/data-classes.ts";
import { AtRest } from "../../consent/at-rest.ts";
import type { ConsentEvent } from "../../consent/consent-event.ts";
import type { ConsentOptions } from "../../consent/consent-options.ts";
import { ConsentService } from "../../consent/consent-service.ts";
import { createConsentHttp } from "../../consent/oidc/http.ts";
import { createSigningKeys } from "../../consent/oidc/signing-keys.ts";
import { consentMigrations, type ConsentSchema } from "../../consent/schema.ts";
import type { SmsMessage } from "../../consent/sms.ts";

export const GATEWAY = "https://gateway.example";
export const PHONE = "+8613812345678";
export const PRODUCTS: readonly ProductNotice[] = [
  {
    ref: "credit-score@1",
    zh: "信用评分",
    en: "credit score",
    dataClasses: ["identity", "spending", "payment", "location"],
  },
  { ref: "id-check@1", zh: "身份核验", en: "identity check", dataClasses: ["identity"] },
];

export interface ClientKeys {
  readonly kid: string;
  readonly privateKey: webcrypto.CryptoKey;
  readonly publicJwk: ClientRegistration["jwks"]["keys"][number];
}

export async function makeClientKeys(use: "sig" | "enc" = "sig"): Promise<ClientKeys> {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = privateKey.export({ format: "jwk" }) as JWK & { x: string; y: string };
  const kid = await calculateJwkThumbprint(jwk);
  const imported = await webcrypto.subtle.importKey(
    "jwk",
    jwk as webcrypto.JsonWebKey,
    { name: "ECDSA", namedCurve: "P-256" },
    false,
    ["sign"],
  );
  const { x, y } = jwk;
  return { kid, privateKey: imported, publicJwk: { kty: "EC", crv: "P-256", x, y, kid, use } };
}

export function bank(keys: ClientKeys, more: Partial<ClientRegistration> = {}): ClientRegistration {
  return {
    client_id: "demo-bank",
    name: "示范银行",
    contact: "consumer-affairs@bank.example",
    jwks: { keys: [keys.publicJwk] },
    products: ["credit-score@1", "id-check@1"],
    purposes: ["dpv:CreditChecking"],
    ...more,
  };
}

export interface Fixture extends AsyncDisposable {
  readonly origin: string;
  readonly service: ConsentService;
  readonly options: ConsentOptions;
  readonly db: Database<ConsentSchema>;
  readonly keys: ClientKeys;
  readonly events: ConsentEvent[];
  readonly outbox: SmsMessage[];
  readonly subjectMasterKey: Buffer;
  readonly subjectKey: Buffer;
}

export interface FixtureOptions {
  readonly url?: string;
  readonly clock?: Clock;
  readonly client?: Partial<ClientRegistration>;
  readonly overrides?: Partial<ConsentOptions>;
}

export async function openFixture(fixture: FixtureOptions = {}): Promise<Fixture> {
  const db = await openDatabase<ConsentSchema>(fixture.url ?? "sqlite::memory:", consentMigrations);
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const events: ConsentEvent[] = [];
  const outbox: SmsMessage[] = [];
  const subjectKey = randomBytes(32);
  const subjectMasterKey = randomBytes(32);
  const options: ConsentOptions = {
    db,
    transact: (work) => db.transaction().execute(work),
    recordEvent: async (_tx, event) => void events.push(event),
    atRest: new AtRest(randomBytes(32)),
    clock: fixture.clock ?? systemClock,
    timeOf: () => (fixture.clock ?? systemClock).nowMs(),
    random: systemRandom,
    log: silentLogger,
    issuer: origin,
    audiences: [GATEWAY],
    subjectKey,
    subjectMasterKey,
    epoch: () => 7,
    signingKeys: await createSigningKeys(),
    sms: { name: "test", send: async (message) => void outbox.push(message) },
    products: (ref) => PRODUCTS.find((product) => product.ref === ref),
    pollIntervalSeconds: 1,
    ...fixture.overrides,
  };
  const keys = await makeClientKeys();
  await addClient(db, options.clock, bank(keys, fixture.client));
  const service = new ConsentService(options);
  const app = await createConsentHttp(service);
  await app.ready();
  server.on("request", (request, response) => app.routing(request, response));
  return {
    origin,
    service,
    options,
    db,
    keys,
    events,
    outbox,
    subjectKey,
    subjectMasterKey,
    async [Symbol.asyncDispose]() {
      await closeServer(server);
      await app.close();
      await db.destroy();
    },
  };
}

async function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
