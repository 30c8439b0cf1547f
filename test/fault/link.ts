// A TCP connection that leads to another party from one moment to the next, or nowhere, or there by way of a fault: what a caller
// meets when a network fails. TLS stays end to end, so a byte that is changed breaks a connection and no more.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** Towards the party that is called, or back from it. */
export type Way = "there" | "back";

/** What happens to the bytes of a way, once so many have passed since the fault began. */
export interface ByteFault {
  readonly kind:
    | "lost" // one piece never arrives, what follows does
    | "repeated" // one piece arrives twice
    | "swapped" // the halves of one piece change places
    | "flipped" // one bit of one piece is another
    | "cut" // no byte more: the connection is closed
    | "torn"; // no byte more: the connection is reset
  readonly way: Way;
  readonly afterBytes: number;
}

/** What happens to all bytes of a way, or of both, as long as it lasts. */
export interface FlowFault {
  readonly kind:
    | "delayed" // each piece by `ms`
    | "dripping" // 512 bytes each `ms`
    | "held"; // nothing until it is over: then all of it, as after a partition
  readonly way: Way | "both";
  readonly ms: number;
}

export type LinkFault =
  /** New connections are reset. */
  | "refused"
  /** New connections are taken, and nothing is ever said on them. */
  | "never answered"
  /** The party is gone without a word: what is connected stays so, and nothing ever comes. */
  | "half-open"
  | ByteFault
  | FlowFault;

const DRIP_BYTES = 512;

export class Link implements AsyncDisposable {
  /** Where it leads to: a port of this machine. */
  target = 0;
  /** Bytes delivered so far. */
  readonly passed: Record<Way, number> = { there: 0, back: 0 };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #relays = new Set<Relay>();
  #fault: LinkFault | undefined;
  /** Bytes since the fault began, and whether it has struck. */
  #since: Record<Way, number> = { there: 0, back: 0 };
  #struck = false;

  private constructor() {
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async open(): Promise<Link> {
    const link = new Link();
    link.#server.listen(0, "127.0.0.1");
    await once(link.#server, "listening");
    return link;
  }

  get endpoint(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Until the result is disposed. What a fault has done to a connection stays done. */
  inject(fault: LinkFault): Disposable {
    this.#fault = fault;
    this.#since = { there: 0, back: 0 };
    this.#struck = false;
    if (fault === "half-open") for (const relay of this.#relays) relay.abandon();
    return {
      [Symbol.dispose]: () => {
        this.#fault = undefined;
        for (const relay of this.#relays) relay.wake();
      },
    };
  }

  /** Resets whatever is connected. */
  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  #accept(near: Socket): void {
    this.#keep(near);
    if (this.#fault === "refused") near.resetAndDestroy();
    else if (this.#fault === "never answered" || this.#fault === "half-open") near.resume();
    else {
      const far = connect(this.target, "127.0.0.1");
      this.#keep(far);
      const relay = new Relay(near, far, {
        fault: (way) => this.#faultOf(way),
        strikes: (fault, bytes) => this.#strikes(fault, bytes),
        delivered: (way, bytes) => (this.passed[way] += bytes),
      });
      this.#relays.add(relay);
      near.once("close", () => this.#relays.delete(relay));
    }
  }

  #faultOf(way: Way): ByteFault | FlowFault | undefined {
    const fault = this.#fault;
    if (typeof fault !== "object") return undefined;
    return fault.way === way || fault.way === "both" ? fault : undefined;
  }

  /** Whether a byte fault's moment is within these bytes. It comes once. */
  #strikes({ way, afterBytes }: ByteFault, bytes: number): boolean {
    this.#since[way] += bytes;
    if (this.#struck || this.#since[way] <= afterBytes) return false;
    this.#struck = true;
    return true;
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fault = undefined;
    for (const relay of this.#relays) relay.wake();
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}

interface Faults {
  readonly fault: (way: Way) => ByteFault | FlowFault | undefined;
  readonly strikes: (fault: ByteFault, bytes: number) => boolean;
  readonly delivered: (way: Way, bytes: number) => void;
}

/** One connection: what comes in at one end goes out at the other, as the fault of the moment has it. */
class Relay {
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #faults: Faults;
  #isAbandoned = false;
  #woken = Promise.withResolvers<void>();

  constructor(near: Socket, far: Socket, faults: Faults) {
    this.#near = near;
    this.#far = far;
    this.#faults = faults;
    void this.#carry(near, far, "there");
    void this.#carry(far, near, "back");
    near.once("close", () => far.destroy());
    far.once("close", () => {
      if (!this.#isAbandoned) near.destroy();
    });
  }

  /** The far end goes, and the near end hears nothing of it, ever. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#far.destroy();
    this.#near.resume();
  }

  /** A fault is over. */
  wake(): void {
    this.#woken.resolve();
    this.#woken = Promise.withResolvers();
  }

  async #carry(from: Socket, to: Socket, way: Way): Promise<void> {
    try {
      for await (const piece of from as AsyncIterable<Buffer>) {
        if (!this.#isAbandoned) await this.#pass(piece, to, way);
      }
      if (!this.#isAbandoned) to.end();
    } catch {
      if (!this.#isAbandoned) to.destroy();
    }
  }

  async #pass(piece: Buffer, to: Socket, way: Way): Promise<void> {
    const fault = this.#faults.fault(way);
    if (fault === undefined) return this.#write(piece, to, way);
    switch (fault.kind) {
      case "delayed":
        await delay(fault.ms);
        return this.#write(piece, to, way);
      case "dripping":
        for (let at = 0; at < piece.length; at += DRIP_BYTES) {
          if (this.#faults.fault(way) === fault) await delay(fault.ms);
          this.#write(piece.subarray(at, at + DRIP_BYTES), to, way);
        }
        return;
      case "held":
        while (this.#faults.fault(way) === fault) await this.#woken.promise;
        return this.#write(piece, to, way);
      case "lost":
      case "repeated":
      case "swapped":
      case "flipped":
      case "cut":
      case "torn":
        if (!this.#faults.strikes(fault, piece.length)) return this.#write(piece, to, way);
        return this.#strike(fault, piece, to, way);
    }
  }

  #strike({ kind }: ByteFault, piece: Buffer, to: Socket, way: Way): void {
    const middle = piece.length >> 1;
    switch (kind) {
      case "lost":
        return;
      case "repeated":
        this.#write(piece, to, way);
        return this.#write(piece, to, way);
      case "swapped":
        return this.#write(
          Buffer.concat([piece.subarray(middle), piece.subarray(0, middle)]),
          to,
          way,
        );
      case "flipped": {
        const changed = Buffer.from(piece);
        changed[middle] = (changed[middle] as number) ^ 1;
        return this.#write(changed, to, way);
      }
      case "cut":
        this.#write(piece.subarray(0, middle), to, way);
        this.#near.end();
        this.#far.end();
        return;
      case "torn":
        this.#near.resetAndDestroy();
        this.#far.resetAndDestroy();
        return;
    }
  }

  #write(piece: Buffer, to: Socket, way: Way): void {
    if (!to.writable) return;
    to.write(piece);
    this.#faults.delivered(way, piece.length);
  }
}
