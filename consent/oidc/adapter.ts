// oidc-provider's storage (its Adapter contract) on our tables: authentication requests, grants, replay records. Every
// payload is sealed at rest. Clients are read from our registry and cannot be written. Stricter than the contract in
// two places, for concurrency: a replay record is made once, and a request is consumed once, or an error is thrown.
import { AsyncLocalStorage } from "node:async_hooks";
import {
  type Adapter,
  type AdapterFactory,
  type AdapterPayload,
  errors as oidcErrors,
} from "oidc-provider";
import type { Clock } from "../../core/clock.ts";
import { WjfError } from "../../core/errors.ts";
import type { AtRest } from "../at-rest.ts";
import { type Client, findClient } from "../clients.ts";
import { AUTHORIZATION_TYPE } from "../consent-claims.ts";
import type { ConsentDb } from "../schema.ts";

export const CIBA_GRANT = "urn:openid:params:grant-type:ciba";

export interface AdapterOptions {
  readonly db: ConsentDb;
  readonly atRest: AtRest;
  readonly clock: Clock;
}

// What runs inside `within` reads and writes through that transaction: the provider's own writes join ours.
const transaction = new AsyncLocalStorage<ConsentDb>();

/** Runs provider calls so that all they store is part of `tx`. */
export function within<T>(tx: ConsentDb, work: () => Promise<T>): Promise<T> {
  return transaction.run(tx, work);
}

export function adapterFactory(options: AdapterOptions): AdapterFactory {
  return (model) =>
    model === "Client" ? new ClientReader(options) : new ModelStore(model, options);
}

class ModelStore implements Adapter {
  readonly #model: string;
  readonly #options: AdapterOptions;

  constructor(model: string, options: AdapterOptions) {
    this.#model = model;
    this.#options = options;
  }

  get #db(): ConsentDb {
    return transaction.getStore() ?? this.#options.db;
  }

  async upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    const now = this.#options.clock.nowMs();
    const row = {
      payload_sealed: this.#options.atRest.seal(this.#label(id), JSON.stringify(payload)),
      grant_id: payload.grantId ?? null,
      expires_at: expiresIn === undefined ? null : now + expiresIn * 1000,
    };
    const once = this.#model === "ReplayDetection";
    const { numInsertedOrUpdatedRows } = await this.#db
      .insertInto("oidc_model")
      .values({ model: this.#model, id, consumed_at: null, ...row })
      .onConflict((conflict) => {
        const update = conflict.columns(["model", "id"]).doUpdateSet(row);
        return once ? update.where("oidc_model.expires_at", "<=", now) : update;
      })
      .executeTakeFirst();
    if (once && numInsertedOrUpdatedRows !== 1n) throw new oidcErrors.InvalidClientAuth("replayed");
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    if (isNobodys(id)) return undefined;
    const row = await this.#db
      .selectFrom("oidc_model")
      .select(["payload_sealed", "consumed_at"])
      .where("model", "=", this.#model)
      .where("id", "=", id)
      .where((eb) =>
        eb.or([
          eb("expires_at", "is", null),
          // The provider says "expired" itself, for a while, where the standard has an error for it.
          eb("expires_at", ">", this.#options.clock.nowMs() - EXPIRED_KEPT_MS),
        ]),
      )
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const text = this.#options.atRest.open(this.#label(id), row.payload_sealed).toString();
    const payload = JSON.parse(text) as AdapterPayload;
    return row.consumed_at === null ? payload : { ...payload, consumed: row.consumed_at };
  }

  async consume(id: string): Promise<void> {
    const { numUpdatedRows } = await this.#db
      .updateTable("oidc_model")
      .set({ consumed_at: this.#options.clock.nowMs() })
      .where("model", "=", this.#model)
      .where("id", "=", id)
      .where("consumed_at", "is", null)
      .executeTakeFirst();
    if (numUpdatedRows !== 1n) throw new oidcErrors.InvalidGrant("already consumed");
  }

  async destroy(id: string): Promise<void> {
    await this.#db
      .deleteFrom("oidc_model")
      .where("model", "=", this.#model)
      .where("id", "=", id)
      .execute();
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    await this.#db.deleteFrom("oidc_model").where("grant_id", "=", grantId).execute();
  }

  // There are no user codes and no browser sessions here.
  async findByUserCode(): Promise<undefined> {}
  async findByUid(): Promise<undefined> {}

  #label(id: string): string {
    return `oidc.${this.#model}.${id}`;
  }
}

/** How long an expired request is still known as "expired" rather than as "not found". */
const EXPIRED_KEPT_MS = 3_600_000;

/** Forgets what has been over for long enough. */
export async function forgetExpired(db: ConsentDb, clock: Clock): Promise<void> {
  await db
    .deleteFrom("oidc_model")
    .where("expires_at", "<", clock.nowMs() - EXPIRED_KEPT_MS)
    .execute();
}

class ClientReader implements Adapter {
  readonly #options: AdapterOptions;

  constructor(options: AdapterOptions) {
    this.#options = options;
  }

  /** A disabled client is as good as none: `invalid_client`. */
  async find(id: string): Promise<AdapterPayload | undefined> {
    if (isNobodys(id)) return undefined;
    const client = await findClient(transaction.getStore() ?? this.#options.db, id);
    if (client === undefined || client.disabled_at !== null) return undefined;
    return clientMetadata(client);
  }

  upsert = refuse;
  consume = refuse;
  destroy = refuse;
  revokeByGrantId = refuse;
  async findByUserCode(): Promise<undefined> {}
  async findByUid(): Promise<undefined> {}
}

/** PostgreSQL knows no text with NUL, and fails where there is nothing to be found. */
function isNobodys(id: string): boolean {
  return id.includes("\0");
}

async function refuse(): Promise<never> {
  throw new WjfError("internal", "clients are registered by the operator only");
}

function clientMetadata(client: Client): AdapterPayload {
  return {
    client_id: client.client_id,
    client_name: client.name,
    grant_types: [CIBA_GRANT],
    response_types: [],
    redirect_uris: [],
    token_endpoint_auth_method: "private_key_jwt",
    id_token_signed_response_alg: "ES256",
    backchannel_token_delivery_mode: "poll",
    dpop_bound_access_tokens: true,
    authorization_details_types: [AUTHORIZATION_TYPE],
    jwks: { keys: client.jwks.keys.filter((key) => key.use === "sig") },
  };
}
