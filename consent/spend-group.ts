// Spending the consents of a whole fan-out at once: read together, decided one after another in memory, written together.
// It holds only inside one work of the ledger: the lock on the log's head is the one lock that every writer of these rows
// takes, so what was read still stands when it is written. consent/lifecycle.ts says what the states mean; spend.ts does
// the same for one release alone.
import type { Selectable } from "kysely";
import { chunks } from "../core/database.ts";
import { WjfError } from "../core/errors.ts";
import { parseJsonWith } from "../core/parse.ts";
import { Notice, periodSeconds, QueryAuthorization } from "./consent-claims.ts";
import type { RecordEvent } from "./consent-event.ts";
import { type ConsentState, requireLive } from "./consent-record.ts";
import type { ConsentDb, ConsentTable } from "./schema.ts";
import type { SpendRequest } from "./spend.ts";

const COLUMNS = [
  "id",
  "client_id",
  "purpose",
  "terms",
  "state",
  "subject_index",
  "audience",
  "notice",
  "evidence_hash",
  "expires_at",
  "max_uses",
  "uses",
] as const;
type Row = Pick<Selectable<ConsentTable>, (typeof COLUMNS)[number]>;

/** One consent as it stands at this moment of the work. */
export interface SpendableConsent {
  readonly id: string;
  readonly clientId: string;
  readonly purpose: string;
  readonly terms: QueryAuthorization;
  /** The keyed index of the person; says nothing once erased. */
  readonly subjectIndex: string;
}

interface Spending extends SpendableConsent {
  readonly row: Row;
  spent: SpendRequest[];
  /** Uses within the present period; counted only where the terms limit them. */
  recent: number;
}

export class GroupSpending {
  readonly #nowMs: number;
  readonly #consents: ReadonlyMap<string, Spending>;

  private constructor(nowMs: number, consents: ReadonlyMap<string, Spending>) {
    this.#nowMs = nowMs;
    this.#consents = consents;
  }

  /** @param nowMs the work's own time (`Sequencing.timeMs`). */
  static async read(tx: ConsentDb, ids: readonly string[], nowMs: number): Promise<GroupSpending> {
    const consents = new Map<string, Spending>();
    for (const chunk of chunks([...new Set(ids)])) {
      const rows = await tx
        .selectFrom("consent")
        .select(COLUMNS)
        .where("id", "in", chunk)
        .execute();
      const found = rows.map((row) => ({ row, terms: readTerms(row.terms) }));
      const recent = await countRecent(tx, found, nowMs);
      for (const each of found) {
        const { id } = each.row;
        consents.set(id, spendingOf(each, recent.get(id) ?? 0));
      }
    }
    return new GroupSpending(nowMs, consents);
  }

  /** @throws WjfError `consent-*` unless the consent can be used now, what this group has spent included. */
  requireActive(id: string): SpendableConsent {
    const consent = this.#consents.get(id);
    if (consent === undefined) throw new WjfError("consent-unknown");
    const { row, spent } = consent;
    requireLive({ state: row.state as ConsentState, expiresAt: row.expires_at }, this.#nowMs);
    if (row.uses + spent.length >= row.max_uses) throw new WjfError("consent-consumed");
    return consent;
  }

  /**
   * Whether what was released under the consent may be told again: also when it is used up, not when the person has stopped
   * it or its term is over. @throws WjfError `consent-*`.
   */
  requireNotWithdrawn(id: string): void {
    const row = this.#consents.get(id)?.row;
    if (row === undefined) throw new WjfError("consent-unknown");
    if (row.state === "CONSUMED") return;
    requireLive({ state: row.state as ConsentState, expiresAt: row.expires_at }, this.#nowMs);
  }

  /** All of them that there are. */
  get consents(): readonly SpendableConsent[] {
    return [...this.#consents.values()];
  }

  /** Whom a consent is about, as a keyed index. */
  subjectIndex(id: string): string | undefined {
    return this.#consents.get(id)?.subjectIndex;
  }

  /** Counts one use. @throws WjfError `consent-*`, `product-not-consented`; nothing is counted then. */
  spend(request: SpendRequest): void {
    this.requireActive(request.consentId);
    const consent = this.#consents.get(request.consentId) as Spending;
    const actions: readonly string[] = consent.terms.actions;
    if (!actions.includes(request.product)) throw new WjfError("product-not-consented");
    const { frequency } = consent.terms;
    if (frequency !== undefined && consent.recent >= frequency.value) {
      throw new WjfError("consent-frequency");
    }
    consent.recent++;
    consent.spent.push(request);
  }

  /** Writes what was spent, and moves what is used up to CONSUMED. */
  async settle(tx: ConsentDb, recordEvent: RecordEvent): Promise<void> {
    const spent = [...this.#consents.values()].filter((consent) => consent.spent.length > 0);
    await this.#insertUses(tx, spent);
    const usedUp = spent.filter(({ row, spent: now }) => row.uses + now.length >= row.max_uses);
    const left = spent.filter((consent) => !usedUp.includes(consent));
    await this.#count(tx, left, {});
    await this.#count(tx, usedUp, { state: "CONSUMED", changed_at: this.#nowMs });
    for (const consent of usedUp) await this.#recordConsumed(tx, consent, recordEvent);
  }

  async #insertUses(tx: ConsentDb, spent: readonly Spending[]): Promise<void> {
    const uses = spent.flatMap((consent) =>
      consent.spent.map(({ consentId, releaseId, product }) => ({
        consent_id: consentId,
        release_id: releaseId,
        product,
        used_at: this.#nowMs,
      })),
    );
    for (const chunk of chunks(uses)) await tx.insertInto("consent_use").values(chunk).execute();
  }

  async #count(
    tx: ConsentDb,
    consents: readonly Spending[],
    set: { readonly state?: ConsentState; readonly changed_at?: number },
  ): Promise<void> {
    for (const [uses, group] of Map.groupBy(consents, ({ spent }) => spent.length)) {
      for (const chunk of chunks(group)) {
        const ids = chunk.map(({ id }) => id);
        await tx
          .updateTable("consent")
          .set((eb) => ({ ...set, uses: eb("uses", "+", uses) }))
          .where("id", "in", ids)
          .execute();
      }
    }
  }

  async #recordConsumed(
    tx: ConsentDb,
    { row, terms }: Spending,
    recordEvent: RecordEvent,
  ): Promise<void> {
    await recordEvent(tx, {
      action: "consume",
      by: "authority",
      from: "ACTIVE",
      to: "CONSUMED",
      at: this.#nowMs,
      consent_id: row.id,
      client_id: row.client_id,
      audience: row.audience,
      purpose: row.purpose,
      terms,
      expires_at: row.expires_at,
      notice: parseJsonWith(Notice, row.notice, "internal", "consent row"),
      evidence_hash: row.evidence_hash,
      personal: undefined,
    });
  }
}

interface ReadConsent {
  readonly row: Row;
  readonly terms: QueryAuthorization;
}

function spendingOf({ row, terms }: ReadConsent, recent: number): Spending {
  return {
    id: row.id,
    clientId: row.client_id,
    purpose: row.purpose,
    terms,
    subjectIndex: row.subject_index,
    row,
    spent: [],
    recent,
  };
}

/** Uses within the present period of each consent whose terms limit them. */
async function countRecent(
  tx: ConsentDb,
  consents: readonly ReadConsent[],
  nowMs: number,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const [unit, some] of Map.groupBy(consents, ({ terms }) => terms.frequency?.unit)) {
    if (unit === undefined) continue;
    const rows = await tx
      .selectFrom("consent_use")
      .select("consent_id")
      .select((eb) => eb.fn.countAll<number>().as("used"))
      .where(
        "consent_id",
        "in",
        some.map(({ row }) => row.id),
      )
      .where("used_at", ">", nowMs - periodSeconds({ unit, value: 1 }) * 1000)
      .groupBy("consent_id")
      .execute();
    for (const { consent_id, used } of rows) counts.set(consent_id, used);
  }
  return counts;
}

/** Consents of one institution mostly have the same terms, to the letter. */
const knownTerms = new Map<string, QueryAuthorization>();
const TERMS_KEPT = 256;

function readTerms(text: string): QueryAuthorization {
  const known = knownTerms.get(text);
  if (known !== undefined) return known;
  const terms = parseJsonWith(QueryAuthorization, text, "internal", "consent row");
  if (knownTerms.size >= TERMS_KEPT) knownTerms.clear();
  knownTerms.set(text, terms);
  return terms;
}
