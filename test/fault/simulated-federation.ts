// A federation of real processes, authority, gateway and nodes, between which every connection goes through a link that can be made to
// fail. Consents are given by a second writer of the authority's database, in this process, which also reads the log.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCatalogue } from "../../catalogue/index.ts";
import { bundleProvinceNode } from "../../cli/bundle.ts";
import { performCeremony } from "../../cli/ceremony.ts";
import type { AuthorityDb, ConsentLedger } from "../../consent/ledger.ts";
import { openLedger } from "../../consent/open-ledger.ts";
import { readAuthoritySecrets } from "../../consent/secrets.ts";
import { partyFolder, readSettings, type Settings } from "../../core/config.ts";
import type { ProvinceCode } from "../../core/ids.ts";
import { NODE_V8_FLAGS } from "../../core/process.ts";
import { PROVINCES } from "../../core/provinces.ts";
import { drain, resume, type TruthPerson } from "../../province-node/index.ts";
import { Bank } from "../federation/bank.ts";
import { type Federation, freePorts, loadSandbox } from "../federation/federation.ts";
import { frontDesk } from "./killable-federation.ts";
import { Link } from "./link.ts";
import { PartyProcess } from "./party-process.ts";
import type { LinkName, PartyName } from "./simulation-plan.ts";

export interface SimulatedOptions {
  readonly nodes: number;
  readonly peoplePerProvince: number;
  /** Of a fan-out. */
  readonly timeoutMs: number;
  /** Where compiled code is kept from one federation to the next. */
  readonly cache: string;
}

/** Of a line that a party has written. */
const WRITTEN_CHARACTERS = 240;
const ROOT = join(import.meta.dirname, "../..");
const CLOCK = join(import.meta.dirname, "skewed-clock.ts");

const bundles = new Map<string, Promise<string>>();

/** The node's code in one file, made once for all federations of a cache, of which several may start at the same time. */
async function bundled(cache: string): Promise<string> {
  const made = bundles.get(cache) ?? bundleProvinceNode(join(cache, "node"));
  bundles.set(cache, made);
  return await made;
}

export class SimulatedFederation implements AsyncDisposable {
  readonly settings: Settings;
  readonly codes: readonly ProvinceCode[];
  readonly truth: readonly TruthPerson[];
  readonly bank: Bank;
  readonly db: AuthorityDb;
  readonly ledger: ConsentLedger;
  /** Where the institution asks: through its link. */
  readonly url: string;
  /** Processes that ended, and nobody had asked them to. */
  readonly deaths: readonly string[];
  readonly #links: ReadonlyMap<LinkName, Link>;
  readonly #parties: ReadonlyMap<PartyName, PartyProcess>;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    known: Pick<
      SimulatedFederation,
      "settings" | "codes" | "truth" | "bank" | "db" | "ledger" | "deaths"
    >,
    links: ReadonlyMap<LinkName, Link>,
    parties: ReadonlyMap<PartyName, PartyProcess>,
    resources: AsyncDisposableStack,
  ) {
    this.settings = known.settings;
    this.codes = known.codes;
    this.truth = known.truth;
    this.bank = known.bank;
    this.db = known.db;
    this.ledger = known.ledger;
    this.deaths = known.deaths;
    this.url = known.settings.gatewayUrl;
    this.#links = links;
    this.#parties = parties;
    this.#resources = resources;
  }

  static async start(options: SimulatedOptions): Promise<SimulatedFederation> {
    await using resources = new AsyncDisposableStack();
    const home = mkdtempSync(join(tmpdir(), "wjf-simulation-"));
    resources.defer(() => rmSync(home, { recursive: true, force: true }));
    const provinces = PROVINCES.slice(0, options.nodes);
    const links = new Map<LinkName, Link>();
    for (const name of ["institution", "authority", "follow", ...provinces.keys()] as const) {
      links.set(name, resources.use(await Link.open()));
    }
    const [gatewayPort, httpPort, grpcPort, ...nodePorts] = await freePorts(3 + options.nodes);
    (links.get("institution") as Link).target = gatewayPort as number;
    (links.get("authority") as Link).target = grpcPort as number;
    (links.get("follow") as Link).target = grpcPort as number;
    nodePorts.forEach((port, i) => ((links.get(i) as Link).target = port));
    const environment = {
      WJF_HOME: home,
      WJF_GATEWAY_PORT: String(gatewayPort),
      WJF_AUTHORITY_PORT: String(httpPort),
      WJF_AUTHORITY_GRPC_PORT: String(grpcPort),
      WJF_GATEWAY_URL: `http://${links.get("institution")?.endpoint}`,
      WJF_FAN_OUT_TIMEOUT_MS: String(options.timeoutMs),
      WJF_LOG_LEVEL: "warn",
      NODE_COMPILE_CACHE: options.cache,
    };
    const settings = readSettings(environment);
    const codes = provinces.map(({ code }) => code);
    const endpoint = ({ code }: { code: ProvinceCode }): string =>
      links.get(codes.indexOf(code))?.endpoint ?? "";
    await performCeremony({ settings, provinces, endpoint, nowMs: Date.now() });
    const truth = await loadSandbox(settings, provinces, options);
    const secrets = readAuthoritySecrets(join(partyFolder(home, "authority"), "secrets"));
    const { db, ledger } = resources.use(await openLedger(settings, secrets));
    const deaths: string[] = [];
    const parties = new Map<PartyName, PartyProcess>();
    const add = (name: PartyName, args: readonly string[], more: NodeJS.ProcessEnv = {}): void => {
      const start = {
        args: [`--import=${CLOCK}`, ...args],
        environment: { ...environment, ...more },
        onDeath: (how: string) => void deaths.push(how),
      };
      parties.set(name, new PartyProcess(start));
    };
    add("authority", [join(ROOT, "consent/main.ts")]);
    const main = await bundled(options.cache);
    for (const [i, code] of codes.entries()) {
      add(i, [...NODE_V8_FLAGS, main, "--province", code], {
        WJF_AUTHORITY_ENDPOINT: links.get("follow")?.endpoint,
        WJF_NODE_BASE_PORT: String((nodePorts[i] as number) - Number(code)),
      });
    }
    add("gateway", [join(ROOT, "gateway/main.ts")], {
      WJF_AUTHORITY_ENDPOINT: links.get("authority")?.endpoint,
    });
    resources.defer(async () => {
      await Promise.all([...parties.values()].map((party) => party[Symbol.asyncDispose]()));
    });
    for (const party of parties.values()) party.spawn();
    await Promise.all([...parties.values()].map((party) => party.ready()));
    const service = frontDesk(settings, secrets, db, ledger);
    const gateway = { url: settings.gatewayUrl };
    const products = [...loadCatalogue().products.keys()];
    const bank = await Bank.register({ settings, gateway, authority: { service } } as Federation, {
      products,
    });
    const known = { settings, codes, truth, bank, db, ledger, deaths };
    return new SimulatedFederation(known, links, parties, resources.move());
  }

  link(name: LinkName): Link {
    return this.#links.get(name) as Link;
  }

  party(name: PartyName): PartyProcess {
    return this.#parties.get(name) as PartyProcess;
  }

  /** Bytes that have come from each node, in order. */
  received(): number[] {
    return this.codes.map((_, i) => this.link(i).passed.back);
  }

  /** The last of what every party has written. */
  written(): string {
    const lines = [...this.#parties].flatMap(([name, { written }]) =>
      written.split("\n").map((line) => `  ${name} ${line.slice(0, WRITTEN_CHARACTERS)}`),
    );
    return lines.join("\n");
  }

  drain(node: number): Disposable {
    const folder = partyFolder(this.settings.home, this.codes[node] as ProvinceCode);
    drain(folder);
    return { [Symbol.dispose]: () => resume(folder) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
