// Where alerts may go. An institution chooses the address, and the gateway stands inside a network: without this, it could be made
// to knock at the metadata service, the database or a province (server-side request forgery, OWASP API7:2023). Addresses are
// judged twice: as they are written, here, and as they are connected to, in send.ts.
import { BlockList, isIP, isIPv6 } from "node:net";
import { WjfError } from "../../core/errors.ts";

export interface SinkPolicy {
  /** Whether a connection to this IP address is allowed. */
  allows(address: string): boolean;
  /** Certificates (PEM) that are believed in place of the system's. */
  readonly ca?: string;
}

/** The IANA special-purpose registries, multicast and the reserved rest: nothing of them is on the public internet. */
const FORBIDDEN_IPV4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  // Link-local, and with it most clouds' metadata service.
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  // Looks public, and answers only inside one cloud: its host agent.
  "168.63.129.16/32",
];

/** Of IPv6 only global unicast is allowed, so that every form with an IPv4 address in it outside of that is refused with it. */
const GLOBAL_IPV6 = "2000::/3";

/** What is within it and yet special: Teredo and its neighbours, documentation, 6to4 (an IPv4 address in disguise). */
const FORBIDDEN_IPV6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

const LOOPBACK = ["127.0.0.0/8", "::1/128"];

const forbidden = listOf([...FORBIDDEN_IPV4, ...FORBIDDEN_IPV6]);
const global = listOf([GLOBAL_IPV6]);
const loopback = listOf(LOOPBACK);

/** The only policy there is in production. */
export const PUBLIC_SINKS: SinkPolicy = {
  allows: (address) =>
    isIP(address) !== 0 &&
    (!isIPv6(address) || matches(global, address)) &&
    !matches(forbidden, address),
};

/**
 * SIMULATED: an institution on this machine, under a certificate of one's own making.
 * @throws WjfError `config-invalid` in production.
 */
export function sandboxSinks(ca: string, production: boolean): SinkPolicy {
  if (production) throw new WjfError("config-invalid", "WJF_ALERT_SANDBOX_CA in production");
  return {
    allows: (address) => PUBLIC_SINKS.allows(address) || matches(loopback, address),
    ca,
  };
}

const MAX_SINK_LENGTH = 2048;

/**
 * A name is taken as it is: what it resolves to is judged when it is connected to.
 * @throws WjfError `sink-refused`.
 */
export function parseSink(url: string, policy: SinkPolicy): URL {
  const sink = url.length <= MAX_SINK_LENGTH ? URL.parse(url) : null;
  // As it is kept too, where a character may have become nine: PostgreSQL has no index over more.
  if (sink === null || sink.href.length > MAX_SINK_LENGTH)
    throw refused(`a URL of at most ${MAX_SINK_LENGTH} characters`);
  if (sink.protocol !== "https:") throw refused("https");
  if (sink.username !== "" || sink.password !== "") throw refused("no credentials");
  // `URL` drops an empty fragment without a word.
  if (url.includes("#")) throw refused("no fragment");
  const address = literalAddress(sink);
  if (address !== undefined && !policy.allows(address)) throw refused("a public address");
  return sink;
}

/** The host where it is an address and not a name. `URL` has written every spelling of one, octal or short, in its one form. */
export function literalAddress({ hostname }: URL): string | undefined {
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  return isIP(host) === 0 ? undefined : host;
}

function refused(rule: string): WjfError {
  return new WjfError("sink-refused", `sink: ${rule}`);
}

function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [net = "", prefix] = range.split("/");
    list.addSubnet(net, Number(prefix), isIPv6(net) ? "ipv6" : "ipv4");
  }
  return list;
}

function matches(list: BlockList, address: string): boolean {
  return list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}
