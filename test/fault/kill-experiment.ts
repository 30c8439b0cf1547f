// kill -9 of the authority at random moments under load, and what must hold afterwards. Failure: an answer that was
// delivered and whose leaf is missing or another; a consent spent more often than it allows, or less often than answers were
// given; a receipt that does not verify; a log that does not verify, or that does not begin with a checkpoint given out
// before; an authority that does not start again. Not failure: a question that has to be asked again.
import { expect } from "vitest";
import { type Leaf, decodeLeaf, verifyLog, verifyReceipt } from "../../consent/log/index.ts";
import { Keystream, sandboxKey } from "../../province-node/sandbox/keystream.ts";
import { type Answered, ConsentedLoad } from "./consented-load.ts";
import { type KillableFederation, startKillableFederation } from "./killable-federation.ts";

export interface KillOptions {
  readonly kills: number;
  readonly seed: string;
  readonly databaseUrl?: string;
  readonly onKill?: (done: number, answers: number) => void;
}

export interface KillResult {
  readonly kills: number;
  /** Kills by what the authority was doing: answering, not answering yet, starting. */
  readonly moments: Readonly<Record<"underLoad" | "early" | "whileStarting", number>>;
  readonly answers: number;
  readonly consents: number;
  readonly retries: number;
  readonly leaves: number;
}

const WORKERS = 6;
/** The longest that an authority lives once it answers, milliseconds. */
const LIFE_MS = 800;
/** Shares of the kills that come while it starts, and at any moment after, whether it answers again or not. */
const KILLED_WHILE_STARTING = 0.05;
const KILLED_EARLY = 0.1;
/** When it has not answered within this, the kill comes all the same. */
const ANSWERS_WITHIN_MS = 15_000;

export async function killAuthority(options: KillOptions): Promise<KillResult> {
  const { databaseUrl } = options;
  await using federation = await startKillableFederation(databaseUrl ? { databaseUrl } : {});
  const stream = new Keystream(sandboxKey(options.seed), 200, 0);
  const load = new ConsentedLoad(federation.bank, () => stream.unit());
  load.start(WORKERS);
  const moments = { underLoad: 0, early: 0, whileStarting: 0 };
  let checked = 0;
  for (let kill = 1; kill <= options.kills; kill++) {
    const choice = stream.unit();
    const moment = stream.unit();
    if (choice < KILLED_WHILE_STARTING) {
      moments.whileStarting += 1;
      await pause(moment * 1000);
    } else {
      await federation.authority.ready();
      const early = choice < KILLED_WHILE_STARTING + KILLED_EARLY;
      const answers = early || (await load.answersMore(ANSWERS_WITHIN_MS));
      moments[!early && answers ? "underLoad" : "early"] += 1;
      await pause(moment * LIFE_MS);
    }
    await federation.authority.kill();
    await expectLeaves(federation, load.answers.slice(checked));
    checked = load.answers.length;
    federation.authority.spawn();
    options.onKill?.(kill, load.answers.length);
  }
  await load.finish();
  const leaves = await expectNothingWrong(federation, load);
  const { answers, settled, retries } = load;
  return {
    kills: options.kills,
    moments,
    answers: answers.length,
    consents: settled.length,
    retries,
    leaves,
  };
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Every answer that has been delivered is in the log, now, whatever happened to the authority. */
async function expectLeaves(
  { db, ledger }: KillableFederation,
  answers: readonly Answered[],
): Promise<void> {
  for (const { queryId, consentId, receipt } of answers) {
    const { leaf, index } = verifyReceipt(receipt, ledger.log.verifierKeys);
    expect(leaf).toMatchObject({ type: "release", query_id: queryId, consent_id: consentId });
    const query = db.selectFrom("log_leaf").select("leaf").where("idx", "=", index);
    const stored = await query.executeTakeFirstOrThrow();
    expect(decodeLeaf(Buffer.from(stored.leaf))).toEqual(leaf);
  }
}

/** Returns the size of the log. */
export async function expectNothingWrong(
  federation: KillableFederation,
  load: ConsentedLoad,
): Promise<number> {
  const { ledger } = federation;
  expect(load.answers.length).toBeGreaterThan(0);
  await expectLeaves(federation, load.answers);
  const { verifierKeys } = ledger.log;
  // The log still begins with what was signed in the middle, and with what was signed last before the last kill.
  for (const at of [0.3, 0.6, 1]) {
    const answer = load.answers[Math.floor((load.answers.length - 1) * at)] as Answered;
    const earlier = answer.receipt.slice(answer.receipt.indexOf("\n\n") + 2);
    const { findings } = await verifyLog(ledger.log, { verifierKeys, earlier });
    expect(findings).toEqual([]);
  }
  const released = await releasesByConsent(federation);
  for (const { consentId, maxUses, answered, refused } of load.settled) {
    expect(refused).toEqual(["consent-consumed"]);
    expect(answered.length).toBe(maxUses);
    expect(released.get(consentId)?.toSorted()).toEqual(
      answered.map(({ queryId }) => queryId).toSorted(),
    );
  }
  await expectCounts(federation, released);
  return (await verifyLog(ledger.log, { verifierKeys })).size;
}

/** Query ids of the release leaves, by consent. */
async function releasesByConsent({ db }: KillableFederation): Promise<Map<string, string[]>> {
  const rows = await db.selectFrom("log_leaf").select("leaf").orderBy("idx").execute();
  const leaves = rows.map((row) => JSON.parse(row.leaf) as Leaf);
  const releases = leaves.filter((leaf) => leaf.type === "release");
  const byConsent = Map.groupBy(releases, ({ consent_id }) => consent_id);
  return new Map([...byConsent].map(([id, each]) => [id, each.map(({ query_id }) => query_id)]));
}

/** The authority's own rows say the same as its log: uses counted, uses listed, answers stored. */
async function expectCounts(
  { db }: KillableFederation,
  released: ReadonlyMap<string, string[]>,
): Promise<void> {
  const consents = await db.selectFrom("consent").select(["id", "uses", "max_uses"]).execute();
  const uses = await db.selectFrom("consent_use").select(["consent_id", "release_id"]).execute();
  const stored = await db.selectFrom("release").select(["consent_id", "query_id"]).execute();
  const listed = Map.groupBy(uses, (row) => row.consent_id);
  const kept = Map.groupBy(stored, (row) => row.consent_id);
  for (const { id, uses: counted, max_uses } of consents) {
    const leaves = (released.get(id) ?? []).toSorted();
    expect(counted).toBeLessThanOrEqual(max_uses);
    expect(counted).toBe(leaves.length);
    expect((listed.get(id) ?? []).map((row) => row.release_id).toSorted()).toEqual(leaves);
    expect((kept.get(id) ?? []).map((row) => row.query_id).toSorted()).toEqual(leaves);
  }
}
