// The tables of the consent side: clients, consents and their uses, notices, SMS challenges, pending approvals, the
// OpenID provider's own state, and the counter that hands out status indices. Forward-only (core/database.ts).
// Personal data is only ever in `*_sealed` columns (consent/at-rest.ts), and what is looked up by is a keyed index.
import type { Generated, Kysely } from "kysely";
import type { Migration } from "../core/database.ts";
import { offerMigrations, type OfferSchema } from "./credit-life/offer-schema.ts";

export interface ClientTable {
  client_id: string;
  name: string;
  contact: string;
  /** Public JWK Set: signing keys (`use` sig) and at most one encryption key (`use` enc). */
  jwks: string;
  products: string;
  purposes: string;
  sealed_only: number;
  limits: string;
  created_at: number;
  updated_at: number;
  disabled_at: number | null;
}

export interface ConsentTable {
  id: string;
  client_id: string;
  recipient: string;
  purpose: string;
  /** The one authorization_details entry, as granted (as asked for until the person has decided). */
  terms: string;
  state: string;
  /** Keyed index of the subject tag: finds a person's consents without naming the person. */
  subject_index: string;
  /** The subject tag, sealed; null once erased. */
  subject_sealed: Uint8Array | null;
  /** Keyed index of the phone that receives codes about this consent. */
  contact_index: string;
  audience: string;
  /** {uri, version, sha256} of the notice that the person is shown. */
  notice: string;
  /** What the person did, salted and sealed; its hash is in the token. Null until decided, and once erased. */
  evidence_sealed: Uint8Array | null;
  evidence_hash: string | null;
  requested_at: number;
  decided_at: number | null;
  /** For a request: when it lapses. For a consent: when its term ends. */
  expires_at: number;
  max_uses: number;
  uses: Generated<number>;
  status_list: number | null;
  status_index: number | null;
  changed_at: number;
}

export interface ConsentUseTable {
  consent_id: string;
  /** The query id: one release spends once, however often it is retried. */
  release_id: string;
  product: string;
  used_at: number;
}

export interface NoticeTable {
  sha256: string;
  body: string;
  created_at: number;
}

export interface ApprovalTable {
  /** SHA-256 of the capability in the link. */
  id: string;
  consent_id: string;
  auth_req_id_sealed: Uint8Array;
  /** Only until the decision, or the lapse: needed to send a code again. */
  phone_sealed: Uint8Array | null;
  /** CIBA §7.1: shown by the institution too, so that the person can tell the two belong together. */
  binding_message: string | null;
  created_at: number;
  expires_at: number;
  closed_at: number | null;
}

export interface SmsChallengeTable {
  id: string;
  contact_index: string;
  code_mac: string;
  attempts_left: number;
  /** How many messages have gone out under this id. */
  sends: number;
  sent_at: number;
  expires_at: number;
}

export interface OidcModelTable {
  model: string;
  id: string;
  payload_sealed: Uint8Array;
  grant_id: string | null;
  consumed_at: number | null;
  expires_at: number | null;
}

export interface StatusCounterTable {
  id: number;
  next: number;
}

/** Which commitments in the log are about which consent: what has to go when the consent is erased. */
export interface ConsentCommitmentTable {
  commitment: string;
  consent_id: string;
}

export interface ConsentSchema extends OfferSchema {
  client: ClientTable;
  consent: ConsentTable;
  consent_use: ConsentUseTable;
  consent_commitment: ConsentCommitmentTable;
  consent_notice: NoticeTable;
  consent_approval: ApprovalTable;
  sms_challenge: SmsChallengeTable;
  oidc_model: OidcModelTable;
  status_counter: StatusCounterTable;
}

/** The database, or the transaction that the caller has open on it. */
export type ConsentDb = Kysely<ConsentSchema>;

/**
 * Runs the work in one transaction in which consents may change, and resolves when it is durable. The work may be run
 * more than once: it touches nothing but what its `tx` undoes.
 */
export type Transact = <T>(work: (tx: ConsentDb) => Promise<T>) => Promise<T>;

/**
 * The time of a transaction, milliseconds since the epoch: the one that its leaves in the audit log get. Whatever the log
 * is later judged by (terms, counts, frequency) is decided by this time and by no clock, or the two could differ.
 */
export type TimeOf = (tx: ConsentDb) => number;

export const consentMigrations: readonly Migration[] = [
  {
    name: "2026-11-24-010-consent",
    async up(db, { bytes }) {
      await db.schema
        .createTable("client")
        .addColumn("client_id", "text", (column) => column.primaryKey())
        .addColumn("name", "text", (column) => column.notNull())
        .addColumn("contact", "text", (column) => column.notNull())
        .addColumn("jwks", "text", (column) => column.notNull())
        .addColumn("products", "text", (column) => column.notNull())
        .addColumn("purposes", "text", (column) => column.notNull())
        .addColumn("sealed_only", "integer", (column) => column.notNull())
        .addColumn("limits", "text", (column) => column.notNull())
        .addColumn("created_at", "bigint", (column) => column.notNull())
        .addColumn("updated_at", "bigint", (column) => column.notNull())
        .addColumn("disabled_at", "bigint")
        .execute();

      await db.schema
        .createTable("consent_notice")
        .addColumn("sha256", "text", (column) => column.primaryKey())
        .addColumn("body", "text", (column) => column.notNull())
        .addColumn("created_at", "bigint", (column) => column.notNull())
        .execute();

      await db.schema
        .createTable("consent")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("client_id", "text", (column) => column.notNull().references("client.client_id"))
        .addColumn("recipient", "text", (column) => column.notNull())
        .addColumn("purpose", "text", (column) => column.notNull())
        .addColumn("terms", "text", (column) => column.notNull())
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("subject_index", "text", (column) => column.notNull())
        .addColumn("subject_sealed", bytes)
        .addColumn("contact_index", "text", (column) => column.notNull())
        .addColumn("audience", "text", (column) => column.notNull())
        .addColumn("notice", "text", (column) => column.notNull())
        .addColumn("evidence_sealed", bytes)
        .addColumn("evidence_hash", "text")
        .addColumn("requested_at", "bigint", (column) => column.notNull())
        .addColumn("decided_at", "bigint")
        .addColumn("expires_at", "bigint", (column) => column.notNull())
        .addColumn("max_uses", "integer", (column) => column.notNull())
        .addColumn("uses", "integer", (column) => column.notNull().defaultTo(0))
        .addColumn("status_list", "integer")
        .addColumn("status_index", "integer")
        .addColumn("changed_at", "bigint", (column) => column.notNull())
        .addUniqueConstraint("consent_status_slot", ["status_list", "status_index"])
        .execute();
      for (const column of ["subject_index", "contact_index", "client_id"]) {
        await db.schema
          .createIndex(`consent_by_${column}`)
          .on("consent")
          .columns([column, "requested_at"])
          .execute();
      }
      await db.schema
        .createIndex("consent_by_expiry")
        .on("consent")
        .columns(["state", "expires_at"])
        .execute();

      await db.schema
        .createTable("consent_use")
        .addColumn("consent_id", "text", (column) => column.notNull().references("consent.id"))
        .addColumn("release_id", "text", (column) => column.notNull())
        .addColumn("product", "text", (column) => column.notNull())
        .addColumn("used_at", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("consent_use_key", ["consent_id", "release_id"])
        .execute();
      await db.schema
        .createIndex("consent_use_by_time")
        .on("consent_use")
        .columns(["consent_id", "used_at"])
        .execute();
    },
  },
  {
    name: "2026-11-24-011-consent-approval",
    async up(db, { bytes }) {
      await db.schema
        .createTable("consent_approval")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("consent_id", "text", (column) =>
          column.notNull().unique().references("consent.id"),
        )
        .addColumn("auth_req_id_sealed", bytes, (column) => column.notNull())
        .addColumn("phone_sealed", bytes)
        .addColumn("binding_message", "text")
        .addColumn("created_at", "bigint", (column) => column.notNull())
        .addColumn("expires_at", "bigint", (column) => column.notNull())
        .addColumn("closed_at", "bigint")
        .execute();
      await db.schema
        .createTable("sms_challenge")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("contact_index", "text", (column) => column.notNull())
        .addColumn("code_mac", "text", (column) => column.notNull())
        .addColumn("attempts_left", "integer", (column) => column.notNull())
        .addColumn("sends", "integer", (column) => column.notNull())
        .addColumn("sent_at", "bigint", (column) => column.notNull())
        .addColumn("expires_at", "bigint", (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex("sms_challenge_by_contact")
        .on("sms_challenge")
        .columns(["contact_index", "sent_at"])
        .execute();
      await db.schema
        .createTable("oidc_model")
        .addColumn("model", "text", (column) => column.notNull())
        .addColumn("id", "text", (column) => column.notNull())
        .addColumn("payload_sealed", bytes, (column) => column.notNull())
        .addColumn("grant_id", "text")
        .addColumn("consumed_at", "bigint")
        .addColumn("expires_at", "bigint")
        .addPrimaryKeyConstraint("oidc_model_key", ["model", "id"])
        .execute();
      await db.schema
        .createIndex("oidc_model_by_grant")
        .on("oidc_model")
        .columns(["grant_id"])
        .execute();
      await db.schema
        .createTable("status_counter")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("next", "bigint", (column) => column.notNull())
        .execute();
      const counter = db as unknown as Kysely<ConsentSchema>;
      await counter.insertInto("status_counter").values({ id: 1, next: 0 }).execute();
    },
  },
  {
    name: "2026-11-24-012-consent-retention",
    async up(db) {
      await db.schema
        .createTable("consent_commitment")
        .addColumn("commitment", "text", (column) => column.primaryKey())
        .addColumn("consent_id", "text", (column) => column.notNull().references("consent.id"))
        .execute();
      await db.schema
        .createIndex("consent_commitment_by_consent")
        .on("consent_commitment")
        .column("consent_id")
        .execute();
      // Also answers "has any consent changed since": another process may have changed it.
      await db.schema.createIndex("consent_by_change").on("consent").column("changed_at").execute();
    },
  },
  ...offerMigrations,
];
