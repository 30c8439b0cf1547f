// Settings from the environment, validated before anything starts, and the layout of WJF_HOME: the one folder for all
// that a run keeps. Each party reads only its own subfolder, so that in production they lie on different machines.
import { join, resolve } from "node:path";
import { z } from "zod";
import { HTTP_LIMITS } from "./http-server.ts";
import type { ProvinceCode } from "./ids.ts";
import { parseWith } from "./parse.ts";

/** A number as it is written. An empty variable is none: as a number it would be 0, and turn off what it sets. */
export const Numeral = z
  .string()
  .regex(/^-?[0-9]+(\.[0-9]+)?$/, "a decimal number")
  .transform(Number);

export const Port = Numeral.pipe(z.int().min(1).max(65_535));

export const Settings = z.object({
  /** Root of everything kept on disk. */
  WJF_HOME: z.string().min(1).default(".wjf"),
  /** `production` refuses everything that is simulated. */
  WJF_ENV: z.enum(["development", "production"]).default("development"),
  /** Address that listeners bind to. */
  WJF_BIND: z.string().min(1).default("127.0.0.1"),
  /** A TLS terminator stands in front of the authority, and alone can reach it: its `X-Forwarded-*` headers are believed. */
  WJF_TRUST_PROXY: z.stringbool().default(false),
  /** Open HTTP connections that gateway and authority each take; further ones are refused and closed. */
  WJF_MAX_CONNECTIONS: Numeral.pipe(z.int().min(1).max(100_000)).default(HTTP_LIMITS.connections),
  WJF_GATEWAY_PORT: Port.default(8080),
  WJF_AUTHORITY_PORT: Port.default(8081),
  WJF_AUTHORITY_GRPC_PORT: Port.default(8090),
  /** A node listens on this plus its GB/T 2260 code. */
  WJF_NODE_BASE_PORT: Port.default(9000),
  /** Origin by which institutions know the gateway: token audience and DPoP `htu`. Default: its local address. */
  WJF_GATEWAY_URL: z.url().optional(),
  /** Origin by which institutions and people know the authority: token issuer. */
  WJF_AUTHORITY_URL: z.url().optional(),
  /** host:port of the authority's gRPC service, as gateway and nodes reach it. */
  WJF_AUTHORITY_ENDPOINT: z
    .string()
    .regex(/^[A-Za-z0-9.-]+:\d+$/, "host:port")
    .optional(),
  /** The authority's state: `sqlite:<path>` or `postgres://…`. Default: a file in WJF_HOME. */
  WJF_DATABASE_URL: z.string().optional(),
  /** The gateway's own state, which its replicas share; never the authority's database. Default: a file in WJF_HOME. */
  WJF_GATEWAY_DATABASE_URL: z.string().optional(),
  /** Days that a finished batch's results are kept for. */
  WJF_BATCH_RETENTION_DAYS: Numeral.pipe(z.int().min(1).max(90)).default(7),
  /** SIMULATED: alerts may also go to this machine, under certificates (a PEM file) of one's own making. Refused in production. */
  WJF_ALERT_SANDBOX_CA: z.string().min(1).optional(),
  /** An epoch opens fan-outs for so long. */
  WJF_EPOCH_LIFETIME_S: Numeral.pipe(
    z
      .int()
      .min(10)
      .max(7 * 86_400),
  ).default(86_400),
  /** Or until so many releases; a node answers twice as many fan-outs of an epoch, each once. */
  WJF_EPOCH_MAX_RELEASES: Numeral.pipe(z.int().min(1).max(65_536)).default(65_536),
  /** Probability that a release's merge is audited. */
  WJF_MERGE_AUDIT_PROBABILITY: Numeral.pipe(z.number().min(0).max(1)).default(1),
  /** A fan-out's time limit. */
  WJF_FAN_OUT_TIMEOUT_MS: Numeral.pipe(z.int().min(100).max(120_000)).default(5000),
  /** A node's replies leave on multiples of this, counted from the request's arrival. */
  WJF_REPLY_QUANTUM_MS: Numeral.pipe(z.int().min(0).max(1000)).default(5),
  /** Share of admitted items whose tokens a node verifies itself all the same. 1: all of them. */
  WJF_VERIFY_SAMPLE: Numeral.pipe(z.number().min(0).max(1)).default(1 / 16),
});

export type Settings = ReturnType<typeof readSettings>;

/** @throws WjfError `config-invalid`, naming the variable and the rule. */
export function readSettings(environment: NodeJS.ProcessEnv = process.env) {
  const raw = parseWith(Settings, environment, "config-invalid", "environment");
  return {
    home: resolve(raw.WJF_HOME),
    production: raw.WJF_ENV === "production",
    bind: raw.WJF_BIND,
    trustProxy: raw.WJF_TRUST_PROXY,
    maxConnections: raw.WJF_MAX_CONNECTIONS,
    gatewayPort: raw.WJF_GATEWAY_PORT,
    authorityPort: raw.WJF_AUTHORITY_PORT,
    authorityGrpcPort: raw.WJF_AUTHORITY_GRPC_PORT,
    nodeBasePort: raw.WJF_NODE_BASE_PORT,
    gatewayUrl: raw.WJF_GATEWAY_URL ?? `http://127.0.0.1:${raw.WJF_GATEWAY_PORT}`,
    authorityUrl: raw.WJF_AUTHORITY_URL ?? `http://127.0.0.1:${raw.WJF_AUTHORITY_PORT}`,
    authorityEndpoint: raw.WJF_AUTHORITY_ENDPOINT ?? `127.0.0.1:${raw.WJF_AUTHORITY_GRPC_PORT}`,
    databaseUrl: raw.WJF_DATABASE_URL,
    gatewayDatabaseUrl: raw.WJF_GATEWAY_DATABASE_URL,
    batchRetentionDays: raw.WJF_BATCH_RETENTION_DAYS,
    alertSandboxCa: raw.WJF_ALERT_SANDBOX_CA,
    epochLifetimeS: raw.WJF_EPOCH_LIFETIME_S,
    epochMaxReleases: raw.WJF_EPOCH_MAX_RELEASES,
    mergeAuditProbability: raw.WJF_MERGE_AUDIT_PROBABILITY,
    fanOutTimeoutMs: raw.WJF_FAN_OUT_TIMEOUT_MS,
    replyQuantumMs: raw.WJF_REPLY_QUANTUM_MS,
    verifySample: raw.WJF_VERIFY_SAMPLE,
  };
}

/** What can be made again: compiled code. */
export function cacheFolder(home: string): string {
  return join(home, "cache");
}

/** Where a party keeps its files below WJF_HOME. */
export function partyFolder(home: string, party: "authority" | "gateway" | ProvinceCode): string {
  return party === "authority" || party === "gateway"
    ? join(home, party)
    : join(home, "nodes", party);
}

export function nodePort(settings: Pick<Settings, "nodeBasePort">, code: ProvinceCode): number {
  return settings.nodeBasePort + Number(code);
}
