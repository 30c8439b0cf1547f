// Bytes on each link, TLS and all: a question alone, questions at saturation, a batch. The gateway reaches provinces and authority
// through connections that count, and the institution reaches the gateway so; what a link carries when nobody asks is not
// taken off. A batch's results are fetched beside the link.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { ask, keptAgent, prepare, saturate } from "./asking.ts";
import { runBatch } from "./batch.ts";
import { BenchFederation } from "./bench-federation.ts";
import type { BenchOptions, BenchResult } from "./main.ts";

/** Bytes of one link since it was last asked, from the caller's side. */
interface Carried {
  readonly sent: number;
  readonly received: number;
}

/** A port of this machine that leads to another of its ports. */
class CountingLink implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #sent = 0;
  #received = 0;

  private constructor(target: number) {
    this.#server = createServer((near) => {
      const far = connect(target, "127.0.0.1");
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on("error", () => undefined);
        socket.once("close", () => this.#sockets.delete(socket));
      }
      near.on("data", ({ length }) => (this.#sent += length));
      far.on("data", ({ length }) => (this.#received += length));
      near.once("close", () => far.destroy());
      far.once("close", () => near.destroy());
      near.pipe(far).pipe(near);
    });
  }

  static async open(target: number): Promise<CountingLink> {
    const link = new CountingLink(target);
    link.#server.listen(0, "127.0.0.1");
    await once(link.#server, "listening");
    return link;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  take(): Carried {
    const carried = { sent: this.#sent, received: this.#received };
    this.#sent = 0;
    this.#received = 0;
    return carried;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}

interface Run {
  readonly what: "alone" | "saturated" | "batch";
  readonly count: number;
  /** Bytes per question: of all provinces together, and there and back for one of them. */
  readonly institution: Carried;
  readonly provinces: Carried;
  readonly province: Carried;
  readonly authority: Carried;
}

export async function run({ quick }: BenchOptions): Promise<BenchResult> {
  await using resources = new AsyncDisposableStack();
  const links = new Map<string, CountingLink>();
  const federation = await BenchFederation.start({
    provinces: quick ? 3 : 31,
    peoplePerProvince: 20,
    consents: 200,
    twin: false,
    link: async (party, port) => {
      const link = resources.use(await CountingLink.open(port));
      links.set(party, link);
      return link.port;
    },
  });
  resources.use(federation);
  const { askers, settings } = federation;
  const gateway = resources.use(await CountingLink.open(settings.gatewayPort));
  const gatewayUrl = `http://127.0.0.1:${gateway.port}`;
  const measure = async (what: Run["what"], count: number, work: () => Promise<unknown>) => {
    const take = () => {
      const institution = gateway.take();
      const each = [...links].map(([party, link]) => ({ party, ...link.take() }));
      return { institution, each };
    };
    take();
    await work();
    const { institution, each } = take();
    const perQuestion = (some: readonly Carried[]): Carried => ({
      sent: some.reduce((sum, { sent }) => sum + sent, 0) / count,
      received: some.reduce((sum, { received }) => sum + received, 0) / count,
    });
    const provinces = perQuestion(each.filter(({ party }) => party !== "authority"));
    const share = links.size - 1;
    return {
      what,
      count,
      institution: perQuestion([institution]),
      provinces,
      province: { sent: provinces.sent / share, received: provinces.received / share },
      authority: perQuestion(each.filter(({ party }) => party === "authority")),
    };
  };
  const [alone, many, rows] = quick ? [5, 100, 186] : [50, 4000, 18_600];
  const runs: Run[] = [
    await measure("alone", alone, async () => {
      using agent = keptAgent(1);
      for (const one of await prepare(askers, alone)) await ask(gatewayUrl, one, agent.agent);
    }),
    await measure("saturated", many, () => saturate(gatewayUrl, askers, many, 256)),
    await measure("batch", rows, () => {
      const line = ({ token }: { token: string }) =>
        JSON.stringify({ product: "credit-score@1", token });
      const lines = Array.from({ length: rows }, (_, i) =>
        line(askers[i % askers.length] as (typeof askers)[0]),
      );
      return runBatch(federation, lines, gatewayUrl);
    }),
  ];
  const metrics = Object.fromEntries(
    runs.flatMap(({ what, institution, province, authority }) =>
      Object.entries({ institution, province, authority }).flatMap(([link, { sent, received }]) => [
        [`${what}_${link}_sent_bytes`, Math.round(sent)],
        [`${what}_${link}_received_bytes`, Math.round(received)],
      ]),
    ),
  );
  return { metrics, runs };
}
