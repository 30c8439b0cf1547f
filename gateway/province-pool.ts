// The gateway's connections to the province nodes, one per endpoint of the roster in force, and what it knows of
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

interface Connection {
  readonly endpoint: string;
  readonly client: ProvinceNodeClient;
  readonly breaker: CircuitBreaker;
  state: ProvinceState;
}

export class ProvincePool implements Disposable {
  readonly #identity: TlsSource;
  readonly #clock: Clock;
  readonly #connections = new Map<ProvinceCode, Connection>();

  constructor(identity: TlsSource, clock: Clock) {
    this.#identity = identity;
    this.#clock = clock;
  }

  /** Whom to ask first, ascending: all but those that keep failing, or all when that would be fewer than may answer. */
  participants({ roster }: EpochView): readonly ProvinceCode[] {
    const everyone = roster.provinces.map(({ code }) => code).toSorted();
    const healthy = everyone.filter(
      (code) => this.#connections.get(code)?.breaker.allows() !== false,
    );
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

  /** Connects to every province before it is asked, and learns which cannot be reached. */
  keepConnected(epoch: EpochView): void {
    for (const { code } of epoch.roster.provinces) {
      const connection = this.#connect(code, epoch);
      const now = connection.client.connect();
      if (now === "connected" && connection.state === "unknown") connection.state = "up";
      if (now === "failing" && connection.state !== "drained") connection.state = "down";
    }
  }

  state(code: ProvinceCode): ProvinceState {
    return this.#connections.get(code)?.state ?? "unknown";
  }

  breaker(code: ProvinceCode): BreakerState {
    return this.#connections.get(code)?.breaker.state ?? "closed";
  }

  #connect(code: ProvinceCode, { roster }: EpochView): Connection {
    const endpoint = roster.provinces.find((province) => province.code === code)?.endpoint;
    if (endpoint === undefined) throw new WjfError("epoch-unknown", `province ${code}`);
    const known = this.#connections.get(code);
    if (known?.endpoint === endpoint) return known;
    known?.client[Symbol.dispose]();
    const client = new ProvinceNodeClient(endpoint, provinceRole(code), this.#identity);
    const breaker = new CircuitBreaker(this.#clock);
    const connection: Connection = { endpoint, client, breaker, state: "unknown" };
    this.#connections.set(code, connection);
    return connection;
  }

  [Symbol.dispose](): void {
    for (const { client } of this.#connections.values()) client[Symbol.dispose]();
    this.#connections.clear();
  }
}
