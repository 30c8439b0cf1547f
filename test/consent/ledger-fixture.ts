// Ledger, lifecycle and log over one database, as the authority has them, with a clock that the test owns and one
// registered bank.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { AtRest } from "../../consent/at-rest.ts";
import { addClient } from "../../consent/clients.ts";
import { QueryAuthorization } from "../../consent/consent-claims.ts";
import { type Consent, readConsent } from "../../consent/consent-record.ts";
import { openAuthorityDatabase } from "../../consent/database.ts";
import { type AuthorityDb, ConsentLedger, consentTables } from "../../consent/ledger.ts";
import { ConsentLifecycle } from "../../consent/lifecycle.ts";
import { AuditLog, noteSigner } from "../../consent/log/index.ts";
import { type Clock, ManualClock } from "../../core/clock.ts";
import type { Settings } from "../../core/config.ts";
import { systemRandom } from "../../core/random.ts";
import { subjectTag } from "../../crypto/subject.ts";
import { bank, makeClientKeys } from "./oidc-fixture.ts";

const ORIGIN = "log.example/wjf";

export const ONE_DAY = QueryAuthorization.parse({
  type: "weijifen_query",
  actions: ["credit-score@1"],
  fetch: "ONETIME",
  max_uses: 3,
  result: "score",
  retention: { unit: "DAY", value: 30 },
  term: { unit: "DAY", value: 1 },
});

export interface LedgerBench extends AsyncDisposable {
  readonly db: AuthorityDb;
  readonly ledger: ConsentLedger;
  readonly lifecycle: ConsentLifecycle;
  readonly atRest: AtRest;
  readonly clock: ManualClock;
  readonly verifierKeys: readonly string[];
  /** Requested, without a decision. */
  request(terms?: QueryAuthorization): Promise<string>;
  /** Requested and approved. */
  give(terms?: QueryAuthorization): Promise<string>;
  /** Spends one use, with the release's leaf and its stored answer. */
  release(id: string): Promise<string>;
  change(id: string, action: "pause" | "resume" | "revoke"): Promise<void>;
  consent(id: string): Promise<Consent>;
}

export async function openLedgerBench(
  url = "sqlite::memory:",
  options: { readonly logClock?: Clock; readonly startMs?: number } = {},
): Promise<LedgerBench> {
  const db = await openAuthorityDatabase({ home: "unused", databaseUrl: url } as Settings);
  const clock = new ManualClock(options.startMs ?? 1_800_000_000_000);
  const signers = [noteSigner(ORIGIN, generateKeyPairSync("ed25519").privateKey)];
  const log = await AuditLog.open({
    db,
    origin: ORIGIN,
    signers,
    clock: options.logClock ?? clock,
  });
  const ledger = new ConsentLedger(log);
  const atRest = new AtRest(randomBytes(32));
  const { recordEvent, timeOf } = ledger;
  const lifecycle = new ConsentLifecycle({ atRest, random: systemRandom, recordEvent, timeOf });
  await addClient(consentTables(db), clock, bank(await makeClientKeys()));
  let count = 0;

  const request = async (terms = ONE_DAY) => {
    const id = `consent-${String(++count).padStart(20, "0")}`;
    await ledger.transact(async (tx) => ({
      value: await lifecycle.request(consentTables(tx), {
        id,
        clientId: "demo-bank",
        recipient: "示范银行",
        purpose: "dpv:CreditChecking",
        terms,
        audience: "https://gateway.example",
        subjectTag: subjectTag(Buffer.alloc(32, 1), "msisdn", "+8613812345678"),
        contactIndex: "phone",
        notice: {
          uri: "https://authority.example/notices/x",
          version: "1",
          sha256: "x".repeat(43),
        },
        lapsesAt: clock.nowMs() + 600_000,
      }),
    }));
    return id;
  };

  return {
    db,
    ledger,
    lifecycle,
    atRest,
    clock,
    verifierKeys: log.verifierKeys,
    request,
    async give(terms = ONE_DAY) {
      const id = await request(terms);
      await ledger.transact(async (tx) => ({
        value: await lifecycle.approve(consentTables(tx), id, { terms, evidence: { by: "test" } }),
      }));
      return id;
    },
    async release(id) {
      const queryId = crypto.randomUUID();
      await ledger.transact(async (tx, at) => {
        const spend = { consentId: id, releaseId: queryId, product: "credit-score@1" };
        await lifecycle.spend(consentTables(tx), spend);
        const row = {
          query_id: queryId,
          question: "x",
          client_id: "demo-bank",
          consent_id: id,
          answer_sealed: atRest.seal("release.answer", "{}"),
          leaf_index: at.nextIndex,
          released_at: at.timeMs,
        };
        await tx.insertInto("release").values(row).execute();
        return { value: undefined, leaves: [releaseLeaf(id, queryId)] };
      });
      return queryId;
    },
    async change(id, action) {
      await ledger.transact(async (tx) => ({
        value: await lifecycle.change(consentTables(tx), id, action, "person"),
      }));
    },
    consent: (id) => readConsent(consentTables(db), atRest, id),
    async [Symbol.asyncDispose]() {
      await log.close();
      await db.destroy();
    },
  };
}

function releaseLeaf(consentId: string, queryId: string) {
  return {
    type: "release" as const,
    query_id: queryId,
    consent_id: consentId,
    token_id_sha256: "0".repeat(64),
    client_id: "demo-bank",
    purpose: "dpv:CreditChecking",
    product: "credit-score@1",
    answer_kind: "score" as const,
    coverage: { answered: 31, of: 31 },
    descriptor_sha256: "0".repeat(64),
    epoch: 1,
  };
}
