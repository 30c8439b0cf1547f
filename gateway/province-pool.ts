// The gateway's connections to the province nodes, one per endpoint of the rosters in force, and what it knows of
// their health: what /v1/federation and the metrics show.
import { WjfError } from "../core/errors.ts";
import type { Clock } from "../core/clock.ts";
import type { ProvinceCode } from "../core/ids.ts";
import type { EpochView } from "../consent/verifier.ts";
import { quorum } from "../crypto/index.ts";
import {
  type EvaluateBatchReply,
  type EvaluateBatchRequest,
  type EvaluateReply,
  type EvaluateRequest,
  ProvinceNodeClient,
  provinceRole,
  type TlsSource,
} from "../proto/index.ts";
import { type BreakerState, CircuitBreaker } from "./circuit-breaker.ts";
import { meterProvince } from "./metrics.ts";

export type ProvinceState = "unknown" | "up" | "down" | "drained";

/**
 * How long a connection outlives the roster that names it: a fan-out of the epoch before may still want it, and closing
 * one fails the calls that have not begun.
 */
const LINGER_MS = 300_000;

interface Connection {
  readonly code: ProvinceCode;
  readonly client: ProvinceNodeClient;
  readonly breaker: CircuitBreaker;
  state: ProvinceState;
  /** Down because it could not be reached, not because it failed to answer: up again when it can. */
  isUnreached?: boolean;
  /** When the newest roster was first seen without it. */
  leftAtMs?: number;
}

export class ProvincePool implements Disposable {
  readonly #identity: TlsSource;
  readonly #clock: Clock;
  /** By code and endpoint. */
  readonly #connections = new Map<string, Connection>();

  constructor(identity: TlsSource, clock: Clock) {
    this.#identity = identity;
    this.#clock = clock;
  }

  /** Whom to ask first, ascending: all but those that keep failing, or all when that would be fewer than may answer. */
  participants({ roster }: EpochView): readonly ProvinceCode[] {
    const everyone = roster.provinces.map(({ code }) => code).toSorted();
    const healthy = everyone.filter((code) => this.#known(code)?.breaker.allows() !== false);
    return healthy.length < quorum(everyone.length) ? everyone : healthy;
  }

  /**
   * @param take throws for a reply that cannot be used: it counts as none.
   * @throws WjfError the node's code; after that the province counts as down until it answers again.
   */
  async evaluate(
    code: ProvinceCode,
    epoch: EpochView,
    request: EvaluateRequest,
    timeoutMs: number,
    take: (reply: EvaluateReply) => void,
  ): Promise<EvaluateReply> {
    return await this.#call(code, epoch, take, (client) => client.evaluate(request, timeoutMs));
  }

  /** As `evaluate`. */
  async evaluateBatch(
    code: ProvinceCode,
    epoch: EpochView,
    request: EvaluateBatchRequest,
    timeoutMs: number,
    take: (reply: EvaluateBatchReply) => void,
  ): Promise<EvaluateBatchReply> {
    return await this.#call(code, epoch, take, (client) =>
      client.evaluateBatch(request, timeoutMs),
    );
  }

  /** For what is no question: its failures say nothing of whom to ask. */
  reach(code: ProvinceCode, epoch: EpochView): ProvinceNodeClient {
    return this.#connect(code, epoch).client;
  }

  async #call<Reply>(
    code: ProvinceCode,
    epoch: EpochView,
    take: (reply: Reply) => void,
    ask: (client: ProvinceNodeClient) => Promise<Reply>,
  ): Promise<Reply> {
    const connection = this.#connect(code, epoch);
    try {
      const reply = await meterProvince(code, async () => {
        const answered = await ask(connection.client);
        take(answered);
        return answered;
      });
      connection.state = "up";
      connection.breaker.succeeded();
      return reply;
    } catch (error) {
      const isDrained = error instanceof WjfError && error.code === "province-drained";
      connection.state = isDrained ? "drained" : "down";
      if (isDrained) connection.breaker.declined();
      else connection.breaker.failed();
      throw error;
    }
  }

  /** Connects to every province before it is asked, learns which cannot be reached, and lets go of those that have left. */
  keepConnected(epoch: EpochView): void {
    const members = new Set(epoch.roster.provinces.map(({ code }) => this.#connect(code, epoch)));
    for (const connection of members) {
      delete connection.leftAtMs;
      const now = connection.client.connect();
      if (now === "connected") {
        if (connection.state === "unknown" || connection.isUnreached) connection.state = "up";
        delete connection.isUnreached;
      }
      if (now === "failing" && connection.state !== "drained") {
        connection.state = "down";
        connection.isUnreached = true;
      }
    }
    const nowMs = this.#clock.nowMs();
    for (const [place, connection] of this.#connections) {
      if (members.has(connection)) continue;
      connection.leftAtMs ??= nowMs;
      if (nowMs - connection.leftAtMs < LINGER_MS) continue;
      connection.client[Symbol.dispose]();
      this.#connections.delete(place);
    }
  }

  state(code: ProvinceCode): ProvinceState {
    return this.#known(code)?.state ?? "unknown";
  }

  breaker(code: ProvinceCode): BreakerState {
    return this.#known(code)?.breaker.state ?? "closed";
  }

  #known(code: ProvinceCode): Connection | undefined {
    return [...this.#connections.values()].findLast(
      (connection) => connection.code === code && connection.leftAtMs === undefined,
    );
  }

  #connect(code: ProvinceCode, { roster }: EpochView): Connection {
    const endpoint = roster.provinces.find((province) => province.code === code)?.endpoint;
    if (endpoint === undefined) throw new WjfError("epoch-unknown", `province ${code}`);
    const place = `${code} ${endpoint}`;
    const known = this.#connections.get(place);
    if (known !== undefined) return known;
    const client = new ProvinceNodeClient(endpoint, provinceRole(code), this.#identity);
    const breaker = new CircuitBreaker(this.#clock);
    const connection: Connection = { code, client, breaker, state: "unknown" };
    this.#connections.set(place, connection);
    return connection;
  }

  [Symbol.dispose](): void {
    for (const { client } of this.#connections.values()) client[Symbol.dispose]();
    this.#connections.clear();
  }
}
