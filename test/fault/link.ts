// A TCP connection that leads to another party from one moment to the next, or nowhere: what a caller meets when the party behind an
// address changes. TLS stays end to end.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** What becomes of new connections. */
type Fault = "refused" | "never answered";

export class Link implements AsyncDisposable {
  /** Where it leads to: a port of this machine. */
  target = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #fault: Fault | undefined;

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

  /** Until the result is disposed. */
  inject(fault: Fault): Disposable {
    this.#fault = fault;
    return { [Symbol.dispose]: () => (this.#fault = undefined) };
  }

  #accept(near: Socket): void {
    this.#keep(near);
    if (this.#fault === "refused") near.resetAndDestroy();
    else if (this.#fault === "never answered") near.resume();
    else {
      const far = connect(this.target, "127.0.0.1");
      this.#keep(far);
      near.once("close", () => far.destroy());
      far.once("close", () => near.destroy());
      near.pipe(far).pipe(near);
    }
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}
