// The registry of institutions (issue "Clients"): who they are, their keys, what they may ask and how much. It is
// what the OpenID provider and the release check see of a client; there is no dynamic registration.
// Only public keys are ever stored; a private member in a JWK is refused.
import { z } from "zod";
import type { Clock } from "../core/clock.ts";
import { WjfError } from "../core/errors.ts";
import { ProductRef } from "../core/ids.ts";
import { parseWith } from "../core/parse.ts";
import { isP256, NO_POINT } from "../crypto/index.ts";
import { PurposeScope } from "./consent-claims.ts";
import { findPurpose } from "./purposes.ts";
import type { ConsentDb } from "./schema.ts";

const coordinate = z.string().regex(/^[A-Za-z0-9_-]{43}$/, "a P-256 coordinate");

/** RFC 7517/7518 P-256 public key. strictObject: a `d` (private key) or anything else is refused, not dropped. */
const PublicKey = z
  .strictObject({
    kty: z.literal("EC"),
    crv: z.literal("P-256"),
    x: coordinate,
    y: coordinate,
    kid: z.string().min(1).max(128),
    use: z.enum(["sig", "enc"]),
    alg: z.enum(["ES256", "ECDH-ES"]).optional(),
  })
  .refine(isP256, NO_POINT);
export type ClientKey = z.infer<typeof PublicKey>;

const Jwks = z
  .strictObject({ keys: z.array(PublicKey).min(1).max(8) })
  .refine(({ keys }) => keys.some((key) => key.use === "sig"), "at least one signing key")
  .refine(
    ({ keys }) => keys.filter((key) => key.use === "enc").length <= 1,
    "at most one encryption key",
  )
  .refine(({ keys }) => new Set(keys.map((key) => key.kid)).size === keys.length, "kid: unique");

const PersonBudget = z.int().min(1).max(1000).nullable();
const PERSON_BUDGETS = { queries_per_person_per_day: 100, claims_per_person_per_day: 20 };

export const ClientLimits = z.strictObject({
  queries_per_second: z.int().min(1).max(100_000),
  queries_per_day: z.int().min(1).max(1_000_000_000),
  /** CIBA requests, each of which sends a person a message. */
  consent_requests_per_minute: z.int().min(1).max(100_000),
  /** Answers about one person within 24 hours, over all consents (consent/query-budget.ts); null: no budget. */
  queries_per_person_per_day: PersonBudget.default(PERSON_BUDGETS.queries_per_person_per_day),
  /** Of them, answers of products that take claims. */
  claims_per_person_per_day: PersonBudget.default(PERSON_BUDGETS.claims_per_person_per_day),
});
export type ClientLimits = z.infer<typeof ClientLimits>;

export const DEFAULT_LIMITS: ClientLimits = {
  queries_per_second: 5000,
  queries_per_day: 5_000_000,
  consent_requests_per_minute: 600,
  ...PERSON_BUDGETS,
};

export const ClientRegistration = z.strictObject({
  client_id: z
    .string()
    .regex(/^[a-z][a-z0-9-]{2,62}$/, "lower-case letters, digits and hyphens, 3 to 63 characters"),
  /** The name that people see on the approval page. */
  name: z.string().trim().min(1).max(128),
  contact: z.string().trim().min(3).max(256),
  jwks: Jwks,
  products: z.array(ProductRef).min(1).max(256),
  purposes: z
    .array(PurposeScope)
    .min(1)
    .max(16)
    .refine(
      (ids) => ids.every((id) => findPurpose(id) !== undefined),
      "a purpose of this registry",
    ),
  sealed_only: z.boolean().default(false),
  limits: ClientLimits.default(DEFAULT_LIMITS),
});
export type ClientRegistration = z.input<typeof ClientRegistration>;

export interface Client extends z.output<typeof ClientRegistration> {
  readonly created_at: number;
  readonly updated_at: number;
  readonly disabled_at: number | null;
}

type Row = Awaited<ReturnType<typeof selectRow>>;

function selectRow(db: ConsentDb, clientId: string) {
  return db.selectFrom("client").selectAll().where("client_id", "=", clientId).executeTakeFirst();
}

function fromRow(row: NonNullable<Row>): Client {
  const registration = parseWith(
    ClientRegistration,
    {
      client_id: row.client_id,
      name: row.name,
      contact: row.contact,
      jwks: JSON.parse(row.jwks) as unknown,
      products: JSON.parse(row.products) as unknown,
      purposes: JSON.parse(row.purposes) as unknown,
      sealed_only: row.sealed_only === 1,
      limits: JSON.parse(row.limits) as unknown,
    },
    "internal",
    "client row",
  );
  const { created_at, updated_at, disabled_at } = row;
  return { ...registration, created_at, updated_at, disabled_at };
}

/** @throws WjfError `data-invalid` for a registration that is not valid, or an id that is taken. */
export async function addClient(
  db: ConsentDb,
  clock: Clock,
  registration: ClientRegistration,
): Promise<Client> {
  const client = parseWith(ClientRegistration, registration, "data-invalid", "client");
  if (client.sealed_only && !client.jwks.keys.some((key) => key.use === "enc")) {
    throw new WjfError("data-invalid", "client: sealed_only needs an encryption key (use enc)");
  }
  const now = clock.nowMs();
  const { numInsertedOrUpdatedRows } = await db
    .insertInto("client")
    .values({
      client_id: client.client_id,
      name: client.name,
      contact: client.contact,
      jwks: JSON.stringify(client.jwks),
      products: JSON.stringify(client.products),
      purposes: JSON.stringify(client.purposes),
      sealed_only: client.sealed_only ? 1 : 0,
      limits: JSON.stringify(client.limits),
      created_at: now,
      updated_at: now,
      disabled_at: null,
    })
    .onConflict((conflict) => conflict.column("client_id").doNothing())
    .executeTakeFirst();
  if (numInsertedOrUpdatedRows !== 1n) throw new WjfError("data-invalid", "client_id: taken");
  return { ...client, created_at: now, updated_at: now, disabled_at: null };
}

export async function listClients(db: ConsentDb): Promise<Client[]> {
  const rows = await db.selectFrom("client").selectAll().orderBy("client_id").execute();
  return rows.map(fromRow);
}

/** Ids of those that are not disabled. */
export async function activeClientIds(db: ConsentDb): Promise<string[]> {
  const active = db.selectFrom("client").select("client_id").where("disabled_at", "is", null);
  return (await active.orderBy("client_id").execute()).map(({ client_id }) => client_id);
}

/** The registered client, disabled ones too: look at `disabled_at`. */
export async function findClient(db: ConsentDb, clientId: string): Promise<Client | undefined> {
  const row = await selectRow(db, clientId);
  return row === undefined ? undefined : fromRow(row);
}

/** @throws WjfError `client-unknown` when it is not registered, or disabled. */
export async function activeClient(db: ConsentDb, clientId: string): Promise<Client> {
  const client = await findClient(db, clientId);
  if (client === undefined || client.disabled_at !== null) throw new WjfError("client-unknown");
  return client;
}

/**
 * New keys for a client. With `overlap` the old keys stay beside the new ones until the next rotation without it, so
 * that assertions and sealed answers in flight still verify; without it they end now.
 * @throws WjfError `client-unknown`, or `data-invalid` for a set that is not valid.
 */
export async function rotateClient(
  db: ConsentDb,
  clock: Clock,
  clientId: string,
  jwks: z.input<typeof Jwks>,
  options: { readonly overlap?: boolean } = {},
): Promise<Client> {
  const added = parseWith(Jwks, jwks, "data-invalid", "jwks");
  const client = await findClient(db, clientId);
  if (client === undefined) throw new WjfError("client-unknown");
  const newIds = new Set(added.keys.map((key) => key.kid));
  // Old encryption keys never overlap: an answer must be sealed to the newest one.
  const kept = options.overlap
    ? client.jwks.keys.filter((key) => key.use === "sig" && !newIds.has(key.kid))
    : [];
  const next = parseWith(Jwks, { keys: [...added.keys, ...kept] }, "data-invalid", "jwks");
  if (client.sealed_only && !next.keys.some((key) => key.use === "enc")) {
    throw new WjfError("data-invalid", "jwks: sealed_only needs an encryption key (use enc)");
  }
  const now = clock.nowMs();
  await db
    .updateTable("client")
    .set({ jwks: JSON.stringify(next), updated_at: now })
    .where("client_id", "=", clientId)
    .execute();
  return { ...client, jwks: next, updated_at: now };
}

/** From now on this client may ask for consent to these too. @throws WjfError `client-unknown`. */
export async function allowMore(
  db: ConsentDb,
  clock: Clock,
  clientId: string,
  more: { readonly products: readonly ProductRef[]; readonly purposes?: readonly PurposeScope[] },
): Promise<void> {
  const client = await findClient(db, clientId);
  if (client === undefined) throw new WjfError("client-unknown");
  const both = (had: readonly string[], added: readonly string[] = []): string =>
    JSON.stringify([...new Set([...had, ...added])]);
  await db
    .updateTable("client")
    .set({
      products: both(client.products, more.products),
      purposes: both(client.purposes, more.purposes),
      updated_at: clock.nowMs(),
    })
    .where("client_id", "=", clientId)
    .execute();
}

/** Takes effect at once: no token, no consent request, no release. @throws WjfError `client-unknown`. */
export async function disableClient(db: ConsentDb, clock: Clock, clientId: string): Promise<void> {
  const now = clock.nowMs();
  const { numUpdatedRows } = await db
    .updateTable("client")
    .set({ disabled_at: now, updated_at: now })
    .where("client_id", "=", clientId)
    .where("disabled_at", "is", null)
    .executeTakeFirst();
  if (numUpdatedRows !== 1n)
    throw new WjfError("client-unknown", "not registered, or disabled already");
}

/** The key that this client's sealed answers are encrypted to. */
export function encryptionKey(client: Client): ClientKey | undefined {
  return client.jwks.keys.find((key) => key.use === "enc");
}
