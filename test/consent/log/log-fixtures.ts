// Keys, drafts and logs for the audit log's tests. Keys are made once for a test file; time is a ManualClock's.
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import {
  AuditLog,
  type LeafDraft,
  logMigrations,
  type LogSchema,
  noteSigner,
} from "../../../consent/log/index.ts";
import { sha256Hex } from "../../../core/canonical.ts";
import { ManualClock } from "../../../core/clock.ts";
import { type Database, type Migration, openDatabase } from "../../../core/database.ts";

export const ORIGIN = "log.example/wjf";

/** The authority's clock starts here. */
export const START_MS = Date.parse("2026-11-24T01:00:00.000Z");

/** What a caller's own state looks like: the uses of a consent, and a row that is unique for each query. */
export interface TestSchema extends LogSchema {
  spent: { query_id: string; consent_id: string; leaf: number };
}

const spentMigration: Migration = {
  name: "2026-11-24-900-spent",
  up: (db) =>
    db.schema
      .createTable("spent")
      .addColumn("query_id", "text", (column) => column.primaryKey())
      .addColumn("consent_id", "text", (column) => column.notNull())
      .addColumn("leaf", "bigint", (column) => column.notNull())
      .execute(),
};

export function newKey(type: "ed25519" | "ml-dsa-44"): KeyObject {
  return generateKeyPairSync(type as "ed25519").privateKey;
}

export const ed25519Key = newKey("ed25519");
export const mlDsaKey = newKey("ml-dsa-44");

export async function openTestDatabase(url = "sqlite::memory:"): Promise<Database<TestSchema>> {
  return openDatabase<TestSchema>(url, [...logMigrations, spentMigration]);
}

export interface TestLog extends AsyncDisposable {
  readonly db: Database<TestSchema>;
  readonly log: AuditLog<TestSchema>;
  readonly clock: ManualClock;
}

export async function openTestLog(
  url?: string,
  clock = new ManualClock(START_MS),
): Promise<TestLog> {
  const db = await openTestDatabase(url);
  const signers = [noteSigner(ORIGIN, ed25519Key), noteSigner(ORIGIN, mlDsaKey)];
  const log = await AuditLog.open({ db, origin: ORIGIN, signers, clock });
  return {
    db,
    log,
    clock,
    async [Symbol.asyncDispose]() {
      await log.close();
      await db.destroy();
    },
  };
}

type Draft<T extends LeafDraft["type"]> = Extract<LeafDraft, { type: T }>;
type TermsDraft = Extract<Draft<"consent">, { event: "requested" | "approved" }>;

export function terms(consentId: string, change: Partial<TermsDraft> = {}): TermsDraft {
  return {
    type: "consent",
    event: "requested",
    consent_id: consentId,
    client_id: "bank-a",
    purpose: "dpv:CreditChecking",
    products: ["credit-score@1", "verify-identity@1"],
    max_uses: 3,
    result: "score",
    not_before: new Date(START_MS).toISOString(),
    expires: new Date(START_MS + 86_400_000).toISOString(),
    ...change,
  };
}

/** Requested and approved, with the same terms. */
export function approved(consentId: string, change: Partial<TermsDraft> = {}): TermsDraft[] {
  return [terms(consentId, change), terms(consentId, { ...change, event: "approved" })];
}

export function change(
  consentId: string,
  event: Exclude<Draft<"consent">["event"], "requested" | "approved">,
): LeafDraft {
  return { type: "consent", event, consent_id: consentId, client_id: "bank-a" };
}

let queries = 0;

export function release(
  consentId: string,
  change: Partial<Draft<"release">> = {},
): Draft<"release"> {
  queries += 1;
  return {
    type: "release",
    query_id: `00000000-0000-4000-8000-${String(queries).padStart(12, "0")}`,
    consent_id: consentId,
    token_id_sha256: sha256Hex(`token of ${consentId}`),
    client_id: "bank-a",
    purpose: "dpv:CreditChecking",
    product: "credit-score@1",
    model: { id: "credit-score", version: "1" },
    answer_kind: "score",
    coverage: { answered: 31, of: 31 },
    descriptor_sha256: sha256Hex("descriptor"),
    epoch: 1,
    ...change,
  };
}

export function refusals(count: number): LeafDraft[] {
  return Array.from({ length: count }, (_, i) => ({
    type: "refusal",
    code: "consent-revoked",
    client_id: `bank-${i}`,
  }));
}
