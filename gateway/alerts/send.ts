// One POST to an institution's sink, which is trusted with nothing: its name is resolved once, every address judged, and only what
// was judged is connected to (a name that changes its mind changes nothing); redirects are not followed; what it answers is
// read up to a small cap, within time limits; only its status counts. Nothing it says reaches a log.
import { Resolver } from "node:dns/promises";
import type { IncomingMessage } from "node:http";
import { Agent, request, type RequestOptions } from "node:https";
import type { LookupFunction } from "node:net";
import { secondsSince } from "../../core/metrics.ts";
import { VERSION } from "../../core/version.ts";
import type { Envelope } from "./envelope.ts";
import { AT_ONCE } from "./retry.ts";
import type { AlertOutcome, Failure } from "./schema.ts";
import { parseSink, type SinkPolicy } from "./sink.ts";

/** Every address of a name. */
export type ResolveName = (name: string) => Promise<readonly string[]>;

export interface SinkLimits {
  readonly dnsMs: number;
  /** Name, TCP and TLS together. */
  readonly connectMs: number;
  /** Until the status. */
  readonly totalMs: number;
  /** For the rest of the answer, which is thrown away so that the connection can serve again. */
  readonly drainMs: number;
  readonly drainBytes: number;
}

export const SINK_LIMITS: SinkLimits = {
  dnsMs: 5000,
  connectMs: 10_000,
  totalMs: 20_000,
  drainMs: 1000,
  drainBytes: 4096,
};

const MAX_HEADER_BYTES = 8192;
const IDLE_MS = 4000;

export interface Attempt {
  readonly outcome: AlertOutcome;
  readonly status: number | undefined;
  readonly tookMs: number;
}

export interface SinkClientOptions {
  readonly policy: SinkPolicy;
  readonly limits?: SinkLimits;
  readonly resolve?: ResolveName;
}

export class SinkClient implements Disposable {
  readonly #policy: SinkPolicy;
  readonly #limits: SinkLimits;
  readonly #resolve: ResolveName;
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: AT_ONCE, timeout: IDLE_MS });

  constructor({ policy, limits = SINK_LIMITS, resolve = resolveName }: SinkClientOptions) {
    this.#policy = policy;
    this.#limits = limits;
    this.#resolve = resolve;
  }

  /** Never rejects, but when the signal aborts. */
  async post(sink: string, envelope: Envelope, signal: AbortSignal): Promise<Attempt> {
    const startedMs = performance.now();
    let result = await this.#try(sink, envelope, signal);
    // The sink closed a connection that had been idle just as it was taken: it has seen nothing of this.
    if (result === "stale") result = await this.#try(sink, envelope, signal);
    signal.throwIfAborted();
    const [outcome, status] = typeof result === "number" ? [meaning(result), result] : [result];
    return {
      outcome: outcome === "stale" ? "protocol" : outcome,
      status,
      tookMs: Math.round(secondsSince(startedMs) * 1000),
    };
  }

  async #try(
    sink: string,
    { body, headers }: Envelope,
    signal: AbortSignal,
  ): Promise<number | Failure | "stale"> {
    let url: URL;
    try {
      url = parseSink(sink, this.#policy);
    } catch {
      return "sink-refused";
    }
    // Where it stands when it fails is why it failed.
    let stage: Failure = "connect";
    const { promise, resolve } = Promise.withResolvers<number | Failure | "stale">();
    const options: RequestOptions = {
      method: "POST",
      agent: this.#agent,
      headers: { ...headers, "content-length": body.length, "user-agent": `weijifen/${VERSION}` },
      lookup: this.#lookup((reached) => (stage = reached)),
      maxHeaderSize: MAX_HEADER_BYTES,
      minVersion: "TLSv1.2",
      rejectUnauthorized: true,
      signal,
      ...(this.#policy.ca !== undefined && { ca: this.#policy.ca }),
    };
    const post = request(url, options);
    const late = (): void => {
      stage = "timeout";
      post.destroy();
    };
    const connecting = setTimeout(late, this.#limits.connectMs);
    const total = setTimeout(late, this.#limits.totalMs);
    post.on("socket", (socket) => {
      const connected = (): void => {
        clearTimeout(connecting);
        stage = "protocol";
      };
      if (!socket.connecting) return connected();
      socket.once("connect", () => (stage = "tls"));
      socket.once("secureConnect", connected);
    });
    let isAnswered = false;
    post.on("response", (response) => {
      isAnswered = true;
      clearTimeout(total);
      this.#drain(response, () => resolve(response.statusCode ?? 0));
    });
    const failed = (reason: Failure | "stale"): void => {
      clearTimeout(connecting);
      clearTimeout(total);
      if (!isAnswered) resolve(reason);
    };
    post.on("error", (error: NodeJS.ErrnoException) => {
      const isStale = post.reusedSocket && error.code === "ECONNRESET" && stage === "protocol";
      failed(isStale ? "stale" : stage);
    });
    post.on("close", () => failed(stage));
    post.end(body);
    return await promise;
  }

  /** For connections that are opened: a sink that is a name. One address that is not allowed spoils the name. */
  #lookup(reached: (stage: Failure) => void): LookupFunction {
    return (name, options, callback) => {
      reached("dns");
      const late = AbortSignal.timeout(this.#limits.dnsMs);
      const aborted = new Promise<never>((_, reject) => {
        late.addEventListener("abort", () => reject(new Error("late")), { once: true });
      });
      Promise.race([this.#resolve(name), aborted]).then(
        (addresses) => {
          const [first] = addresses;
          if (first === undefined) return callback(new Error("no address"), "");
          if (!addresses.every((address) => this.#policy.allows(address))) {
            reached("sink-refused");
            return callback(new Error("not an address for alerts"), "");
          }
          reached("connect");
          const found = addresses.map((address) => ({ address, family: familyOf(address) }));
          if (options.all === true) callback(null, found);
          else callback(null, first, familyOf(first));
        },
        () => callback(new Error("the name does not resolve"), ""),
      );
    };
  }

  /** The status is known: what else comes is counted, not kept. */
  #drain(response: IncomingMessage, done: () => void): void {
    let bytes = 0;
    const late = setTimeout(() => response.destroy(), this.#limits.drainMs);
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > this.#limits.drainBytes) response.destroy();
    });
    response.on("error", () => undefined);
    response.on("close", () => {
      clearTimeout(late);
      done();
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

/** By DNS alone: a name of this machine's own hosts file is no public name, and a slow server holds no thread. */
async function resolveName(name: string): Promise<string[]> {
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  return answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
}

function familyOf(address: string): number {
  return address.includes(":") ? 6 : 4;
}

function meaning(status: number): AlertOutcome {
  if (status >= 200 && status < 300) return "delivered";
  if (status === 410) return "gone";
  if (status >= 300 && status < 400) return "redirect";
  if (status >= 400 && status < 500) return "status-4xx";
  return status >= 500 && status < 600 ? "status-5xx" : "protocol";
}
