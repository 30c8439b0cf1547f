// An institution's receiver that is down half of the time: it refuses, or breaks connections off, in turns, and drops what it has
// had before. What it has taken counts as told.
import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { type RunningSink, type SinkCa, startSink } from "../alerts/sink-server.ts";

export interface ReceivedEvent {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly data: { readonly condition?: number };
}

const PHASE_MS = 4000;

export class HalfReceiver implements AsyncDisposable {
  readonly sink: RunningSink;
  /** The first of each id. */
  readonly events = new Map<string, ReceivedEvent>();
  taken = 0;
  refused = 0;
  readonly #phases: NodeJS.Timeout;
  #phase = 0;

  private constructor(sink: RunningSink) {
    this.sink = sink;
    this.#phases = setInterval(() => this.#phase++, PHASE_MS);
  }

  static async start(ca: SinkCa): Promise<HalfReceiver> {
    const handlers: HalfReceiver[] = [];
    const sink = await startSink(await ca.issue(), (request, response) => {
      for (const receiver of handlers) void receiver.handle(request, response);
    });
    const receiver = new HalfReceiver(sink);
    handlers.push(receiver);
    return receiver;
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = await text(request);
      if (this.#phase % 2 === 1) {
        this.refused++;
        if (this.#phase % 4 === 1) response.writeHead(503).end();
        else request.socket.destroy();
        return;
      }
      const event = JSON.parse(body) as ReceivedEvent;
      this.taken++;
      if (!this.events.has(event.id)) this.events.set(event.id, event);
      response.writeHead(204).end();
    } catch {
      // The gateway was killed in the middle of it.
      request.socket.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#phases);
    await this.sink[Symbol.asyncDispose]();
  }
}
