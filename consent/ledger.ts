// The one door through which consents change: a lifecycle change, its rows and its audit leaves commit together through
// the log's sequence, and whoever has to know (the status lists) is told after the commit, never before.
import type { Transaction } from "kysely";
import type { Database } from "../core/database.ts";
import { type ConsentEvent, consentLeaf, type RecordEvent } from "./consent-event.ts";
import type { AuditLog, Sequenced, Sequencing } from "./log/index.ts";
import type { LeafDraft } from "./log/leaf.ts";
import type { LogSchema } from "./log/schema.ts";
import type { ObjectionSchema } from "./objections-schema.ts";
import type { ReleaseSchema } from "./release/schema.ts";
import type { ConsentDb, ConsentSchema, TimeOf } from "./schema.ts";
import type { TrainingSchema } from "./training/schema.ts";

export type AuthoritySchema = LogSchema &
  ConsentSchema &
  ReleaseSchema &
  ObjectionSchema &
  TrainingSchema;
export type AuthorityDb = Database<AuthoritySchema>;
export type AuthorityTx = Transaction<AuthoritySchema>;

/** The consent tables' view of a transaction (kysely is invariant in its schema; this one has them all). */
export function consentTables(db: AuthorityTx | AuthorityDb): ConsentDb {
  return db as unknown as ConsentDb;
}

/** Does its work with `tx` only; leaves of its own go before those of the consent changes it makes. */
export type LedgerWork<T> = (
  tx: AuthorityTx,
  at: Sequencing,
) => Promise<{ readonly value: T; readonly leaves?: readonly LeafDraft[] }>;

export class ConsentLedger {
  readonly log: AuditLog<AuthoritySchema>;
  /** The work that is running in a transaction; works run one at a time. */
  readonly #running = new WeakMap<object, { readonly timeMs: number; leaves: LeafDraft[] }>();
  readonly #listeners = new Set<() => void>();

  constructor(log: AuditLog<AuthoritySchema>) {
    this.log = log;
  }

  /** For ConsentLifecycle: the event's leaf joins the work that made the change. */
  readonly recordEvent: RecordEvent = async (tx: ConsentDb, event: ConsentEvent) => {
    const { leaves } = this.#work(tx);
    const person =
      event.personal && (await this.log.commit(tx as unknown as AuthorityTx, event.personal));
    if (person !== undefined) {
      const row = { commitment: person, consent_id: event.consent_id };
      await tx.insertInto("consent_commitment").values(row).execute();
    }
    leaves.push(consentLeaf(event, person));
  };

  /** For ConsentLifecycle: decides by the time that the leaves of this work get. */
  readonly timeOf: TimeOf = (tx) => this.#work(tx).timeMs;

  #work(tx: object) {
    const work = this.#running.get(tx);
    if (work === undefined) throw new TypeError("a consent may change only through the ledger");
    return work;
  }

  /** Runs the work as AuditLog.sequence does: atomic, durable when it resolves, possibly more than once. */
  async transact<T>(work: LedgerWork<T>): Promise<Sequenced<T>> {
    let changed = false;
    const sequenced = await this.log.sequence<T>(async (tx, at) => {
      const changes: LeafDraft[] = [];
      this.#running.set(tx, { timeMs: at.timeMs, leaves: changes });
      try {
        const { value, leaves = [] } = await work(tx, at);
        changed = changes.length > 0;
        return { value, leaves: [...leaves, ...changes] };
      } finally {
        this.#running.delete(tx);
      }
    });
    if (changed) for (const listener of this.#listeners) listener();
    return sequenced;
  }

  /** Calls back after every commit in which a consent has changed. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }
}
