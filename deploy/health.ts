// The image's HEALTHCHECK, one for all parties: finds whose folder this container holds and asks that party on
// loopback. HTTP parties must answer /healthz; a node must complete a mutual TLS handshake in its own name. Imports
// nothing of ours: it starts every minute in 33 containers, and loading the schemas would cost four times the check.
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { connect } from "node:tls";

const TIMEOUT_MS = 8000;
const PROVINCE_CODES = Array.from({ length: 90 }, (_, index) => String(index + 10));

export interface Target {
  readonly party: string;
  readonly secrets: string;
  readonly port: number;
}

/** The party whose TLS certificate lies below WJF_HOME: in a container there is one. */
export function findParty(environment: NodeJS.ProcessEnv = process.env): Target | undefined {
  const home = environment["WJF_HOME"] ?? ".wjf";
  const port = (variable: string, fallback: number) => Number(environment[variable] ?? fallback);
  const base = port("WJF_NODE_BASE_PORT", 9000);
  const targets: Target[] = [
    {
      party: "authority",
      secrets: join(home, "authority", "secrets"),
      port: port("WJF_AUTHORITY_PORT", 8081),
    },
    {
      party: "gateway",
      secrets: join(home, "gateway", "secrets"),
      port: port("WJF_GATEWAY_PORT", 8080),
    },
    ...PROVINCE_CODES.map((code) => ({
      party: `p${code}`,
      secrets: join(home, "nodes", code, "secrets"),
      port: base + Number(code),
    })),
  ];
  return targets.find(({ secrets }) => existsSync(join(secrets, "tls.crt")));
}

/** Resolves when healthy, rejects with the reason when not. */
export async function checkHealth(target: Target): Promise<void> {
  if (/^p\d\d$/.test(target.party)) return await shakeHands(target);
  const request = get({ host: "127.0.0.1", port: target.port, path: "/healthz" });
  request.setTimeout(TIMEOUT_MS, () => request.destroy(new Error("no answer in time")));
  const [response] = (await once(request, "response")) as [IncomingMessage];
  response.resume();
  if (response.statusCode !== 200) throw new Error(`/healthz answered ${response.statusCode}`);
}

async function shakeHands({ party, secrets, port }: Target): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({
    host: "127.0.0.1",
    port,
    // proto/mutual-tls.ts: a certificate names a role, not a host.
    servername: `${party}.weijifen.internal`,
    ca: readFileSync(join(secrets, "ca.crt")),
    cert: readFileSync(join(secrets, "tls.crt")),
    key: readFileSync(join(secrets, "tls.key")),
    ALPNProtocols: ["h2"],
  });
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error("no handshake in time")));
  socket.once("error", reject);
  // Under TLS 1.3 a server refuses a client's certificate only after the client's own handshake: its first bytes
  // (HTTP/2 SETTINGS) are the proof that it let this one in.
  socket.once("data", () => resolve());
  socket.once("close", () => reject(new Error("closed before the server spoke")));
  await promise.finally(() => socket.destroy());
}

if (import.meta.main) {
  const target = findParty();
  if (!target) {
    process.stderr.write("no party's certificate below WJF_HOME\n");
    process.exitCode = 1;
  } else {
    try {
      await checkHealth(target);
      process.stdout.write(`${target.party}: healthy\n`);
    } catch (error) {
      process.stderr.write(
        `${target.party}: ${error instanceof Error ? error.message : "failed"}\n`,
      );
      process.exitCode = 1;
    }
  }
}
