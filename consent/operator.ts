// What the authority's operator does to consents and gateways from a command, in a process beside the authority's own: every change
// goes through the ledger, so it is an event of the lifecycle and a leaf of the audit log like any other. The authority sees
// it in its next release decision; its followers are told within a second (consent/follow-hub.ts).
import { join } from "node:path";
import { partyFolder, type Settings } from "../core/config.ts";
import { systemRandom } from "../core/random.ts";
import { AtRest } from "./at-rest.ts";
import {
  type Consent,
  type ConsentFilter,
  findConsents,
  readConsent,
  readUses,
  type Use,
} from "./consent-record.ts";
import { type AuthorityDb, type ConsentLedger, consentTables } from "./ledger.ts";
import { ConsentLifecycle } from "./lifecycle.ts";
import type { Receipt } from "./log/index.ts";
import { Objections } from "./objections.ts";
import { openLedger } from "./open-ledger.ts";
import type { SuspensionTable } from "./release/schema.ts";
import { liftSuspension, listSuspensions } from "./release/suspension.ts";
import { readAuthoritySecrets } from "./secrets.ts";

export interface ChangedConsent {
  readonly consent: Consent;
  readonly receipt: Receipt;
}

export class ConsentOperator implements AsyncDisposable {
  readonly db: AuthorityDb;
  readonly ledger: ConsentLedger;
  readonly lifecycle: ConsentLifecycle;
  readonly objections: Objections;
  readonly #atRest: AtRest;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    db: AuthorityDb,
    ledger: ConsentLedger,
    atRest: AtRest,
    resources: AsyncDisposableStack,
  ) {
    this.db = db;
    this.ledger = ledger;
    this.#atRest = atRest;
    this.#resources = resources;
    const { recordEvent, timeOf } = ledger;
    this.lifecycle = new ConsentLifecycle({ atRest, random: systemRandom, recordEvent, timeOf });
    this.objections = new Objections({ db, ledger, atRest });
  }

  /** @throws WjfError `secret-missing` without the authority's keys; `config-invalid` for another log's database. */
  static async open(settings: Settings): Promise<ConsentOperator> {
    const secrets = readAuthoritySecrets(join(partyFolder(settings.home, "authority"), "secrets"));
    await using resources = new AsyncDisposableStack();
    const { db, ledger } = resources.use(await openLedger(settings, secrets));
    const owned = resources.move();
    return new ConsentOperator(db, ledger, new AtRest(secrets.storageKey), owned);
  }

  async find(filter: ConsentFilter): Promise<Consent[]> {
    return await findConsents(consentTables(this.db), this.#atRest, filter);
  }

  /** @throws WjfError `consent-unknown`. */
  async show(id: string): Promise<{ consent: Consent; uses: Use[] }> {
    const db = consentTables(this.db);
    return { consent: await readConsent(db, this.#atRest, id), uses: await readUses(db, id) };
  }

  /** Resolves when the change and its leaf are durable. @throws WjfError `consent-unknown`, `consent-transition`. */
  async change(id: string, action: "revoke" | "pause" | "resume"): Promise<ChangedConsent> {
    const { value, receipts } = await this.ledger.transact(async (tx) => ({
      value: await this.lifecycle.change(consentTables(tx), id, action, "operator"),
    }));
    return { consent: value, receipt: receipts[0] as Receipt };
  }

  async suspensions(): Promise<readonly SuspensionTable[]> {
    return await listSuspensions(this.db);
  }

  /** Resolves when its leaf is durable. @throws WjfError `gateway-unknown`. */
  async reinstate(gateway: string): Promise<Receipt> {
    return await liftSuspension(this.ledger, gateway);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
