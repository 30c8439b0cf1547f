// How much an institution may ask: queries a second and queries a day, as registered (consent/clients.ts). Counted when a
// question is admitted, by query id, so that a question which is asked again counts once. Refused is refused before any
// province is asked. Each replica counts for itself; a day begins at midnight in China and, after a start, with what is in
// the database. Batches are not held to it: they have their own bounds at the gateway.
import type { Clock } from "../core/clock.ts";
import { WjfError } from "../core/errors.ts";
import { Bucket, type BucketSize } from "./bucket.ts";
import { type ClientLimits, findClient } from "./clients.ts";
import { type AuthorityDb, consentTables } from "./ledger.ts";

const DAY_MS = 86_400_000;
const CHINA_OFFSET_MS = 8 * 3_600_000;
/** How long a change of a registration may take to count here. */
const LIMITS_KEPT_MS = 1000;
/** How long a query id is known as counted. */
const COUNTED_KEPT_MS = 60_000;

interface Account {
  limits: ClientLimits;
  readAtMs: number;
  /** Queries that may be asked now: filled with `queries_per_second`, it holds one second's worth. */
  readonly bucket: Bucket;
  day: number;
  today: number;
  /** Query ids and when they were counted, oldest first. */
  readonly counted: Map<string, number>;
}

export class ClientLimiter {
  readonly #db: AuthorityDb;
  readonly #clock: Clock;
  readonly #accounts = new Map<string, Account>();

  constructor(db: AuthorityDb, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  /** As registered, at most a second ago; undefined for nobody that is. */
  async limits(clientId: string): Promise<ClientLimits | undefined> {
    return (await this.#account(clientId))?.limits;
  }

  /** Counts one question. @throws WjfError `rate-limited`, and then it is not counted. */
  async take(clientId: string, queryId: string): Promise<void> {
    const account = await this.#account(clientId);
    // Nobody that is registered: the release refuses it.
    if (account === undefined) return;
    const now = this.#clock.nowMs();
    forgetCounted(account, now);
    if (account.counted.has(queryId)) return;
    beginDay(account, now);
    const { queries_per_second, queries_per_day } = account.limits;
    if (account.today >= queries_per_day) {
      throw new WjfError("rate-limited", `${queries_per_day} queries a day`);
    }
    if (!account.bucket.take(now, bucketSize(account.limits))) {
      throw new WjfError("rate-limited", `${queries_per_second} queries a second`);
    }
    account.today += 1;
    account.counted.set(queryId, now);
  }

  async #account(clientId: string): Promise<Account | undefined> {
    const now = this.#clock.nowMs();
    const known = this.#accounts.get(clientId);
    if (known !== undefined && now - known.readAtMs < LIMITS_KEPT_MS) return known;
    const client = await findClient(consentTables(this.#db), clientId);
    if (client === undefined) return undefined;
    const { limits } = client;
    const today = known === undefined ? await this.#releasedToday(clientId, now) : 0;
    // Another call may have been quicker: its counts are kept.
    const account = this.#accounts.get(clientId) ?? {
      limits,
      readAtMs: now,
      bucket: new Bucket(bucketSize(limits), now),
      day: dayOf(now),
      today,
      counted: new Map<string, number>(),
    };
    account.limits = limits;
    account.readAtMs = now;
    this.#accounts.set(clientId, account);
    return account;
  }

  async #releasedToday(clientId: string, now: number): Promise<number> {
    const { released } = await this.#db
      .selectFrom("release")
      .select((eb) => eb.fn.countAll<number>().as("released"))
      .where("client_id", "=", clientId)
      .where("released_at", ">=", dayOf(now) * DAY_MS - CHINA_OFFSET_MS)
      .executeTakeFirstOrThrow();
    return released;
  }
}

function dayOf(ms: number): number {
  return Math.floor((ms + CHINA_OFFSET_MS) / DAY_MS);
}

function bucketSize({ queries_per_second: rate }: ClientLimits): BucketSize {
  return { most: rate, perSecond: rate };
}

function beginDay(account: Account, now: number): void {
  if (account.day === dayOf(now)) return;
  account.day = dayOf(now);
  account.today = 0;
}

function forgetCounted({ counted }: Account, now: number): void {
  for (const [queryId, at] of counted) {
    if (now - at < COUNTED_KEPT_MS) return;
    counted.delete(queryId);
  }
}
